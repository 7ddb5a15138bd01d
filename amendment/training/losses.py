"""The losses of preference learning as formulas: arrays in, arrays out.

Not covered: gradients. TRL computes the same formulas on tensors while training; these are for
evaluation and as oracles in tests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bradley_terry_loss", "dpo_logits", "sequence_margin"]

Floats = NDArray[np.float64]


def bradley_terry_loss(logits: ArrayLike, p_chosen: ArrayLike = 1.0) -> Floats:
    """Negative log-likelihood in nats of each comparison whose winner was chosen with log-odds `logits`.

    -(p log s(d) + (1 - p) log s(-d)), s the logistic function; d = r(chosen) - r(rejected) for a reward
    model (Bradley and Terry 1952), `dpo_logits` for DPO (Rafailov et al. 2023, eq. 7). p = 1: a hard label.
    """
    d, p = np.asarray(logits, dtype=np.float64), np.asarray(p_chosen, dtype=np.float64)
    return np.asarray(p * np.logaddexp(0.0, -d) + (1 - p) * np.logaddexp(0.0, d))


def sequence_margin(chosen_logps: ArrayLike, rejected_logps: ArrayLike) -> Floats:
    """log p(chosen) - log p(rejected), one per pair; log-probabilities are sums over completion tokens, in nats."""
    return np.asarray(chosen_logps, dtype=np.float64) - np.asarray(rejected_logps, dtype=np.float64)


def dpo_logits(policy_margin: ArrayLike, reference_margin: ArrayLike, *, beta: float) -> Floats:
    """Difference of implicit rewards, beta (policy - reference) margin (Rafailov et al. 2023, eq. 7)."""
    return beta * (np.asarray(policy_margin, dtype=np.float64) - np.asarray(reference_margin, dtype=np.float64))
