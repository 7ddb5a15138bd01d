"""Answers found in a file, checked and made labels; every mistake is named, by the first row that makes it and how many
more do, and one is enough for none.

The uuid of a label is a hash of what it says, and of its time where the file tells one: a file that is read twice
gives the same labels twice, which a store takes once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from amendment.calibration.exchange.items import Item, Items
from amendment.calibration.exchange.leaving import clean
from amendment.calibration.labels import (
    CHOICES,
    LONGEST_COMMENT,
    LONGEST_NAME,
    Choice,
    Label,
    tidy_name,
)
from amendment.calibration.samples import LabelQuestion
from amendment.errors import DataError, Problem
from amendment.hashing import content_id
from amendment.tables import Row
from amendment.terminal import plain

__all__ = ["CHOICE_WORDS", "Answers", "is_blank"]

CHOICE_WORDS: dict[str, Choice] = {**{choice.casefold(): choice for choice in CHOICES}, "both bad": "both_bad"}
"""Choices by the words for them, in small letters."""

_Mistake = tuple[Row, str, str]
"""A row, its column, and what is wrong there."""


class Answers:
    """The labels of one file."""

    def __init__(self, questions: Iterable[LabelQuestion], *, at: str, raters: Mapping[str, str] | None = None) -> None:
        """`questions` are those of the spot check. `at` is the time of labels whose file tells none. `raters` renames
        annotators; under "" it has whoever labelled where the file does not say."""
        self.items = Items(questions)
        self._at = at
        self._raters = {tidy_name(written): tidy_name(name) for written, name in (raters or {}).items()}
        self._labels: dict[tuple[str, str, int], list[tuple[Label, str]]] = {}
        self._problems: list[_Mistake] = []

    def find(self, row: Row, written: Any, *, column: str = "item") -> Item | None:
        """The item of this name; None, and a problem, where these questions have none."""
        name = str(written).strip() if written is not None else ""
        found = self.items.find(name)
        if found is None:
            self.wrong(row, column, f"found {_quoted(written)}, {self._stranger(name)}")
        return found

    def _stranger(self, name: str) -> str:
        if self.items.looks_like_one(name):
            return "which is no item of this spot check; is the file of another run, or of an earlier sample?"
        return "expected the name of an item as it was exported: s2: and 32 hexadecimal digits"

    def wrong(self, row: Row, column: str, message: str) -> None:
        """A mistake in a row."""
        self._problems.append((row, column, message))

    def add(
        self,
        row: Row,
        item: Item,
        said: Mapping[str, Any],
        *,
        words: Mapping[str, Choice] = CHOICE_WORDS,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        """One answer: `said` has the fields of `Label` by name. Without any choice, confidence, principle and comment
        it was not answered, and gives nothing.

        `columns` says how the file calls a field; `words` are those for the choices, in small letters.
        """
        named = columns or {}
        if all(is_blank(said.get(name)) for name in ("choice", "confidence", "principle_id", "comment")):
            return
        before = len(self._problems)
        complain = _Complaints(row, named, self._problems)
        fields = {
            "comparison_id": item.question.comparison_id,
            "prompt_id": item.question.prompt_id,
            "shown": item.ids,
            "annotator": self._annotator(said.get("annotator"), complain),
            "showing": item.showing,
            "choice": _choice(said.get("choice"), words, complain),
            "confidence": _confidence(said.get("confidence"), complain),
            "principle_id": _principle(said.get("principle_id"), item, complain),
            "comment": _comment(said.get("comment"), complain),
            "seconds": _seconds(said.get("seconds"), complain),
        }
        at = _time(said.get("at"), complain)
        if len(self._problems) == before:
            known = {name: value for name, value in fields.items() if value is not None}
            uuid = content_id(["label", {**known, "shown": list(item.ids)}, at])
            self._keep(row, Label(uuid=uuid, at=at or self._at, **cast(dict[str, Any], known)))

    def _annotator(self, found: Any, complain: _Complaints) -> str:
        name = "" if is_blank(found) else tidy_name(str(found))
        name = self._raters.get(name, name)
        if not name:
            complain("annotator", "missing; expected whoever labelled, or say it for the whole file (--rater NAME)")
        elif len(name) > LONGEST_NAME:
            complain("annotator", f"found {len(name)} characters, expected at most {LONGEST_NAME}")
        return name

    def _keep(self, row: Row, label: Label) -> None:
        """Another answer of one annotator to one item is a change of mind where times tell which is the later."""
        others = self._labels.setdefault((label.annotator, label.comparison_id, label.showing), [])
        if any(label.uuid == other.uuid for other, _ in others):
            return
        clash = next((place for other, place in others if other.instant == label.instant), None)
        if clash is not None:
            told = "answers the same item of the same annotator otherwise; expected one answer, or times that differ"
            self.wrong(row, "item", f"{clash} {told}")
            return
        others.append((label, row.place))

    def done(self) -> list[Label]:
        """All labels, by time. Raises DataError that names every mistake."""
        if self._problems:
            raise DataError(_told_once(self._problems))
        return sorted((label for found in self._labels.values() for label, _ in found), key=lambda label: label.instant)


class _Complaints:
    """Adds problems with the fields of one answer, called as the file calls them."""

    def __init__(self, row: Row, columns: Mapping[str, str], problems: list[_Mistake]) -> None:
        self._row, self._columns, self._problems = row, columns, problems

    def __call__(self, name: str, message: str) -> None:
        self._problems.append((self._row, self._columns.get(name, name), message))


def _told_once(mistakes: Iterable[_Mistake]) -> Iterator[Problem]:
    """Each column's message with the first row that it is about, and how many more there are."""
    rows: dict[tuple[str, str], list[Row]] = {}
    for row, column, message in mistakes:
        rows.setdefault((column, message), []).append(row)
    for (column, message), (first, *others) in rows.items():
        more = f" and {len(others):,} more" if others else ""
        yield Row(f"{first.place}{more}", {}).problem(column, message)


def is_blank(value: Any) -> bool:
    """Whether a cell says nothing."""
    return value is None or (isinstance(value, str) and not value.strip()) or value == []


def _quoted(value: Any) -> str:
    return "nothing" if is_blank(value) else f"'{plain(str(value), longest=60)}'"


def _choice(found: Any, words: Mapping[str, Choice], complain: _Complaints) -> Choice | None:
    choice = words.get(str(found).strip().casefold()) if not is_blank(found) else None
    if choice is None:
        expected = CHOICES if words is CHOICE_WORDS else words
        complain("choice", f"found {_quoted(found)}, expected one of {', '.join(expected)}")
    return choice


def _number(found: Any) -> float | None:
    """A cell as a number, with a decimal comma too; None where it is none."""
    with suppress(ValueError, TypeError):
        if not isinstance(found, bool):
            number = float(found.strip().replace(",", ".") if isinstance(found, str) else found)
            return number if math.isfinite(number) else None
    return None


def _confidence(found: Any, complain: _Complaints) -> int | None:
    if is_blank(found):
        return None
    number = _number(found)
    if number not in (1, 2, 3):
        complain("confidence", f"found {_quoted(found)}, expected 1 (unsure), 2 or 3 (sure)")
        return None
    return int(number)


def _seconds(found: Any, complain: _Complaints) -> float | None:
    if is_blank(found):
        return None
    number = _number(found)
    if number is None or number < 0:
        complain("seconds", f"found {_quoted(found)}, expected a number of seconds, 0 or more")
    return number


def _principle(found: Any, item: Item, complain: _Complaints) -> str | None:
    if is_blank(found):
        return None
    known = [principle.id for principle in item.question.principles]
    if str(found).strip() not in known:
        expected = f"expected one of {', '.join(known)}" if known else "but this item was shown without principles"
        complain("principle_id", f"found {_quoted(found)}, {expected}")
    return str(found).strip()


def _comment(found: Any, complain: _Complaints) -> str | None:
    comment = "" if is_blank(found) else clean(str(found))
    if len(comment) > LONGEST_COMMENT:
        complain("comment", f"found {len(comment):,} characters, expected at most {LONGEST_COMMENT:,}")
    return comment or None


def _time(found: Any, complain: _Complaints) -> str | None:
    """A time in UTC; one that names no zone is taken to be in UTC already."""
    if is_blank(found):
        return None
    try:
        time = found if isinstance(found, datetime) else datetime.fromisoformat(str(found).strip())
        zoned = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        complain("at", f"found {_quoted(found)}, expected a time such as 2026-01-31T09:30:00+00:00")
        return None
    is_utc = isinstance(found, str) and time.tzinfo is not None and not time.utcoffset()
    return found.strip() if is_utc else zoned.isoformat()
