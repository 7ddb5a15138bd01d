"""Data files as they are, described as the run file of one study: people in one file, judges in others.

Promised: what is guessed is written down, and reading that gives the same certificate; what the data do not determine
is a question in the description, and nothing is audited before it is answered. One thing differs: of a judge many of
whose replies are unread, nothing is concluded until somebody audits the description, which confirms its pattern.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import NamedTuple

from amendment.data.guesses import (
    MOST_WORDS,
    QUESTION,
    REPLACE,
    Entry,
    columns_shown,
    guessed_entries,
    opened,
    scalar,
    who_line,
)
from amendment.data.known_columns import lay_out, recognise
from amendment.data.nested import unnested
from amendment.data.readings import gather
from amendment.data.replies import find_forms
from amendment.data.source_rows import SourceRows, read_source
from amendment.data.sources import OPEN, parse_word
from amendment.data.verdict_files import DataSources, Layout, VerdictFile
from amendment.errors import ConfigError, DataError, Problem
from amendment.text import plain
from amendment.yamlfile import did_you_mean

WHO = (
    "Say which of them are people: --people 'PATTERN', such as --people 'expert_*', or --people FILE for all raters of "
    "a file (can be given again); all others are models. Where none is, save the description with --write, and say "
    "kind: model there"
)
"""How the command says who is a person."""
SHOWN = 8
"""Raters that a message lists."""


class DescribedFile(NamedTuple):
    """A file, and the lines of the run file that describe it, or some of its columns, below its path."""

    table: SourceRows
    lines: list[str]
    raters: list[str] | None
    """None where the description does not determine them yet."""
    why: str
    """Why the layout does not say all but the kind of its raters; empty where it does."""


class Study(NamedTuple):
    """The description of several files."""

    files: list[DescribedFile]
    """Several for a file whose columns of votes need settings of their own."""
    text: str
    """The run file."""

    def check(self, written: Path | None) -> None:
        """Raise DataError where the description, written to a file or not, still asks something."""
        is_open = [file for file in self.files if any(QUESTION in line for line in file.lines)]
        if not is_open:
            return
        if not written and not any(file.why for file in is_open):
            who = [
                Problem(file.table.place, f"who are the raters {_list(file.raters or ())}? {WHO}") for file in is_open
            ]
            raise DataError(who)
        shown = {file.table.place: file for file in is_open if file.why}
        problems = [
            Problem(place, "\n".join([f"{file.why}; the first two rows", *columns_shown(file.table)]))
            for place, file in shown.items()
        ]
        name = str(written or "study.yaml")
        command = f"amendment audit {plain(shlex.quote(f'./{name}' if name.startswith('-') else name))}"
        if written:
            lines = [f"The description is written to {plain(name)}. {REPLACE} Then run: {command}"]
            asked = [line.strip() for line in self.text.splitlines() if QUESTION in line]
            lines += [f"  {line}" for line in dict.fromkeys(asked)]
        else:
            lines = [f"Save these lines as {name} (--write {name} does it). {REPLACE} Then run: {command}"]
            lines += [f"    {line}" for line in self.text.splitlines()]
        raise DataError([*problems, Problem("", "\n".join(lines))])


def describe_study(paths: Sequence[Path], *, people: Sequence[str] = (), name: str, base: Path | None = None) -> Study:
    """Describe files by their columns and words, with their paths as seen from the folder `base`.

    `people` are patterns of raters, or of files, that are people; all others are models. Raises DataError for a file
    that cannot be read, and ConfigError for a pattern that fits nothing.
    """
    described = [(path, file) for path in paths for file in _described(path, _seen_from(path, people, paths))]
    files = [file for _, file in described]
    names = [word for path, file in described for word in (path.name, *(file.raters or ()))]
    for pattern in people:
        if (
            not any(_matches_path(pattern, path) for path in paths)
            and all(file.raters for file in files)
            and not any(fnmatchcase(word, pattern) for word in names)
        ):
            near, names = did_you_mean(pattern, names), list(dict.fromkeys(names))
            raise ConfigError(f"--people {plain(pattern)}: no rater and no file fits{near}; there are {_list(names)}")
    lines = [f"name: {scalar(name)}", "verdicts:"]
    for path, file in described:
        lines.append(f"  - path: {scalar(str(path) if base is None else os.path.relpath(path, base))}")
        lines += [f"    {line}" for line in file.lines]
    return Study(files, "\n".join(lines) + "\n")


def _matches_path(pattern: str, path: Path) -> bool:
    """Return True if a pattern of people is the path of a file, however it is written."""
    return Path(pattern).resolve() == path.resolve() or fnmatchcase(str(path), pattern)


def _seen_from(path: Path, people: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Return the patterns of people for one of the files: its path as its name; that of another file is empty and fits
    no rater."""
    seen = []
    for pattern in people:
        is_path = any(_matches_path(pattern, other) for other in paths)
        seen.append(escape(path.name) if _matches_path(pattern, path) else "" if is_path else pattern)
    return seen


def _described(path: Path, people: Sequence[str]) -> list[DescribedFile]:
    table = read_source(VerdictFile(path=str(path)), Path())
    shape = recognise(table.columns, "verdicts")
    layout = lay_out(shape, table.rows, table.columns, "verdicts") if shape else None
    if layout is None:
        entries = guessed_entries(table, people)
        why = "the columns are not a known layout for verdicts"
    elif shape == "rows" and (why := _doubt(layout)):
        known = {name: name for name in layout.columns.model_dump(exclude_none=True)}
        entries = guessed_entries(table, people, known)
    else:
        raters = _raters(path)
        return [DescribedFile(table, [] if layout.kind else [who_line(raters, path.name, people)], raters, "")]
    is_of_people = any(fnmatchcase(path.name, pattern) for pattern in people)
    files, shown = [], opened(table)
    for entry in entries:
        named = _named_raters(table, entry, path.name)
        is_doubtful = is_of_people and len(entries) > 1 and entry.holds_replies
        who = who_line(named, path.name, () if is_doubtful else people)  # a judge's replies in a file of people?
        files.append(DescribedFile(shown, [*entry.lines, who], named, why))
    return files


def _raters(path: Path) -> list[str]:
    """Return the raters of a file of a known layout, in order of appearance."""
    source = VerdictFile(path=str(path), kind="model")
    readings = gather(DataSources(name="study", verdicts=(source,)), Path()).readings
    return list(dict.fromkeys(ballot.rater for reading in readings for ballot in reading.ballots))


def _named_raters(table: SourceRows, entry: Entry, file: str) -> list[str] | None:
    """Return the raters that an entry names; None where that is still a question."""
    columns = entry.columns
    if OPEN in (columns.get("rater"), columns.get("verdict")):
        return None
    if rater := columns.get("rater"):
        rows = table.rows if rater in table.columns else unnested(table.rows, [rater])
        return [word for word in dict.fromkeys(parse_word(row.values.get(rater)) for row in rows) if word]
    return list(columns.get("votes", [file]))


def _doubt(layout: Layout) -> str:
    """Why columns with the default names do not say all: codes, replies, or two orders; empty where they do."""
    columns = layout.columns
    cells = [row.values.get(columns.verdict) for row in layout.rows] if columns.verdict else []
    words = Counter(map(parse_word, cells))
    del words[""]
    meanings = layout.words.meanings()
    if (
        len(words) <= MOST_WORDS
        and not any(meanings.get(word) in ("A", "B") for word in words)
        and words.keys() - meanings
    ):
        named = ", ".join(repr(plain(word, longest=24)) for word in sorted(words))
        return f"column {columns.verdict} holds {named}, and nothing says what that means"
    if columns.order or columns.swapped:
        return f"column {columns.order or columns.swapped} brings a second order, and a verdict can speak of either"
    return "the verdicts are in replies" if len(words) > MOST_WORDS and find_forms(cells) else ""


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(plain(name, longest=40) for name in names[:SHOWN]) + more
