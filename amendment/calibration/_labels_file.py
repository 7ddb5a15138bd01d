"""The files behind the labels: one that is only ever added to, a lock for who adds, and who has opened the seal.

One connection writes, under the lock; every other one opens the file read-only (`amendment.llm.ledger_reading` says why
that matters with SQLite before 3.51.3). Openings of the seal stand in a file of their own, with a rollback journal:
a run notes them while a page, in another process, writes labels.

All of them are for their owner alone (mode 600): they hold people's names, what they wrote, and their links.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from amendment import __version__
from amendment.errors import LedgerError
from amendment.files import replacing
from amendment.llm.ledger_reading import connect
from amendment.terminal import plain

__all__ = [
    "VERSION",
    "links",
    "lock",
    "note_seen",
    "open_seal",
    "open_to_read",
    "open_to_write",
    "prompts_seen",
    "refuse_lost_link",
    "seal_openings",
]

VERSION = 1
_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # body: canonical JSON of a label or of an undo; checksum: the first 8 bytes of its SHA-256.
    "CREATE TABLE entry (number INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, body TEXT NOT NULL, "
    "checksum BLOB NOT NULL)",
    "CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END",
    "CREATE TRIGGER entry_remains BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END",
)
_OWN = 0o600
"""The mode of every file here."""
_LINK = "link "
"""Begins the keys of `meta` under which annotators' links stand."""
_WAIT = 10.0
"""Seconds to wait for another process that notes an opening of the seal."""


def lock(path: Path) -> IO[bytes]:
    """Hold the right to add labels until the returned file is closed. Raises LedgerError naming who has it."""
    place = path.with_name(f"{path.name}.lock")
    held = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _made(place)
        held = place.open("ab+", buffering=0)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.truncate(0)
        held.write(f"pid {os.getpid()}\n".encode())
    except BlockingIOError as fault:
        with held or contextlib.nullcontext():
            raise LedgerError(
                f"{path}: another process ({_holder(place)}) takes in labels here; one at a time can. "
                "Use its page, or stop it."
            ) from fault
    except OSError as fault:
        with held or contextlib.nullcontext():
            raise LedgerError(f"{path}: cannot be written ({fault.strerror}). Make its folder writable.") from fault
    return held


def _made(path: Path, flags: int = os.O_CREAT) -> None:
    """An empty file that its owner alone can read, where there is none."""
    os.close(os.open(path, os.O_WRONLY | flags, _OWN))


def _holder(place: Path) -> str:
    return plain(place.read_bytes()[:100].decode("utf-8", "replace").partition("\n")[0]) or "unknown"


def open_to_write(path: Path) -> sqlite3.Connection:
    """The file, made where there is none. Raises LedgerError where it is damaged, foreign or of a newer version."""
    with _told(path):
        if not path.exists():
            _make(path)
        else:
            open_to_read(path).close()
        _keep_to_owner(path)
        db = connect(path, "rw")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        return db


def _keep_to_owner(path: Path) -> None:
    """Files of an earlier version were readable by everybody. SQLite makes its others with the mode of the first."""
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".lock"))):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            file.chmod(_OWN)


def links(db: sqlite3.Connection, names: Iterable[str]) -> dict[str, str]:
    """The token of each annotator's link, by name; made where one of `names` has none yet, and then kept for good."""
    new = [(_LINK + name, secrets.token_urlsafe(32)) for name in names]
    db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", new)
    rows = db.execute("SELECT key, value FROM meta WHERE key LIKE ? ORDER BY key", (f"{_LINK}%",))
    return {str(key).removeprefix(_LINK): str(value) for key, value in rows}


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing. Raises LedgerError as `open_to_write`."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise LedgerError(f"{path}: {what}, expected the file of labels. Move it away; the next page begins a new one.")
    with _told(path):
        db = connect(path, "ro")
        try:
            _check_schema(db, path)
        except BaseException:
            db.close()
            raise
        return db


def refuse_lost_link(path: Path) -> None:
    """Raises LedgerError for a link to what is not there: the labels are elsewhere, and no new file takes their
    place."""
    if path.is_symlink() and not path.exists():
        raise LedgerError(
            f"{path}: a link to {path.readlink()}, which is not there. Mount its disk; or remove the link, and the "
            "next page begins a new one."
        )


def _make(path: Path) -> None:
    """Under another name until it is whole, so that a kill leaves no half of a file."""
    with replacing(path) as part:
        _made(part, os.O_CREAT | os.O_EXCL)
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
            db.execute("BEGIN")
            for statement in _SCHEMA:
                db.execute(statement)
            created = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            facts = (("labels", str(VERSION)), ("tool", __version__), ("created", created))
            db.executemany("INSERT INTO meta VALUES (?, ?)", facts)
            db.execute("COMMIT")


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    facts = dict(db.execute("SELECT key, value FROM meta WHERE key IN ('labels', 'tool')")) if "meta" in tables else {}
    number = str(facts.get("labels", ""))
    if number.isascii() and number.isdigit() and len(number) < 10 and int(number) > VERSION:
        wrote = f" (it says: amendment {plain(str(facts['tool']))})" if "tool" in facts else ""
        raise LedgerError(
            f"{path}: labels of schema {int(number)}, expected at most {VERSION}: use the version that wrote it{wrote}"
        )
    if number != str(VERSION) or not {"meta", "entry"} <= tables:
        raise LedgerError(f"{path}: not a file of labels. Move it away; the next page begins a new one.")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with what to do."""
    try:
        yield
    except sqlite3.OperationalError as fault:
        raise LedgerError(f"{path}: the labels cannot be opened: {plain(str(fault))}") from fault
    except sqlite3.DatabaseError as fault:
        raise LedgerError(
            f"{path}: not a usable file of labels ({plain(str(fault))}). Put a copy of it in its place, or move it "
            "and the files beside it (-wal, -shm) away; the next page begins a new one."
        ) from fault


def open_seal(path: Path, key: str) -> int:
    """Note that sealed labels were looked at for `key`; how many different keys there are now. A key that is known
    writes nothing, so that it may be looked at where nobody can write."""
    place = _seal_of(path)
    keys = _noted(place, "opening", "key")
    if key in keys:
        return len(keys)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with _noting(place, "opening (key TEXT PRIMARY KEY, at TEXT NOT NULL)") as db:
        db.execute("INSERT OR IGNORE INTO opening VALUES (?, ?)", (key, at))
        (count,) = db.execute("SELECT count(*) FROM opening").fetchone()
    return int(count)


def note_seen(path: Path, prompts: Iterable[str]) -> None:
    """Note that labels of these prompts were looked at: they are never sealed again. Known ones write nothing."""
    new = set(prompts) - prompts_seen(path)
    if new:
        with _noting(_seal_of(path), "seen (prompt TEXT PRIMARY KEY)") as db:
            db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(prompt,) for prompt in sorted(new)])


def prompts_seen(path: Path) -> set[str]:
    """The prompts whose labels were looked at."""
    return _noted(_seal_of(path), "seen", "prompt")


@contextlib.contextmanager
def _noting(place: Path, table: str) -> Iterator[sqlite3.Connection]:
    """A transaction on the file of the seal, with this table in it; on the disk when the block ends."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _made(place)
        with contextlib.closing(sqlite3.connect(place, isolation_level=None, timeout=_WAIT)) as db:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            yield db
            db.execute("COMMIT")
    except (sqlite3.Error, OSError) as fault:
        raise _no_seal(place, fault) from fault


def seal_openings(path: Path) -> int:
    """For how many different keys the seal was opened."""
    return len(_noted(_seal_of(path), "opening", "key"))


def _noted(place: Path, table: str, column: str) -> set[str]:
    """What a table of the file of the seal holds; nothing where whoever made it was killed before the first row.

    Opened to write where that can be, so that SQLite itself takes back what a killed process had half written.
    """
    if not place.exists():
        return set()
    try:
        with contextlib.closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                return set()
            return {str(value) for (value,) in db.execute(f"SELECT {column} FROM {table}")}  # noqa: S608 - our own names
    except sqlite3.Error as fault:
        raise _no_seal(place, fault) from fault


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}-seal.sqlite")


def _no_seal(place: Path, fault: Exception) -> LedgerError:
    return LedgerError(
        f"{place}: openings of the seal cannot be noted here ({plain(str(fault))}). Make it writable, or put a copy of "
        "it in its place; a certificate says how often sealed labels were looked at."
    )
