"""Read the verdicts of one row: words as values, in the coordinates of the columns a and b.

Covered: a rater a row or a column each, a second order, the order on record, probabilities, empty cells. Strict: a
word that means nothing is a problem, told once for each column and word with the count of its rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from amendment.data.replies import NO_VERDICT
from amendment.data.sources import PairFile, parse_number, parse_word
from amendment.data.verdict_files import Layout, OrderWords, VerdictFile
from amendment.errors import Problem
from amendment.records import LABELLERS, RaterKind, VoteValue
from amendment.tables import Row
from amendment.text import plain

Side = Literal["A", "B"]
_FLIPPED: dict[str, VoteValue] = {"A": "B", "B": "A", "tie": "tie", "both_bad": "both_bad", "invalid": "invalid"}
_SIDES: dict[Side | None, Side | None] = {"A": "B", "B": "A", None: None}
UNKNOWN = "verdicts of which nobody says who decided"
"""The name that they are counted under."""
LIKE_THIS = "and {} like this"
MORE = "\0"
"""Placeholder in a message for the number of further rows."""
SHORT = 40
"""Characters of a word; a longer cell may be a reply."""
NUMBER = "a number; words of an order are listed as `scale: [lowest, ..., highest]`"
LARGEST_SCORE = 1e100
"""The square of a larger one may be infinite."""
SHOWN = 8
"""Names that a message lists before it counts the rest."""


def and_more(count: int, words: str = LIKE_THIS) -> str:
    """Return the note about further rows, in brackets; empty if there are none."""
    return f" ({words.format(f'{count} more row' if count == 1 else f'{count} more rows')})" if count else ""


class Ballot(NamedTuple):
    """One rater's verdict; "A" is the answer in column a, whatever was displayed first."""

    rater: str
    kind: RaterKind
    value: str
    """A, B, tie, both_bad or invalid; for labels of single answers the class, the number, or invalid."""
    first: Side | None
    """The answer that was displayed first; None if the file does not say."""
    p_a: float | None
    principle: str | None
    sample: int
    column: str
    """The column that holds it."""
    word: str
    """The text of the cell."""

    def flipped(self) -> Ballot:
        """Return the same verdict where the answers have changed places."""
        p_a = None if self.p_a is None else 1 - self.p_a
        return self._replace(value=_FLIPPED[self.value], first=_SIDES[self.first], p_a=p_a)


def join_words(values: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    """Return the words of one column or of several together; empty where all of them are."""
    words = [_key_word(values[column]) for column in columns]
    if not any(words):
        return ""
    return words[0] if len(words) == 1 else json.dumps(words, ensure_ascii=False)


def _key_word(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else parse_word(value)


def _parts_in(value: Any) -> list[Any]:
    """Return the parts of a rater's name in one cell: several where it is a list."""
    return value if isinstance(value, list) and value else [value]


class BallotReader:
    """Reads the ballots of one source, and remembers what it could not read."""

    def __init__(self, source: PairFile | VerdictFile, layout: Layout, place: str, who: str) -> None:
        """`place` is the source's, for problems that are no row's; `who` says how to say who is a person."""
        self.columns, self.place, self.who = layout.columns, place, who
        self.spellings: dict[str, set[str]] = {}
        """The spellings of each rater's name in cells, white space included; files may share the mapping."""
        self.counts: Counter[str] = Counter()
        log = source if isinstance(source, VerdictFile) else None
        self._source, self._layout = source, layout
        self._coordinates = layout.coordinates or (log.coordinates if log else None)
        self._rater_of_all = (log.rater if log else None) or source.label
        self._takes_any_word = log is not None and log.unreadable == "invalid"
        self._scale = log.scale if log else "pair"
        self._meanings: Mapping[str, str] = layout.words.meanings()
        if log and log.scale != "pair":
            self._meanings = {parse_word(word): parse_word(word) for word in log.classes}
        self._firsts = (log.orders if log else OrderWords()).meanings()
        self._kinds: dict[str, RaterKind | None] = {}
        self._alike: dict[tuple[str, str], list[tuple[Row, str]]] = {}
        """Rows that are wrong in the same way, by column and word: the row, and a message with a place for the count of
        the others."""

    def read(self, row: Row, problems: list[Problem]) -> list[Ballot]:
        """Return the ballots of a row. What is wrong is added to `problems`, unknown words to what `problems` tells."""
        columns, values = self.columns, row.values
        if self._nobody_voted(values):
            self.counts["empty cells without a vote"] += 1
            return []
        first, is_known = self._first(row, problems)
        if columns.votes is not None:
            asked = [(column, column, first) for column in columns.votes]
        else:
            rater = self._rater(row, problems)
            column = columns.verdict or columns.p or ""
            asked = [(rater, column, "A" if columns.swapped else first)]
            if columns.swapped:
                asked.append((rater, columns.swapped, "B"))
        principle = parse_word(values[columns.principle]) or None if columns.principle else None
        sample = self._sample(row, problems)
        ballots: list[Ballot] = []
        for rater, column, shown in asked:
            p = self._p(row, problems) if columns.p and column != columns.swapped else None
            value, word = self._value(row, rater, column, p, problems)
            if value is None:
                continue
            self._compare(row, value, word, p, problems)
            kind = self._kind(rater) or "model"  # asked for by `problems` where nobody says
            self.counts.update([UNKNOWN] if kind == "unknown" else ())
            ballot = Ballot(rater, kind, value, shown, p, principle, sample, column, word)
            turned = self._coordinates == "displayed" and shown == "B"
            ballots.append(ballot.flipped()._replace(first=shown) if turned else ballot)
        return ballots if is_known else []

    def problems(self) -> Iterator[Problem]:
        """Problems that show over all rows: unknown words, contradictions, raters of unknown kind."""
        yield from self.misread()
        asked = [rater for rater, kind in self._kinds.items() if kind is None]
        if asked:
            names = ", ".join(plain(rater, longest=40) for rater in asked[:SHOWN])
            more = f" and {len(asked) - SHOWN} more" if len(asked) > SHOWN else ""
            yield Problem(self.place, f"who are the raters {names}{more}? {self.who}")

    def misread(self) -> Iterator[Problem]:
        """Words that mean nothing, and contradictions."""
        for (column, word), rows in self._alike.items():
            row, message = rows[0]
            yield row.problem(
                column, message.replace(MORE, and_more(len(rows) - 1, "and in {}" if word else LIKE_THIS))
            )

    @property
    def raters(self) -> list[str]:
        """Return all raters that were read, in order of appearance."""
        return list(self._kinds)

    def _kind(self, rater: str) -> RaterKind | None:
        if rater not in self._kinds:
            source = self._source
            kind = source.rater_kind(rater) if isinstance(source, VerdictFile) else source.kind
            missing: RaterKind | None = None if isinstance(source, VerdictFile) else "unknown"
            self._kinds[rater] = kind or self._layout.kind or missing
        return self._kinds[rater]

    def _rater(self, row: Row, problems: list[Problem]) -> str:
        columns = self.columns.rater
        if columns is None:
            return self._rater_of_all
        parts = [part for column in columns for part in _parts_in(row.values[column])]
        words = tuple(map(_key_word, parts))
        if not all(words):
            problems.append(row.problem(" + ".join(columns), "names no rater; fill it in or take the row out"))
        has_slash = len(words) > 1 and any("/" in word for word in words)
        name = json.dumps(words, ensure_ascii=False) if has_slash else "/".join(words)
        spelled = (part if isinstance(part, str) else word for part, word in zip(parts, words, strict=True))
        self.spellings.setdefault(name, set()).add("/".join(spelled))
        return name

    def _nobody_voted(self, values: Mapping[str, Any]) -> bool:
        """Return True if the raters stand inside a cell that is empty: a list of no annotators."""
        columns = self.columns
        inside = columns.rater and all("." in column for column in columns.rater)
        cells = (*(columns.rater or ()), columns.verdict, columns.p)
        return bool(inside) and not any(parse_word(values[column]) for column in cells if column)

    def _first(self, row: Row, problems: list[Problem]) -> tuple[Side | None, bool]:
        """Return the answer that was displayed first, and whether that is enough to read the row's verdict."""
        column = self.columns.order
        if column is None:
            return ("A" if self._coordinates == "displayed" else None), True
        word = parse_word(row.values[column])
        if word in self._firsts:
            return self._firsts[word], True
        if not word and self._coordinates != "displayed":
            return None, True
        expected = f"expected one of {', '.join(self._firsts)}; see `orders`"
        self._alike.setdefault((column, word), []).append((row, f"found {plain(word, longest=40)!r}{MORE}, {expected}"))
        return None, False

    def _sample(self, row: Row, problems: list[Problem]) -> int:
        column = self.columns.sample
        word = parse_word(row.values[column]) if column else "0"
        if word.isdecimal() and len(word) < 10:
            return int(word)
        message = f"found {plain(word, longest=40)!r}, expected the number of a draw (0, 1, 2 ...)"
        problems.append(row.problem(str(column), message))
        return 0

    def _p(self, row: Row, problems: list[Problem]) -> float | None:
        column = self.columns.p
        assert column is not None
        value = row.values[column]
        if not parse_word(value):
            return None
        p = parse_number(value)
        if p is not None and 0 <= p <= 1:
            return p
        message = f"found {plain(str(value), longest=40)!r}, expected a probability between 0 and 1"
        problems.append(row.problem(column, message))
        return None

    def _compare(self, row: Row, value: str, word: str, p: float | None, problems: list[Problem]) -> None:
        """Report a word for one answer with a probability for the other: mostly a confidence in the verdict."""
        if p is None or value not in ("A", "B") or (p <= 0.5 if value == "B" else p >= 0.5):
            return
        message = (
            f"found {p:g} with the verdict {plain(word, longest=40)!r}; p is P(the first answer is better), in the "
            "coordinates of the verdict. A confidence in the verdict is something else: leave its column out, or turn "
            f"it into 1 - p where the second answer won{MORE}"
        )
        self._alike.setdefault((str(self.columns.p), ""), []).append((row, message))

    def _value(
        self, row: Row, rater: str, column: str, p: float | None, problems: list[Problem]
    ) -> tuple[str | None, str]:
        """Return the vote in a cell, and its word; None if there is no verdict."""
        if column == self.columns.p:
            return self._read_empty_cell(rater, p), ""
        word = parse_word(row.values[column])
        value = self._meaning(word)
        if value is not None:
            self._kind(rater)
            return value, word
        if not word:
            return self._read_empty_cell(rater, p), word
        self._kind(rater)
        if self._takes_any_word:
            self.counts["words read as invalid"] += 1
            return "invalid", word
        words = ", ".join(meaning or "an empty cell" for meaning in self._meanings)
        expected = f"one of {words}; see `{'words' if self._scale == 'pair' else 'scale'}`" if words else NUMBER
        message = f"found {plain(word, longest=40)!r}{MORE}, expected {expected}"
        message += ", and `pattern` for a verdict in a reply" if len(word) > SHORT else ""
        self._alike.setdefault((column, word), []).append((row, message))
        return None, word

    def _meaning(self, word: str) -> str | None:
        """Return the value that a word stands for; None where it stands for none."""
        if self._scale != "pair" and word == NO_VERDICT:
            return "invalid"
        if self._scale == "pair" or self._meanings or not word:
            return self._meanings.get(word)
        if self._scale == "nominal":
            return word
        try:
            number = float(word.replace(",", "."))
        except ValueError:
            return None
        return word.replace(",", ".") if abs(number) <= LARGEST_SCORE else None

    def _read_empty_cell(self, rater: str, p: float | None) -> str | None:
        """Return the meaning of an empty cell: its probability, else no vote of a person or an unreadable verdict."""
        kind = self._kind(rater)
        if p is not None:
            return "tie" if p == 0.5 else "A" if p > 0.5 else "B"
        if kind in LABELLERS or isinstance(self._source, PairFile):
            self.counts["empty cells without a vote"] += 1
            return None
        self.counts["empty cells read as invalid"] += 1
        return "invalid"
