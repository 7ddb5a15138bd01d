"""Counts, numbers and estimates as summaries write them: Markdown that reads well in a terminal too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from amendment.report.render import markdown
from amendment.results import Result
from amendment.text import cell, plain, table

WHOLE_NOTE = 2000
"""Characters of a note; what to do is at its end."""
Lines = Callable[[Any], list[str]]


def counts_shown(counts: Mapping[str, Any]) -> str:
    """Names with their numbers, in a line."""
    return ", ".join(f"{plain(str(key))} {number_shown(value)}" for key, value in counts.items())


def number_shown(value: Any) -> str:
    """A number with as many digits as matter, or a text without what a terminal would act on."""
    return f"{value:.4g}" if isinstance(value, float) else plain(str(value))


def count_lines(counts: Mapping[str, Any], special: Mapping[str, Lines] = {}) -> list[str]:
    """A stage's counts, a line each; `special` are those with sentences of their own. What is counted under
    `machine` is in summary.json alone."""
    lines = []
    for name, value in counts.items():
        if name in special:
            lines += special[name](value)
        elif name == "machine":
            continue
        elif name == "result":
            lines += markdown(Result.from_json(value))
        elif name == "notes":
            lines += [f"- note: {plain(note, longest=WHOLE_NOTE)}" for note in value]
        elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            lines += ["", *table([[*value[0]], *([cell(str(entry)) for entry in row.values()] for row in value)])]
        elif isinstance(value, Mapping) and "lines" in value:
            lines += value["lines"]
        elif isinstance(value, Mapping):
            lines.append(f"- {plain(name)}: {counts_shown(value) or 'none'}")
        else:
            lines.append(f"- {plain(name)}: {number_shown(value)}")
    return lines
