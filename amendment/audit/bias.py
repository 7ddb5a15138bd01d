"""Does anything but an answer's content decide: its length, headers, citations, or who wrote it?

Rows are calls in which the judge decided, on items of which one answer has more of a feature. Preferring that answer is
a bias only where it is not the better one. Which one is better is estimated from people who err themselves, so that the
asymmetry of the judge's errors needs two of them on an item (see `statistics.misclassification`).

Answers with headers or citations are mostly longer, so a judge that likes length seems to like those. At equal length
is the mean of two asymmetries, of items whose answer with more of the feature is the longer one and of items whose
answer with more of it is the shorter one: what length alone does cancels out. Its interval is the mean of both
intervals, which holds however they depend on each other.

Not covered: a judge that values what people do not, such as brevity by its principles. Probes, which edit answers, do
not have that doubt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amendment.audit.votes import NONE, TIE, A, AuditData, B, Codes, Flags, Numbers, Verdicts
from amendment.statistics import Estimate, Resampling, share
from amendment.statistics.misclassification import ErrorAsymmetry, error_asymmetry

LENGTH, SELF = "length", "self"
FORMAT = ("headers", "lists", "bold")
"""Marks that are counted together as format."""
_PATTERNS = {
    "headers": re.compile(r"^ {0,3}#{1,6} ", re.MULTILINE),
    "lists": re.compile(r"^[ \t]{0,12}(?:[-*+•]|\d{1,3}[.)])[ \t]", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]{1,200}\*\*|__[^_\n]{1,200}__"),
    "citations": re.compile(r"https?://|\bwww\.|\bdoi:|\[\d{1,3}\]|\bet al\.|\((?:[^()\n]{1,80}, )?(?:19|20)\d\d\)"),
}
ONE_WAY = "the answer with more of it is nearly always the longer one, or the shorter: cannot be told from length"


@dataclass(frozen=True)
class FeatureBias:
    """The share of wins of the answer that has more of a feature."""

    items: int
    judge: Estimate
    """Share of decided calls for the answer with more."""
    people: Estimate | None
    """The same share of the majority of people in the same rows; None without people."""
    asymmetry: Estimate | None
    """P(judge prefers more | less is better) - P(judge prefers less | more is better); None without people."""
    at_equal_length: Estimate | None
    """The asymmetry that length does not explain; None for length itself, without people and without lengths."""
    annotator_error: float
    """How often one person errs, estimated from their agreement with each other; nan where that is not known."""


def count_marks(text: str) -> dict[str, int]:
    """Count the headers, list items, bold pieces and citations of a text; a kind that it lacks is left out."""
    counts = {name: sum(1 for _ in pattern.finditer(text)) for name, pattern in _PATTERNS.items()}
    return {name: count for name, count in counts.items() if count}


def bias_table(
    data: AuditData, judge: str, calls: Verdicts, models: Mapping[str, str], draws: Resampling
) -> dict[str, FeatureBias]:
    """Return one judge's row of every feature in which any of its items differ: length, marks of the answers, and self,
    which is an answer whose writer has the judge's name or, where `models` gives it, the name of its model."""
    marks = dict(data.marks)
    parts = [marks[name] for name in FORMAT if name in marks]
    columns = {LENGTH: data.length_difference, **({"format": np.sum(parts, axis=0)} if parts else {}), **marks}
    own = models.get(judge, judge)
    if own in data.models:
        code = data.models.index(own)
        columns[SELF] = (data.model_a == code) * 1.0 - (data.model_b == code)
    rows = {name: _feature(data, calls, name, _more(column), draws) for name, column in columns.items()}
    return {name: row for name, row in rows.items() if row}


def longer_by_majority(data: AuditData, items: Codes, draws: Resampling) -> Estimate:
    """Return the share of decided majorities of people for the longer answer, of these items; each counts once."""
    longer, items = _more(data.length_difference), np.unique(items)
    items = items[_decides(data.majority[items]) & _decides(longer[items])]
    return share(data.majority[items] == longer[items], data.prompts(items), draws.level)


def _more(column: Numbers) -> Codes:
    """Return the answer that has more of a feature: A, B, TIE where neither does, NONE where it is unknown."""
    return np.select([column > 0, column < 0, column == 0], [A, B, TIE], NONE)


def _decides(value: Codes) -> Flags:
    return np.isin(value, (A, B))


def _feature(data: AuditData, calls: Verdicts, name: str, more: Codes, draws: Resampling) -> FeatureBias | None:
    """Return None without a decided call on an item that differs in it."""
    rows = calls.where(calls.decided & _decides(more[calls.item]))
    if not rows.item.size:
        return None
    with_people = rows.where(_decides(data.majority[rows.item]))
    has_people = bool(with_people.item.size)
    shown = with_people if has_people else rows
    prompts = data.prompts(shown.item)
    side = more[shown.item]
    errors = _asymmetry(data, rows, more, draws) if has_people else None
    return FeatureBias(
        items=np.unique(shown.item).size,
        judge=share(shown.value == side, prompts, draws.level),
        people=share(data.majority[shown.item] == side, prompts, draws.level) if has_people else None,
        asymmetry=errors.difference if errors else None,
        at_equal_length=_at_equal_length(data, rows, more, errors.difference, draws)
        if errors and name != LENGTH
        else None,
        annotator_error=errors.annotator_error if errors else math.nan,
    )


def _asymmetry(data: AuditData, rows: Verdicts, more: Codes, draws: Resampling) -> ErrorAsymmetry:
    """Does the judge err towards the answer with more oftener than towards the other?"""
    side = more[rows.item]
    votes_for = data.people[rows.item, side]
    votes_against = data.people[rows.item, A + B - side]
    return error_asymmetry(rows.value == side, votes_for, votes_against, data.prompts(rows.item), resampling=draws)


def _at_equal_length(
    data: AuditData, rows: Verdicts, more: Codes, whole: Estimate, draws: Resampling
) -> Estimate | None:
    longer = _more(data.length_difference)[rows.item]
    side = more[rows.item]
    halves = [rows.where(longer == wanted) for wanted in (side, A + B - side)]
    if math.isnan(whole.value) or not any(half.item.size for half in halves):
        return None
    parts = [_asymmetry(data, half, more, draws).difference for half in halves]
    value, low, high = np.mean([(part.value, part.low, part.high) for part in parts], axis=0).tolist()
    note = ONE_WAY if math.isnan(value) else next((part.note for part in parts if part.note), "")
    n = sum(part.n for part in parts)
    method = "mean of the longer and the shorter half"
    return Estimate(value, low, high, n, whole.clusters, method, note)
