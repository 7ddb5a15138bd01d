"""What a run came to, for machines (`summary.json`) and for people (`summary.md`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amendment import __version__
from amendment.files import write_text
from amendment.pipeline.config import RunFile
from amendment.pipeline.engine import Stage, Workspace
from amendment.terminal import plain

__all__ = ["evaluation_table", "write_summary"]


def write_summary(config: RunFile, workspace: Workspace, stages: Sequence[Stage]) -> dict[str, Any]:
    """Write both files from the notes of the stages that stand; returns the content of the first."""
    notes = {stage.name: workspace.note(stage.name) for stage in stages}
    summary = {
        "name": config.name,
        "seed": config.seed,
        "toolkit": __version__,
        "simulated": _simulated(config),
        "stages": {name: note["counts"] for name, note in notes.items() if note},
        "missing": [name for name, note in notes.items() if not note],
    }
    write_text(workspace.folder / "summary.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")
    write_text(workspace.folder / "summary.md", _page(config, summary))
    return summary


def _simulated(config: RunFile) -> str | None:
    """The banner of the simulated world, when any part of the run comes from there."""
    from amendment.lilliput import BANNER

    is_simulated = any(spec.provider == "simulated" for spec in config.models.values())
    return BANNER if is_simulated or any(hasattr(source, "lilliput") for source in config.prompts) else None


def _page(config: RunFile, summary: Mapping[str, Any]) -> str:
    parts = [f"# {config.name}", ""]
    if summary["simulated"]:
        parts += [f"> {summary['simulated']}", ""]
    evaluation = summary["stages"].get("evaluate")
    if evaluation:
        parts += [*evaluation_table(evaluation), ""]
    for name, counts in summary["stages"].items():
        if name != "evaluate":
            parts += [f"## {name}", "", *_lines(counts), ""]
    if summary["missing"]:
        parts += ["Not done yet: " + ", ".join(summary["missing"]), ""]
    return "\n".join(parts)


def evaluation_table(counts: Mapping[str, Any]) -> list[str]:
    """The evaluation as Markdown: policies against truth, win rates, the reward model."""
    lines = [f"Held-out prompts: {counts['held-out prompts']}; intervals are 95 %, clustered by prompt.", ""]
    if "policies" in counts:
        lines += _truth_table(counts)
    for name, rate in counts.get("win rates", {}).items():
        lines.append(
            f"- judged win rate of {plain(name)}: {_estimate(rate, share=True)}, not readable: {rate['unread']}"
        )
    for name in ("reward model against truth", "labels against truth"):
        if name in counts:
            lines.append(f"- {name}, held-out pairs: {_estimate(counts[name], share=True)}")
    return lines


def _truth_table(counts: Mapping[str, Any]) -> list[str]:
    attributes = list(next(iter(counts["policies"].values()))["attributes"])
    lines = [
        f"| policy | true utility | readable | {' | '.join(attributes)} |",
        f"|---|---|---|{'---|' * len(attributes)}",
    ]
    for name, row in counts["policies"].items():
        shares = " | ".join(f"{row['attributes'][attribute]:.2f}" for attribute in attributes)
        lines.append(f"| {plain(name)} | {_estimate(row['utility'])} | {row['readable']['value']:.1%} | {shares} |")
    lines.append("")
    lines += [
        f"- utility {plain(name)}: {_estimate(value, sign=True)}" for name, value in counts["differences"].items()
    ]
    return lines


def _estimate(value: Mapping[str, Any], *, sign: bool = False, share: bool = False) -> str:
    """A value with its interval; the interval of a share ends at 0 and 1, where the normal approximation does not."""
    if value["value"] is None:
        return "no data"
    form = "+.3f" if sign else ".3f"
    shown = f"{value['value']:{form}}"
    if value["low"] is None:
        return f"{shown} (no interval from {value['clusters']} prompts)"
    low, high = (max(value["low"], 0.0), min(value["high"], 1.0)) if share else (value["low"], value["high"])
    return f"{shown} ({low:{form}} to {high:{form}})"


def _lines(counts: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in counts.items():
        if name in SPECIAL:
            lines += SPECIAL[name](value)
        elif isinstance(value, Mapping):
            inner = ", ".join(f"{plain(str(key))} {_number(one)}" for key, one in value.items())
            lines.append(f"- {name}: {inner or 'none'}")
        else:
            lines.append(f"- {plain(name)}: {_number(value)}")
    return lines


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else plain(str(value))


def _preflight(report: Mapping[str, Any]) -> list[str]:
    dropped = ", ".join(f"{plain(reason)} {count}" for reason, count in report["dropped"].items()) or "none"
    rows = f"- rows: {report['rows']}, kept {report['kept']}, truncated {report['truncated']}, dropped: {dropped}"
    return [rows, *(f"- {plain(name)}: {count} rows" for name, count in report["notes"].items())]


def _held_out(measured: Mapping[str, Any]) -> list[str]:
    accuracy, loss = measured["accuracy"], measured["log_loss"]
    size = f"{accuracy['n']} pairs of {accuracy['clusters']} prompts"
    lines = [
        f"- held-out accuracy: {_estimate(accuracy, share=True)}, {size}",
        f"- held-out log loss: {_estimate(loss)} (a coin: 0.693)",
    ]
    slices = {name.replace("_", " "): measured.get(name) for name in ("chosen_shorter", "chosen_longer")}
    if len(measured["by_category"]) > 1:
        slices |= {"macro over categories": measured["macro"]}
        slices |= {f"category {name or 'none'}": value for name, value in measured["by_category"].items()}
    return lines + [
        f"- {plain(name)}: {_estimate(one, share=True)}, n = {one['n']}" for name, one in slices.items() if one
    ]


def _metrics(entry: Mapping[str, float]) -> str:
    names = ("loss", "rewards/margins", "margin", "rewards/accuracies", "accuracy")
    return ", ".join(f"{name} {entry[name]:.4f}" for name in names if name in entry)


SPECIAL: dict[str, Callable[[Any], list[str]]] = {
    "preflight": _preflight,
    "held out": _held_out,
    "first": lambda entry: [f"- step 1: {_metrics(entry)}"] if entry else [],
    "last": lambda entry: [f"- step {entry['step']:g}: {_metrics(entry)}"] if entry else [],
    "machine": lambda _: [],
    "notes": lambda notes: [f"- note: {plain(note)}" for note in notes],
}
"""How single entries of a stage's counts are told; `machine` stands in summary.json alone."""
