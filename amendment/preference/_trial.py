"""Whether a server shows the token probabilities that a judge reads, and what is asked where it does not.

Some servers take `logprobs` with a good status and leave them out of the answer, and some refuse the whole question
for it. So the answer is what is looked at: a judge's first question goes alone, and what it finds out holds for all.
Probabilities that are left out are no harm where the label stands in words: it counts as one vote. Where it does not,
or the question is refused, questions are asked without probabilities and with the model's own limit of tokens. Not
covered: a server that shows probabilities at first and stops later; its answers are votes one by one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Literal

from amendment.calls import Answer
from amendment.errors import Rejected, Transient
from amendment.preference.parsers import read_label_tokens

__all__ = ["Trial"]

Ask = Callable[[], Awaitable[Answer]]

_ABOUT_PROBABILITIES = re.compile(r"log_?probs?\b", re.IGNORECASE)


class Trial:
    """What one judge has learned about its server so far."""

    def __init__(self, notice: Callable[[], None]) -> None:
        """`notice` is called once, when the server turns out to show no probabilities."""
        self._notice = notice
        self._alone = asyncio.Lock()
        self._way: Literal["labels", "words"] | None = None
        self._has_noticed = False

    async def ask(self, by_labels: Ask, in_words: Ask) -> Answer:
        """The answer to a question, asked with probabilities or without; while nothing is known, one at a time."""
        if self._way is None:
            async with self._alone:
                if self._way is None:
                    return await self._first(by_labels, in_words)
        return await self._next(by_labels, in_words)

    async def _first(self, by_labels: Ask, in_words: Ask) -> Answer:
        try:
            return await self._next(by_labels, in_words)
        except Transient:  # nothing is known, and nobody shall wait for it any longer
            self._way = self._way or "labels"
            raise

    async def _next(self, by_labels: Ask, in_words: Ask) -> Answer:
        if self._way != "words":
            try:
                answer = await by_labels()
            except Rejected as fault:
                if not _ABOUT_PROBABILITIES.search(str(fault)):
                    raise
            else:
                if self._is_readable(answer):
                    return answer
            self._way = "words"
            self._say()
        return await in_words()

    def _is_readable(self, answer: Answer) -> bool:
        """Whether the question needs no other wording; a refusal says nothing about the server."""
        reply = answer.reply
        if reply.finish_reason == "refusal":
            return True
        is_vote = reply.choice_logprobs is None and read_label_tokens(reply).value is not None
        if is_vote:
            self._say()
        if is_vote or reply.choice_logprobs is not None:
            self._way = "labels"
        return self._way == "labels"

    def _say(self) -> None:
        if not self._has_noticed:
            self._has_noticed = True
            self._notice()
