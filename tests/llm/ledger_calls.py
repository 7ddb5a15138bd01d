"""Calls as a run makes them, for all tests of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.provider import Meter

HOST, MODEL, STAGE = "api.example.test", "judge-large", "preference"
NOTHING = Meter()


async def begin(ledger: Ledger, request: str, *, stage: str = STAGE, model: str = MODEL) -> int:
    return await ledger.begin(request, body_of(request), host=HOST, model=model, stage=stage)


async def call(ledger: Ledger, request: str, raw: bytes, meter: Meter = NOTHING, *, usd: float | None = None) -> int:
    """A call that went well; its attempt."""
    attempt = await begin(ledger, request)
    await ledger.commit(attempt, raw, meter, usd=usd)
    return attempt


async def calls(ledger: Ledger, names: Iterable[str]) -> None:
    await asyncio.gather(*(call(ledger, name, raw_of(name)) for name in names))


def batch_call(request: str) -> BatchCall:
    return BatchCall(request, body_of(request), HOST, MODEL, STAGE)


def body_of(request: str) -> bytes:
    return b'{"ask":"%s"}' % request.encode()


def raw_of(request: str) -> bytes:
    return b"\x00\xffreply to " + request.encode()


def filled(path: Path, count: int) -> Path:
    """A closed ledger with calls r0, r1 ..."""
    with Ledger(path) as ledger:
        asyncio.run(calls(ledger, (f"r{i}" for i in range(count))))
    return path


def damage(path: Path) -> list[str]:
    """The problems of a ledger."""
    with Ledger(path) as ledger:
        return ledger.damage()
