"""Measure a reward model on rows whose better answer is known: pairs, pools, style grids, RewardBench.

`score` is any callable from rows to numbers, so that a model, a judge and a baseline are measured alike. A row has a
`prompt` and its answers, each a text or a list of messages. Which columns hold the answers says what is measured:

* pairs: `chosen` and `rejected`
* pools: `candidates`, a list, with `quality` (a number for each) or `best` (the position of a best one, or several)
* grid: `chosen` and `rejected` are lists of equally many answers, the same styles in the same order (RM-Bench)
* reward-bench: pairs with `subset`, one of those that were published
* reward-bench-2: lists `chosen` and `rejected`, with `subset` and `num_correct`

Promised: every pair counts once, ties half (trainers report means of batch means: nine pairs of which eight are right,
in batches of eight and one, come out as 0.5); intervals are clustered by prompt; what has no score is counted and never
scored as wrong; a row that cannot be read is named by its place among all rows, before anything is scored.
Not covered: reading files (see the command `evaluate`), and what policies do.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import DataError, Problem
from amendment.hashing import content_id
from amendment.reward_model.benchmarks import (
    SECTIONS,
    Benchmark,
    Best,
    best_of_n,
    reward_bench,
    reward_bench_2,
    style_grid,
)
from amendment.reward_model.model import preference_probability
from amendment.statistics import Estimate, clustered_mean, macro_share, share
from amendment.statistics.calibration_errors import CalibrationReport, calibration_report
from amendment.statistics.intervals import json_values
from amendment.training.preflight import is_number

Row = Mapping[str, Any]
Floats = NDArray[np.float64]
ScoreFunction = Callable[[Sequence[Row]], ArrayLike]
"""Rows with `prompt` and `completion` (messages as JSON objects) to one number each, nan where there is none:
`RewardModel.score`, or anything."""
Probability = Callable[[Floats, Floats], ArrayLike]
"""Scores of chosen and of rejected answers to P(chosen is better)."""
BenchmarkLayout = Literal["pairs", "pools", "grid", "reward-bench", "reward-bench-2"]
CATEGORIES = ("category", "domain", "subset")
"""Columns that name the category of a row; the first that has a value."""
_SHARED = ("tools", "chat_template_kwargs")
"""Columns of a row that are handed to the scorer with its answers."""
SUBSETS = frozenset(name for section in SECTIONS.values() for name in section)


@dataclass(frozen=True, kw_only=True)
class PairEvaluation:
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
    unscored: int
    """Pairs left out, since an answer has no score."""

    def to_json(self) -> dict[str, Any]:
        """JSON values; nan becomes null."""
        return {name: json_values(value) for name, value in vars(self).items()}


@dataclass(frozen=True, kw_only=True)
class RewardEvaluation:
    """The results of an evaluation; absent parts had no rows."""

    pairs: PairEvaluation | None = None
    """Of pairs that were decided; accuracy is the mean over pairs (micro), `macro` that over categories."""
    people: CalibrationReport | None = None
    """P(chosen) against the shares of people's votes, where people decided; ties of people are among them."""
    benchmarks: dict[BenchmarkLayout, Benchmark] = field(default_factory=dict)
    """By the layout of their rows."""
    always_first: Estimate | None = None
    """Accuracy of always taking the first answer, over the pairs whose order is known."""
    rows: dict[BenchmarkLayout, int] = field(default_factory=dict)
    """Rows of each layout."""
    undecided: int = 0
    """Pairs without a better answer, which no accuracy counts."""

    def to_json(self) -> dict[str, Any]:
        """JSON values; absent parts are left out."""
        parts = {name: part.to_json() for name in ("pairs", "always_first") if (part := getattr(self, name))}
        parts |= {"people": people_json(self.people)} if self.people else {}
        parts |= {str(layout): benchmark.to_json() for layout, benchmark in self.benchmarks.items()}
        return {"rows": dict(self.rows), **parts, "undecided": self.undecided}


def people_json(report: CalibrationReport) -> dict[str, Any]:
    """Return the figures of a report that a table shows."""
    names = ("n", "ties", "brier", "log_loss", "ece", "ece_if_perfect", "accuracy", "shows_miscalibration")
    figures = report.to_json()
    return {name: figures[name] for name in names}


def evaluate_reward(
    score: ScoreFunction, rows: Iterable[Row], *, probability: Probability | None = None
) -> RewardEvaluation:
    """Measure `score` on rows of any layout, recognised by its columns, each layout by itself.

    Pairs may have `prompt_id`, `category`, `p_chosen` with `decided_by`, `p_people` (share of people's votes for the
    chosen answer, ties half), and `first` (chosen or rejected: which was shown first). `probability` turns scores into
    P(chosen), by default with temperature 1; give `RewardModel.probability` for one with a fitted temperature. Raises
    DataError naming each row that cannot be read.
    """
    layouts = _by_layout(list(rows))
    pairs = _pairs(score, layouts["pairs"], probability or preference_probability) if "pairs" in layouts else {}
    benchmarks: dict[BenchmarkLayout, Benchmark] = {}
    for layout, given in layouts.items():
        if layout != "pairs":
            benchmarks[layout] = _benchmark(layout, score, given)
    counts = {layout: len(given) for layout, given in layouts.items()}
    return RewardEvaluation(rows=counts, benchmarks=benchmarks, **pairs)


def longer_wins(rows: Sequence[Row]) -> Floats:
    """Return a rule that takes the longer answer: a `score` that is the number of characters."""
    return np.array([_length(row["completion"]) for row in rows], dtype=np.float64)


def length_baseline(rows: Iterable[Row]) -> dict[str, RewardEvaluation]:
    """Return the evaluation, by its name, of the better of two rules: always the longer or always the shorter answer.

    Better is the one that is right more often on these rows; if they are not pairs, the first figure of each benchmark
    decides."""
    rows = list(rows)
    longer = evaluate_reward(longer_wins, rows)
    shorter = evaluate_reward(lambda given: -longer_wins(given), rows)
    if _first_figure(shorter) > _first_figure(longer):
        return {"the shorter answer": shorter}
    return {"the longer answer": longer}


def _first_figure(evaluation: RewardEvaluation) -> float:
    if evaluation.pairs:
        return evaluation.pairs.accuracy.value
    first = [next(iter(benchmark.figures.values())) for benchmark in evaluation.benchmarks.values()]
    return sum(figure.value if isinstance(figure, Estimate) else figure for figure in first)


def against_people(p_chosen: ArrayLike, shares: ArrayLike, prompts: Sequence[str]) -> CalibrationReport | None:
    """P(chosen) against the share of people's votes, by `calibration_report`; rows without a share (nan) or without a
    probability are left out. None where none is left."""
    p = np.asarray(p_chosen, dtype=np.float64)
    y = np.asarray(shares, dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(p) & np.isfinite(y)).tolist()
    if not usable:
        return None
    return calibration_report(p[usable], y[usable], clusters=[prompts[i] for i in usable])


def always_first(rows: Sequence[Row], prompts: Sequence[str]) -> Estimate | None:
    """Accuracy of always taking the first answer, over the rows whose `first` says which one that is."""
    ordered = [i for i, row in enumerate(rows) if row.get("first") in ("chosen", "rejected")]
    if not ordered:
        return None
    return share([float(rows[i]["first"] == "chosen") for i in ordered], [prompts[i] for i in ordered])


def people_share(row: Row) -> float:
    """Return the share of people's votes for the chosen answer of a pair; nan where no person decided it. Raises
    DataError for one that is no share."""
    name, value = "p_people", row.get("p_people")
    if value is None and row.get("decided_by") == "person":
        name, value = "p_chosen", row.get("p_chosen", 1.0)
    if value is None:
        return math.nan
    if not _is_share(value):
        raise DataError([Problem(name, f"expected a share of votes between 0 and 1, found {value!r}")])
    return float(value)


def evaluate_pairs(
    chosen_scores: ArrayLike,
    rejected_scores: ArrayLike,
    prompt_ids: Sequence[Hashable],
    *,
    categories: Sequence[str | None] | None = None,
    chosen_lengths: ArrayLike | None = None,
    rejected_lengths: ArrayLike | None = None,
) -> PairEvaluation:
    """Evaluate scores of held-out pairs; all arguments have one entry per pair, lengths in any one unit.

    For DPO's implicit reward give the policy's margins as `chosen_scores` and zeros as `rejected_scores`.
    """
    difference = np.asarray(chosen_scores, dtype=np.float64) - np.asarray(rejected_scores, dtype=np.float64)
    finite = np.isfinite(difference)
    rows = np.flatnonzero(finite).tolist()
    d = difference[finite]
    prompts = [prompt_ids[i] for i in rows]
    right = (d > 0) + 0.5 * (d == 0)

    def estimate_slice(where: NDArray[np.bool_]) -> Estimate | None:
        places = np.flatnonzero(where).tolist()
        return share(right[places], [prompts[i] for i in places]) if places else None

    names = None if categories is None else [categories[i] or "" for i in rows]
    shorter = longer = None
    if chosen_lengths is not None and rejected_lengths is not None:
        excess = (np.asarray(chosen_lengths, dtype=np.float64) - np.asarray(rejected_lengths, dtype=np.float64))[finite]
        shorter = estimate_slice(excess < 0)
        longer = estimate_slice(excess > 0)
    return PairEvaluation(
        accuracy=share(right, prompts),
        log_loss=clustered_mean(np.logaddexp(0.0, -d), prompts).within(0),
        macro=None if names is None else macro_share(right, names, prompts),
        by_category={
            name: estimate
            for name in sorted(set(names or []))
            if (estimate := estimate_slice(np.array(names, dtype=object) == name))
        },
        chosen_shorter=shorter,
        chosen_longer=longer,
        unscored=int((~finite).sum()),
    )


def find_layout(row: Row) -> BenchmarkLayout | None:
    """Return the layout of a row by its columns; None for an unknown one."""
    lists = all(_is_pool(row.get(side)) for side in ("chosen", "rejected"))
    if lists and row.get("num_correct") is not None:
        return "reward-bench-2"
    if lists and len(row["chosen"]) == len(row["rejected"]) > 1:
        return "grid"
    if _is_pool(row.get("candidates")):
        return "pools"
    if row.get("chosen") is None or row.get("rejected") is None or lists:
        return None
    return "reward-bench" if str(row.get("subset")) in SUBSETS else "pairs"


def _is_pool(cell: Any) -> bool:
    """Several answers: a list of texts, or of lists of messages; a list of messages is one answer."""
    return isinstance(cell, list | tuple) and bool(cell) and not any(isinstance(item, Mapping) for item in cell)


def _by_layout(rows: Sequence[Row]) -> dict[BenchmarkLayout, list[Row]]:
    """Return the rows of each layout. Raises DataError naming each row (from 1) that cannot be read."""
    layouts = defaultdict[BenchmarkLayout, list[Row]](list)
    problems = list[Problem]()
    for number, row in enumerate(rows, start=1):
        try:
            layouts[_checked(row)].append(row)
        except DataError as fault:
            problems += [
                Problem(": ".join(filter(None, (f"row {number}", p.place))), p.message) for p in fault.problems
            ]
    if problems or not rows:
        raise DataError(problems or "no row to evaluate on; expected at least one")
    return layouts


def _checked(row: Row) -> BenchmarkLayout:
    """Return the layout of a row of which everything can be read."""
    layout = find_layout(row)
    if layout is None:
        expected = "expected chosen and rejected, or candidates (or lists of them; see the columns in the docs)"
        raise DataError([Problem("", f"{expected}, found {', '.join(map(str, row)) or 'nothing'}")])
    _messages(row.get("prompt"), "user")
    for answer in _answers(row, layout):
        _messages(answer, "assistant")
    problems = []
    if layout == "pools":
        _qualities(row)
    elif layout == "pairs":
        people_share(row)
        p = row.get("p_chosen")
        if p is not None and not _is_share(p):
            problems.append(Problem("p_chosen", f"expected a probability, found {p!r}"))
    elif layout == "reward-bench-2":
        if not isinstance(row.get("subset"), str):
            problems.append(Problem("subset", "expected a name, found none"))
        for name, side in (("num_correct", "chosen"), ("num_incorrect", "rejected")):
            stated, count = row.get(name), len(row[side])
            if stated is not None and stated != count:
                problems.append(Problem(name, f"expected {count}, as many as {side} holds, found {stated!r}"))
    if problems:
        raise DataError(problems)
    return layout


def _answers(row: Row, layout: BenchmarkLayout) -> list[Any]:
    if layout == "pools":
        return list(row["candidates"])
    sides = row["chosen"], row["rejected"]
    return list(sides) if layout in ("pairs", "reward-bench") else [*sides[0], *sides[1]]


def _qualities(row: Row) -> Floats:
    """Return the quality of each candidate of a pool; where only best ones are marked, 1 for these and 0 for others."""
    count, quality, best = len(row["candidates"]), row.get("quality"), row.get("best")
    marks = list(best) if isinstance(best, list | tuple) else [] if best is None else [best]
    if count > 1 and isinstance(quality, list | tuple) and len(quality) == count and all(map(is_number, quality)):
        return np.asarray(quality, dtype=np.float64)
    if count > 1 and quality is None and marks and all(is_number(mark) and mark in range(count) for mark in marks):
        return np.isin(np.arange(count), marks).astype(np.float64)
    columns = f"`quality`, a number for each of {count} candidates, or `best`, positions from 0"
    expected = columns if count > 1 else "two candidates or more"
    raise DataError([Problem("", f"expected {expected}; found quality {quality!r}, best {best!r}")])


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1


def _messages(cell: Any, role: str) -> list[Any]:
    """Return a text as one message of `role`; messages as they are. Raises DataError for anything else."""
    if isinstance(cell, str) and cell.strip():
        return [{"role": role, "content": cell}]
    if isinstance(cell, list | tuple) and cell and all(isinstance(item, Mapping) for item in cell):
        return list(cell)
    name = "prompt" if role == "user" else "answer"
    kind = "nothing" if cell is None or cell in ("", [], ()) else type(cell).__name__
    raise DataError([Problem(name, f"expected a text or a list of messages, found {kind}")])


def _prompt(row: Row) -> str:
    """Return the name of a row's prompt, by which intervals are clustered: its `prompt_id`, else a hash of its
    content."""
    name = row.get("prompt_id")
    return content_id([_messages(row.get("prompt"), "user"), row.get("tools")]) if name is None else str(name)


def _length(answer: Any) -> int:
    """Characters of an answer's texts, those in typed parts too."""
    contents = [message.get("content") for message in _messages(answer, "assistant")]
    parts = [[{"text": content}] if isinstance(content, str) else content or () for content in contents]
    return sum(len(str(part.get("text") or "")) for content in parts for part in content if isinstance(part, Mapping))


def _scores(score: ScoreFunction, rows: Sequence[Row], layout: BenchmarkLayout) -> list[Floats]:
    """Return the scores of the answers of each row, the right ones first where the layout tells them apart; every
    answer is scored in one call, in batches by length."""
    answers = [_answers(row, layout) for row in rows]
    requests = [_request(row, answer) for row, given in zip(rows, answers, strict=True) for answer in given]
    scores = np.asarray(score(requests), dtype=np.float64)
    if scores.shape != (len(requests),):
        raise DataError(f"score: expected one number for each of {len(requests)} answers, found shape {scores.shape}")
    return np.split(scores, np.cumsum([len(given) for given in answers])[:-1])


def _request(row: Row, answer: Any) -> Row:
    shared = {name: row[name] for name in _SHARED if row.get(name) is not None}
    return {**shared, "prompt": _messages(row.get("prompt"), "user"), "completion": _messages(answer, "assistant")}


def _benchmark(layout: BenchmarkLayout, score: ScoreFunction, rows: Sequence[Row]) -> Benchmark:
    scores = _scores(score, rows, layout)
    prompts = [_prompt(row) for row in rows]
    if layout == "pools":
        return best_of_n(scores, [_qualities(row) for row in rows], prompts)
    if layout == "reward-bench":
        chosen, rejected = np.stack(scores, axis=1)
        return reward_bench(chosen, rejected, [str(row["subset"]) for row in rows], prompts)
    if layout == "grid":
        right, wrong = zip(*(np.split(both, 2) for both in scores), strict=True)
        return style_grid(right, wrong, prompts)
    return reward_bench_2(
        [
            Best(row_scores, len(row["chosen"]), str(row["subset"]), prompt, str(row.get("id")))
            for row, row_scores, prompt in zip(rows, scores, prompts, strict=True)
        ]
    )


def _pairs(score: ScoreFunction, rows: list[Row], probability: Probability) -> dict[str, Any]:
    """Return the parts of an evaluation that are measured on pairs."""
    chosen, rejected = np.stack(_scores(score, rows, "pairs"), axis=1)
    prompts = [_prompt(row) for row in rows]
    shares = np.array([people_share(row) for row in rows])
    decided = [
        share if row.get("p_chosen") is None else row["p_chosen"] for row, share in zip(rows, shares, strict=True)
    ]
    at = [i for i, p in enumerate(decided) if p != 0.5]  # a tie has no orientation that a model could get right
    p_chosen = np.full(chosen.shape, np.nan)
    is_scored = np.isfinite(chosen) & np.isfinite(rejected)
    p_chosen[is_scored] = probability(chosen[is_scored], rejected[is_scored])
    categories = [next((row[name] for name in CATEGORIES if row.get(name) is not None), None) for row in rows]
    measured = evaluate_pairs(
        chosen[at],
        rejected[at],
        [prompts[i] for i in at],
        categories=[None if categories[i] is None else str(categories[i]) for i in at],
        chosen_lengths=[_length(rows[i]["chosen"]) for i in at],
        rejected_lengths=[_length(rows[i]["rejected"]) for i in at],
    )
    return {
        "pairs": measured,
        "people": against_people(p_chosen, shares, prompts),
        "always_first": always_first([rows[i] for i in at], [prompts[i] for i in at]),
        "undecided": len(rows) - len(at),
    }
