"""The table of rounds for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amendment.markdown import table
from amendment.terminal import plain

__all__ = ["round_lines"]

HOW_TO_READ = (
    "A line is a round: answers, their length in characters, the share of judged comparisons that are ties, the pairs "
    "made of them, the pairs that the policy was trained on and how many of these people decided, the mean P(chosen) "
    "of the new pairs, DPO's loss at its first and last logged step, its accuracy on the same held-out pairs in all "
    "rounds. Answers are those that its pairs were made of: of the policy before this round's training. Losses of "
    "different rounds have different pairs, and with from: last different references."
)
OF_ANSWERS = (
    "True utility is of these answers too, before the round's training: what it made of the policy shows in the line "
    "below, and of the last round in the evaluation alone."
)
COLUMNS = {
    "round": "round",
    "answers": "answers",
    "characters": "length",
    "ties": "ties",
    "new pairs": "new pairs",
    "pairs used": "used",
    "by people": "by people",
    "P(chosen)": "P(chosen)",
    "first loss": "first loss",
    "last loss": "last loss",
    "held-out accuracy": "held-out accuracy",
    "guards violated": "guards violated",
    "distinct-2": "distinct-2",
    "compression ratio": "compression",
}
"""What is shown of a row, and under which head."""
UTILITY = "true utility"


def round_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table with a line per round."""
    shown = [name for name in COLUMNS if any(name in row for row in rows)]
    is_known = any(UTILITY in row for row in rows)
    head = [*(COLUMNS[name] for name in shown), *([UTILITY] if is_known else [])]
    lines = [[*(_cell(row.get(name)) for name in shown), *([_interval(row)] if is_known else [])] for row in rows]
    return [*table([head, *lines]), "", f"{HOW_TO_READ} {OF_ANSWERS}" if is_known else HOW_TO_READ]


def _cell(value: Any) -> str:
    if value is None:
        return "no data"
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}"


def _interval(row: Mapping[str, Any]) -> str:
    value = row.get(UTILITY)
    if value is None or value["value"] is None:
        return "no data"
    bounds = "" if value["low"] is None else f" ({value['low']:.3f} to {value['high']:.3f})"
    return f"{value['value']:.3f}{bounds}"
