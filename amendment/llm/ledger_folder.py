"""The folder of a ledger: held by one process, writable, on a disk with room, and not on a network.

Covered: the kernel lets go of the lock when its holder ends, however it ends. Not covered: network file systems keep
neither locks nor flushes reliably; they are named as a caution, since some of them do.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import socket
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from amendment.errors import LedgerError
from amendment.files import flush

__all__ = ["FreeSpace", "cautions", "full_disk", "hold", "is_full", "probe"]

LOCK = "run.lock"
LEAST_FREE = 200 * 2**20
"""Bytes that must be free on the ledger's disk for anything new to be begun."""
NO_ROOM = 2**20
"""Bytes; with less free than this, an I/O error of SQLite means a full disk."""
LOOK = 60.0
"""Seconds between two looks at the free space."""
NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "fuse.")
"""Beginnings of the names of file systems whose locks and flushes cannot be trusted."""


def hold(folder: Path) -> IO[bytes]:
    """Make the folder and lock `run.lock` in it, until the returned file is closed.

    Raises LedgerError when the folder cannot be written, or naming the process that holds it.
    """
    lock = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("ab+", buffering=0)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(_signature())
    except BlockingIOError as fault:
        with lock or contextlib.nullcontext():
            raise LedgerError(
                f"{folder}: another process ({_holder(folder)}) is working here. Wait for it or stop it."
            ) from fault
    except OSError as fault:
        with lock or contextlib.nullcontext():
            raise _unwritable(folder, fault) from fault
    return lock


def _signature() -> bytes:
    """The first line is the process alone, which others read."""
    lines = (f"pid {os.getpid()}", f"host {socket.gethostname()}", f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _holder(folder: Path) -> str:
    lines = (folder / LOCK).read_bytes()[:1000].decode("utf-8", "replace").splitlines()
    return ", ".join(lines) or "unknown"


def probe(folder: Path) -> None:
    """Write, flush and remove a file. Raises LedgerError where that cannot be done, so before anything is paid."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        flush(folder)
    except OSError as fault:
        raise _unwritable(folder, fault) from fault


def is_full(fault: BaseException, folder: Path) -> bool:
    """Whether something failed in this folder because no space, or no quota, is left.

    SQLite reports a side file that cannot grow as an I/O error; the free space tells it from a failing disk.
    """
    if isinstance(fault, sqlite3.Error):
        code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
        return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _has_no_room(folder))
    return isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT)


def _has_no_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < NO_ROOM
    except OSError:
        return False


def full_disk(folder: Path, what: str = "the disk is full") -> str:
    """The message wherever a disk has no room."""
    return f"{folder}: {what}. Free space on it and run the same command again: finished work is kept."


def _unwritable(folder: Path, fault: OSError) -> LedgerError:
    if is_full(fault, folder):
        return LedgerError(full_disk(folder))
    return LedgerError(f"{folder}: cannot be written ({fault.strerror}). Choose another folder.")


def cautions(folder: Path, mounts: Path = Path("/proc/mounts")) -> tuple[str, ...]:
    """What speaks against keeping a ledger in this folder, in sentences; only Linux can be asked."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    kind = _file_system(folder.resolve(), table)
    if not kind.startswith(NETWORK):
        return ()
    return (
        f"{folder}: lies on a network file system ({kind}), where locks and flushes may not hold: "
        "use a local disk, or make sure that no second machine works here",
    )


def _file_system(folder: Path, table: str) -> str:
    """The kind of the innermost mount above the folder; of several at one point the last one counts."""
    kind, depth = "", -1
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1]))
        if len(point.parts) >= depth and folder.is_relative_to(point):
            kind, depth = fields[2], len(point.parts)
    return kind


class FreeSpace:
    """Looks once a minute whether the disk has room for what a run is about to pay for."""

    def __init__(self, folder: Path, least: int = LEAST_FREE) -> None:
        self._folder = folder
        self._least = least
        self._next = 0.0

    def check(self) -> None:
        """Raises LedgerError when less than the least is free."""
        now = time.monotonic()
        if now < self._next:
            return
        free = shutil.disk_usage(self._folder).free
        if free < self._least:
            what = f"{free // 2**20} MB are free, a run needs {self._least // 2**20} MB"
            raise LedgerError(full_disk(self._folder, what))
        self._next = now + LOOK
