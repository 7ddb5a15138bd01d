"""A run's ledger, read without leaving a trace in the folder.

A reader of a write-ahead journal makes two small files beside the ledger where there are none. Where none are, no run
is at work and none was killed, and the ledger is read as a file that does not change. Not covered: a run that begins
while a plan is made; the plan then ends with an error, and has harmed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amendment.llm.ledger_reading import Reader


@contextmanager
def stored_replies(folder: Path) -> Iterator[Reader | None]:
    """The ledger of the run in a folder; None where there is none. Raises LedgerError for one that cannot be read."""
    path = folder / "ledger.sqlite"
    if not path.is_file():
        yield None
        return
    with Reader(path, leave_no_trace=True) as ledger:
        yield ledger
