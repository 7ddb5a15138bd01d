"""Whether a server shows the token probabilities that a judge reads: one question finds out, before all are paid for.

Some servers take `logprobs` with a good status and leave them out of the answer, so the answer is what is looked at.
Covered: the first question of a judge goes alone; an answer without probabilities, while none with them has been
seen, ends the judging. Not covered: a server that shows them at first and stops later; its verdicts are invalid one
by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from amendment.calls import Answer
from amendment.errors import ConfigError

__all__ = ["Trial"]


class Trial:
    """What one judge has learned about its server so far."""

    def __init__(self, way_out: str) -> None:
        """`way_out` is said when the server turns out to show no probabilities."""
        self._way_out = way_out
        self._first: asyncio.Event | None = None
        self._shows = False
        self._fails = False

    async def ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a question, which waits for the first one's. Raises ConfigError where there is no use in it."""
        if self._first is None:
            self._first = asyncio.Event()
            try:
                return self._seen(await question())
            finally:
                self._first.set()
        if not self._first.is_set():
            await self._first.wait()
        if self._fails:
            raise ConfigError(self._way_out)
        return self._seen(await question())

    def _seen(self, answer: Answer) -> Answer:
        reply = answer.reply
        if reply.choice_logprobs is not None:
            self._shows = True
        elif reply.finish_reason != "refusal" and not self._shows:
            self._fails = True
            raise ConfigError(self._way_out)
        return answer
