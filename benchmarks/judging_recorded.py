"""Real judges on record: which combination of them reaches an accuracy with the fewest calls.

The record is LLMBar's (Zeng et al. 2024, arXiv 2310.07641): 419 comparisons with gold labels, five to six models by a
dozen ways of asking, each in both orders. A combination is chosen on half of the comparisons and measured on the
other half, over several halvings. A label that is missing, because orders disagree, juries split or replies could not
be read, counts one half, as a coin would. Left out are ways of asking whose number of calls the record does not give
(those that swap inside, and ratings).
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
from judging_world import table
from numpy.typing import NDArray

from amendment.statistics import clustered_mean

Said = NDArray[np.float64]
CALLS = {
    "Vanilla_NoRules": (1, 2),
    "Vanilla": (1, 2),
    "Vanilla_1shot": (1, 2),
    "Vanilla_2shot": (1, 2),
    "CoT": (1, 2),
    "Metrics": (2, 3),
    "Reference": (2, 3),
    "Metrics_Reference": (3, 4),
}
"""Calls for one order and for both: metrics and reference answers are made once and serve both orders."""
GOALS = (0.6, 0.7, 0.8, 0.85, 0.9)
JURORS = 16
"""Runs that juries and cascades are made of: the most accurate by the half on which they are chosen."""
COST = "GPT-4"


class Run(NamedTuple):
    """One judge by one way of asking: a column for each comparison, 1 right, 0 wrong, one half where not read."""

    model: str
    way: str
    one: Said
    """The order in which the record names the answers."""
    other: Said

    @property
    def name(self) -> str:
        return f"{self.model} {self.way}"

    @property
    def label(self) -> Said:
        """Of both orders: one half where they disagree."""
        return (self.one + self.other) / 2


class Plan(NamedTuple):
    """A combination of runs: how right it is and how many calls it takes, by comparison."""

    kind: str
    name: str
    right: Said
    calls: Said
    dear: Said
    """Calls to the dearest model."""


def recorded(folder: Path, halvings: int = 20) -> None:
    """Accuracy against calls for every judge, juries and cascades."""
    runs, subsets = read_runs(folder / "verdicts.csv.gz")
    print(
        f"\n{len(runs)} runs on {len(subsets)} comparisons; {halvings} times chosen on one half, measured on the other."
    )
    _curve(runs)
    rng = np.random.default_rng(0)
    halves = [_half(rng, len(subsets)) for _ in range(halvings)]
    _goals(runs, halves, "calls")
    _goals(runs, halves, "dear")
    _consistent_only(runs)
    _kept(runs, halves)


def read_runs(path: Path) -> tuple[list[Run], list[str]]:
    """The runs that judged every comparison, and the subset of each comparison."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keys = sorted({(row["subset"], int(row["item"])) for row in rows})
    at = {key: place for place, key in enumerate(keys)}
    found: dict[tuple[str, str], Said] = {}
    for row in rows:
        said = found.setdefault((row["judge"], row["strategy"]), np.full((2, len(keys)), np.nan))
        for order, name in enumerate(("verdict_orig", "verdict_swap")):
            said[order, at[row["subset"], int(row["item"])]] = _right(row[name], row["gold"])
    runs = [Run(model, way, *said) for (model, way), said in found.items() if way in CALLS and not np.isnan(said).any()]
    return runs, [subset for subset, _ in keys]


def _right(verdict: str, gold: str) -> float:
    return float(verdict == gold) if verdict in ("1", "2") else 0.5


def _curve(runs: Sequence[Run]) -> None:
    """Each model by its best way of one call, and by its best of all."""
    rows = []
    for model in sorted({run.model for run in runs}):
        own = sorted((run for run in runs if run.model == model), key=lambda run: -run.label.mean())
        plain = next(run for run in own if CALLS[run.way][0] == 1)
        rows.append(
            [model, *(cell for run in (plain, own[0]) for cell in (run.way, CALLS[run.way][0], _share(run.label)))]
        )
    header = ("model", "of one call", "calls", "accuracy", "of all", "calls", "accuracy")
    table(
        "Recorded judges alone: the best way of asking each (the best of several, so a little flattered)", header, rows
    )
    print(
        "\nAccuracy is the mean over both orders. Written verdicts in both orders, with a coin where they disagree, "
        "have exactly this accuracy for twice the calls: the second order tells which labels to trust."
    )


def _share(right: Said) -> str:
    found = clustered_mean(right.tolist(), [str(i) for i in range(len(right))])
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _singles(runs: Sequence[Run]) -> Iterator[Plan]:
    for run in runs:
        one, both = CALLS[run.way]
        # one order by the toss of a coin, so that no run gains by where the better answers stand
        yield _plan("one order", run.name, run.label, one, run)
        yield _plan("both orders", run.name, run.label, both, run)


def _plan(kind: str, name: str, right: Said, calls: float, run: Run) -> Plan:
    taken = np.full(len(right), float(calls))
    return Plan(kind, name, right, taken, taken * (run.model == COST))


def _juries(runs: Sequence[Run]) -> Iterator[Plan]:
    """Majorities of three and of five runs, each asked in both orders."""
    for size in (3, 5):
        for jury in combinations(runs[: JURORS if size == 3 else JURORS // 2], size):
            votes = np.sign(np.sum([2 * run.label - 1 for run in jury], axis=0))
            calls = sum(CALLS[run.way][1] for run in jury)
            dear = sum(CALLS[run.way][1] for run in jury if run.model == COST)
            name = " + ".join(run.name for run in jury)
            taken = np.ones(len(votes))
            yield Plan(f"jury of {size}", name, (votes + 1) / 2, taken * calls, taken * dear)


def _cascades(runs: Sequence[Run]) -> Iterator[Plan]:
    """The first in both orders; where they disagree, the second in both orders."""
    for first in runs:
        for second in runs:
            if first is second:
                continue
            unsure = first.label == 0.5
            right = np.where(unsure, second.label, first.label)
            one, two = CALLS[first.way][1], CALLS[second.way][1]
            calls = one + unsure * two
            dear = one * (first.model == COST) + unsure * two * (second.model == COST)
            yield Plan("cascade", f"{first.name}, then {second.name}", right, calls.astype(float), dear.astype(float))


def _half(rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
    chosen = np.zeros(count, dtype=bool)
    chosen[rng.permutation(count)[: count // 2]] = True
    return chosen


def _goals(runs: Sequence[Run], halves: Sequence[NDArray[np.bool_]], cost: str) -> None:
    rows = []
    for goal in GOALS:
        found = [one for half in halves if (one := _cheapest(runs, half, goal, cost))]
        if len(found) * 2 < len(halves):
            rows.append(
                [goal, f"reached by none in {len(halves) - len(found)} of {len(halves)} halves", "", "", "", ""]
            )
            continue
        kinds = Counter(plan.kind for plan, _ in found)
        (name, often), *_ = Counter(plan.name for plan, _ in found).most_common(1)
        kind = ", ".join(f"{one} {count}" for one, count in kinds.most_common())
        measured = [float(plan.right[~half].mean()) for plan, half in found]
        calls = fmean(float(plan.calls[~half].mean()) for plan, half in found)
        dear = fmean(float(plan.dear[~half].mean()) for plan, half in found)
        low, high = np.quantile(measured, [0.025, 0.975])
        rows.append(
            [
                goal,
                kind,
                f"{name} ({often} of {len(found)})",
                f"{fmean(measured):.3f} ({low:.3f} to {high:.3f})",
                f"{calls:.1f}",
                f"{dear:.1f}",
            ]
        )
    what = "calls of any model" if cost == "calls" else f"calls to {COST}, then calls of any model"
    header = ("goal", "chosen", "most often", "accuracy on the other half", "calls", f"of them {COST}")
    table(f"The cheapest combination that reaches an accuracy, by {what}; ranges over halvings", header, rows)


def _cheapest(
    runs: Sequence[Run], half: NDArray[np.bool_], goal: float, cost: str
) -> tuple[Plan, NDArray[np.bool_]] | None:
    """By the half: the fewest calls that reach the goal, and among equals the most accurate."""
    ranked = sorted(runs, key=lambda run: -run.label[half].mean())
    plans = [*_singles(runs), *_juries(ranked), *_cascades(ranked)]
    able = [plan for plan in plans if plan.right[half].mean() >= goal]
    if not able:
        return None

    def dearness(plan: Plan) -> tuple[float, ...]:
        costs = (plan.dear[half].mean(), plan.calls[half].mean()) if cost == "dear" else (plan.calls[half].mean(),)
        return (*(round(float(one), 6) for one in costs), -float(plan.right[half].mean()))

    return min(able, key=dearness), half


def _consistent_only(runs: Sequence[Run]) -> None:
    """What asking both orders buys: knowing which labels to trust."""
    rows = []
    for model in sorted({run.model for run in runs}):
        run = next(run for run in runs if run.model == model and run.way == "Vanilla")
        kept = run.label != 0.5
        rows.append([run.name, f"{run.label.mean():.3f}", f"{kept.mean():.3f}", _share(run.label[kept])])
    header = ("judge", "accuracy of one order", "share where orders agree", "accuracy there")
    table("Recorded judges: where both orders agree", header, rows)


def _kept(runs: Sequence[Run], halves: Sequence[NDArray[np.bool_]]) -> None:
    """Labels only where one run, or two, say the same in all orders: the most that can be kept at an accuracy."""
    sides = {run.name: np.where(run.one == run.other, run.one, 0.5) for run in runs}
    plans: list[tuple[tuple[Run, ...], Said]] = [((run,), sides[run.name]) for run in runs]
    plans += [
        (both, np.where(sides[both[0].name] == sides[both[1].name], sides[both[0].name], 0.5))
        for both in combinations(runs, 2)
    ]
    rows = []
    for goal in GOALS:
        found = []
        for half in halves:
            able = [
                (float((label[half] != 0.5).mean()), team, label)
                for team, label in plans
                if (label[half] != 0.5).any() and label[half & (label != 0.5)].mean() >= goal
            ]
            if able:
                found.append((*max(able, key=lambda one: one[0])[1:], ~half))
        rows.append([goal, *_kept_row(found, len(halves))])
    header = ("goal", "kept by, most often", "accuracy on the other half", "share kept there", "calls")
    table("Recorded judges: labels only where all orders of one judge, or of two, agree", header, rows)


def _kept_row(found: Sequence[tuple[tuple[Run, ...], Said, NDArray[np.bool_]]], halvings: int) -> list[str]:
    if len(found) * 2 < halvings:
        return [f"reached by none in {halvings - len(found)} of {halvings} halves", "", "", ""]
    (name, often), *_ = Counter(" and ".join(run.name for run in team) for team, _, _ in found).most_common(1)
    measured = [float(label[rest & (label != 0.5)].mean()) for _, label, rest in found]
    low, high = np.quantile(measured, [0.025, 0.975])
    share = fmean(float((label[rest] != 0.5).mean()) for _, label, rest in found)
    calls = fmean(sum(CALLS[run.way][1] for run in team) for team, _, _ in found)
    accuracy = f"{fmean(measured):.3f} ({low:.3f} to {high:.3f})"
    return [f"{name} ({often} of {len(found)})", accuracy, f"{share:.2f}", f"{calls:.1f}"]
