"""Labels on disk: rows that are only added, so that what was acknowledged survives a kill, and all of it is history.

Covered: a label is on the disk before `add` returns (write-ahead journal, a flush at each commit); one process adds
at a time, under a lock, others read at the same time (`amendment.llm.ledger_reading` says why every other connection is
read-only); every row has a checksum. Openings of the seal stand in another file, with a rollback journal: a run
notes them while a page, in another process, writes labels. All files are for their owner alone (mode 600): they hold
people's names, what they wrote, and their links. Not covered: a copy on another disk, which is for whoever pays for the
labels to keep.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import uuid4

from amendment import __version__
from amendment.errors import DataError, LedgerError
from amendment.files import AlreadyLocked, create_database, lock_file
from amendment.hashing import canonical_json, content_id
from amendment.llm.ledger_reading import connect
from amendment.people.samples import Label
from amendment.text import plain

VERSION = 1
SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # body: canonical JSON of a label, a lead's decision or an undo; checksum: the first 8 bytes of its SHA-256.
    "CREATE TABLE entry (number INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, body TEXT NOT NULL, "
    "checksum BLOB NOT NULL)",
    "CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END",
    "CREATE TRIGGER entry_remains BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END",
)
OWNER_ONLY = 0o600
LINK = "link "
"""Begins the keys of `meta` under which annotators' links stand."""
WAIT = 10.0
"""Seconds to wait for another process that notes an opening of the seal."""
RESTORE = (
    "Replace it with a copy, or move it and the files beside it (-wal, -shm) away; the next page starts a new one."
)
CLOCKED = {"uuid", "seconds", "at"}
"""What differs between two people who say the same."""


class _Undo(NamedTuple):
    annotator: str
    label: Label | None
    """What it took back; None where there was nothing."""


class _Adjudicated(NamedTuple):
    label: Label
    """The lead's, of a comparison on which people disagree."""


class Labels(contextlib.AbstractContextManager["Labels"]):
    """The labels of one spot check, in a file made when it is first opened to write.

    Raises LedgerError when another process adds labels here (`read_only` never asks), and for a file that is
    damaged, of something else or of a newer version. A reader of a file that does not exist yet sees no labels.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if path.is_symlink() and not path.exists():
            raise LedgerError(
                f"{path}: a link to {path.readlink()}, which is not there. Mount its disk; or remove the link, and the "
                "next page begins a new one."
            )
        self.path = path
        self._held = None if read_only else _lock(path)
        self._db: sqlite3.Connection | None = None
        self._last = 0
        self._entries: dict[str, Label | _Undo | _Adjudicated] = {}
        self._adjudicated: dict[str, Label] = {}
        self._current: dict[str, dict[tuple[str, int], Label]] = {}
        self._taken_back: dict[tuple[str, str, int], Label] = {}
        try:
            self._db = _open_to_write(path) if self._held else None
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
        fields = ("annotator", "comparison_id", "showing", "choice")
        if not isinstance(before, Label) or any(getattr(before, name) != getattr(label, name) for name in fields):
            raise DataError(f"uuid {plain(label.uuid)}: another entry has it already; send a new uuid for each label")
        return False

    def adjudicate(self, label: Label) -> None:
        """Keep the lead's decision of a comparison; people's labels stay, and the last decision counts."""
        if label.uuid not in self._entries:
            self._append(label.uuid, {"adjudicated": label.to_json()})

    def adjudicated(self) -> dict[str, Label]:
        """Return the lead's decisions by comparison."""
        self._catch_up()
        return dict(self._adjudicated)

    def undo(self, annotator: str, uuid: str, *, among: Container[str] | None = None) -> Label | None:
        """Take back the annotator's last label: its item is open again for them. None where nothing is left.

        `uuid` is the undo's own: a second one with the same uuid answers what the first one did. `among` are the
        comparisons that are asked: labels of others, of an earlier sample, stay.
        """
        before = self._entries.get(uuid)
        if before is None:
            mine = self._current.get(annotator, {})
            last = next(
                (label for label in reversed(mine.values()) if among is None or label.comparison_id in among), None
            )
            self._append(uuid, {"undo": {"annotator": annotator, "label": last.uuid if last else None}})
            return last
        if not isinstance(before, _Undo) or before.annotator != annotator:
            raise DataError(f"uuid {plain(uuid)}: another entry has it already; send a new uuid for each undo")
        return before.label

    def forget(self, annotator: str) -> int:
        """Take back every label of an annotator; returns how many there were. The history keeps them."""
        count = len(self._current.get(annotator, {}))
        for _ in range(count):
            self.undo(annotator, str(uuid4()))
        return count

    def taken_back(self, annotator: str, comparison: str, showing: int) -> Label | None:
        """Return the label of this item that the annotator took back and has not replaced yet."""
        return self._taken_back.get((annotator, comparison, showing))

    def links(self, names: Iterable[str] = ()) -> dict[str, str]:
        """Return the token of every annotator's link by name. A missing one is made, and then kept for good."""
        new = [(LINK + name, secrets.token_urlsafe(32)) for name in names]
        with self._writing() as db:
            db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", new)
            rows = db.execute("SELECT key, value FROM meta WHERE key LIKE ? ORDER BY key", (f"{LINK}%",))
            return {str(key).removeprefix(LINK): str(value) for key, value in rows}

    def lead_link(self) -> str:
        """Return the token of the lead's link. It is made once and kept for good."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES ('lead', ?)", (secrets.token_urlsafe(32),))
            return str(db.execute("SELECT value FROM meta WHERE key = 'lead'").fetchone()[0])

    def port(self) -> int | None:
        """Return the port at which the page was served last; None before the first time."""
        with self._writing() as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'port'").fetchone()
            return int(row[0]) if row else None

    def keep_port(self, number: int) -> None:
        """Keep the port of the page, to which everybody's links lead."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('port', ?)", (str(number),))

    def knows(self, uuid: str) -> bool:
        """Return whether a label or an undo with this uuid was kept."""
        return uuid in self._entries

    def current(self) -> list[Label]:
        """Return the last label of each annotator, item and showing that was not taken back, in a fixed order."""
        self._catch_up()
        labels = [label for mine in self._current.values() for label in mine.values()]
        return sorted(labels, key=lambda label: (label.comparison_id, label.annotator, label.showing))

    def history(self) -> list[Label]:
        """Return every acknowledged label in order, with those that were taken back or replaced."""
        self._catch_up()
        return [entry for entry in self._entries.values() if isinstance(entry, Label)]

    def state(self) -> str:
        """Hash the current labels, without when they were given or how long they took."""
        labels = [*self.current(), *(label for _, label in sorted(self._adjudicated.items()))]
        return content_id([label.model_dump(mode="json", exclude=CLOCKED) for label in labels])

    def open_seal(self, key: str) -> int:
        """Note that sealed labels are looked at for `key`; returns for how many different keys they were, with it.

        A reader may note it too, while a page is open. A known key writes nothing, so that it may be looked at where
        nobody can write.
        """
        keys = self._sealed_notes("opening", "key")
        if key not in keys:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._note("opening (key TEXT PRIMARY KEY, at TEXT NOT NULL)", [(key, at)])
            keys = self._sealed_notes("opening", "key")
        return len(keys)

    def seal_openings(self) -> int:
        """Count the different keys for which sealed labels were read."""
        return len(self._sealed_notes("opening", "key"))

    def note_seen(self, prompts: Iterable[str]) -> None:
        """Note that labels of these prompts are looked at by what learns from them: they are never sealed again. A
        reader may note it too; known ones write nothing."""
        if new := set(prompts) - self.prompts_seen():
            self._note("seen (prompt TEXT PRIMARY KEY)", [(prompt,) for prompt in sorted(new)])

    def prompts_seen(self) -> set[str]:
        """Return the prompts whose labels were looked at, whatever the sample says now."""
        return self._sealed_notes("seen", "prompt")

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._held is not None:
            self._held.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self._held is None or self._db is None:
            raise LedgerError(f"{self.path}: opened read-only; open it for writing to add labels or links")
        try:
            yield self._db
        except sqlite3.Error as fault:
            raise LedgerError(f"{self.path}: cannot be written ({plain(str(fault))}). Is the disk full?") from fault

    def _append(self, uuid: str, entry: dict[str, Any]) -> None:
        body = canonical_json(entry)
        with self._writing() as db:
            row = (uuid, body.decode("utf-8"), _checksum(body))
            db.execute("INSERT INTO entry (uuid, body, checksum) VALUES (?, ?, ?)", row)
        self._catch_up()

    def _catch_up(self) -> None:
        """Take in the rows that were added since, by any process."""
        if self._held is None and self._db is None and self.path.exists():
            self._db = _open_to_read(self.path)
        if self._db is None:
            return
        query = "SELECT number, uuid, body, checksum FROM entry WHERE number > ? ORDER BY number"
        with _translate_errors(self.path):
            rows = self._db.execute(query, (self._last,)).fetchall()
        for number, uuid, body, checksum in rows:
            if not isinstance(body, str) or _checksum(body.encode("utf-8", "replace")) != checksum:
                raise LedgerError(f"{self.path}: damaged (entry {number} is not as it was written). {RESTORE}")
            try:
                entry = _parse_entry(body)
            except (ValueError, RecursionError) as fault:
                raise LedgerError(
                    f"{self.path}: damaged, or of a newer version (this version cannot read entry {number}). "
                    f"Use the version that wrote it. {RESTORE}"
                ) from fault
            self._take_in(uuid, entry)
            self._last = number

    def _take_in(self, uuid: str, entry: Label | _Adjudicated | tuple[str, str | None]) -> None:
        if isinstance(entry, _Adjudicated):
            self._adjudicated[entry.label.comparison_id] = entry.label
            self._entries[uuid] = entry
            return
        if isinstance(entry, Label):
            mine = self._current.setdefault(entry.annotator, {})
            self._taken_back.pop((entry.annotator, entry.comparison_id, entry.showing), None)
            mine.pop((entry.comparison_id, entry.showing), None)  # so that it comes last, where undo looks
            mine[entry.comparison_id, entry.showing] = entry
            self._entries[uuid] = entry
            return
        annotator, target = entry
        undone = self._entries.get(target) if target else None
        if isinstance(undone, Label):
            self._current.get(annotator, {}).pop((undone.comparison_id, undone.showing), None)
            self._taken_back[annotator, undone.comparison_id, undone.showing] = undone
        self._entries[uuid] = _Undo(annotator, undone if isinstance(undone, Label) else None)

    @property
    def _seal(self) -> Path:
        return self.path.with_name(f"{self.path.stem}-seal.sqlite")

    def _note(self, table: str, rows: list[tuple[str, ...]]) -> None:
        """Add rows to a table of the file of the seal, which is made where there is none."""
        with self._seal_faults():
            self._seal.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._seal, os.O_WRONLY | os.O_CREAT, OWNER_ONLY))
            with contextlib.closing(sqlite3.connect(self._seal, isolation_level=None, timeout=WAIT)) as db:
                db.execute("PRAGMA synchronous=FULL")
                db.execute("BEGIN IMMEDIATE")
                db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
                places = ", ".join("?" * len(rows[0]))
                db.executemany(f"INSERT OR IGNORE INTO {table.partition(' ')[0]} VALUES ({places})", rows)  # noqa: S608
                db.execute("COMMIT")

    def _sealed_notes(self, table: str, column: str) -> set[str]:
        """Return the rows of a table in the seal's file; none if a process was killed before it wrote the first row.

        Opened to write where that can be, so that SQLite itself takes back what a killed process had half written.
        """
        if not self._seal.exists():
            return set()
        place = f"{self._seal.absolute().as_uri()}?mode=rw"
        with self._seal_faults(), contextlib.closing(sqlite3.connect(place, uri=True, timeout=WAIT)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                return set()
            return {str(value) for (value,) in db.execute(f"SELECT {column} FROM {table}")}  # noqa: S608 - our own names

    @contextlib.contextmanager
    def _seal_faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as fault:
            raise LedgerError(
                f"{self._seal}: cannot record that the seal was opened ({plain(str(fault))}). Make it writable, or "
                "replace it with a copy; a certificate reports how often sealed labels were looked at."
            ) from fault


def _lock(path: Path) -> IO[bytes]:
    """Hold the right to add labels until the returned file is closed. Raises LedgerError naming who has it."""
    try:
        return lock_file(path.with_name(f"{path.name}.lock"), OWNER_ONLY)
    except AlreadyLocked as fault:
        raise LedgerError(
            f"{path}: another process ({plain(str(fault))}) is collecting labels here, and only one can. Use its page, "
            "or stop it."
        ) from fault
    except OSError as fault:
        raise LedgerError(f"{path}: cannot be written ({fault.strerror}). Make its folder writable.") from fault


def _open_to_write(path: Path) -> sqlite3.Connection:
    """Open the file; create a missing one under another name until it is whole, so that a kill leaves no half."""
    with _translate_errors(path):
        if path.exists():
            _open_to_read(path).close()
        else:
            created = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            create_database(path, SCHEMA, {"labels": str(VERSION), "tool": __version__, "created": created}, OWNER_ONLY)
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".lock"))):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                file.chmod(OWNER_ONLY)
        db = connect(path, "rw")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        return db


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open a connection that changes nothing. Raises LedgerError for a damaged, foreign or newer file."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise LedgerError(f"{path}: {what}, expected the file of labels. Move it away; the next page begins a new one.")
    with _translate_errors(path), contextlib.ExitStack() as opened:
        db = opened.enter_context(contextlib.closing(connect(path, "ro")))
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        facts = dict(db.execute("SELECT key, value FROM meta")) if "meta" in tables else {}
        number = str(facts.get("labels", ""))
        if number.isascii() and number.isdigit() and len(number) < 10 and int(number) > VERSION:
            wrote = f" (it says: amendment {plain(str(facts['tool']))})" if "tool" in facts else ""
            raise LedgerError(
                f"{path}: labels of schema {int(number)}, expected at most {VERSION}: use the version that wrote "
                f"it{wrote}"
            )
        if number != str(VERSION) or "entry" not in tables:
            raise LedgerError(f"{path}: not a file of labels. Move it away; the next page begins a new one.")
        opened.pop_all()
        return db


@contextlib.contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours, with what to do."""
    try:
        yield
    except sqlite3.OperationalError as fault:
        raise LedgerError(f"{path}: the labels cannot be read: {plain(str(fault))}") from fault
    except sqlite3.DatabaseError as fault:
        raise LedgerError(f"{path}: damaged, or not a file of labels ({plain(str(fault))}). {RESTORE}") from fault


def _parse_entry(body: str) -> Label | _Adjudicated | tuple[str, str | None]:
    """Parse a label, the lead's decision, or an undo as its annotator and the label it took back. Raises ValueError for
    anything else."""
    match json.loads(body):
        case {"label": label, **more} if not more:
            return Label.from_json(label)
        case {"adjudicated": label, **more} if not more:
            return _Adjudicated(Label.from_json(label))
        case {"undo": {"annotator": str(annotator), "label": str() | None as target, **other}, **more}:
            if not (other or more):
                return annotator, target
    raise ValueError("no label, decision or undo")


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:8]
