"""Rankings of k answers, read from one line.

A verdict of scale `ranking` holds the displayed positions, counted from 1, best first: (2, 1, 3) says that the second
shown is best. A position with a minus is tied with the one before it: `Ranking: 2 > 1 = 3` is (2, 1, -3).
`Verdict.ranks` turns it into ranks by candidate.
"""

from __future__ import annotations

import re

from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed, line_of, unreadable
from amendment.records import text_of

__all__ = ["ranking_form", "read_ranking"]

_LINE = line_of("ranking", r"\d{1,4}(?:[^\S\n]*[>=][^\S\n]*\d{1,4})*")
_STEP = re.compile(r"([>=]?)\s*(\d+)")


def ranking_form(count: int) -> str:
    """What a ranking of so many answers looks like, as a model is told when its own could not be read."""
    return (
        f'one line and nothing else that names every answer from 1 to {count} once, best first, such as "Ranking: '
        f'{" > ".join(map(str, range(count, 0, -1)))}", with = in place of > between answers that are equally good'
    )


def read_ranking(reply: Reply, count: int) -> Parsed:
    """The one line `Ranking: 2 > 1 = 3` that names each of `count` displayed positions once."""
    text = text_of(reply.messages)
    lines = list(_LINE.finditer(text))
    reasoning = text[: lines[0].start()].strip() or None if lines else text.strip() or None
    problem = unreadable(reply)
    if not problem and len(lines) != 1:
        problem = "no ranking line" if not lines else f"{len(lines)} ranking lines"
    if problem:
        return Parsed(reasoning=None if reply.finish_reason == "refusal" else reasoning, invalid=problem)
    steps = [(sign, int(position)) for sign, position in _STEP.findall(lines[0].group(1))]
    named = [position for _, position in steps]
    if sorted(named) != list(range(1, count + 1)):
        shown = ", ".join(map(str, named[:20]))
        return Parsed(reasoning=reasoning, invalid=f"the ranking names {shown}, expected 1 to {count} once each")
    return Parsed(tuple(-place if sign == "=" else place for sign, place in steps), None, reasoning)
