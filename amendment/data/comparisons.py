"""Readings of several files joined: which rows speak of the same comparison, and which way round.

Rows are joined by their item, else by their content. A row that has the two answers the other way round than the
first row of its comparison is turned, so that "A" is the same answer in every verdict. As records, its texts are read
strictly, and each verdict is in displayed coordinates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from amendment.data.cells import answer_in, bad_cells_to, is_silent, joined_prompt, optional_text
from amendment.data.readings import WHO, Content, Gathered, Reading, gather
from amendment.data.row_votes import Ballot, and_more
from amendment.data.source_rows import FileFacts
from amendment.data.sources import PairFile, Source
from amendment.data.verdict_files import DataSources, VerdictFile
from amendment.errors import DataError, Problem
from amendment.records import Candidate, Origin, Prompt, Verdict, VoteValue
from amendment.text import plain
from amendment.yamlfile import capped

UNFIT = ("with an empty answer", "of identical answers")
"""Of rows that are no pair."""


@dataclass(slots=True)
class JoinedComparison:
    """A comparison: what is known of it from all files, and the verdicts about it."""

    name: str
    content: Content | None = None
    """Answers as "A" and "B" of the verdicts, whichever way round a file has them."""
    category: str | None = None
    prompt: str = ""
    """The text, from the first row that has one."""
    prompt_id: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    readings: list[Reading] = field(default_factory=list)
    turned: list[bool] = field(default_factory=list)
    """For each reading, true if its column a holds answer "B"."""
    casts: list[Cast] = field(default_factory=list)
    facts: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The first statements about the item, each with its row."""

    def learn(self, reading: Reading, *, turned: bool) -> None:
        """Take what a row says of the comparison where no earlier row has said it."""
        self.readings.append(reading)
        self.turned.append(turned)
        self.category = self.category or reading.category
        self.prompt = self.prompt or reading.prompt
        self.prompt_id = self.prompt_id or reading.prompt_id
        model_a, model_b = reversed(reading.models) if turned else reading.models
        self.model_a, self.model_b = self.model_a or model_a, self.model_b or model_b
        if self.content is None and (content := reading.content):
            swapped = Content(content.digest, content.b, content.a, content.length_b, content.length_a)
            self.content = swapped if turned else content


@dataclass(slots=True)
class Cast:
    """A ballot about a comparison, with "A" and "B" as the comparison has them."""

    ballot: Ballot
    reading: Reading
    turned: bool
    """True if the row has the two answers in the opposite order of the comparison."""

    @property
    def unread(self) -> str | None:
        """Return the reply of a judge in which no single verdict was found."""
        is_unread = self.ballot.value == "invalid" and self.ballot.kind != "person"
        return self.reading.row.replies.get(self.ballot.column) or None if is_unread else None


@dataclass
class Joined:
    """Comparisons by name, in order of appearance, with all problems and counts of the files."""

    problems: list[Problem]
    counts: Counter[str]
    files: list[tuple[Source, FileFacts]]
    items: dict[str, JoinedComparison] = field(default_factory=dict)
    exchanged: dict[tuple[int, str], list[tuple[Cast, Cast]]] = field(default_factory=dict)
    """By file and advice: verdicts of a judge on answers that change places, next to the earlier ones."""
    seen: dict[tuple[object, ...], Cast] = field(default_factory=dict)
    """By question that can be answered once; see `_place`."""

    def records(self) -> Iterator[tuple[JoinedComparison, ComparisonRecords]]:
        """Yield each comparison whose texts can be compared with its records; of the others count the reasons."""
        for item in self.items.values():
            records = make_records(item, self.problems)
            self.counts.update(records.counts)
            if records.prompt is not None:
                yield item, records


def join_files(
    config: DataSources, base: Path, *, glimpse: bool = False, who: str = WHO, needs_texts: bool = True
) -> Joined:
    """Return the comparisons of all `pairs` and `verdicts`. Problems are collected, never raised; see `gather`.

    With `needs_texts` an item without texts is a problem where other items have some.
    """
    gathered = gather(config, base, glimpse=glimpse, who=who)
    joined = Joined(gathered.problems, +gathered.counts, gathered.files)
    names = _names(gathered.readings)
    for reading, name in zip(gathered.readings, names, strict=True):
        problem = _add(reading, name, joined)
        if problem:
            joined.problems.append(problem)
    joined.problems += [_exchanged(casts, advice) for (_, advice), casts in joined.exchanged.items()]
    if needs_texts and not gathered.is_partial:
        joined.problems += _without_texts(gathered, joined)
    return joined


def join_verdicts(config: DataSources, base: Path) -> Joined:
    """Return the comparisons of all files, whether there are texts or not. Raises DataError with all problems."""
    joined = join_files(config, base, needs_texts=False)
    if joined.problems:
        raise DataError(capped(joined.problems))
    return joined


def _names(readings: Sequence[Reading]) -> list[str]:
    """Name each reading's comparison by its item. If no other file knows this item but another has the same texts, or
    if the file numbers its calls, use the item that had these texts first. Empty without an item."""
    first = {reading.content.digest: reading for reading in reversed(readings) if reading.content and reading.key}
    sources: dict[str, set[int]] = {}
    for reading in readings:
        sources.setdefault(reading.key, set()).add(id(reading.source))
    calls = _call_files(readings)
    names = []
    for reading in readings:
        same = first.get(reading.content.digest, reading) if reading.content else reading
        is_own = id(same.source) == id(reading.source) and id(reading.source) not in calls
        is_shared = len(sources[reading.key]) > 1
        names.append(reading.key if reading.key and (is_own or is_shared) else same.key)
    return names


def _call_files(readings: Sequence[Reading]) -> set[int]:
    """Return the files whose rows all have different items and show both orders of two answers: their items are the
    numbers of calls."""
    rows: dict[int, list[Reading]] = {}
    for reading in readings:
        rows.setdefault(id(reading.source), []).append(reading)
    calls = set()
    for source, own in rows.items():
        sides = {(reading.content.digest, reading.content.a) for reading in own if reading.content}
        is_exchanged = len(sides) > len({digest for digest, _ in sides})
        if is_exchanged and all(reading.key for reading in own) and len({reading.key for reading in own}) == len(own):
            calls.add(source)
    return calls


def _add(reading: Reading, name: str, joined: Joined) -> Problem | None:
    """Put a reading to its comparison, named by its texts if it has no name; a problem where it contradicts what is
    there."""
    content = reading.content
    name = name or (content.digest if content else "")
    is_new = name not in joined.items
    item = JoinedComparison(name) if is_new else joined.items[name]
    if item.content and content and item.content.digest != content.digest:
        first = item.readings[0].row.place
        message = f"item {_shown(name)} has different texts at {first}; expected one name for one comparison"
        return Problem(reading.row.place, message)
    turned = _is_turned(reading, item, is_new=is_new)
    facts = _facts(reading, item, turned=turned) if reading.key else {}
    for fact, (value, column) in facts.items():
        before, place = item.facts.get(fact, (value, ""))
        if before != value:
            here, there = (repr(plain(word, longest=40)) for word in (value, before))
            return reading.row.problem(
                column,
                f"found {here} for item {_shown(name)}, which has {there} at {place}; expected one "
                f"{fact.partition(' ')[0]} for one item: correct it, or name another column, or none",
            )
    casts: dict[tuple[object, ...], Cast] = {}
    for ballot in reading.ballots:
        cast = Cast(ballot.flipped() if turned else ballot, reading, turned)
        earlier = joined.seen.get(_place(name, cast.ballot)) or casts.get(_place(name, cast.ballot))
        advice = _advice_on_exchange(cast, earlier) if earlier else ""
        if earlier and isinstance(reading.source, PairFile):  # rows of pairs that repeat a comparison count each
            while _place(name, cast.ballot) in joined.seen:
                cast.ballot = cast.ballot._replace(sample=cast.ballot.sample + 1)
        elif earlier and advice:
            joined.exchanged.setdefault((id(reading.source), advice), []).append((cast, earlier))
            continue
        elif earlier and (earlier.ballot.value, earlier.ballot.p_a) != (cast.ballot.value, cast.ballot.p_a):
            return _contradiction(name, cast, earlier)
        elif earlier:
            joined.counts["repeated verdicts"] += 1
            continue
        casts[_place(name, cast.ballot)] = cast
    joined.seen.update(casts)
    joined.items[name] = item
    item.facts = {**{fact: (value, reading.row.place) for fact, (value, _) in facts.items()}, **item.facts}
    item.learn(reading, turned=turned)
    item.casts += casts.values()
    return None


def _is_turned(reading: Reading, item: JoinedComparison, *, is_new: bool) -> bool:
    """Return True if column a holds the answer that the comparison calls "B": by the texts, else by the writers."""
    content = reading.content
    if is_new:  # where the better answer always stands first, its place would be the verdict
        return reading.is_decided and content is not None and content.a > content.b
    if content and item.content:
        return content.a != content.b and (content.a, content.b) == (item.content.b, item.content.a)
    models = reading.models
    return None not in models and models[0] != models[1] and models == (item.model_b, item.model_a)


def _facts(reading: Reading, item: JoinedComparison, *, turned: bool) -> dict[str, tuple[str, str]]:
    """Yield a row's own statements about its item, with their columns; sides are the comparison's. Prompts are compared
    between equal columns, and writers where their answers differ."""
    columns = reading.columns
    content = reading.content or item.content
    models = [(reading.models[0], columns.model_a), (reading.models[1], columns.model_b)]
    model_a, model_b = reversed(models) if turned else models
    prompt = " + ".join(columns.prompt or ())
    facts = {
        "category": (reading.category, columns.category),
        "prompt_id": (reading.prompt_id, columns.prompt_id),
        f"prompt {prompt}": (reading.prompt or None, prompt),
    }
    if content is None or content.a != content.b:
        facts |= {"model_a": model_a, "model_b": model_b}
    return {fact: (value, str(column)) for fact, (value, column) in facts.items() if value is not None}


def _place(name: str, ballot: Ballot) -> tuple[object, ...]:
    return (name, ballot.rater, ballot.first, ballot.principle, ballot.sample)


def _contradiction(name: str, cast: Cast, before: Cast) -> Problem:
    ballot = cast.ballot
    by = f" by {ballot.principle}" if ballot.principle else ""
    return cast.reading.row.problem(
        ballot.column,
        f"{plain(ballot.rater, longest=40)} says {ballot.value} of item {_shown(name)}{by} here, and "
        f"{before.ballot.value} at {before.reading.row.place}; if it was asked several times, name the column that "
        "numbers the draws as columns.sample; otherwise remove one of the rows",
    )


def _advice_on_exchange(cast: Cast, before: Cast) -> str:
    """Return what to do about a judge on one comparison with the answers exchanged, in a file that does not say what
    that means or says something else; empty where the file describes it."""
    source, columns, ballot = cast.reading.source, cast.reading.columns, cast.ballot
    if not isinstance(source, VerdictFile) or ballot.kind != "model" or cast.turned == before.turned:
        return ""
    swapped = "the answers are already swapped in these rows"
    if columns.order or columns.swapped:
        key = "order" if columns.order else "swapped"
        return f"{swapped}; leave out columns.{key}, and say coordinates: displayed"
    if source.coordinates == "content" and ballot.value != before.ballot.value:
        draws = "if it was asked several times, name the column that numbers the draws as columns.sample"
        return f"{swapped}; say coordinates: displayed; or, {draws}"
    if source.coordinates is None and ballot.first is None and not cast.reading.is_decided:
        return (
            "this looks like a second displayed order. Beside the path of this file in a run file, say coordinates: "
            "displayed if the answer that stands first in a row was shown first, so that both count as its two orders; "
            "or coordinates: content if their places say nothing about what was shown first"
        )
    return ""


def _exchanged(casts: list[tuple[Cast, Cast]], advice: str) -> Problem:
    cast, before = casts[0]
    return cast.reading.row.problem(
        cast.ballot.column,
        f"{plain(cast.ballot.rater, longest=40)} has judged these two answers at {before.reading.row.place} already, "
        f"and here they are the other way round{and_more(len(casts) - 1)}: {advice}",
    )


def _without_texts(gathered: Gathered, joined: Joined) -> list[Problem]:
    """Report each file with items whose texts are in no file, although other items have texts."""
    named = [name for name, item in joined.items.items() if item.content and any(row.key for row in item.readings)]
    with_texts = dict.fromkeys(named)
    lost: dict[int, list[Reading]] = {}
    for reading in gathered.readings:
        if named and reading.key and reading.key not in with_texts:
            lost.setdefault(id(reading.source), []).append(reading)
    problems = []
    for readings in lost.values():
        first = readings[0]
        keys = list(dict.fromkeys(reading.key for reading in readings))
        names = ", ".join(map(_shown, keys[:5])) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
        message = (
            f"items {names} are in no file with texts, where names look like {_shown(named[0])}; choose "
            "columns that give the same name in both files, or remove such rows"
        )
        problems.append(first.row.problem(" + ".join(first.columns.item or ()), message))
    return problems


def _shown(name: str) -> str:
    return repr(plain(name, longest=60))


# A comparison as records.


@dataclass
class ComparisonRecords:
    """The outcome of a comparison; only counts if its texts cannot be compared."""

    prompt: Prompt | None = None
    candidates: tuple[Candidate, ...] = ()
    verdicts: list[Verdict] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """The training weights in those rows that have one."""
    first: str | None = None
    """The candidate that stands first in the file; None where the better one always does."""
    counts: Counter[str] = field(default_factory=Counter)
    licenses: tuple[tuple[str, str], ...] = ()
    """The label and license of each file that holds the texts and states a license."""


def make_records(item: JoinedComparison, problems: list[Problem]) -> ComparisonRecords:
    """Make the records of a comparison. A bad text is added to `problems`, or counted where rows are skipped."""
    records = ComparisonRecords()
    index = next((i for i, row in enumerate(item.readings) if row.content and row.columns.has_texts), None)
    if index is None:
        records.counts["verdicts without texts"] += len(item.casts)
        return records
    reading = item.readings[index]
    faults: list[Problem] = []
    with bad_cells_to(faults, reading.row):
        texts = _texts(item, reading, turned=item.turned[index])
    if faults:
        problems += faults
        return records
    for row in item.readings:
        noun = "pair" if isinstance(row.source, PairFile) else "verdict"
        records.counts[f"{noun} rows"] += 1
        if texts is None:
            records.counts[f"{noun}s {UNFIT[0]}"] += 1
        elif texts[1].id == texts[2].id:
            records.counts[f"{noun}s {UNFIT[1]}"] += 1
    if texts is not None and texts[1].id != texts[2].id:
        records.prompt, a, b = texts
        sources = [row.source for row in item.readings if row.content and row.columns.has_texts]
        records.licenses = tuple(dict.fromkeys((source.label, source.license) for source in sources if source.license))
        records.candidates = (a, b)
        if not item.readings[0].is_decided:
            records.first = (b if item.turned[0] else a).id
        records.weights = [row.weight for row in item.readings if row.weight is not None]
        records.verdicts = [_verdict(cast, records.prompt, a, b) for cast in item.casts]
    return records


def _texts(item: JoinedComparison, reading: Reading, *, turned: bool) -> tuple[Prompt, Candidate, Candidate] | None:
    """Return the prompt and the answers "A" and "B"; None if one of them has no words."""
    row, columns, source = reading.row, reading.columns, reading.source
    assert columns.prompt is not None
    assert columns.a is not None
    assert columns.b is not None
    prompt = Prompt(
        messages=joined_prompt(row, columns.prompt),
        category=optional_text(row, columns.category) or item.category,
        source=source.label,
        license=source.license,
    )
    sides = (columns.b, columns.a) if turned else (columns.a, columns.b)
    if any(is_silent(row, column) for column in sides):
        return None
    a, b = (
        Candidate(
            prompt_id=prompt.id,
            messages=answer_in(row, column, prompt),
            kind="imported",
            origin=Origin(model=model, source=source.label, license=source.license),
        )
        for column, model in zip(sides, (item.model_a, item.model_b), strict=True)
    )
    return prompt, a, b


def _verdict(cast_: Cast, prompt: Prompt, a: Candidate, b: Candidate) -> Verdict:
    """Return the vote in displayed coordinates; in the order of the candidates' names if the order is not on record.
    The reply that it was read from is its reasoning."""
    ballot = cast_.ballot
    first = ballot.first or ("A" if a.id < b.id else "B")
    seen = ballot if first == "A" else ballot.flipped()
    shown = (a.id, b.id) if first == "A" else (b.id, a.id)
    is_read = seen.value != "invalid"
    p = seen.p_a if is_read else None
    return Verdict(
        scale="pair",
        prompt_id=prompt.id,
        shown=shown,
        order=None if ballot.first else "unknown",
        value=cast(VoteValue, seen.value) if is_read else None,
        reasoning=cast_.reading.row.replies.get(ballot.column) or None,
        invalid=None if is_read else f"unreadable: {ballot.word[:40]}" if ballot.word else "empty",
        distribution=None if p is None else {"A": p, "B": 1 - p},
        principle_id=seen.principle,
        rater=seen.rater,
        rater_kind=seen.kind,
        sample=seen.sample,
    )
