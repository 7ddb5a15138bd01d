"""An evaluation in words and tables, for a terminal; it reads as Markdown too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from amendment.reward_model.evaluation import BenchmarkLayout, RewardEvaluation
from amendment.statistics import Estimate
from amendment.text import cell, table

Evaluations = Mapping[str, RewardEvaluation]


def reward_lines(
    model: RewardEvaluation, baselines: Evaluations | None = None, *, temperature: float | None = None
) -> list[str]:
    """Return the tables of an evaluation; `baselines` are evaluations of the same rows by name, shown in columns of
    their own, and `temperature` is the one in P(chosen) against people."""
    shown = {"model": model, **(baselines or {})}
    lines = ["Intervals are 95 %, clustered by prompt; equal scores count half."]
    blocks = [_pairs(shown), _people(model, temperature=temperature)]
    for block in (*blocks, *(_benchmark(shown, layout) for layout in model.benchmarks)):
        lines += ["", *block] if block else []
    return lines


def _figure(value: Estimate | float | None) -> str:
    number = value.value if isinstance(value, Estimate) else value
    if number is None or math.isnan(number):
        return "-"
    if not isinstance(value, Estimate) or math.isnan(value.low):
        return f"{number:.3f}"
    return f"{number:.3f} ({value.low:.3f} to {value.high:.3f})"


def _unscored(count: int, noun: str) -> list[str]:
    return [f"{count} {noun} left out: an answer has no score, being too long"] if count else []


def _pairs(shown: Evaluations) -> list[str]:
    evaluated = {name: evaluation.pairs for name, evaluation in shown.items() if evaluation.pairs}
    model, pairs = shown["model"], shown["model"].pairs
    if pairs is None:
        return []
    rows: list[list[Estimate | str | None]] = [["accuracy", *(figures.accuracy for figures in evaluated.values())]]
    if len(pairs.by_category) > 1:
        rows.append(["macro over categories", *(figures.macro for figures in evaluated.values())])
        for name in pairs.by_category:
            slices = (figures.by_category.get(name) for figures in evaluated.values())
            rows.append([f"category {cell(name or 'none')}", *slices])
    rows.append(["chosen shorter", *(figures.chosen_shorter for figures in evaluated.values())])
    rows.append(["chosen longer", *(figures.chosen_longer for figures in evaluated.values())])
    header = ["", *evaluated]
    if model.always_first is not None and len(shown) > 1:
        header.append("always first")
        rows = [[*row, "" if number else model.always_first] for number, row in enumerate(rows)]
    size = f"{pairs.accuracy.n} pairs of {pairs.accuracy.clusters} prompts"
    undecided = [f"{model.undecided} pairs have no better answer and do not count"] if model.undecided else []
    loss = f"log loss of P(chosen) at temperature 1, whatever was fitted: {_figure(pairs.log_loss)} (a coin: 0.693)"
    return [size, "", *_table(header, rows), "", loss, *undecided, *_unscored(pairs.unscored, "pairs")]


def _people(model: RewardEvaluation, *, temperature: float | None) -> list[str]:
    report = model.people
    if report is None:
        return []
    perfect = report.ece_if_perfect
    of = "by the model's temperature" if temperature is None else f"at temperature {temperature:.3g}"
    rows: list[list[Estimate | str | None]] = [
        ["Brier", report.brier.within(0)],
        [f"log loss {of}", report.log_loss],
        ["ECE", report.ece.within(0)],
        ["ECE if it were perfect", f"{perfect.mean:.3f} (90 % of draws {perfect.low:.3f} to {perfect.high:.3f})"],
    ]
    size = f"P(chosen) {of} against people's votes: {report.n} pairs, {report.ties} of them ties"
    return [size, "", *_table(["", "model"], rows)]


def _benchmark(shown: Evaluations, layout: BenchmarkLayout) -> list[str]:
    """Return a table with a column for the model and each baseline; the model's figures are the rows."""
    measured = {name: shown[name].benchmarks[layout] for name in shown if layout in shown[name].benchmarks}
    model = measured["model"]
    rows = [
        [cell(name), *(_figure(benchmark.figures.get(name)) for benchmark in measured.values())]
        for name in model.figures
    ]
    return [model.title, "", *_table(["", *measured], rows), *_unscored(model.unscored, "rows")]


def _table(header: Sequence[str], rows: Sequence[Sequence[Estimate | str | None]]) -> list[str]:
    return table([header, *([value if isinstance(value, str) else _figure(value) for value in row] for row in rows)])
