"""Measure a reward model, or the implicit reward of a policy, on held-out pairs.

Covered: accuracy with its slices by length, category and source, and what needs no model (the longer answer, the one
that was shown first); against people, where people decided, Brier score, log loss and ECE of P(chosen).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.results import Figure, by_label, counted
from amendment.reward_model import (
    RewardMeta,
    RewardModel,
    against_people,
    always_first,
    evaluate_pairs,
    people_share,
    preference_probability,
)

SIDES = ("chosen", "rejected")
ACCURACY = "held_out_accuracy"
"""The share of held-out pairs whose chosen answer has the higher score."""
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


def measured_reward(rows: Sequence[Row], scores: PairScores) -> Iterator[Figure]:
    """Yield the figures of a reward model by its scores of all held-out rows; none where no pair has a better
    answer."""
    decided = [i for i, row in enumerate(rows) if row["p_chosen"] != 0.5]
    if not decided:
        return
    yield from measured([rows[i] for i in decided], scores.chosen[decided], scores.rejected[decided])
    people = against_people(scores.p_chosen, [people_share(row) for row in rows], [row["prompt_id"] for row in rows])
    if people:
        estimates = {"accuracy": people.accuracy, "brier": people.brier, "log_loss": people.log_loss, "ece": people.ece}
        yield from by_label("p_chosen_against_people", "figure", estimates)
        ties, even = people.ties, people.ece_if_perfect.mean
        yield from counted(pairs_that_people_decided=people.n, ties_of_people=ties, ece_if_perfect=even)


def measured(rows: Sequence[Row], chosen: Any, rejected: Any) -> Iterator[Figure]:
    """Yield the accuracy of scores on pairs that were decided, with that of rules that need no model, and its
    slices."""
    lengths = {side: [len(row[f"{side}_text"]) for row in rows] for side in SIDES}
    prompts = [row["prompt_id"] for row in rows]
    scored = np.flatnonzero(np.isfinite(np.asarray(chosen, np.float64) - np.asarray(rejected, np.float64))).tolist()
    longer_chosen, longer_rejected = ([lengths[side][i] for i in scored] for side in SIDES)
    longer = evaluate_pairs(longer_chosen, longer_rejected, [prompts[i] for i in scored])
    evaluated = evaluate_pairs(
        chosen,
        rejected,
        prompts,
        categories=[row["category"] for row in rows],
        chosen_lengths=lengths["chosen"],
        rejected_lengths=lengths["rejected"],
    )
    yield Figure(name=ACCURACY, value=evaluated.accuracy, unit="share")
    yield Figure(name="longer_answer_is_right", value=longer.accuracy, unit="share")
    if first := always_first([rows[i] for i in scored], [prompts[i] for i in scored]):
        yield Figure(name="first_answer_is_right", value=first, unit="share")
    yield Figure(name="held_out_log_loss", value=evaluated.log_loss)
    if evaluated.unscored:
        yield from counted(pairs_too_long_for_a_score=evaluated.unscored)
    by_side = {"shorter": evaluated.chosen_shorter, "longer": evaluated.chosen_longer}
    by_size = {side: figure for side, figure in by_side.items() if figure}
    if equal := evaluated.accuracy.n - sum(figure.n for figure in by_size.values()):
        yield from counted(pairs_of_equal_length=equal)
    yield from by_label(ACCURACY, "chosen", by_size, unit="share")
    if evaluated.macro and len(evaluated.by_category) > 1:
        yield Figure(name="held_out_accuracy_over_categories", value=evaluated.macro, unit="share")
        by_category = {name or "none": figure for name, figure in evaluated.by_category.items()}
        yield from by_label(ACCURACY, "category", by_category, unit="share")
    sources: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        sources[row["source"] or "none"].append(i)
    for name, places in sources.items() if len(sources) > 1 else ():
        of_source = [[values[i] for i in places] for values in (chosen, rejected, prompts)]
        accuracy = evaluate_pairs(*of_source).accuracy
        yield Figure(name=ACCURACY, value=accuracy, unit="share", of={"source": name})
