"""A comparison from the user's files as records: strict texts, and each verdict in displayed coordinates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from amendment.data.ballots import Ballot
from amendment.data.cells import answer_in, is_silent, joined_prompt, optional_text
from amendment.data.comparisons import JoinedComparison
from amendment.data.readings import Reading
from amendment.data.sources import PairFile
from amendment.errors import DataError, Problem
from amendment.records import Candidate, Origin, Prompt, Verdict

__all__ = ["Records", "records_of"]


@dataclass
class Records:
    """What a comparison comes to; nothing but counts where its texts cannot be compared."""

    prompt: Prompt | None = None
    candidates: tuple[Candidate, ...] = ()
    verdicts: list[Verdict] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """Of the rows that say how much their pair counts in training."""
    first: str | None = None
    """The candidate that stands first in the file; None where the better one always does."""
    counts: Counter[str] = field(default_factory=Counter)
    licenses: tuple[tuple[str, str], ...] = ()
    """Of each file that holds the texts and says under which license: its label, and the license."""


def records_of(item: JoinedComparison, problems: list[Problem]) -> Records:
    """The records of a comparison. A bad text is added to `problems`, or counted where rows are skipped."""
    records = Records()
    index = next((i for i, one in enumerate(item.readings) if one.content and one.columns.has_texts), None)
    if index is None:
        records.counts["verdicts without texts"] += len(item.casts)
        return records
    reading = item.readings[index]
    try:
        texts = _texts(item, reading, turned=item.turned[index])
    except DataError as fault:
        if reading.source.bad_rows == "skip":
            records.counts["bad rows left out"] += len(item.readings)
        else:
            problems += fault.problems
        return records
    except (ValueError, RecursionError) as fault:  # cannot be stored, in a place where only a hash looks
        problems.append(Problem(reading.row.place, f"holds something that no file can store ({fault})"))
        return records
    for one in item.readings:
        noun = "pair" if isinstance(one.source, PairFile) else "verdict"
        records.counts[f"{noun} rows"] += 1
        if texts is None:
            records.counts[f"{noun}s with an empty answer"] += 1
        elif texts[1].id == texts[2].id:
            records.counts[f"{noun}s of identical answers"] += 1
    if texts is not None and texts[1].id != texts[2].id:
        records.prompt, a, b = texts
        records.licenses = tuple(_licenses(item))
        records.candidates = (a, b)
        if not item.readings[0].is_decided:
            records.first = (b if item.turned[0] else a).id
        records.weights = [one.weight for one in item.readings if one.weight is not None]
        records.verdicts = [_verdict(cast.ballot, records.prompt, a, b) for cast in item.casts]
    return records


def _licenses(item: JoinedComparison) -> dict[tuple[str, str], None]:
    sources = [one.source for one in item.readings if one.content and one.columns.has_texts]
    return {(source.label, source.license): None for source in sources if source.license}


def _texts(item: JoinedComparison, reading: Reading, *, turned: bool) -> tuple[Prompt, Candidate, Candidate] | None:
    """The prompt and the answers "A" and "B"; None where one of them has no words."""
    row, columns, source = reading.row, reading.columns, reading.source
    assert columns.prompt is not None
    assert columns.a is not None
    assert columns.b is not None
    prompt = Prompt(
        messages=joined_prompt(row, columns.prompt),
        category=optional_text(row, columns.category) or item.category or source.category,
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


def _verdict(ballot: Ballot, prompt: Prompt, a: Candidate, b: Candidate) -> Verdict:
    """In displayed coordinates; where the order is not on record, in the order of the candidates' names."""
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
        value=seen.value if is_read else None,
        invalid=None if is_read else f"unreadable: {ballot.word[:40]}" if ballot.word else "empty",
        distribution=None if p is None else {"A": p, "B": 1 - p},
        principle_id=seen.principle,
        rater=seen.rater,
        rater_kind=seen.kind,
        sample=seen.sample,
    )
