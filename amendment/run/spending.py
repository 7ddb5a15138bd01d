"""What a run has asked and paid for, out of its ledger: for machines (`spending.json`) and for people.

Covered: calls, tokens and money by stage and model, and for each pair that was kept; attempts that may have been paid
for without a reply; models that answered under an alias; what was learned about servers. Not covered: what the
vendor bills beside tokens. Times and attempts differ between equal runs, so none of this is in the summary.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amendment.files import write_text
from amendment.llm.client import Calls
from amendment.llm.ledger_reading import Reader
from amendment.markdown import cell, table
from amendment.terminal import plain


def write_spending(folder: Path, calls: Calls, *, pairs: int | None, possibly_paid: float) -> dict[str, Any]:
    """Write `spending.json`; returns its content.

    `pairs` is how many the dataset has, None where there is none; `possibly_paid` is in USD, over all starts, what
    calls without a reply may have cost.
    """
    spending = {**_spending_of(calls.ledger, pairs=pairs), "possibly paid usd": possibly_paid}
    spending["notices"] = dict(calls.notices)
    write_text(folder / "spending.json", json.dumps(spending, indent=1, allow_nan=False) + "\n")
    return spending


def _spending_of(ledger: Reader, *, pairs: int | None) -> dict[str, Any]:
    """Calls, tokens and money in a ledger."""
    rows = [row._asdict() for row in ledger.spending()]
    total = {name: sum(row[name] for row in rows) for name in _SUMS}
    spending: dict[str, Any] = {"by stage and model": rows, "total": total, "other models": _drifts(ledger)}
    spending["attempts without an end"] = len(ledger.open_attempts())
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
    "attempts",
    "replies",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "usd",
    "unpriced",
    "unmetered",
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


def over_all_starts(spending: Mapping[str, Any]) -> dict[str, Any]:
    """Without what holds for the last start alone, so that starting a finished run again changes nothing."""
    return {name: value for name, value in spending.items() if name not in _OF_A_START}


_OF_A_START = ("notices",)


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
    if count := spending["attempts without an end"]:
        remarks.append(f"{count} calls without a reply may have been sent; they may be billed.")
    if lost := spending.get("possibly paid usd"):
        remarks.append(f"Up to {lost:.4f} USD may be billed for calls whose reply never came.")
    for drift in spending["other models"]:
        names = ", ".join(f"{plain(name)} ({count:,})" for name, count in drift["answered"].items())
        remarks.append(f"{plain(drift['asked'])} at {plain(drift['host'])} is not one model: {names} answered.")
    remarks += [f"{plain(text, longest=500)} ({count:,} times)" for text, count in spending.get("notices", {}).items()]
    return ["", *(f"- {line}" for line in remarks)] if remarks else []
