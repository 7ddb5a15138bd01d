"""Files that are whole or absent: written under a temporary name, flushed to disk, then renamed; locks; full disks."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

NO_ROOM = 2**20
"""Bytes; with less free than this, an I/O error of SQLite means a full disk."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` that takes its place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as fault:
        if fault.filename is None or str(fault.filename) == str(temporary):  # a write that fails names no file
            fault.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, or leave the old one."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(value: Any) -> str:
    """Return the text of a JSON file. Raises ValueError for a number that is not finite."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write a whole JSON file, or leave the old one."""
    write_text(path, json_text(value))


def read_json(path: Path) -> Any:
    """Return the value in a JSON file. Raises OSError, and ValueError where it is none."""
    return json.loads(path.read_text(encoding="utf-8"))


def json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty if there is none that can be read."""
    try:
        content = read_json(path)
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def write_over(path: Path, text: str) -> None:
    """Overwrite a text file within the disk space that it already has, which works on a full disk too; leave the file
    alone if that space is too small. A power failure may leave a mixture of old and new text."""
    content = text.encode()
    if path.is_file() and path.stat().st_blocks * 512 >= len(content):
        with path.open("r+b", buffering=0) as file:
            file.write(content)
            file.truncate()


class AlreadyLocked(OSError):
    """Another process holds a lock; the message is how the lock's file names it, such as `pid 17`."""


def lock_file(path: Path, mode: int = 0o666) -> IO[bytes]:
    """Make a file with its folder, and lock it until the returned one is closed; its first line names this process.

    Raises AlreadyLocked, and other OSErrors where the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = open(path, "ab+", buffering=0, opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(f"pid {os.getpid()}\n".encode())
    except BlockingIOError as fault:
        lock.close()
        holder = path.read_bytes()[:100].decode("utf-8", "replace").partition("\n")[0]
        raise AlreadyLocked(holder.strip() or "unknown") from fault
    except BaseException:
        lock.close()
        raise
    return lock


def create_database(path: Path, schema: Sequence[str], facts: Mapping[str, str], mode: int = 0o644) -> None:
    """Make an SQLite file, whole or absent. `schema` has a table `meta` of keys and values, and `facts` are its rows.

    Raises OSError and sqlite3.Error.
    """
    with replacing(path) as part:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        with closing(sqlite3.connect(part, isolation_level=None)) as db:
            db.execute("BEGIN")
            for statement in schema:
                db.execute(statement)
            db.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
            db.execute("COMMIT")


def file_hash(path: Path) -> str:
    """Return SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: Path) -> tuple[int, ...]:
    """Return numbers that change when a file is written to or replaced."""
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def flush(path: Path) -> None:
    """Make a file, or the names in a folder, last through a loss of power. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_state(path: Path) -> list[list[Any]] | None:
    """Return names, sizes and times of a model's file, or its folder's; None for an id, which names its content
    itself."""
    if not path.exists():
        return None
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]


def is_full(fault: BaseException, folder: Path) -> bool:
    """Return True if something failed in this folder because no space, or no quota, is left.

    SQLite reports a side file that cannot grow as an I/O error; the free space tells it from a failing disk.
    """
    if isinstance(fault, sqlite3.Error):
        code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_IOERR and folder.is_dir():
            return shutil.disk_usage(folder).free < NO_ROOM
        return code == sqlite3.SQLITE_FULL
    return isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT)


def full_disk(folder: Path, what: str = "the disk is full") -> str:
    """Return the message about a full disk."""
    return f"{folder}: {what}. Free space on it and run the same command again: finished work is kept."
