"""Readings of several files joined: which rows speak of the same comparison, and which way round.

Rows are joined by their item, else by their content. A row that has the two answers the other way round than the
first row of its comparison is turned, so that "A" is the same answer in every verdict.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from amendment.data.ballots import Ballot, and_more
from amendment.data.readings import Content, Gathered, Reading
from amendment.data.sources import PairFile
from amendment.data.verdict_files import VerdictFile
from amendment.errors import Problem
from amendment.terminal import plain

__all__ = ["JoinedComparison", "join"]


@dataclass(slots=True)
class JoinedComparison:
    """A comparison: what is known of it from all files, and the verdicts about it."""

    name: str
    content: Content | None = None
    """Answers as "A" and "B" of the verdicts, whichever way round a file has them."""
    category: str | None = None
    prompt: str = ""
    """Its text, of the first row that has one."""
    prompt_id: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    readings: list[Reading] = field(default_factory=list)
    turned: list[bool] = field(default_factory=list)
    """Of each reading: whether its column a holds answer "B"."""
    casts: list[Cast] = field(default_factory=list)


@dataclass(slots=True)
class Cast:
    """A ballot about a comparison, with "A" and "B" as the comparison has them."""

    ballot: Ballot
    reading: Reading
    turned: bool
    """Whether its row has the two answers the other way round than the comparison."""


@dataclass
class Joined:
    """Comparisons by name, in order of appearance."""

    items: dict[str, JoinedComparison] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    exchanged: dict[int, list[tuple[Cast, Cast]]] = field(default_factory=dict)
    """By file: verdicts of a judge on answers that change places, and the earlier ones beside them."""


Seen = dict[tuple[object, ...], Cast]


def join(gathered: Gathered) -> Joined:
    """The comparisons of all readings. Problems are collected, never raised."""
    joined = Joined()
    names = {one.content.digest: one.key for one in reversed(gathered.readings) if one.key and one.content}
    seen: Seen = {}
    for reading in gathered.readings:
        problem = _add(reading, joined, names, seen)
        if problem and reading.source.bad_rows == "skip":
            joined.counts["bad rows left out"] += 1
        elif problem:
            joined.problems.append(problem)
    joined.problems += [_second_order(found) for found in joined.exchanged.values()]
    if not gathered.is_partial:
        joined.problems += _without_texts(gathered, joined)
    return joined


def _add(reading: Reading, joined: Joined, names: dict[str, str], seen: Seen) -> Problem | None:
    """Put a reading to its comparison; a problem where it contradicts what stands there."""
    content = reading.content
    name = reading.key or names.get(content.digest if content else "", content.digest if content else "")
    item = joined.items.get(name)
    if item and item.content and content and item.content.digest != content.digest:
        first = item.readings[0].row.place
        found = f"item {_shown(name)} has other texts here than at {first}; expected one name for one comparison"
        return Problem(reading.row.place, found)
    is_new = item is None
    item = item or JoinedComparison(name)
    turned = _is_turned(reading, item, is_new=is_new)
    other = _other_facts(reading, item, turned=turned) if reading.key else None
    if other is not None:
        return other
    new: dict[tuple[object, ...], Cast] = {}
    for ballot in reading.ballots:
        cast = Cast(ballot.flipped() if turned else ballot, reading, turned)
        place = _place(name, cast.ballot)
        before = seen.get(place) or new.get(place)
        if before is not None and isinstance(reading.source, PairFile):
            cast.ballot = cast.ballot._replace(sample=_next_sample(name, cast.ballot, seen))
            place = _place(name, cast.ballot)
        elif before is not None:
            if _looks_like_second_order(cast, before):
                joined.exchanged.setdefault(id(reading.source), []).append((cast, before))
                continue
            if (before.ballot.value, before.ballot.p_a) != (cast.ballot.value, cast.ballot.p_a):
                return _contradiction(name, cast, before)
            joined.counts["repeated verdicts"] += 1
            continue
        new[place] = cast
    seen.update(new)
    joined.items[name] = item
    _learn(item, reading, turned=turned)
    item.casts += new.values()
    return None


def _other_facts(reading: Reading, item: JoinedComparison, *, turned: bool) -> Problem | None:
    """A problem where a row says something else of its item than an earlier row does; writers of answers that are
    equal have no side."""
    wanted = ["category", "prompt_id", "prompt", *(["model_a", "model_b"] if _has_sides(reading, item) else [])]
    own = _facts(reading, turned=turned)
    for name in wanted:
        if own[name] is None:
            continue
        for before, was_turned in zip(item.readings, item.turned, strict=True):
            is_beside = before.key and (name != "prompt" or before.columns.prompt == reading.columns.prompt)
            earlier = _facts(before, turned=was_turned)[name] if is_beside else None
            if earlier is not None and earlier != own[name]:
                return _two_facts(reading, before, name, (own[name], earlier), is_turned=turned)
            if earlier is not None:
                break
    return None


def _has_sides(reading: Reading, item: JoinedComparison) -> bool:
    content = reading.content or item.content
    return content is None or content.a != content.b


def _facts(reading: Reading, *, turned: bool) -> dict[str, str | None]:
    """What a row itself says of its item, with sides as the comparison has them."""
    model_a, model_b = reversed(reading.models) if turned else reading.models
    return {
        "category": reading.category,
        "prompt_id": reading.prompt_id,
        "prompt": reading.prompt or None,
        "model_a": model_a,
        "model_b": model_b,
    }


def _two_facts(
    reading: Reading, before: Reading, name: str, said: tuple[str | None, str | None], *, is_turned: bool
) -> Problem:
    own = {"model_a": "model_b", "model_b": "model_a"}.get(name, name) if is_turned else name
    here, there = (repr(plain(str(word), longest=40)) for word in said)
    found = (
        f"found {here} for item {_shown(reading.key)}, which has {there} at {before.row.place}; expected one {name} "
        "for one item: correct it, or name another column, or none"
    )
    column = getattr(reading.columns, own)
    return reading.row.problem(column if isinstance(column, str) else " + ".join(column), found)


def _place(name: str, ballot: Ballot) -> tuple[object, ...]:
    """What can be answered once."""
    return (name, ballot.rater, ballot.first, ballot.principle, ballot.sample)


def _next_sample(name: str, ballot: Ballot, seen: Seen) -> int:
    """Rows of pairs that repeat a comparison are verdicts of their own."""
    while _place(name, ballot) in seen:
        ballot = ballot._replace(sample=ballot.sample + 1)
    return ballot.sample


def _contradiction(name: str, cast: Cast, before: Cast) -> Problem:
    ballot = cast.ballot
    by = f" by {ballot.principle}" if ballot.principle else ""
    found = (
        f"{plain(ballot.rater, longest=40)} says {ballot.value} of item {_shown(name)}{by} here, and "
        f"{before.ballot.value} at {before.reading.row.place}; where it was asked several times, name the column that "
        "numbers the draws as columns.sample, else take one of the rows out"
    )
    return cast.reading.row.problem(ballot.column, found)


def _looks_like_second_order(cast: Cast, before: Cast) -> bool:
    """A judge on one comparison with the answers exchanged, in a file that does not say what that means."""
    source, ballot = cast.reading.source, cast.ballot
    is_open = isinstance(source, VerdictFile) and source.coordinates is None and not cast.reading.is_decided
    return is_open and ballot.first is None and ballot.kind == "model" and cast.turned != before.turned


def _second_order(found: list[tuple[Cast, Cast]]) -> Problem:
    cast, before = found[0]
    rater = plain(cast.ballot.rater, longest=40)
    more = and_more(len(found) - 1)
    return cast.reading.row.problem(
        cast.ballot.column,
        f"{rater} has judged these two answers at {before.reading.row.place} already, and here they stand the other "
        f"way round{more}: this looks like a second displayed order. Beside the path of this file in a run file, say "
        "coordinates: displayed if the answer that stands first in a row was shown first, so that both count as its "
        "two orders; or coordinates: content if the place says nothing of what was shown",
    )


def _is_turned(reading: Reading, item: JoinedComparison, *, is_new: bool) -> bool:
    """Whether column a holds the answer that the comparison calls "B": by the texts, else by the writers."""
    content = reading.content
    if is_new:  # where the better answer always stands first, its place would be the verdict
        return reading.is_decided and content is not None and content.a > content.b
    if content and item.content:
        return content.a != content.b and (content.a, content.b) == (item.content.b, item.content.a)
    models = reading.models
    return None not in models and models[0] != models[1] and models == (item.model_b, item.model_a)


def _learn(item: JoinedComparison, reading: Reading, *, turned: bool) -> None:
    item.readings.append(reading)
    item.turned.append(turned)
    item.category = item.category or reading.category or reading.source.category
    item.prompt = item.prompt or reading.prompt
    item.prompt_id = item.prompt_id or reading.prompt_id
    model_a, model_b = reversed(reading.models) if turned else reading.models
    item.model_a, item.model_b = item.model_a or model_a, item.model_b or model_b
    if item.content is None and reading.content is not None:
        item.content = _turned(reading.content) if turned else reading.content


def _turned(content: Content) -> Content:
    return content._replace(a=content.b, b=content.a, length_a=content.length_b, length_b=content.length_a)


def _without_texts(gathered: Gathered, joined: Joined) -> list[Problem]:
    """For each file: items that no file has texts of, while files with texts name others."""
    named = [name for name, item in joined.items.items() if item.content and any(one.key for one in item.readings)]
    texts = dict.fromkeys(named)
    if not texts:
        return []
    lost: dict[int, list[Reading]] = {}
    for reading in gathered.readings:
        if reading.key and reading.key not in texts:
            lost.setdefault(id(reading.source), []).append(reading)
    found = []
    for readings in lost.values():
        if readings[0].source.bad_rows == "skip":
            joined.counts["bad rows left out"] += len(readings)
            for reading in readings:
                joined.items.pop(reading.key, None)
        else:
            found.append(_lost(readings, next(iter(texts))))
    return found


def _lost(readings: list[Reading], example: str) -> Problem:
    first = readings[0]
    keys = list(dict.fromkeys(reading.key for reading in readings))
    names = ", ".join(_shown(key) for key in keys[:5])
    more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
    column = " + ".join(first.columns.item or ())
    return first.row.problem(
        column,
        f"items {names}{more} stand in no file with texts, where items are called like {_shown(example)}; name the "
        "columns that make the same name in both files, or leave such rows out with bad_rows: skip",
    )


def _shown(name: str) -> str:
    return repr(plain(name, longest=60))
