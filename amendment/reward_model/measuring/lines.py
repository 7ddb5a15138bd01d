"""An evaluation in words and tables, for a terminal; it reads as Markdown too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from amendment.reward_model.measuring.benchmarks import LEVELS, BestOfN, RewardBench, RewardBench2, StyleGrid
from amendment.reward_model.measuring.evaluation import RewardEvaluation
from amendment.statistics import Estimate
from amendment.statistics.calibration_errors import CalibrationReport
from amendment.text import cell, table

Evaluations = Mapping[str, RewardEvaluation]
POINTS = 8
"""Of the curve of best of n; beyond them the powers of two."""


def reward_lines(
    model: RewardEvaluation, baselines: Evaluations | None = None, *, temperature: float | None = None
) -> list[str]:
    """The tables of an evaluation; `baselines` are evaluations of the same rows by name, shown beside it, and
    `temperature` is the one in P(chosen) against people."""
    shown = {"model": model, **(baselines or {})}
    lines = ["Intervals are 95 %, clustered by prompt; equal scores count half."]
    tables = [_pairs(shown), _people(shown, temperature=temperature)]
    for block in (*tables, *(_benchmark(shown, *benchmark) for benchmark in _BENCHMARKS)):
        lines += ["", *block] if block else []
    return lines


def _estimate(estimate: Estimate | None, *, share: bool = True) -> str:
    if estimate is None or math.isnan(estimate.value):
        return "-"
    if math.isnan(estimate.low):
        return f"{estimate.value:.3f}"
    low, high = (max(estimate.low, 0.0), min(estimate.high, 1.0)) if share else (estimate.low, estimate.high)
    return f"{estimate.value:.3f} ({low:.3f} to {high:.3f})"


def _columns(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return table([[title, *names], *rows])


def _unscored(count: int, noun: str) -> list[str]:
    return [f"{count} {noun} left out: an answer has no score, being too long"] if count else []


def _pairs(shown: Evaluations) -> list[str]:
    evaluated = {name: evaluation.pairs for name, evaluation in shown.items() if evaluation.pairs}
    model = shown["model"]
    if not evaluated or model.pairs is None:
        return []
    pairs = model.pairs
    made: list[list[str]] = [["accuracy", *(_estimate(figures.accuracy) for figures in evaluated.values())]]
    if len(pairs.by_category) > 1:
        made.append(["macro over categories", *(_estimate(figures.macro) for figures in evaluated.values())])
        made += [
            [
                f"category {cell(name or 'none')}",
                *(_estimate(figures.by_category.get(name)) for figures in evaluated.values()),
            ]
            for name in pairs.by_category
        ]
    for name in ("chosen_shorter", "chosen_longer"):
        made.append([name.replace("_", " "), *(_estimate(getattr(figures, name)) for figures in evaluated.values())])
    if model.always_first is not None and len(shown) > 1:
        made[0].append(_estimate(model.always_first))
        made[1:] = [[*row, ""] for row in made[1:]]
    names = [*evaluated, *(["always first"] if len(made[0]) > len(evaluated) + 1 else [])]
    size = f"{pairs.accuracy.n} pairs of {pairs.accuracy.clusters} prompts"
    undecided = [f"{model.undecided} pairs have no better answer and do not count"] if model.undecided else []
    estimate = _estimate(pairs.log_loss, share=False)
    loss = f"log loss of P(chosen) at temperature 1, whatever was fitted: {estimate} (a coin: 0.693)"
    return [size, "", *_columns("", names, made), "", loss, *undecided, *_unscored(pairs.unscored, "pairs")]


def _people(shown: Evaluations, *, temperature: float | None) -> list[str]:
    report: CalibrationReport | None = shown["model"].people
    if report is None:
        return []
    perfect = report.ece_if_perfect
    of = "by the model's temperature" if temperature is None else f"at temperature {temperature:.3g}"
    return [
        f"P(chosen) {of} against people's votes: {report.n} pairs, {report.ties} of them ties",
        "",
        *_columns(
            "",
            ["model"],
            [
                ["Brier", _estimate(report.brier)],
                [f"log loss {of}", _estimate(report.log_loss, share=False)],
                ["ECE", _estimate(report.ece)],
                [
                    "ECE if it were perfect",
                    f"{perfect.mean:.3f} (90 % of draws {perfect.low:.3f} to {perfect.high:.3f})",
                ],
            ],
        ),
    ]


def _benchmark(
    shown: Evaluations, name: str, title: Callable[[Any], str], rows_of: Callable[[Any], Mapping[str, Any]], noun: str
) -> list[str]:
    """A table with a column for the model and each baseline; the model's labels are the rows."""
    measured = {who: figures for who, evaluation in shown.items() if (figures := getattr(evaluation, name)) is not None}
    if "model" not in measured:
        return []
    columns = [rows_of(figures) for figures in measured.values()]
    rows = [[label, *(_shown(column.get(label)) for column in columns)] for label in columns[0]]
    model = measured["model"]
    lines = [title(model), "", *_columns("", list(measured), rows)]
    if name == "grid":
        cells = [
            [f"right in {cell(style)}", *map(_shown, row)]
            for style, row in zip(model.styles, model.matrix, strict=True)
        ]
        lines += ["", *_columns("model", [f"wrong in {cell(style)}" for style in model.styles], cells)]
    return [*lines, *_unscored(model.unscored, noun)]


class _Quality(NamedTuple):
    """An estimate in the file's own unit, which is no share."""

    estimate: Estimate


def _shown(value: Any) -> str:
    if isinstance(value, _Quality):
        return _estimate(value.estimate, share=False)
    if value is None or isinstance(value, Estimate):
        return _estimate(value)
    return "-" if math.isnan(value) else f"{value:.3f}"


def _of_bench(bench: RewardBench) -> dict[str, Any]:
    subsets = {f"- {cell(name)}": subset for name, subset in bench.subsets.items()}
    return {"core (mean of sections)": bench.core, **bench.sections, **subsets}


def _of_bench_2(bench: RewardBench2) -> dict[str, Any]:
    rows = {"overall (mean of subsets)": bench.overall, **{cell(name): score for name, score in bench.subsets.items()}}
    if bench.ties is None:
        return rows
    names = ("ref_accuracy", "tied_accuracy", "preferred", "preferred_hard", "margin")
    return {**rows, "Ties": bench.ties.score, **{f"- {n.replace('_', ' ')}": getattr(bench.ties, n) for n in names}}


def _of_pools(pools: BestOfN) -> dict[str, Any]:
    places = [k for k in range(len(pools.curve)) if k < POINTS or (k + 1).bit_count() == 1]
    return {
        "first is a best one": pools.first_is_best,
        "quality of the pick": _Quality(pools.picked),
        "- above a random one": _Quality(pools.gain),
        **{f"- best of {k + 1}": _Quality(pools.curve[k]) for k in places},
    }


def _title_of_pools(pools: BestOfN) -> str:
    at_random, mean, best = map(_shown, (pools.chance, pools.mean.value, pools.best.value))
    size = f"Best of n: {pools.picked.n} pools; at random {at_random} are a best one, "
    return f"{size}mean quality {mean}, of the best {best}"


def _of_grid(grid: StyleGrid) -> dict[str, Any]:
    by_category = {
        f"{name}, {cell(category)}": levels[name] for category, levels in grid.by_category.items() for name in LEVELS
    }
    return {**{name: getattr(grid, name) for name in LEVELS}, **by_category}


def _title_of_grid(grid: StyleGrid) -> str:
    legend = "hard: the wrong answer has the fancier style, easy: the right one"
    return f"Style grid: {grid.normal.n} prompts; {legend}"


_BENCHMARKS: tuple[tuple[str, Callable[[Any], str], Callable[[Any], Mapping[str, Any]], str], ...] = (
    ("reward_bench", lambda _: "RewardBench", _of_bench, "rows"),
    ("reward_bench_2", lambda _: "RewardBench 2", _of_bench_2, "rows"),
    ("best_of_n", _title_of_pools, _of_pools, "pools"),
    ("grid", _title_of_grid, _of_grid, "prompts"),
)
"""Of each benchmark its name, its title, its rows, and what it counts."""
