"""Measure a reward model, or the implicit reward of a policy, on held-out pairs.

Covered: accuracy with its slices by length, category and source, and what needs no model (the longer answer, the one
that was shown first); against people, where people decided, Brier score, log loss and ECE of P(chosen).
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
    against_people,
    always_first,
    evaluate_pairs,
    people_json,
    people_share,
    preference_probability,
)

SIDES = ("chosen", "rejected")


Row = Mapping[str, Any]


class PairScores(NamedTuple):
    """The rewards of both sides of pairs, in their order; nan where a side is too long to be scored."""

    chosen: NDArray[np.float64]
    rejected: NDArray[np.float64]
    p_chosen: NDArray[np.float64]
    """P(chosen is better), by the model's temperature where it has one."""


def score_pairs(folder: Path, rows: Sequence[Row]) -> PairScores:
    """Score both sides of the dataset's rows with the reward model in `folder`."""
    model = RewardModel.load(folder)
    chosen, rejected = (model.score([{**row, "completion": row[side]} for row in rows]) for side in SIDES)
    return pair_scores(chosen, rejected, model.meta)


def pair_scores(chosen: NDArray[np.float64], rejected: NDArray[np.float64], meta: RewardMeta) -> PairScores:
    """Both sides' scores and P(chosen is better), by the model that `meta` describes."""
    return PairScores(chosen, rejected, preference_probability(chosen, rejected, meta.temperature_used))


def measured_reward(rows: Sequence[Row], scores: PairScores) -> dict[str, Any] | None:
    """The figures of a reward model by its scores of all held-out rows; None where no pair has a better answer."""
    decided = [i for i, row in enumerate(rows) if row["p_chosen"] != 0.5]
    if not decided:
        return None
    figures = measured([rows[i] for i in decided], scores.chosen[decided], scores.rejected[decided])
    people = against_people(scores.p_chosen, [people_share(row) for row in rows], [row["prompt_id"] for row in rows])
    return {**figures, **({"people": people_json(people)} if people else {})}


def measured(rows: Sequence[Row], chosen: Any, rejected: Any) -> dict[str, Any]:
    """The accuracy of scores on pairs that were decided, with that of rules that need no model, and its slices."""
    lengths = {side: [len(row[f"{side}_text"]) for row in rows] for side in SIDES}
    prompts = [row["prompt_id"] for row in rows]
    scored = np.flatnonzero(np.isfinite(np.asarray(chosen, np.float64) - np.asarray(rejected, np.float64))).tolist()
    longer_chosen, longer_rejected = ([lengths[side][i] for i in scored] for side in SIDES)
    longer = evaluate_pairs(longer_chosen, longer_rejected, [prompts[i] for i in scored])
    first = always_first([rows[i] for i in scored], [prompts[i] for i in scored])
    evaluated = evaluate_pairs(
        chosen,
        rejected,
        prompts,
        categories=[row["category"] for row in rows],
        chosen_lengths=lengths["chosen"],
        rejected_lengths=lengths["rejected"],
    ).to_json()
    sources: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        sources[row["source"] or "none"].append(i)
    by_source = {
        name: evaluate_pairs([chosen[i] for i in places], [rejected[i] for i in places], [prompts[i] for i in places])
        for name, places in sources.items()
        if len(sources) > 1
    }
    return {
        **evaluated,
        "longer_wins": longer.accuracy.to_json(),
        "always_first": first and first.to_json(),
        "by_source": {name: figures.accuracy.to_json() for name, figures in by_source.items()},
    }
