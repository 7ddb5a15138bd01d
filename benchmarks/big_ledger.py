"""A ledger of a million rows (a third requests, a third attempts, a third replies): opened, and read from end to end.

Every reply is looked up by its request, as a run that goes on does, and checked against its checksum.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path

from amendment.llm.ledger import Ledger
from amendment.llm.provider import Meter
from amendment.llm.requests import Usage

CALLS = 333_334
BODY, RAW = b"q" * 1200, b"a" * 1700
METER = Meter(Usage(input_tokens=300, output_tokens=200), "model")


async def fill(ledger: Ledger) -> None:
    async def call(number: int) -> None:
        attempt = await ledger.begin(name(number), BODY, host="host", model="model", stage="critique")
        await ledger.commit(attempt, RAW, METER)

    for start in range(1, CALLS + 1, 5000):
        await asyncio.gather(*(call(number) for number in range(start, min(start + 5000, CALLS + 1))))


def name(number: int) -> str:
    return f"s2:{number:032x}"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger(path) as ledger:
            asyncio.run(fill(ledger))
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
