"""What a run came to, for machines (`summary.json`) and for people (`summary.md`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amendment import __version__
from amendment.files import read_json, write_json, write_text
from amendment.llm.client import Calls
from amendment.llm.ledger_reading import Reader
from amendment.records import Outcome
from amendment.report.before_use import harm_lines, pair_facts, too_few
from amendment.run.engine import RunFolder, RunStage
from amendment.run.runfile.config import RunFile
from amendment.stages import stages_of
from amendment.stages.contract import simulated_banner
from amendment.stages.kinship import kinship_warnings
from amendment.stages.pairs import revision_counts
from amendment.text import cell, plain, table

LOSSES: tuple[Outcome, ...] = ("refused", "invalid", "failed", "pending")
"""Endings without a result."""


def write_summary(
    config: RunFile, workspace: RunFolder, stages: Sequence[RunStage], spending: Mapping[str, Any]
) -> dict[str, Any]:
    """Write both files from the notes of the stages that stand; returns the content of the first.

    The page for people also says what was spent, which no two equal runs need to share.

    A result that its settings or sources have left behind is none: its stage is missing, and out of date.
    """
    notes = {stage.name: note for stage in stages if (note := workspace.note(stage.name))}
    up_to_date = workspace.up_to_date(stages)
    counts = {name: {**notes[name]["counts"], **revision_counts(config, name)} for name in up_to_date}
    pairs = pair_facts(workspace.folder, counts)
    decides = not pairs.decided_by or pairs.decided_by["judge"] > 0
    warnings = [line for made in counts.values() for line in made.get("warnings", ())]
    summary = {
        "name": config.name,
        "seed": config.seed,
        "toolkit": __version__,
        "simulated": simulated_banner(config),
        "before use": [*harm_lines(counts.get("evaluate", {})), *too_few(pairs)],
        "warnings": [*warnings, *kinship_warnings(config, decides=decides)],
        "stages": counts,
        "on card": [stage.name for stage in stages if stage.stage.is_on_card and stage.name in counts],
        "models": {
            stage.name: stage.stage.model_title for stage in stages if stage.stage.model_title and stage.name in counts
        },
        "lines": {stage.name: stage.stage.lines(counts[stage.name]) for stage in stages if stage.name in counts},
        "texts": {stage.name: stage.stage.texts(workspace.folder) for stage in stages if stage.name in counts},
        "missing": [stage.name for stage in stages if stage.name not in up_to_date],
        "out of date": [name for name in notes if name not in up_to_date],
    }
    write_json(workspace.folder / "summary.json", summary)
    spent = spending_lines(over_all_starts(spending))
    page = [*_page(config, summary), *(["## calls", "", *spent, ""] if spent else [])]
    write_text(workspace.folder / "summary.md", "\n".join(page))
    return summary


def headline(config: RunFile, summary: Mapping[str, Any]) -> list[str]:
    """The lines that the command prints at the end: the banner if there is one, and the lines of the stages of the
    greatest weight: the evaluation, or judges, dataset and trainings, or else the last stage."""
    stages: Mapping[str, Any] = summary["stages"]
    weights = {stage.name: stage.weight for stage in stages_of(config) if stage.name in stages}
    most = max(weights.values(), default=0)
    shown = [name for name, weight in weights.items() if weight == most] if most else list(stages)[-1:]
    return [*_head(summary), *(line for name in shown for line in _section(summary, name))]


def _head(summary: Mapping[str, Any]) -> list[str]:
    """The banner, warnings, and what gates say."""
    stages: Mapping[str, Any] = summary["stages"]
    lines = [f"# {summary['name']}", ""]
    if summary["simulated"]:
        lines += [f"> {summary['simulated']}", ""]
    if facts := summary["before use"]:
        lines += ["Before you use this:", "", *(f"- {fact}" for fact in facts), ""]
    lines += [line for warning in summary["warnings"] for line in (f"> {warning}", "")]
    lines += _people(stages.get("audit", {}))
    for name, counts in stages.items():
        if failed := counts.get("failed gates"):
            where = "certificate.md" if name == "audit" else f"see {name}"
            lines += [f"Gates that failed: {plain(failed, longest=2000)} ({where}).", ""]
    return lines


def _section(summary: Mapping[str, Any], name: str) -> list[str]:
    texts = summary["texts"][name]
    return [f"## {name}", "", *summary["lines"][name], *(["", *texts] if texts else []), ""]


def loss_lines(stages: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines on the endings of each stage that has items without a result; `stages` are the counts by stage."""
    lines = []
    for name, counts in stages.items():
        if "done" in counts and any(counts.get(outcome) for outcome in LOSSES):
            ended = ", ".join(f"{counts.get(outcome, 0):,} {outcome}" for outcome in ("done", *LOSSES))
            lines.append(f"{plain(name)}: {ended}; for reasons, see the table of endings under {plain(name)}/")
        if unread := counts.get("invalid verdicts"):
            of_all = f"{unread:,} of {counts['verdicts']:,} verdicts could not be read and decide nothing"
            lines.append(f"{plain(name)}: {of_all}; see the table of verdicts under {plain(name)}/")
    return lines


def _people(audit: Mapping[str, Any]) -> list[str]:
    """The result of a spot check, in a line."""
    if "gate" not in audit:
        return []
    agreed = audit.get("the judge's labels agree with people")
    agreement = f"the judge's labels agree with people in {agreed:.1%}; " if agreed is not None else ""
    return [f"People: {agreement}gate before training {audit['gate']} (certificate.md).", ""]


def _page(config: RunFile, summary: Mapping[str, Any]) -> list[str]:
    """All stages, those that tell most of the run first."""
    weights = {stage.name: stage.weight for stage in stages_of(config)}
    names = sorted(summary["stages"], key=lambda name: weights[name] < 2)
    lines = [line for name in names for line in _section(summary, name)]
    named = [f"{name} (out of date)" if name in summary["out of date"] else name for name in summary["missing"]]
    return [*_head(summary), *lines, *([f"Not done yet: {', '.join(named)}", ""] if named else [])]


def write_spending(folder: Path, calls: Calls, *, pairs: int | None, possibly_paid: float) -> dict[str, Any]:
    """Write `spending.json`; returns its content.

    `pairs` is how many the dataset has, None where there is none; `possibly_paid` is in USD, over all starts, what
    calls without a reply may have cost.
    """
    spending = {**_spending_of(calls.ledger, pairs=pairs), "possibly paid usd": possibly_paid}
    spending["notices"] = dict(calls.notices)
    write_json(folder / "spending.json", spending)
    return spending


def _spending_of(ledger: Reader, *, pairs: int | None) -> dict[str, Any]:
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
    """Names under which more than one model answered, with how many replies came from each."""
    answered: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in ledger.models():
        if row.returned:
            answered[row.host, row.asked][row.returned] = row.replies
    return [
        {"host": host, "asked": asked, "answered": names} for (host, asked), names in answered.items() if len(names) > 1
    ]


def less_than_spent(ledger: Reader) -> list[str] | None:
    """A sentence for each sum that is smaller in a ledger than in the `spending.json` next to it; None without that
    file. A ledger only grows, so a smaller sum means that rows were changed or deleted."""
    now = _spending_of(ledger, pairs=None)["total"]
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
    """The spending for people: a table, and a sentence for whatever is out of the ordinary."""
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
