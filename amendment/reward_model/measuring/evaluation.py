"""Measure a reward model on rows whose better answer is known: pairs, pools, style grids, RewardBench.

`score` is any callable from rows to numbers, so that a model, an ensemble and a baseline are measured alike.
Promised: every answer counts once, ties half, intervals are clustered by prompt, what has no score is counted and never
scored as wrong. Not covered: reading files (see the command `evaluate`), and what policies do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amendment.reward_model.measuring.answers import (
    Floats,
    Layout,
    Row,
    Score,
    by_layout,
    length_of,
    people_share,
    prompt_of,
    qualities_of,
    scored,
)
from amendment.reward_model.measuring.benchmarks import (
    Best,
    BestOfN,
    RewardBench,
    RewardBench2,
    StyleGrid,
    best_of_n,
    reward_bench,
    reward_bench_2,
    style_grid,
)
from amendment.reward_model.measuring.pairs import PairEvaluation, evaluate_pairs
from amendment.reward_model.model import preference_probability
from amendment.statistics import Estimate, share
from amendment.statistics.calibration_errors import CalibrationReport, calibration_report

CATEGORIES = ("category", "domain", "subset")
"""Columns that name the category of a row; the first that has a value."""
Probability = Callable[[Floats, Floats], ArrayLike]
"""Scores of chosen and of rejected answers to P(chosen is better)."""


@dataclass(frozen=True, kw_only=True)
class RewardEvaluation:
    """What was measured; absent parts had no rows."""

    pairs: PairEvaluation | None = None
    """Of pairs that were decided; accuracy is the mean over pairs (micro), `macro` that over categories."""
    people: CalibrationReport | None = None
    """P(chosen) against the shares of people's votes, where people decided; ties of people are among them."""
    best_of_n: BestOfN | None = None
    grid: StyleGrid | None = None
    reward_bench: RewardBench | None = None
    reward_bench_2: RewardBench2 | None = None
    always_first: Estimate | None = None
    """Accuracy of always taking the first answer, over the pairs whose order is known."""
    rows: dict[Layout, int] = field(default_factory=dict)
    """Rows of each kind."""
    undecided: int = 0
    """Pairs without a better answer, which no accuracy counts."""

    def to_json(self) -> dict[str, Any]:
        """As JSON; absent parts are left out."""
        names = ("pairs", "best_of_n", "grid", "reward_bench", "reward_bench_2", "always_first")
        parts = {name: part.to_json() for name in names if (part := getattr(self, name)) is not None}
        people = {} if self.people is None else {"people": people_json(self.people)}
        return {"rows": dict(self.rows), **parts, **people, "undecided": self.undecided}


def people_json(report: CalibrationReport) -> dict[str, Any]:
    """The figures of a report that a table shows."""
    names = ("n", "ties", "brier", "log_loss", "ece", "ece_if_perfect", "accuracy", "shows_miscalibration")
    figures = report.to_json()
    return {name: figures[name] for name in names}


def evaluate_reward(
    score: Score,
    rows: Iterable[Row],
    *,
    probability: Probability | None = None,
    styles: Sequence[str] | None = None,
    level: float = 0.95,
) -> RewardEvaluation:
    """Measure `score` on rows of any layout, recognised by its columns (see `answers`), each layout by itself.

    Pairs may have `prompt_id`, `category`, `p_chosen` with `decided_by`, `p_people` (share of people's votes for the
    chosen answer, ties half), and `first` (chosen or rejected: which was shown first). `probability` turns scores into
    P(chosen), by default with temperature 1; give `RewardModel.probability` for one with a fitted temperature. `styles`
    name those of the grid. Raises DataError naming each row that cannot be read.
    """
    layouts = by_layout(list(rows))
    parts: dict[str, Any] = {}
    if pairs := layouts.get("pairs"):
        parts |= _pairs(score, pairs, probability or preference_probability, level)
    if benched := layouts.get("reward-bench"):
        chosen, rejected = _columns(scored(score, benched, "reward-bench"))
        subsets = [str(row["subset"]) for row in benched]
        parts["reward_bench"] = reward_bench(chosen, rejected, subsets, list(map(prompt_of, benched)), level=level)
    if pools := layouts.get("pools"):
        scores, qualities = scored(score, pools, "pools"), map(qualities_of, pools)
        parts["best_of_n"] = best_of_n(scores, qualities, list(map(prompt_of, pools)), level=level)
    if grid := layouts.get("grid"):
        halves = [np.split(scores, 2) for scores in scored(score, grid, "grid")]
        parts["grid"] = style_grid(
            [half[0] for half in halves],
            [half[1] for half in halves],
            list(map(prompt_of, grid)),
            categories=list(map(_category, grid)),
            styles=styles,
            level=level,
        )
    if two := layouts.get("reward-bench-2"):
        made = [
            Best(scores, len(row["chosen"]), str(row.get("subset")), prompt_of(row), str(row.get("id")))
            for row, scores in zip(two, scored(score, two, "reward-bench-2"), strict=True)
        ]
        parts["reward_bench_2"] = reward_bench_2(made, level=level)
    return RewardEvaluation(rows={name: len(group) for name, group in layouts.items()}, **parts)


def longer_wins(rows: Sequence[Row]) -> Floats:
    """The baseline that takes the longer answer: a `score` that is the number of characters."""
    return np.array([length_of(row["completion"]) for row in rows], dtype=np.float64)


def against_people(
    p_chosen: ArrayLike, shares: ArrayLike, prompts: Sequence[str], *, level: float = 0.95
) -> CalibrationReport | None:
    """P(chosen) against the share of people's votes, by `calibration_report`; rows without a share (nan) or without a
    probability are left out. None where none is left."""
    p, y = np.asarray(p_chosen, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(p) & np.isfinite(y)).tolist()
    if not usable:
        return None
    return calibration_report(p[usable], y[usable], clusters=[prompts[i] for i in usable], level=level)


def _pairs(score: Score, rows: list[Row], probability: Probability, level: float) -> dict[str, Any]:
    chosen, rejected = _columns(scored(score, rows, "pairs"))
    prompts = [prompt_of(row) for row in rows]
    shares = np.array([people_share(row) for row in rows])
    is_open = np.array([_is_undecided(row, share) for row, share in zip(rows, shares, strict=True)], dtype=bool)
    at = np.flatnonzero(~is_open).tolist()
    measured = evaluate_pairs(
        chosen[at],
        rejected[at],
        [prompts[i] for i in at],
        categories=[_category(rows[i]) for i in at],
        chosen_lengths=[length_of(rows[i]["chosen"]) for i in at],
        rejected_lengths=[length_of(rows[i]["rejected"]) for i in at],
        level=level,
    )
    return {
        "pairs": measured,
        "people": against_people(_likely(probability, chosen, rejected), shares, prompts, level=level),
        "always_first": always_first([rows[i] for i in at], [prompts[i] for i in at], level),
        "undecided": int(is_open.sum()),
    }


def _likely(probability: Probability, chosen: Floats, rejected: Floats) -> Floats:
    """P(chosen) of each pair, nan where a side has no score."""
    likely, is_scored = np.full(chosen.shape, np.nan), np.isfinite(chosen) & np.isfinite(rejected)
    likely[is_scored] = probability(chosen[is_scored], rejected[is_scored])
    return likely


def _is_undecided(row: Row, share: float) -> bool:
    """A tie has no orientation that a model could get right."""
    decided = row.get("p_chosen")
    return bool((share if decided is None else decided) == 0.5)


def _category(row: Row) -> str | None:
    category = next((row[name] for name in CATEGORIES if row.get(name) is not None), None)
    return None if category is None else str(category)


def _columns(scores: Sequence[Floats]) -> Floats:
    columns: Floats = np.array(scores, dtype=np.float64).reshape(-1, 2).T
    return columns


def always_first(rows: Sequence[Row], prompts: Sequence[str], level: float = 0.95) -> Estimate | None:
    """Accuracy of always taking the first answer, over the rows whose `first` says which one that is."""
    ordered = [i for i, row in enumerate(rows) if row.get("first") in ("chosen", "rejected")]
    if not ordered:
        return None
    return share([float(rows[i]["first"] == "chosen") for i in ordered], [prompts[i] for i in ordered], level)
