"""Labels on disk: rows that are only added, so that what was acknowledged survives a kill, and all of it is history.

Covered: a label is on the disk before `add` returns (write-ahead journal, a flush at each commit); one process adds
at a time, others read beside it; every row has a checksum. Not covered: a copy on another disk, which is for whoever
pays for the labels to keep.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Container, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from amendment.calibration._labels_file import (
    links,
    lock,
    note_seen,
    open_seal,
    open_to_read,
    open_to_write,
    prompts_seen,
    refuse_lost_link,
    seal_openings,
)
from amendment.calibration.labels import Label
from amendment.errors import DataError, LedgerError
from amendment.hashing import canonical_json, content_id
from amendment.terminal import plain

__all__ = ["Labels"]

_CLOCKED = {"uuid", "seconds", "at"}
"""What differs between two people who say the same."""


class _Undo(NamedTuple):
    annotator: str
    label: Label | None
    """What it took back; None where there was nothing."""


class Labels:
    """The labels of one spot check, in a file made when it is first opened to write.

    Raises LedgerError when another process adds labels here (`read_only` never asks), and for a file that is
    damaged, of something else or of a newer version. A reader of a file that does not exist yet sees no labels.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        refuse_lost_link(path)
        self.path = path
        self._held = None if read_only else lock(path)
        self._db: sqlite3.Connection | None = None
        self._last = 0
        self._entries: dict[str, Label | _Undo] = {}
        self._current: dict[str, dict[tuple[str, int], Label]] = {}
        self._taken_back: dict[tuple[str, str, int], Label] = {}
        try:
            self._db = open_to_write(path) if self._held else None
            self._catch_up()
        except BaseException:
            self.close()
            raise

    def add(self, label: Label) -> bool:
        """Keep a label; it is on the disk when this returns. False where one with its uuid was kept before.

        Raises DataError where that one says something else, and LedgerError where nothing can be written.
        """
        before = self._entries.get(label.uuid)
        if before is None:
            self._append(label.uuid, {"label": label.to_json()})
            return True
        if not isinstance(before, Label) or _said(before) != _said(label):
            raise DataError(f"uuid {plain(label.uuid)}: another entry has it already; send a new uuid for each label")
        return False

    def undo(self, annotator: str, uuid: str, *, among: Container[str] | None = None) -> Label | None:
        """Take back what the annotator said last: its item is open again for them. None where nothing is left.

        `uuid` is the undo's own: a second one with the same uuid answers what the first one did. `among` are the
        comparisons that are asked: what was said of others, of an earlier sample, stays.
        """
        before = self._entries.get(uuid)
        if before is None:
            mine = self._current.get(annotator, {})
            last = next((one for one in reversed(mine.values()) if among is None or one.comparison_id in among), None)
            self._append(uuid, {"undo": {"annotator": annotator, "label": last.uuid if last else None}})
            return last
        if not isinstance(before, _Undo) or before.annotator != annotator:
            raise DataError(f"uuid {plain(uuid)}: another entry has it already; send a new uuid for each undo")
        return before.label

    def taken_back(self, annotator: str, comparison: str, showing: int) -> Label | None:
        """What the annotator said of this item and took back, while they have said nothing else of it."""
        return self._taken_back.get((annotator, comparison, showing))

    def links(self, names: Iterable[str] = ()) -> dict[str, str]:
        """The token of every annotator's link by name, made and kept where one of `names` has none yet."""
        if self._held is None or self._db is None:
            raise LedgerError(f"{self.path}: opened to read; links are made by who opened it to write")
        try:
            return links(self._db, names)
        except sqlite3.Error as fault:
            raise LedgerError(f"{self.path}: a link could not be kept: {plain(str(fault))}. Free space?") from fault

    def knows(self, uuid: str) -> bool:
        """Whether a label or an undo with this uuid was kept."""
        return uuid in self._entries

    def current(self) -> list[Label]:
        """The last label of each annotator, item and showing, without what was taken back; in one fixed order."""
        self._catch_up()
        labels = [label for mine in self._current.values() for label in mine.values()]
        return sorted(labels, key=lambda label: (label.comparison_id, label.annotator, label.showing))

    def history(self) -> list[Label]:
        """Every label that was acknowledged, in that order, those taken back or said anew included."""
        self._catch_up()
        return [entry for entry in self._entries.values() if isinstance(entry, Label)]

    def state(self) -> str:
        """A hash of what the current labels say: who said what of which item, not when or how long it took."""
        return content_id([label.model_dump(mode="json", exclude=_CLOCKED) for label in self.current()])

    def open_seal(self, key: str) -> int:
        """Note that sealed labels are looked at for `key`; returns for how many different keys they were, with it.

        A reader may note it too, beside a page.
        """
        return open_seal(self.path, key)

    def note_seen(self, prompts: Iterable[str]) -> None:
        """Note that labels of these prompts are looked at by what learns from them: they are never sealed again. A
        reader may note it too."""
        note_seen(self.path, prompts)

    def prompts_seen(self) -> set[str]:
        """The prompts whose labels were looked at, whatever the sample says now."""
        return prompts_seen(self.path)

    def seal_openings(self) -> int:
        """For how many different keys sealed labels were looked at."""
        return seal_openings(self.path)

    def close(self) -> None:
        """Let go of file and lock."""
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._held is not None:
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, uuid: str, entry: dict[str, Any]) -> None:
        if self._held is None or self._db is None:
            raise LedgerError(f"{self.path}: opened to read; labels are added by who opened it to write")
        body = canonical_json(entry)
        row = (uuid, body.decode("utf-8"), _checksum(body))
        try:
            self._db.execute("INSERT INTO entry (uuid, body, checksum) VALUES (?, ?, ?)", row)
        except sqlite3.Error as fault:
            raise LedgerError(f"{self.path}: a label could not be written: {plain(str(fault))}. Free space?") from fault
        self._catch_up()

    def _catch_up(self) -> None:
        """Take in the rows that were added since, by whomever."""
        if self._held is None and self._db is None and self.path.exists():
            self._db = open_to_read(self.path)
        if self._db is None:
            return
        query = "SELECT number, uuid, body, checksum FROM entry WHERE number > ? ORDER BY number"
        try:
            rows = self._db.execute(query, (self._last,)).fetchall()
        except sqlite3.Error as fault:
            raise self._damaged(plain(str(fault))) from fault
        for number, uuid, body, checksum in rows:
            self._take_in(number, uuid, body, checksum)
            self._last = number

    def _take_in(self, number: int, uuid: str, body: Any, checksum: Any) -> None:
        if not isinstance(body, str) or _checksum(body.encode("utf-8", "replace")) != checksum:
            raise self._damaged(f"entry {number} is not as it was written")
        try:
            entry = _entry_of(body)
        except (ValueError, RecursionError) as fault:
            raise self._damaged(f"entry {number} is none that this version knows", newer=True) from fault
        if isinstance(entry, Label):
            mine = self._current.setdefault(entry.annotator, {})
            self._taken_back.pop((entry.annotator, entry.comparison_id, entry.showing), None)
            mine.pop((entry.comparison_id, entry.showing), None)  # so that it stands last, where undo looks
            mine[entry.comparison_id, entry.showing] = entry
            self._entries[uuid] = entry
            return
        annotator, target = entry
        undone = self._entries.get(target) if target else None
        if isinstance(undone, Label):
            self._current.get(annotator, {}).pop((undone.comparison_id, undone.showing), None)
            self._taken_back[annotator, undone.comparison_id, undone.showing] = undone
        self._entries[uuid] = _Undo(annotator, undone if isinstance(undone, Label) else None)

    def _damaged(self, what: str, *, newer: bool = False) -> LedgerError:
        told = f"damaged ({what}). Put"
        if newer:
            told = f"damaged, or of a newer version ({what}). Use the version that wrote it, put"
        return LedgerError(
            f"{self.path}: {told} a copy of it in its place, or move it and the files beside it (-wal, -shm) away; "
            "the next page begins a new one."
        )


def _entry_of(body: str) -> Label | tuple[str, str | None]:
    """A label; or of an undo whose it is, and what it took back. Raises ValueError for what is neither."""
    match json.loads(body):
        case {"label": label, **more} if not more:
            return Label.from_json(label)
        case {"undo": {"annotator": str(annotator), "label": str() | None as target, **other}, **more}:
            if not (other or more):
                return annotator, target
    raise ValueError("neither a label nor an undo")


def _said(label: Label) -> tuple[object, ...]:
    return (label.annotator, label.comparison_id, label.showing, label.choice)


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:8]
