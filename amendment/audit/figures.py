"""Figures as cells of a table; a star marks what rests on a fallback, on few prompts, or has no interval. Sections of a
certificate, which hold such tables."""

from __future__ import annotations

import math
from typing import NamedTuple

from amendment.statistics import Estimate
from amendment.text import LONGEST, LONGEST_CELL, SPECIAL, plain, table

NOTHING = "-"
"""Shown where there is nothing to show."""


class Section(NamedTuple):
    """A table with notes. Names in it are as the files have them: whoever shows it escapes them."""

    title: str
    notes: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    """Empty without a table."""
    rows: tuple[tuple[str, ...], ...] = ()

    def lines(self) -> list[str]:
        """As Markdown, with an empty line at the end."""
        cells = [[_cell(text) for text in row] for row in (self.head, *self.rows)]
        shown = [*table(cells), ""] if self.rows else []
        notes = [*(f"- {_note(note)}" for note in self.notes), ""] if self.notes else []
        return [f"## {self.title}", "", *shown, *notes]


def _cell(text: str) -> str:
    """Return a cell, of which only the last sign may be the star of a figure."""
    star = "*" if text.endswith("*") else ""
    return plain(text.removesuffix("*").translate(SPECIAL)) + star


def _note(text: str) -> str:
    """Nothing in a note is Markdown or HTML, but for the stars of figures."""
    return plain(text.translate({**SPECIAL, ord("*"): "*"}), longest=10 * LONGEST)


def short(name: str) -> str:
    """Return a name in a sentence."""
    return name if len(name) <= LONGEST_CELL else f"{name[:LONGEST_CELL]}…"


def percent(estimate: Estimate | None) -> str:
    """Return a share: 71.6 % (67.2 to 75.9)."""
    return _shown(estimate, 100, ".1f", unit=" %")


def rounded(share: float) -> str:
    """Return a share without its interval, in a sentence: 72 %."""
    return f"{100 * share:.0f} %"


def points(estimate: Estimate | None) -> str:
    """Return a difference of shares in percentage points: -9.8 (-13.1 to -6.4)."""
    return _shown(estimate, 100, "+.1f")


def measured_points(estimate: Estimate | None) -> str:
    """Return a difference in percentage points, or why there is none: not measured: needs two annotators."""
    is_missing = estimate is not None and math.isnan(estimate.value) and estimate.note
    return f"not measured: {estimate.note}" if estimate and is_missing else points(estimate)


def ranged(estimate: Estimate | None) -> str:
    """Kappa, alpha, a ratio: 0.85 (0.82 to 0.88)."""
    return _shown(estimate, 1, ".2f")


def loss(estimate: Estimate | None) -> str:
    """Return a Brier score, a log loss, an ECE: 0.123 (0.101 to 0.145)."""
    return _shown(estimate, 1, ".3f")


def signed(estimate: Estimate | None) -> str:
    """Return an index: +0.42 (+0.31 to +0.52)."""
    return _shown(estimate, 1, "+.2f")


def alone(estimate: Estimate | None, form: str, *, percent: bool = False) -> str:
    """Return a figure whose interval stands elsewhere: -0.42, and 0.03? where the interval holds 0."""
    if estimate is None or math.isnan(estimate.value):
        return NOTHING
    open_sign = "?" if not percent and estimate.low <= 0 <= estimate.high else ""
    value = f"{100 * estimate.value:{form}} %" if percent else f"{estimate.value:{form}}"
    return f"{value}{open_sign}{'*' if estimate.note else ''}"


def number(value: float, form: str = ".2f", unit: str = "") -> str:
    """Return a number without an interval."""
    return NOTHING if math.isnan(value) else f"{value:{form}}{unit}"


def between(bounds: tuple[float, float], form: str = ".1f", scale: float = 100) -> str:
    """(67.2 to 75.9), in percent unless `scale` says otherwise."""
    low, high = bounds
    return f"({scale * low:{form}} to {scale * high:{form}})"


def stated(estimate: Estimate | None, form: str, scale: float = 1) -> str:
    """Return a value with its interval, in a sentence: 0.56 (0.41 to 0.69)."""
    if estimate is None:
        return NOTHING
    return f"{scale * estimate.value + 0:{form}} {between((estimate.low, estimate.high), form, scale)}"


def _shown(estimate: Estimate | None, scale: float, form: str, unit: str = "") -> str:
    if estimate is None or math.isnan(estimate.value):
        return NOTHING
    value = f"{scale * estimate.value:{form}}{unit}"
    star = "*" if estimate.note else ""
    if math.isnan(estimate.low):
        return f"{value}{star}"
    return f"{value} {between((estimate.low, estimate.high), form, scale)}{star}"
