"""A ledger of a million rows (a third requests, a third attempts, a third replies): opened, and read from end to end.

Every reply is looked up by its request, as a run that goes on does, and checked against its checksum.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from amendment.llm.ledger_groups import insert
from amendment.llm.ledger_opening import create, move
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_tables import ATTEMPT, REPLY, REQUEST

CALLS = 333_334
BODY, RAW = b"q" * 1200, b"a" * 1700


def fill(path: Path) -> None:
    create(path).close()
    move(path)
    import sqlite3

    db = sqlite3.connect(path, isolation_level=None)
    for start in range(0, CALLS, 5000):
        numbers = range(start + 1, min(start + 5000, CALLS) + 1)
        db.execute("BEGIN")
        insert(db, REQUEST, [REQUEST.row(name(n), long=BODY) for n in numbers])
        insert(db, ATTEMPT, [ATTEMPT.row(n, name(n), "host", "model", "critique", None, 0.0) for n in numbers])
        usage = (300, 200, 0)
        insert(db, REPLY, [REPLY.row(n, name(n), "model", *usage, None, None, 1.0, 0.0, long=RAW) for n in numbers])
        db.execute("COMMIT")
    db.close()


def name(number: int) -> str:
    return f"s2:{number:032x}"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        fill(path)
        size = path.stat().st_size / 2**20
        start = time.perf_counter()
        with Ledger(path) as ledger:
            opened = time.perf_counter() - start
            start = time.perf_counter()
            found = sum(ledger.find(name(number)) is not None for number in range(1, CALLS + 1))
            scanned = time.perf_counter() - start
    print(json.dumps({"rows": 3 * CALLS, "replies": found, "mb": size, "open": opened, "scan": scanned}))


if __name__ == "__main__":
    main()
