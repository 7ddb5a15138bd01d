"""A run's ledger, read without leaving a trace in the folder.

A reader of a write-ahead journal makes two small files beside the ledger where there are none. Where none are, no run
is at work and none was killed, and the ledger is read as a file that does not change. Not covered: a run that begins
while a plan is made; the plan then ends with an error, and has harmed nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from amendment.errors import LedgerError
from amendment.llm.ledger_opening import schema_of
from amendment.llm.ledger_reading import Reader, ReadOnly
from amendment.llm.ledger_tables import VERSION

__all__ = ["stored_replies"]


@contextmanager
def stored_replies(folder: Path) -> Iterator[Reader | None]:
    """The ledger of the run in a folder; None where there is none. Raises LedgerError for one that cannot be read."""
    path = folder / "ledger.sqlite"
    if not path.is_file():
        yield None
        return
    with closing(_unchanging(path) if _is_still(path) else ReadOnly(path)) as ledger:
        yield ledger


class _Unchanging(Reader):
    """A ledger at which nobody works."""

    def close(self) -> None:
        """Let go of the file."""
        self._reading.close()


def _unchanging(path: Path) -> ReadOnly | _Unchanging:
    place = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    db = sqlite3.connect(place, uri=True, check_same_thread=False)  # stages ask on the thread of the event loop
    try:
        is_present = schema_of(db, path) == VERSION
    except LedgerError:
        db.close()
        raise
    if is_present:
        return _Unchanging(path, db)
    db.close()
    return ReadOnly(path)  # which says what is to be done with an older one


def _is_still(path: Path) -> bool:
    return not any(path.with_name(path.name + ending).exists() for ending in ("-wal", "-shm"))
