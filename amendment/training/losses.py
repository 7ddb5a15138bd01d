"""The losses of preference pairs on tensors: one value per pair, before weights. Tensor names end in their shape.

target_B is P(chosen is better): 1 for a hard label. Loads torch.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def soft_bradley_terry(logit_B: Tensor, target_B: Tensor) -> Tensor:
    """-(p log s(d) + (1 - p) log s(-d)) for log-odds d (Bradley and Terry 1952; for DPO Rafailov et al. 2023, eq. 7;
    with p between 0 and 1 conservative DPO, Mitchell 2023)."""
    return -(target_B * logsigmoid(logit_B) + (1 - target_B) * logsigmoid(-logit_B))


def identity_preference(difference_B: Tensor, target_B: Tensor, *, beta: float) -> Tensor:
    """p (h - 1 / 2b)^2 + (1 - p) (h + 1 / 2b)^2 (IPO, Azar et al. 2024, eq. 17, in expectation over the label).

    h is the difference of log-ratios to the reference, each the mean over the tokens of its completion.
    """
    goal = 1 / (2 * beta)
    return target_B * (difference_B - goal) ** 2 + (1 - target_B) * (difference_B + goal) ** 2


def robust_preference(logit_B: Tensor, *, flipped: float) -> Tensor:
    """((1 - e) l(d) - e l(-d)) / (1 - 2e) with l = -log s: the loss without noise, estimated without bias where a
    share e of the labels is flipped (robust DPO, Chowdhury et al. 2024, eq. 12). It can be negative."""
    return (-(1 - flipped) * logsigmoid(logit_B) + flipped * logsigmoid(-logit_B)) / (1 - 2 * flipped)


def centring(chosen_B: Tensor, rejected_B: Tensor) -> Tensor:
    """(r + r')^2: rewards whose level the Bradley-Terry loss leaves open are held at 0 (Eisenstein et al. 2023)."""
    return (chosen_B + rejected_B) ** 2


def weighted_loss(loss_B: Tensor, weight_B: Tensor) -> Tensor:
    """The mean of weighted losses; the weights have mean 1 over all pairs, not over the batch, so that small batches
    do not change what a pair counts."""
    return (loss_B * weight_B).mean()
