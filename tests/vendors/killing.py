"""A process that runs the command line and kills itself, with SIGKILL, right before or after its n-th commit.

    python -m tests.vendors.killing before|after N FOLDER ARGUMENT...

Commits are those of SQLite, of whichever database: the end of a transaction, or a statement that writes outside of
one. A process that makes fewer than N writes how many it made to FOLDER/commits.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Deadly(sqlite3.Connection):
    """A connection that counts its commits over all connections of the process, and ends it at one of them."""

    made = 0
    moment = "after"
    last = 0

    def commit(self) -> None:
        self._ends(super().commit)

    def execute(self, sql: str, *given: Any) -> Any:
        return self._run(sql, lambda: sqlite3.Connection.execute(self, sql, *given))

    def executemany(self, sql: str, *given: Any) -> Any:
        return self._run(sql, lambda: sqlite3.Connection.executemany(self, sql, *given))

    def __exit__(self, kind: Any, fault: Any, trace: Any) -> Any:
        end = super().__exit__
        return end(kind, fault, trace) if kind else self._ends(lambda: end(kind, fault, trace))

    def _run(self, sql: str, work: Any) -> Any:
        word = sql.strip().partition(" ")[0].strip(";").upper()
        is_alone = word in WRITES and self.isolation_level is None and not self.in_transaction
        return self._ends(work) if is_alone or word in ("COMMIT", "END") else work()

    def _ends(self, work: Any) -> Any:
        Deadly.made += 1
        is_last = Deadly.made == Deadly.last
        if is_last and Deadly.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = work()
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def main() -> None:
    moment, last, folder, *arguments = sys.argv[1:]
    Deadly.moment, Deadly.last = moment, int(last)
    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **named: connect(*given, **{**named, "factory": Deadly})
    sys.argv = ["amendment", *arguments]
    from amendment import cli

    try:
        cli.main()
    finally:
        Path(folder, "commits").write_text(str(Deadly.made))


if __name__ == "__main__":
    main()
