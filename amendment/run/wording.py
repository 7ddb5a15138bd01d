"""Counts and estimates in words and tables, as Markdown that reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amendment.markdown import cell, table
from amendment.run.evaluation_wording import judged_lines
from amendment.stages.shown import counts_shown, estimate_shown, number_shown
from amendment.terminal import plain

__all__ = ["evaluation_lines", "stage_lines"]

HOW_TO_READ = (
    "True utility is the weighted mean of the columns on the right, each in [0, 1], over answers to prompts that no "
    "training saw; it is known only because this world is simulated. Readable is the share of answers without a word "
    "outside its grammar. A difference whose interval lies above 0 says that the first named policy answers better. "
    "Labels against truth says how often the judge's pairs point the right way, which bounds what can be learned."
)

WHOLE_NOTE = 2000
"""Characters of a note: what it asks for stands at its end."""
HOW_DIVERSE = (
    "Distinct-n is the share of different n-grams: higher is more varied. The compression ratio is higher the more is "
    "repeated. Both move with the size of what is measured: compare columns of one table, and no two tables."
)


def evaluation_lines(counts: Mapping[str, Any], by_people: Mapping[str, Any] | None = None) -> list[str]:
    """The evaluation: policies against truth, win rates, the reward model. `by_people` are the counts of the stage that
    corrects win rates by people's labels, where there is one."""
    lines = [f"Answers to {counts['held-out prompts']} held-out prompts; intervals are 95 %, clustered by prompt.", ""]
    lines += [f"- answers of {plain(name)}: {counts_shown(ended)}" for name, ended in counts.get("answers", {}).items()]
    if counts.get("policies"):
        lines += ["", *_against_truth(counts)]
    lines += judged_lines(counts, (by_people or {}).get("win rates by people", {}))
    for name in ("reward model against truth", "labels against truth"):
        if name in counts:
            share = estimate_shown(counts[name], share=True)
            lines.append(f"- {name}, held-out pairs: {share}{_unscored(counts[name])}")
    return lines


def _unscored(measured: Mapping[str, Any]) -> str:
    count = measured.get("unscored")
    return f"; {count} pairs have no score, being too long" if count else ""


def _against_truth(counts: Mapping[str, Any]) -> list[str]:
    attributes = list(next(iter(counts["policies"].values()))["attributes"])
    rows = [["policy", "true utility", "readable", *attributes]]
    for name, row in counts["policies"].items():
        shares = [f"{row['attributes'][attribute]:.2f}" for attribute in attributes]
        rows.append([plain(name), estimate_shown(row["utility"]), f"{row['readable']['value']:.1%}", *shares])
    differences = [
        f"- true utility, {plain(name)}: {estimate_shown(value, sign=True)}"
        for name, value in counts["differences"].items()
    ]
    return [*table(rows), "", HOW_TO_READ, "", *differences]


def stage_lines(counts: Mapping[str, Any]) -> list[str]:
    """A stage's counts, a line each."""
    lines = []
    for name, value in counts.items():
        if name in SPECIAL:
            lines += SPECIAL[name](value)
        elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            lines += _rows(value)
        elif isinstance(value, Mapping) and "lines" in value:
            lines += value["lines"]
        elif isinstance(value, Mapping):
            inner = counts_shown(value)
            lines.append(f"- {plain(name)}: {inner or 'none'}")
        else:
            lines.append(f"- {plain(name)}: {number_shown(value)}")
    return lines


def _preflight(report: Mapping[str, Any]) -> list[str]:
    dropped = ", ".join(f"{plain(reason)} {count}" for reason, count in report["dropped"].items()) or "none"
    rows = f"- rows: {report['rows']}, kept {report['kept']}, truncated {report['truncated']}, dropped: {dropped}"
    return [rows, *(f"- {plain(name)}: {count} rows" for name, count in report["notes"].items())]


def _held_out(measured: Mapping[str, Any]) -> list[str]:
    accuracy, loss = measured["accuracy"], measured["log_loss"]
    size = f"{accuracy['n']} pairs of {accuracy['clusters']} prompts"
    lines = [
        f"- held-out accuracy: {estimate_shown(accuracy, share=True)}, {size}{_unscored(measured)}",
        f"- baselines without a model: {_without_model(measured)}",
        f"- held-out log loss at temperature 1: {estimate_shown(loss)} (a coin: 0.693)",
        *_against_people(measured.get("people")),
    ]
    slices = {name.replace("_", " "): measured.get(name) for name in ("chosen_shorter", "chosen_longer")}
    equal = accuracy["n"] - sum(one["n"] for one in slices.values() if one)
    if len(measured["by_category"]) > 1:
        slices |= {"macro over categories": measured["macro"]}
        slices |= {f"category {name or 'none'}": value for name, value in measured["by_category"].items()}
    slices |= {f"source {name}": value for name, value in measured.get("by_source", {}).items()}
    shown = [
        f"- {plain(name)}: {estimate_shown(one, share=True)}, n = {one['n']}" for name, one in slices.items() if one
    ]
    return [*lines, *shown, *([f"- both of equal length: {equal} pairs"] if equal else [])]


def _without_model(measured: Mapping[str, Any]) -> str:
    """What rules that need no model reach on the same pairs; older notes have none."""
    longer, first = measured.get("longer_wins"), measured.get("always_first")
    told = f"longer wins {estimate_shown(longer, share=True)}" if longer else "longer wins not measured"
    order = (
        estimate_shown(first, share=True) + f" (n = {first['n']})" if first else "no order of the answers is on record"
    )
    return f"{told}; always first: {order}"


def _against_people(found: Mapping[str, Any] | None) -> list[str]:
    """P(chosen) of a reward model beside the shares of people's votes, where people decided held-out pairs."""
    if not found:
        return []
    brier, ece = (estimate_shown(found[name], share=True) for name in ("brier", "ece"))
    even = f"{found['ece_if_perfect']['mean']:.3f} if it were perfect"
    return [f"- P(chosen) against people, {found['n']} held-out pairs: Brier {brier}, ECE {ece} ({even})"]


def _metrics(entry: Mapping[str, float]) -> str:
    names = ("loss", "rewards/margins", "margin", "rewards/accuracies", "accuracy")
    return ", ".join(f"{name} {entry[name]:.4f}" for name in names if name in entry)


def _mix(mixed: Mapping[str, Any]) -> list[str]:
    """What each source was asked for, gave and kept back."""
    total = f"{mixed['pairs']:,} pairs for training"
    lines = []
    for name, one in mixed["sources"].items():
        counts = f"{one['pairs']:,} pairs, {one['left out']:,} more left out, {one['held out']:,} held out"
        lines.append(f"- mix, {plain(name)}: asked {one['asked']:g}, got {one['got']:g} of {total} ({counts})")
    if mixed["shared prompts"]:
        ceded = sum(one["kept by another"] for one in mixed["sources"].values())
        lines.append(
            f"- mix: {mixed['shared prompts']:,} prompts stand in several sources; each stays with the one that has "
            f"the fewest pairs for its share, and {ceded:,} pairs of the others are out"
        )
    return lines


def _revisions(found: Mapping[str, Any]) -> list[str]:
    """How revisions fared against their drafts, and what became of the worse ones."""
    became = {
        "flip": "where the draft is better it is chosen",
        "drop": "the worse are left out",
        "keep": "all are chosen, whatever the judge says",
    }
    told = counts_shown({name: count for name, count in found.items() if name not in ("share", "worse revisions")})
    share = estimate_shown(found["share"], share=True)
    return [
        f"- revisions against their drafts: {told}; share that is better {share}; {became[found['worse revisions']]}"
    ]


def _diversity(measured: Mapping[str, Any]) -> list[str]:
    lines = []
    for side, one in measured.items():
        size = f"{one['answers']:,} answers of {one['characters']:.0f} characters ({one['words']:.0f} words)"
        lines += ["", f"Diversity of {side} answers, at {size} each, mean of {one['draws']} draws (deviation):", ""]
        lines += table(_diversity_rows(one["sets"]))
    return [*lines, "", HOW_DIVERSE]


def _diversity_rows(sets: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row for each measure, a column for each source."""
    measures = next(iter(sets.values()))
    rows = [[name, *(_spread(one[name]) for one in sets.values())] for name in measures]
    return [["", *map(cell, sets)], *rows]


def _spread(value: Mapping[str, Any]) -> str:
    return "no data" if value["mean"] is None else f"{value['mean']:.3f} ({value['deviation']:.3f})"


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for each entry, below its keys."""
    return ["", *table([[*rows[0]], *([cell(str(value)) for value in row.values()] for row in rows)])]


SPECIAL: dict[str, Callable[[Any], list[str]]] = {
    "preflight": _preflight,
    "held out": _held_out,
    "first": lambda entry: [f"- step 1: {_metrics(entry)}"] if entry else [],
    "last": lambda entry: [f"- step {entry['step']:g}: {_metrics(entry)}"] if entry else [],
    "machine": lambda _: [],
    "win rates by people": lambda _: [],
    "mix": _mix,
    "revisions checked": _revisions,
    "diversity": _diversity,
    "notes": lambda notes: [f"- note: {plain(note, longest=WHOLE_NOTE)}" for note in notes],
}
"""How single entries of a stage's counts are told; `machine` stands in summary.json alone, and win rates by people
stand beside the judge's."""
