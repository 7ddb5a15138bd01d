"""What a run came to, for machines (`summary.json`) and for people (`summary.md`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amendment import __version__
from amendment.evaluation.independence import kinship_warnings
from amendment.files import read_json, write_json, write_text
from amendment.llm.client import Calls
from amendment.llm.ledger_reading import Reader
from amendment.preference.revisions import unchecked_note
from amendment.preference.settings import JudgingConfig
from amendment.report.before_use import harm_lines, pair_facts, too_few
from amendment.report.render import markdown, value_shown
from amendment.results import SUMMARY, Estimate, Result, Summary
from amendment.run.chain import list_stages
from amendment.run.engine import RunFolder, RunStage
from amendment.run.runfile.config import RunFile
from amendment.stages.audit import simulated_banner
from amendment.stages.tables import LOSSES
from amendment.text import cell, plain, table


def write_summary(
    config: RunFile, workspace: RunFolder, stages: Sequence[RunStage], spending: Mapping[str, Any]
) -> dict[str, Any]:
    """Write both files from the notes of the stages that stand; returns the content of the first.

    The page for people also says what was spent, which no two equal runs need to share.

    A result that its settings or sources have left behind is none: its stage is missing, and out of date.
    """
    notes = {stage.name: note for stage in stages if (note := workspace.note(stage.name))}
    up_to_date = workspace.up_to_date(stages)
    results = {name: workspace.result(name) for name in up_to_date}
    if "critique" in results:
        results["critique"] += Result(
            notes=unchecked_note(config.candidates, is_judged=bool(config.part(JudgingConfig)))
        )
    pairs = pair_facts(workspace.folder, up_to_date)
    decides = not pairs.decided_by or pairs.decided_by["judge"] > 0
    warnings = [warning for result in results.values() for warning in result.warnings]
    done = [stage for stage in stages if stage.name in results]
    summary = Summary(
        name=config.name,
        seed=config.seed,
        toolkit=__version__,
        simulated=simulated_banner(config),
        before_use=(*harm_lines(results.get("evaluate", Result())), *too_few(pairs)),
        warnings=(*warnings, *kinship_warnings(config, decides=decides)),
        stages=results,
        on_card=tuple(stage.name for stage in done if stage.stage.is_on_card),
        models={stage.name: stage.stage.model_title for stage in done if stage.stage.model_title},
        missing=tuple(stage.name for stage in stages if stage.name not in up_to_date),
        out_of_date=tuple(name for name in notes if name not in up_to_date),
    )
    content = summary.to_json()
    write_json(workspace.folder / SUMMARY, content)
    spent = spending_lines(over_all_starts(spending))
    page = [*_page(config, summary), *(["## calls", "", *spent, ""] if spent else [])]
    write_text(workspace.folder / "summary.md", "\n".join(page))
    return content


def headline(config: RunFile, summary: Summary) -> list[str]:
    """Return the lines that the command prints at the end: the banner if there is one, and the lines of the stages of
    the greatest weight: the evaluation, or judges, dataset and trainings, or else the last stage."""
    weights = {stage.name: stage.weight for stage in list_stages(config) if stage.name in summary.stages}
    most = max(weights.values(), default=0)
    shown = [name for name, weight in weights.items() if weight == most] if most else list(summary.stages)[-1:]
    return [*_head(summary), *(line for name in shown for line in _section(summary, name))]


def _head(summary: Summary) -> list[str]:
    """Return the banner, warnings, and what gates say."""
    lines = [f"# {summary.name}", ""]
    if summary.simulated:
        lines += [f"> {summary.simulated}", ""]
    if summary.before_use:
        lines += ["Before you use this:", "", *(f"- {fact}" for fact in summary.before_use), ""]
    lines += [line for warning in summary.warnings for line in (f"> {warning}", "")]
    lines += _people(summary.of("audit"))
    for name, result in summary.stages.items():
        if failed := result.figure("failed_gates"):
            where = "certificate.md" if name == "audit" else f"see {name}"
            lines += [f"Gates that failed: {plain(str(failed.value), longest=2000)} ({where}).", ""]
    return lines


def _section(summary: Summary, name: str) -> list[str]:
    return [f"## {name}", "", *markdown(summary.stages[name]), ""]


def loss_lines(results: Mapping[str, Result]) -> list[str]:
    """Lines on the endings of each stage that has items without a result."""
    lines = []
    for name, result in results.items():
        for funnel in result.funnels:
            lost = {ending: count for ending, count in funnel.left_out.items() if ending in LOSSES}
            if lost:
                ended = ", ".join(f"{count:,} {ending}" for ending, count in {"done": funnel.remained, **lost}.items())
                where = f"for reasons, see the table of endings under {plain(name)}/"
                lines.append(f"{plain(name)}: {plain(funnel.what)}: {ended}; {where}")
        if unread := result.count("invalid_verdicts"):
            of_all = f"{unread:,} of {result.count('verdicts'):,} verdicts could not be read and decide nothing"
            lines.append(f"{plain(name)}: {of_all}; see the table of verdicts under {plain(name)}/")
    return lines


def _people(audit: Result) -> list[str]:
    """Return the result of a spot check, in a line."""
    gate = audit.figure("gate")
    agreed = audit.figure("judge_agrees_with_people")
    if gate is None:
        return []
    agreement = ""
    if agreed and isinstance(agreed.value, Estimate):
        agreement = f"the judge's labels agree with people on {value_shown(agreed.value, agreed.unit)}; "
    return [f"People: {agreement}gate before training {gate.value} (certificate.md).", ""]


def _page(config: RunFile, summary: Summary) -> list[str]:
    """Return all stages, those that tell most of the run first."""
    weights = {stage.name: stage.weight for stage in list_stages(config)}
    names = sorted(summary.stages, key=lambda name: weights[name] < 2)
    lines = [line for name in names for line in _section(summary, name)]
    named = [f"{name} (out of date)" if name in summary.out_of_date else name for name in summary.missing]
    return [*_head(summary), *lines, *([f"Not done yet: {', '.join(named)}", ""] if named else [])]


def write_spending(folder: Path, calls: Calls, *, pairs: int | None, possibly_paid: float) -> dict[str, Any]:
    """Write `spending.json`; returns its content.

    `pairs` is how many the dataset has, None where there is none; `possibly_paid` is in USD, over all starts, what
    calls without a reply may have cost.
    """
    spending = {**_sum_spending(calls.ledger, pairs=pairs), "possibly paid usd": possibly_paid}
    spending["notices"] = dict(calls.notices)
    write_json(folder / "spending.json", spending)
    return spending


def _sum_spending(ledger: Reader, *, pairs: int | None) -> dict[str, Any]:
    rows = [row._asdict() for row in ledger.spending()]
    total = {name: sum(row[name] for row in rows) for name in _SUMS}
    spending: dict[str, Any] = {"by stage and model": rows, "total": total, "other models": _drifts(ledger)}
    unanswered = ledger.open_attempts()
    spending["attempts without an end"] = len(unanswered)
    spending["of these possibly billed"] = sum(attempt.may_be_billed for attempt in unanswered)
    if pairs:
        tokens = total["input_tokens"] + total["output_tokens"]
        spending["for each kept pair"] = {
            "pairs": pairs,
            "calls": round(total["replies"] / pairs, 2),
            "tokens": round(tokens / pairs, 1),
            "usd": round(total["usd"] / pairs, 6),
        }
    return spending


_SUMS = (
    *("attempts", "replies", "input_tokens", "cached_tokens", "output_tokens"),
    *("usd", "unpriced", "unmetered"),
)


def _drifts(ledger: Reader) -> list[dict[str, Any]]:
    """Return names under which more than one model answered, with how many replies came from each."""
    answered: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in ledger.models():
        if row.returned:
            answered[row.host, row.asked][row.returned] = row.replies
    return [
        {"host": host, "asked": asked, "answered": names} for (host, asked), names in answered.items() if len(names) > 1
    ]


def less_than_spent(ledger: Reader) -> list[str] | None:
    """Return a sentence for each sum that is smaller in a ledger than in the `spending.json` next to it; None without
    that file. A ledger only grows, so a smaller sum means that rows were changed or deleted."""
    now = _sum_spending(ledger, pairs=None)["total"]
    try:
        before = read_json(ledger.path.parent / "spending.json")["total"]
        less = [name for name in _SUMS if now[name] < before[name] - 1e-9]  # sums of floats
        return [f"spending.json counts {before[name]:.6g} {name}, but the ledger has {now[name]:.6g}" for name in less]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def over_all_starts(spending: Mapping[str, Any]) -> dict[str, Any]:
    """Without what holds for the last start alone, so that starting a finished run again changes nothing."""
    return {name: value for name, value in spending.items() if name != "notices"}


def spending_lines(spending: Mapping[str, Any]) -> list[str]:
    """Return the spending for people: a table, and a sentence for whatever is out of the ordinary."""
    rows: Sequence[Mapping[str, Any]] = spending["by stage and model"]
    if not rows:
        return []
    header = ["stage", "model", "calls", "input tokens", "of them cached", "output tokens", "USD", "attempts lost"]
    lines = [
        *table([header, *(_cells(row) for row in rows), _cells({**spending["total"], "stage": "all", "model": ""})])
    ]
    each = spending.get("for each kept pair")
    if each:
        money = f", {each['usd']:.4f} USD" if each["usd"] else ""
        counts = f"{each['calls']} calls, {each['tokens']:,} tokens{money}"
        lines += ["", f"For each of {each['pairs']:,} kept pairs: {counts}."]
    return [*lines, *_remarks(spending)]


def _cells(row: Mapping[str, Any]) -> list[str]:
    money = f"{row['usd']:.4f}" + (f" and {row['unpriced']:,} calls unpriced" if row["unpriced"] else "")
    counts = [f"{row[name]:,}" for name in ("replies", "input_tokens", "cached_tokens", "output_tokens")]
    lost = row["attempts"] - row["replies"]
    return [cell(row["stage"] or "-"), cell(row["model"]), *counts, money, f"{lost:,}"]


def _remarks(spending: Mapping[str, Any]) -> list[str]:
    remarks = []
    if count := spending.get("of these possibly billed", spending["attempts without an end"]):
        remarks.append(f"{count} calls without a reply may have been sent; they may be billed.")
    if lost := spending.get("possibly paid usd"):
        remarks.append(f"Up to {lost:.4f} USD may be billed for calls whose reply never came.")
    for drift in spending["other models"]:
        names = ", ".join(f"{plain(name)} ({count:,})" for name, count in drift["answered"].items())
        remarks.append(f"{plain(drift['asked'])} at {plain(drift['host'])} is not one model: {names} answered.")
    remarks += [f"{plain(text, longest=500)} ({count:,} times)" for text, count in spending.get("notices", {}).items()]
    return ["", *(f"- {line}" for line in remarks)] if remarks else []
