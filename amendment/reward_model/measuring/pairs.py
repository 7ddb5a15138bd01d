"""How often scores prefer the answer that was chosen, row by row.

Trainers report means of batch means: nine pairs of which eight are right, in batches of eight and one, come out as 0.5.
Here every pair counts once, ties count half, and intervals are clustered by prompt. Promised: pairs without a finite
score are left out and counted, never scored as wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.reward_model.measuring.benchmarks import Figures
from amendment.statistics import Estimate, clustered_mean, macro_share, share


@dataclass(frozen=True, kw_only=True)
class PairEvaluation(Figures):
    """Agreement of scores with the orientation of pairs. Absent slices were not asked for or are empty."""

    accuracy: Estimate
    """Share of pairs whose chosen answer has the higher score; ties count half."""
    log_loss: Estimate
    """Of the Bradley-Terry model with the score difference as log-odds; nats per pair, ln 2 for a coin."""
    macro: Estimate | None
    """Mean of the categories' accuracies."""
    by_category: dict[str, Estimate]
    chosen_shorter: Estimate | None
    """Accuracy where the chosen answer is the shorter one; far below `chosen_longer` it speaks of length bias."""
    chosen_longer: Estimate | None


def evaluate_pairs(
    chosen_scores: ArrayLike,
    rejected_scores: ArrayLike,
    prompt_ids: Sequence[Hashable],
    *,
    categories: Sequence[str | None] | None = None,
    chosen_lengths: ArrayLike | None = None,
    rejected_lengths: ArrayLike | None = None,
    level: float = 0.95,
) -> PairEvaluation:
    """Evaluate scores of held-out pairs; all arguments have one entry per pair, lengths in any one unit.

    For DPO's implicit reward give the policy's margins as `chosen_scores` and zeros as `rejected_scores`.
    """
    difference = np.asarray(chosen_scores, dtype=np.float64) - np.asarray(rejected_scores, dtype=np.float64)
    finite = np.isfinite(difference)
    rows, d = np.flatnonzero(finite).tolist(), difference[finite]
    prompts = [prompt_ids[i] for i in rows]
    right = (d > 0) + 0.5 * (d == 0)
    names = None if categories is None else [categories[i] or "" for i in rows]
    shorter = longer = None
    if chosen_lengths is not None and rejected_lengths is not None:
        excess = (np.asarray(chosen_lengths, dtype=np.float64) - np.asarray(rejected_lengths, dtype=np.float64))[finite]
        shorter, longer = (_slice(right, where, prompts, level) for where in (excess < 0, excess > 0))
    return PairEvaluation(
        accuracy=share(right, prompts, level),
        log_loss=clustered_mean(np.logaddexp(0.0, -d), prompts, level),
        macro=None if names is None else macro_share(right, names, prompts, level),
        by_category={
            name: estimate
            for name in sorted(set(names or []))
            if (estimate := _slice(right, np.array(names, dtype=object) == name, prompts, level))
        },
        chosen_shorter=shorter,
        chosen_longer=longer,
        unscored=int((~finite).sum()),
    )


def _slice(
    values: NDArray[np.float64], where: NDArray[np.bool_], prompts: Sequence[Hashable], level: float
) -> Estimate | None:
    """The mean over the rows at which `where` holds, or None where there are none."""
    rows = np.flatnonzero(where).tolist()
    return share(values[rows], [prompts[i] for i in rows], level) if rows else None
