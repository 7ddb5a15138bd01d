"""What a judge said to one question of a probe, as the figures read it: P(the target is better), or nothing.

Covered: matching a question's answers with those to its edited form, its control and its repetition. Not covered:
where the answers come from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from amendment.audit.probes_asking import PLAIN, REVISION, Arm, Unasked
from amendment.records import Record

__all__ = ["Answered", "Matched", "left_out_by", "matched"]

UNASKED = get_args(Unasked)


class Answered(Record):
    """One answer to one question of a probe, or word that it put none about a comparison."""

    probe: str
    arm: Arm | Unasked
    comparison_id: str
    prompt_id: str
    """Of the comparison, also where the probe asked with one more turn."""
    judge: str
    principle: str
    """By which it was asked."""
    place: int
    """Where the target was shown: 0 or 1."""
    sample: int = 0
    p: float | None = None
    """P(the target is better); absent where no verdict could be read."""


@dataclass
class Matched:
    """One comparison, shown in one order, to one judge: P(target) by arm, None where it was not read."""

    prompt_id: str
    comparison_id: str
    principle: str
    before: float | None = None
    again: float | None = None
    """The plain question drawn a second time."""
    edited: float | None = None
    control: float | None = None
    attack: float | None = None
    asked: set[str] = field(default_factory=set)
    """Arms of the probe itself that were asked, read or not."""


def matched(rows: Iterable[Answered]) -> dict[str, dict[str, list[Matched]]]:
    """By judge and by probe every question that was asked, in order of appearance; none of a probe that put none."""
    plain: dict[tuple[str, str, int], list[Answered]] = defaultdict(list)
    found: dict[str, dict[str, dict[tuple[str, int], Matched]]] = {}
    for row in rows:
        if row.probe == PLAIN:
            plain[row.judge, row.comparison_id, row.place].append(row)
            continue
        asked = found.setdefault(row.judge, {}).setdefault(row.probe, {})
        if row.arm in UNASKED:
            continue
        one = asked.setdefault((row.comparison_id, row.place), Matched(row.prompt_id, row.comparison_id, row.principle))
        one.asked.add(row.arm)
        if row.sample == 0:
            setattr(one, row.arm, row.p)
    for judge, probes in found.items():
        for probe, asked in probes.items():
            for (comparison, place), one in asked.items():
                _add_plain(one, plain[judge, comparison, place], is_own=probe == REVISION)
    return {judge: {name: list(asked.values()) for name, asked in probes.items()} for judge, probes in found.items()}


def left_out_by(rows: Iterable[Answered]) -> dict[tuple[str, str], str]:
    """By judge and probe why no question was put, the commonest reason where there are several."""
    reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.arm in UNASKED:
            reasons[row.judge, row.probe][row.arm] += 1
    return {key: max(UNASKED, key=lambda why: counts[why]) for key, counts in reasons.items()}


def _add_plain(one: Matched, rows: Iterable[Answered], *, is_own: bool) -> None:
    """The plain question's first two draws; a probe with a question of its own before the edit keeps that."""
    if is_own:
        return
    for row in rows:
        if row.sample == 0:
            one.before = row.p
        elif row.sample == 1:
            one.again = row.p
