"""A provider that does as a test says, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

from amendment.errors import ProviderError, Transient
from amendment.llm.provider import PlainProvider, RawReply
from amendment.llm.requests import Reply, Request
from amendment.records import Message

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own, for a minute at most."""

    async def main(*given: P.args, **named: P.kwargs) -> None:
        async with asyncio.timeout(60):
            await test(*given, **named)

    @wraps(test)
    def run(*given: P.args, **named: P.kwargs) -> None:
        asyncio.run(main(*given, **named))

    return run


class Scripted(PlainProvider):
    """A provider that echoes the question, after the faults that stand in `script`; it can be held back."""

    kind = "simulated"
    host = "here"
    shows_choices = False

    def __init__(self, *script: ProviderError | None) -> None:
        self.script = list(script)
        self.asked: list[Request] = []
        self.unreadable = 0
        self.refused = ""
        """The question that is refused whenever it is asked."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0

    async def send(self, request: Request) -> RawReply:
        self.asked.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if request.messages[0].content == self.refused:
            raise Transient("429: request too large", kind="rate", status=429)
        fault = self.script.pop(0) if self.script else None
        if fault:
            raise fault
        return RawReply(str(request.messages[0].content).encode())

    def read(self, raw: bytes, request: Request) -> Reply:
        if self.unreadable:
            self.unreadable -= 1
            raise Transient("cut", kind="unreadable")
        return Reply(messages=(Message(role="assistant", content=raw.decode()),))


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0)
