"""Chapters on what a run did: items by stage, principles kept, calls, trainings with their guards, policies, diversity.

All of it is read from the counts of the summary, the spending, and the trainers' logs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

from amendment.report.before_use import WORSE
from amendment.report.document import Chapter, DataTable, Json, Written
from amendment.report.plots import FEWEST_JOINED, Bars, Curve, Curves, IntervalRow, Intervals, Plot, interval_rows
from amendment.report.render import funnel_table, page_tables
from amendment.results import Funnel, Result, Summary
from amendment.statistics import Estimate, estimate
from amendment.training.settings import UNREADABLE

LOSSES = ("refused", "invalid", "failed", "pending")
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
CARD_TITLES = {name: title for name, (title, _) in WORSE.items() if name != "fluency"}
"""Shares of the scorecard that are no principle's."""


def made_by_run(written: Written) -> str:
    """What the run has made so far, in a sentence."""
    dataset = written.stages.get("dataset", {})
    sides = [f"{dataset[f'{side} pairs']:,} {side}" for side in ("train", "test") if f"{side} pairs" in dataset]
    inputs = written.summary.of("inputs").funnel("prompts")
    prompts = inputs.remained if inputs else 0
    judges = list(written.of_stage("judging", "judging/report.json").get("judges", {}))
    pairs = [
        *([f"{' and '.join(sides)} pairs"] if sides else []),
        *([f"{'from ' if sides else ''}{prompts:,} prompts"] if prompts else []),
    ]
    named = f"{', '.join(judges[:3])}{' and others' if len(judges) > 3 else ''}"
    decided = written.pairs.decided_by
    who = written.pairs.who(named or "the judge")
    judged = f", {who}" if who else ""
    if judges and not decided["judge"]:
        judged += f"; judge{' measured' if decided else ''}: {named}"
    models = list(written.summary.models)
    trained = f"; trained: {', '.join(models)}" if models else ""
    return f"{' '.join(pairs) or 'Nothing is finished yet'}{judged}{trained}."


def run_chapters(written: Written) -> list[Chapter]:
    """The chapters that the run has figures for."""
    stages = written.stages
    chapters = (
        _funnel(written),
        _policies(stages.get("evaluate", {})),
        _kept(written.summary.of("critique")),
        _training(written),
        _diversity(stages),
        _calls(written.spending),
        _lines(written.summary),
    )
    return [chapter for chapter in chapters if chapter]


def _funnel(written: Written) -> Chapter | None:
    """How many items there were at each step, and what became of the others."""
    stages = written.stages
    counted: list[tuple[str, str, str]] = [
        ("generate", "prompts", "generated prompts"),
        ("construct", "tries", "tries of two answers"),
        ("construct", "pairs", "constructed pairs"),
        ("judging", "comparisons", "comparisons"),
    ]
    rows: list[tuple[str, dict[str, float]]] = []
    funnels: list[Funnel] = []
    for name, result in written.results.items():
        funnels += result.funnels
        for funnel in result.funnels:
            is_first = all(label != funnel.what for label, _ in rows)
            label = funnel.what if is_first else f"{funnel.what} ({name})"
            rows.append((label, _parts(funnel.remained, funnel.came_in)))
        for stage, key, label in counted:
            counts = stages.get(stage, {})
            if stage == name and isinstance(counts.get(key), int):
                lost = sum(counts.get(name, 0) for name in LOSSES) if key == "comparisons" else 0
                kept = counts.get("done", counts[key]) if key == "comparisons" else counts[key]
                rows.append((label, _parts(kept, kept + lost)))
    dataset = stages.get("dataset", {})
    if "train pairs" in dataset:
        pairs = dataset["train pairs"] + dataset.get("test pairs", 0)
        rows.append(("pairs in the dataset", _parts(pairs, pairs)))
    if not rows:
        return None
    reasons = [(str(why), f"{count:,}") for why, count in dataset.get("left out", {}).items() if isinstance(count, int)]
    tables = [DataTable(("left out of the dataset, because", "pairs"), reasons, "Left out")] if reasons else []
    tables += [_tries(stages["construct"])] if stages.get("construct", {}).get("by principle") else []
    tables += [funnel_table(funnel) for funnel in funnels if funnel.left_out]
    return Chapter(
        id="funnel",
        title="From prompts to pairs",
        says="Each bar counts what one step made; a bar much shorter than the one it draws on deserves a look.",
        plots=[Bars(title="Items by step", rows=rows, what="step")],
        tables=tables,
    )


def _tries(construct: Json) -> DataTable:
    """By principle the tries of two answers, the pairs among them, and why the others are none: these add up."""
    rows, losses = construct["by principle"], construct.get("no pair", {})
    every = [*rows, {**construct, "drawn by": "all", "no pair": losses}] if len(rows) > 1 else rows
    lines = {"tries": [row["tries"] for row in every], "pairs": [row["pairs"] for row in every]}
    lines |= {f"no pair: {why}": [row["no pair"].get(why, 0) for row in every] for why in losses}
    cells = [(name, *(f"{count:,}" for count in counts)) for name, counts in lines.items()]
    head = ("drawn by", *(str(row["drawn by"]) for row in every))
    return DataTable(head, cells, "Tries of two answers, by principle", is_open=True)


def _parts(done: int, begun: int) -> dict[str, float]:
    return {"done": done, "left out": begun - done} if begun > done else {"done": done}


def _kept(critique: Result) -> Chapter | None:
    """How many drafts and revisions keep the principles that code can check."""
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
    """A plot for each trained model, with what its guards saw."""
    plots: list[Plot] = []
    rows = []
    violated: dict[str, list[str]] = {}
    for name, result in written.results.items():
        record = written.read(f"models/{name}/history.json")
        if logged := list(_logged(record.get("history", ()))):
            plots.append(Curves(title=f"{name}: {record.get('steps', '?')} steps", panels=logged))
        if guarded := list(_guarded(record.get("guards", ()))):
            limits = _limits(record.get("settings", {}).get("guards") or {})
            plots.append(Curves(title=f"{name}: what its guards measured", panels=guarded, limits=limits))
        if accuracy := result.estimate("held_out_accuracy"):
            rows.append(IntervalRow(name, accuracy))
        if guards := result.where("guards_violated"):
            violated[name] = [figure.of["guard"] for figure in guards]
    if not plots:
        return None
    more: list[Plot] = []
    if rows:
        title = "Held-out pairs whose chosen answer it prefers"
        more.append(Intervals(title=title, rows=rows, reference=(0.5, "a coin"), limits=PERCENT))
    notes = [f"{name}: guards violated: {', '.join(guards)}." for name, guards in violated.items()]
    curves = [curve for plot in plots if isinstance(plot, Curves) for _, panel in plot.panels for curve in panel]
    says = "The loss should fall and level off; a guard whose curve rises above its dashed limit can end the training."
    if all(len(curve.steps) < FEWEST_JOINED for curve in curves):
        says = "The trainers logged fewer than 4 steps each: single points show no course."
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


def _policies(evaluate: Json) -> Chapter | None:
    """Win rates, the scorecard, and the truth where it is known."""
    plots: list[Plot] = []
    if won := interval_rows(evaluate.get("win rates", {}).items()):
        plots.append(Intervals(title="Win rate", rows=won, reference=(0.5, "as good"), limits=PERCENT))
    card = evaluate.get("scorecard", {})
    figures = {f"keeps {name}": figure for name, figure in card.get("principles", {}).items()}
    figures |= {title: card[name] for name, title in CARD_TITLES.items() if name in card}
    rows = [
        row
        for label, figure in figures.items()
        for policy, given in figure.get("policies", {}).items()
        for row in interval_rows([(label, given)], policy)
    ]
    if rows:
        plots.append(Intervals(title="Scorecard: share of answers", rows=rows, limits=PERCENT))
    if truth := interval_rows((name, row["utility"]) for name, row in evaluate.get("policies", {}).items()):
        title = "True utility, known since this world is simulated"
        plots.append(Intervals(title=title, rows=truth, scale=1, limits=(0.0, 1.0), form=".3f", unit=""))
    if not plots:
        return None
    tables = list(_lengths(card))
    says = "Policies whose intervals do not overlap differ; the paired differences in the table are sharper."
    return Chapter(
        id="policies",
        title="Policies compared",
        says=says,
        plots=plots,
        tables=[*tables, *_differences(evaluate, figures)],
    )


def _lengths(card: Json) -> Iterator[DataTable]:
    """The figures of the scorecard that are no shares."""
    titles = {"words": "words", "fluency": "nats per token"}
    measured = {title: card[name]["policies"] for name, title in titles.items() if "policies" in card.get(name, {})}
    if measured:
        policies = list(next(iter(measured.values())))
        rows = [(title, *(_ranged(given.get(policy)) for policy in policies)) for title, given in measured.items()]
        yield DataTable(("figure", *policies), rows, "Length and fluency")


def _differences(evaluate: Json, figures: Json) -> Iterator[DataTable]:
    differences = {label: figure.get("differences", {}) for label, figure in figures.items()}
    if "policies" in evaluate:
        differences["true utility"] = evaluate.get("differences", {})
    rows = [
        (label, names, _ranged(value, "+.3f")) for label, given in differences.items() for names, value in given.items()
    ]
    if rows:
        yield DataTable(("figure", "policies", "difference (95 % interval)"), rows, "Differences, paired by prompt")


def _ranged(value: Any, form: str = ".3f") -> str:
    figure = estimate(value)
    if figure is None:
        return "-"
    bounds = f" ({figure.low:{form}} to {figure.high:{form}})" if figure.low == figure.low else " (no interval)"
    return f"{figure.value:{form}}{bounds}"


def _diversity(stages: Json) -> Chapter | None:
    """How varied chosen and rejected answers are, and those of the rounds; what the gate against collapse says."""
    measured = dict(stages.get("dataset", {}).get("diversity", {}))
    if of_rounds := stages.get("rounds", {}).get("diversity"):
        measured["rounds"] = of_rounds
    rows: list[IntervalRow] = []
    table, notes = [], []
    for side, part in measured.items():
        for name, figures in part.get("sets", {}).items():
            of = side if len(part["sets"]) == 1 else f"{side}, {name}"
            rows += interval_rows([(of, figures.get("distinct-2"))])
            table += [(of, figure, _ranged(value)) for figure, value in figures.items()]
        if why := part.get("why no gate"):
            notes.append(f"Collapse, {side}: not measured, since {why}.")
        for name, gate in part.get("gates", {}).items():
            worse = f" ({', '.join(gate['fallen'])})" if gate["fallen"] else ""
            notes.append(f"Collapse, {side}, {name} against {part['baseline']}: {gate['outcome']}{worse}.")
    if not rows:
        return None
    return Chapter(
        id="diversity",
        title="Diversity",
        says="Higher is more varied, but for the compression ratio, self-repetition and cross-entropy. Size moves all "
        "of them, so compare only sets of one size.",
        plots=[Intervals(title="Share of different word pairs", rows=rows, scale=1, form=".3f", unit="")],
        tables=[DataTable(("answers", "figure", "mean (95 % interval)"), table, "All figures")],
        notes=notes,
    )


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
        if lines := [*summary.lines.get(stage, ()), *summary.texts.get(stage, ())]:
            tables.append(DataTable(("",), [(line,) for line in lines if line], stage))
        else:
            tables += page_tables(result, stage)
    says = "What each stage counted, as in summary.md."
    return Chapter(id="lines", title="All counts by stage", says=says, tables=tables) if tables else None
