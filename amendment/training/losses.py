"""The losses of preference pairs on tensors: one value per pair, before weights. Tensor names end in their shape.

target_B is P(chosen is better): 1 for a hard label. Loads torch and TRL.

Below them the language-model head for small vocabularies on a CPU: half the time of a training step. TRL's fused head
saves memory by tiles and, off a GPU, also scores prompt and padding. With a small vocabulary there is no memory to
save: here the labelled positions are scored at once. The losses and metrics are those of TRL's head (a test compares
them). Not covered: heads that scale or cap their logits; such models keep TRL's.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid
from trl.trainer.utils import FusedCausalLMOutput

from amendment.training.model_files import bare

_VOCAB = 16_384
"""Above this the logits of a batch are worth TRL's tiles."""
_PLAIN = ("llama", "qwen2", "qwen3", "mistral")
"""Architectures whose logits are the product of hidden states and head, and nothing more."""


def soft_bradley_terry(logit_B: Tensor, target_B: Tensor) -> Tensor:
    """Return -(p log s(d) + (1 - p) log s(-d)) for log-odds d (Bradley and Terry 1952; for DPO Rafailov et al. 2023,
    eq. 7; with p between 0 and 1 conservative DPO, Mitchell 2023)."""
    return -(target_B * logsigmoid(logit_B) + (1 - target_B) * logsigmoid(-logit_B))


def identity_preference(difference_B: Tensor, target_B: Tensor, *, beta: float) -> Tensor:
    """Return p (h - 1 / 2b)^2 + (1 - p) (h + 1 / 2b)^2 (IPO, Azar et al. 2024, eq. 17, in expectation over the label).

    h is the difference of log-ratios to the reference, each the mean over the tokens of its completion.
    """
    goal = 1 / (2 * beta)
    return target_B * (difference_B - goal) ** 2 + (1 - target_B) * (difference_B + goal) ** 2


def robust_preference(logit_B: Tensor, *, flipped: float) -> Tensor:
    """Return ((1 - e) l(d) - e l(-d)) / (1 - 2e) with l = -log s: an unbiased estimate of the loss without noise if a
    share e of the labels is flipped (robust DPO, Chowdhury et al. 2024, eq. 12). It can be negative."""
    return (-(1 - flipped) * logsigmoid(logit_B) + flipped * logsigmoid(-logit_B)) / (1 - 2 * flipped)


def centring(chosen_B: Tensor, rejected_B: Tensor) -> Tensor:
    """Return (r + r')^2, which holds rewards at 0: the Bradley-Terry loss leaves their level open (Eisenstein et al.
    2023)."""
    return (chosen_B + rejected_B) ** 2


def weighted_loss(loss_B: Tensor, weight_B: Tensor) -> Tensor:
    """Return the mean of weighted losses. The weights have mean 1 over all pairs, not over the batch, so that small
    batches do not change the weight of a pair."""
    return (loss_B * weight_B).mean()


def use_dense_head(model: Any) -> bool:
    """Put the dense head in place of TRL's where it pays: CPU, plain head, small vocabulary. True if it was."""
    inner = bare(model)
    config = inner.config
    head = inner.get_output_embeddings()
    if head is None or head.bias is not None or head.weight.device.type != "cpu":
        return False
    if config.model_type not in _PLAIN or config.vocab_size > _VOCAB:
        return False
    theirs = inner.forward

    def forward(self: Any, *args: Any, fused_lm_head: bool = False, **kwargs: Any) -> Any:
        if not fused_lm_head or kwargs.get("labels") is None:
            return theirs(*args, fused_lm_head=fused_lm_head, **kwargs)
        labels = kwargs.pop("labels")[:, 1:]
        kwargs.pop("num_items_in_batch", None)
        hidden = self.base_model(*args, **kwargs | {"use_cache": False}).last_hidden_state[:, :-1]
        return _scored(hidden, self.get_output_embeddings().weight, labels)

    inner.forward = types.MethodType(forward, inner)
    return True


def _scored(hidden_BTD: torch.Tensor, weight_VD: torch.Tensor, labels_BT: torch.Tensor) -> FusedCausalLMOutput:
    """Return the fields that TRL's trainers read; zero without a label."""
    mask_BT = labels_BT != -100
    targets_N = labels_BT[mask_BT]
    logits_NV = hidden_BTD[mask_BT] @ weight_VD.T
    logps_NV = logits_NV.log_softmax(-1)
    logp_N = logps_NV.gather(1, targets_N[:, None]).squeeze(1)

    def spread(values_N: torch.Tensor) -> torch.Tensor:
        return values_N.new_zeros(mask_BT.shape).masked_scatter(mask_BT, values_N)

    with torch.no_grad():
        entropy_N = -(logps_NV.exp() * logps_NV).sum(-1)
        is_top1_N = logits_NV.argmax(-1) == targets_N
        mean_N = logits_NV.mean(-1)
    return FusedCausalLMOutput(
        loss=-logp_N.sum() / mask_BT.sum().clamp(min=1),
        log_probs=spread(logp_N),
        entropy=spread(entropy_N),
        mean_logits=spread(mean_N),
        is_top1=spread(is_top1_N),
        label_mask=mask_BT,
    )
