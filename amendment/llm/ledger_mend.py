"""Opens what is left of a damaged ledger for reading: a file that was cut, or whose first bytes changed.

Covered: a file shorter than it says it is, page by page; a header that SQLite refuses, in a working copy with the
header that all ledgers have. Not covered: a list of tables that cannot be read.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from amendment.llm.ledger_opening import has_traces, journal_of, read_only

__all__ = ["what_is_left"]

HEADERS = tuple(b"SQLite format 3\0" + bytes((0x10, 0, journal, journal, 0, 64, 32, 32)) for journal in (2, 1))
"""How a database with pages of 4096 bytes begins, with a write-ahead journal or without one."""
FORMAT, ENCODING = (44, bytes((0, 0, 0, 4))), (56, bytes((0, 0, 0, 1)))
"""Where the schema's format and the encoding of texts stand, and what a ledger has there."""


@contextlib.contextmanager
def what_is_left(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads. Raises LedgerError where there is no file, OSError where none can be copied."""
    with contextlib.ExitStack() as held:
        source = held.enter_context(contextlib.closing(read_only(path)))
        if _is_damaged(path) and has_traces(path):
            folder = held.enter_context(tempfile.TemporaryDirectory(dir=path.parent, prefix=".salvaging-"))
            source = held.enter_context(contextlib.closing(read_only(_mended(path, Path(folder) / path.name))))
        source.execute("PRAGMA writable_schema=ON")  # SQLite then goes by the length that a file has, not should have
        yield source


def _is_damaged(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(100)
    return head[:24] not in HEADERS or any(head[at : at + 4] != value for at, value in (FORMAT, ENCODING))


def _mended(path: Path, copy: Path) -> Path:
    shutil.copyfile(path, copy)
    if journal_of(path).exists():
        shutil.copyfile(journal_of(path), journal_of(copy))
    with copy.open("rb+") as file:
        file.write(HEADERS[0])
        for at, value in (FORMAT, ENCODING):
            file.seek(at)
            file.write(value)
    return copy
