"""What a reward model, or a policy's implicit reward, makes of the dataset's held-out pairs.

Covered: accuracy with its slices by length, category and source, beside what needs no model (the longer answer, the one
that stood first); against people, where people decided, Brier score,
log loss and ECE of P(chosen). Not covered: files of the user's own; see the command `evaluate`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.reward_model import (
    RewardMeta,
    RewardModel,
    RewardScores,
    against_people,
    always_first,
    evaluate_pairs,
    people_json,
    people_share,
    preference_probability,
)

__all__ = ["PairScores", "measured", "measured_reward", "pair_scores", "score_pairs"]

SIDES = ("chosen", "rejected")
Rows = Sequence[Mapping[str, Any]]


class PairScores(NamedTuple):
    """The rewards of both sides of pairs, in their order; nan where a side is too long to be scored."""

    chosen: NDArray[np.float64]
    rejected: NDArray[np.float64]
    p_chosen: NDArray[np.float64]
    """P(chosen is better), by the model's temperature where it has one."""
    agreement: NDArray[np.float64] | None = None
    """Of an ensemble: the share of members that prefer the side that their mean prefers."""


def score_pairs(folder: Path, rows: Rows) -> PairScores:
    """Score both sides of the dataset's rows with the reward model in `folder`."""
    model = RewardModel.load(folder, hold=True)
    chosen, rejected = (model.scores([{**row, "completion": row[side]} for row in rows]) for side in SIDES)
    return pair_scores(chosen, rejected, model.meta)


def pair_scores(chosen: RewardScores, rejected: RewardScores, meta: RewardMeta) -> PairScores:
    """Of the scores of both sides by the model that `meta` describes."""
    p_chosen = preference_probability(chosen.mean, rejected.mean, meta.temperature_used)
    return PairScores(chosen.mean, rejected.mean, p_chosen, chosen.agreement(rejected) if meta.ensemble else None)


def measured_reward(folder: Path, rows: Rows, scores: PairScores | None = None) -> dict[str, Any] | None:
    """The figures of the reward model in `folder` on all held-out rows; None where no pair has a better answer.

    `scores` are those of the rows, where they are known already.
    """
    decided = [i for i, row in enumerate(rows) if row["p_chosen"] != 0.5]
    if not decided:
        return None
    scores = scores or score_pairs(folder, rows)
    found = measured([rows[i] for i in decided], scores.chosen[decided], scores.rejected[decided])
    people = against_people(scores.p_chosen, [people_share(row) for row in rows], [row["prompt_id"] for row in rows])
    agreement = {} if scores.agreement is None else {"agreement": float(np.nanmean(scores.agreement))}
    return {**found, **agreement, **({"people": people_json(people)} if people else {})}


def measured(rows: Rows, chosen: Any, rejected: Any) -> dict[str, Any]:
    """The accuracy of scores on pairs that were decided, with that of rules that need no model, and its slices."""
    lengths = {side: [len(row[f"{side}_text"]) for row in rows] for side in SIDES}
    prompts = [row["prompt_id"] for row in rows]
    scored = np.flatnonzero(np.isfinite(np.asarray(chosen, np.float64) - np.asarray(rejected, np.float64))).tolist()
    longer_chosen, longer_rejected = ([lengths[side][i] for i in scored] for side in SIDES)
    longer = evaluate_pairs(longer_chosen, longer_rejected, [prompts[i] for i in scored])
    first = always_first([rows[i] for i in scored], [prompts[i] for i in scored])
    found = evaluate_pairs(
        chosen,
        rejected,
        prompts,
        categories=[row["category"] for row in rows],
        chosen_lengths=lengths["chosen"],
        rejected_lengths=lengths["rejected"],
    ).to_json()
    baselines = {"longer_wins": longer.accuracy.to_json(), "always_first": first and first.to_json()}
    return {**found, **baselines, "by_source": _by_source(rows, chosen, rejected)}


def _by_source(rows: Rows, chosen: Sequence[float], rejected: Sequence[float]) -> dict[str, Any]:
    """The accuracy on pairs of each source of prompts, where there are several."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row["source"] or "none"].append(index)
    return {
        name: evaluate_pairs(
            [chosen[i] for i in found], [rejected[i] for i in found], [rows[i]["prompt_id"] for i in found]
        ).accuracy.to_json()
        for name, found in groups.items()
        if len(groups) > 1
    }
