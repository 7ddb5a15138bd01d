"""Chapters on what a run did: items by stage, principles kept, calls, trainings with their guards, policies, diversity.

All of it is read from the counts of the summary, the spending, and the trainers' logs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

from amendment.report.before_use import WORSE, name_figure
from amendment.report.document import Chapter, DataTable, Json, Written
from amendment.report.plots import FEWEST_JOINED, Bars, Curve, Curves, IntervalRow, Intervals, Plot, interval_rows
from amendment.report.render import funnel_table, make_tables, page_tables, value_shown
from amendment.results import Figure, Funnel, Result, Summary
from amendment.statistics import Estimate, by_length, estimate
from amendment.training.settings import UNREADABLE

MOST_POINTS = 150
"""Points of a curve; of longer logs every so many steps are drawn."""
PANELS = {
    "loss": {"loss": "loss"},
    "accuracy": {"accuracy": "accuracy", "mean_token_accuracy": "of tokens", "rewards/accuracies": "of pairs"},
    "margin of rewards": {"margin": "margin", "rewards/margins": "margin"},
    "rewards": {"rewards/chosen": "chosen", "rewards/rejected": "rejected"},
}
"""By panel the figures of a trainer's log, and what they are called there."""
PERCENT = (0.0, 100.0)


def run_chapters(written: Written) -> list[Chapter]:
    """Return the chapters that the run has figures for."""
    chapters = (
        _funnel(written),
        _policies(written.summary.of("evaluate")),
        _kept(written.summary.of("critique")),
        _training(written),
        _diversity(written.summary),
        _calls(written.spending),
        _lines(written.summary),
    )
    return [chapter for chapter in chapters if chapter]


def _funnel(written: Written) -> Chapter | None:
    """Return how many items there were at each step, and what became of the others."""
    rows: list[tuple[str, dict[str, float]]] = []
    funnels: list[Funnel] = []
    for name, result in written.results.items():
        funnels += result.funnels
        for funnel in result.funnels:
            is_first = all(label != funnel.what for label, _ in rows)
            label = funnel.what if is_first else f"{funnel.what} ({name})"
            rows.append((label, _parts(funnel.remained, funnel.came_in)))
    if not rows:
        return None
    drawn = Result(figures=written.summary.of("construct").figures)
    tables = make_tables(drawn) + [funnel_table(funnel) for funnel in funnels if funnel.left_out]
    return Chapter(
        id="funnel",
        title="From prompts to pairs",
        says="Each bar counts what one step made; a bar much shorter than the one it draws on deserves a look.",
        plots=[Bars(title="Items by step", rows=rows, what="step")],
        tables=tables,
    )


def _parts(done: int, begun: int) -> dict[str, float]:
    return {"done": done, "left out": begun - done} if begun > done else {"done": done}


def _kept(critique: Result) -> Chapter | None:
    """Return how many drafts and revisions keep the principles that code can check."""
    checked: dict[str, dict[str, int]] = {}
    for figure in critique.figures:
        if figure.name in ("kept", "broken") and set(figure.of) == {"principle", "answers"}:
            kinds = checked.setdefault(figure.of["principle"], {})
            kinds[figure.of["answers"]] = kinds.get(figure.of["answers"], 0) + cast(int, figure.value)
    rows = []
    for principle, kinds in checked.items():
        n = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        for kind, count in kinds.items():
            kept = critique.count("kept", principle=principle, answers=kind)
            share = Estimate(kept / count, math.nan, math.nan, count, count)
            rows.append(IntervalRow(f"{principle} (n = {n})", share, kind))
    if not rows:
        return None
    plot = Intervals(title="Answers that keep the principle, by its check", rows=rows, limits=PERCENT)
    says = "Revision helps where a larger share of revisions than of drafts keeps the principle."
    return Chapter(id="kept", title="Drafts and revisions", says=says, plots=[plot])


def _training(written: Written) -> Chapter | None:
    """Return a plot for each trained model, with what its guards saw."""
    plots: list[Plot] = []
    rows = []
    violated: dict[str, list[str]] = {}
    longer: Estimate | None = None
    for name, result in written.results.items():
        record = written.read(f"models/{name}/history.json")
        if logged := list(_logged(record.get("history", ()))):
            plots.append(Curves(title=f"{name}: {record.get('steps', '?')} steps", panels=logged))
        if guarded := list(_guarded(record.get("guards", ()))):
            limits = _limits(record.get("settings", {}).get("guards") or {})
            plots.append(Curves(title=f"{name}: what its guards measured", panels=guarded, limits=limits))
        if accuracy := result.estimate("held_out_accuracy"):
            rows.append(IntervalRow(name, accuracy))
        longer = result.estimate("longer_answer_is_right") or longer
        if guards := result.where("guards_violated"):
            violated[name] = [figure.of["guard"] for figure in guards]
    if not plots:
        return None
    more: list[Plot] = []
    if rows:
        if longer:  # of the same pairs, whatever model was trained
            side, right = by_length(longer)
            rows.append(IntervalRow(f"the {side} answer, without a model", right))
        title = "Held-out pairs whose chosen answer it prefers"
        more.append(Intervals(title=title, rows=rows, reference=(0.5, "a coin"), limits=PERCENT))
    notes = [f"{name}: guards violated: {', '.join(guards)}." for name, guards in violated.items()]
    curves = [curve for plot in plots if isinstance(plot, Curves) for _, panel in plot.panels for curve in panel]
    says = "The loss should fall and level off; a guard whose curve rises above its dashed limit can end the training."
    if all(len(curve.steps) < FEWEST_JOINED for curve in curves):
        says = "The trainers logged fewer than 4 steps each, too few for a curve."
    return Chapter(id="training", title="Training", says=says, plots=[*more, *plots], notes=notes)


def _logged(history: Sequence[Json]) -> Iterator[tuple[str, Sequence[Curve]]]:
    """Panels of a trainer's log."""
    every = 1 + len(history) // MOST_POINTS
    rows = [row for place, row in enumerate(history) if place % every == 0 or place == len(history) - 1]
    for title, names in PANELS.items():
        curves = []
        for key, name in names.items():
            drawn = [row for row in rows if isinstance(row.get(key), int | float) and "step" in row]
            if len(drawn) > 1:
                steps, values = ([row[part] for row in drawn] for part in ("step", key))
                curves.append(Curve(name=name, steps=steps, values=values))
        if curves:
            yield title, curves


def _guarded(readings: Sequence[Json]) -> Iterator[tuple[str, Sequence[Curve]]]:
    """Panels of what guards measured, with intervals."""
    names = dict.fromkeys(
        name for reading in readings for name in reading["figures"] if name not in ("kl", "reward", "judge")
    )
    for name in names:
        points = [
            (reading["step"], figure)
            for reading in readings
            if (figure := estimate(reading["figures"].get(name))) is not None
        ]
        if len(points) > 1:
            bounds = [(value.low, value.high) if value.low == value.low else (value.value,) * 2 for _, value in points]
            curve = Curve(
                name=name.replace("_", " "),
                steps=[step for step, _ in points],
                values=[value.value for _, value in points],
                bounds=bounds,
            )
            yield name.replace("_", " "), [curve]


def _limits(settings: Json) -> dict[str, float]:
    """By panel the limit of a guard; that of unreadable answers is also that of answers that are cut."""
    unreadable = settings.get("unreadable", UNREADABLE)  # earlier versions wrote it down, since it could be set
    limits = {name: settings.get(name) for name in ("kl_per_token", "length_ratio")}
    limits |= {"unreadable": unreadable, "cut": unreadable}
    return {name.replace("_", " "): float(limit) for name, limit in limits.items() if limit is not None}


def _policies(evaluate: Result) -> Chapter | None:
    """Win rates, the scorecard, and the truth where it is known."""
    rows: dict[str, list[IntervalRow]] = {"win_rate": [], "share": [], "true_utility": []}
    for figure in evaluate.figures:
        about = dict(figure.of)
        of = figure.value
        policy = about.pop("policy", "")
        if not isinstance(of, Estimate) or math.isnan(of.value) or {"less", "category"} & about.keys():
            continue
        if figure.name == "win_rate":
            rows["win_rate"].append(IntervalRow(f"{policy} against {about['against']}", of))
        elif figure.name == "true_utility":
            rows["true_utility"].append(IntervalRow(policy, of))
        elif figure.name in WORSE and figure.unit == "share":
            rows["share"].append(IntervalRow(name_figure(figure.name, about), of, policy))
    plots: list[Plot] = []
    if won := rows["win_rate"]:
        plots.append(Intervals(title="Win rate", rows=won, reference=(0.5, "as good"), limits=PERCENT))
    if shares := rows["share"]:
        plots.append(Intervals(title="Scorecard: share of answers", rows=shares, limits=PERCENT))
    if truth := rows["true_utility"]:
        title = "True utility, known since this world is simulated"
        plots.append(Intervals(title=title, rows=truth, scale=1, limits=(0.0, 1.0), form=".3f", unit=""))
    if not plots:
        return None
    others = [
        figure for figure in evaluate.figures if "less" in figure.of or figure.name in ("words", "nats_per_token")
    ]
    says = "Policies whose intervals do not overlap differ; the paired differences in the tables are more precise."
    tables = make_tables(Result(figures=tuple(others)))
    return Chapter(id="policies", title="Policies compared", says=says, plots=plots, tables=tables)


def _diversity(summary: Summary) -> Chapter | None:
    """Return how varied chosen and rejected answers are, and those of the rounds; what the gate against collapse
    says."""
    results = (summary.of("dataset"), summary.of("rounds"))
    measured = [figure for result in results for figure in result.where("diversity")]
    if not measured:
        return None
    gates = [figure for result in results for figure in result.where("collapse")]
    rows = [(_about(figure), figure.of["measure"], value_shown(figure.value, figure.unit)) for figure in measured]
    pairs = [figure for figure in measured if figure.of["measure"] == "distinct-2"]
    return Chapter(
        id="diversity",
        title="Diversity",
        says="Higher is more varied, except for the compression ratio, self-repetition and cross-entropy. All depend "
        "on size, so compare only sets of equal size.",
        plots=[
            Intervals(
                title="Share of different word pairs",
                rows=interval_rows((_about(figure), figure.value) for figure in pairs),
                scale=1,
                form=".3f",
                unit="",
            )
        ],
        tables=[DataTable(("answers", "figure", "mean (95 % interval)"), rows, "All figures")],
        notes=[f"Collapse, {_about(figure)}: {figure.value}." for figure in gates],
    )


def _about(figure: Figure) -> str:
    return ", ".join(value for label, value in figure.of.items() if label != "measure")


def _calls(spending: Json) -> Chapter | None:
    """Calls, tokens and money by stage and model."""
    given: Sequence[Json] = spending.get("by stage and model", ())
    if not given:
        return None
    labels = [f"{row['stage'] or '-'}, {row['model'].partition('@s2:')[0]}" for row in given]
    plots: list[Plot] = [
        Bars(
            title="Calls by stage and model",
            rows=[(label, {"calls": row["replies"]}) for label, row in zip(labels, given, strict=True)],
            what="stage and model",
        )
    ]
    if spending["total"]["usd"]:
        rows = [(label, {"cost": row["usd"]}) for label, row in zip(labels, given, strict=True)]
        plots.append(Bars(title="Cost by stage and model", rows=rows, what="stage and model", form=",.4f", unit=" USD"))
    head = ("stage", "model", "calls", "input tokens", "cached", "output tokens", "USD", "attempts lost")
    numbers = ("replies", "input_tokens", "cached_tokens", "output_tokens")
    table = [
        (
            *(row["stage"] or "-", row["model"], *(f"{row[name]:,}" for name in numbers)),
            *(f"{row['usd']:.4f}", f"{row['attempts'] - row['replies']:,}"),
        )
        for row in [*given, {**spending["total"], "stage": "all", "model": ""}]
    ]
    notes = []
    if each := spending.get("for each kept pair"):
        money = f", {each['usd']:.4f} USD" if each["usd"] else ""
        notes.append(
            f"For each of {each['pairs']:,} kept pairs: {each['calls']} calls, {each['tokens']:,} tokens{money}."
        )
    if lost := spending.get("possibly paid usd"):
        notes.append(f"Up to {lost:.4f} USD may be billed for calls whose reply never came.")
    says = "The longest bar is where most calls go, and where fewer samples or principles save most."
    tables = [DataTable(head, table, "Calls, tokens and money")]
    return Chapter(id="calls", title="Calls and cost", says=says, plots=plots, tables=tables, notes=notes)


def _lines(summary: Summary) -> Chapter | None:
    """Everything that each stage has found out, as in the summary."""
    tables: list[DataTable] = []
    for stage, result in summary.stages.items():
        tables += page_tables(result, stage)
    says = "What each stage counted, as in summary.md."
    return Chapter(id="lines", title="All counts by stage", says=says, tables=tables) if tables else None
