"""Whether a judge's server shows what it is asked to show: token probabilities, or answers that keep a schema.

Nobody says so beforehand. Of servers that know no probabilities some leave them out of a good answer, some answer a
question of one token with none, so that the label that stands there in words is lost, and some refuse the whole
question for it. So the answer is what is looked at: a judge's first question goes alone, and what it finds out holds
for all. A server that leaves them out or refuses the question for them is asked without probabilities and with the
model's own limit of tokens from then on, since the one token that it was allowed may be the article that begins a
sentence. An answer that came without them is one vote where it is whole and holds the label in words; where not, its
question is asked in words, too. An answer without probabilities from a server that has shown some says nothing: it is
neither a whole vote nor asked for again. A server that refuses a schema is asked without one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Literal

from amendment.llm.requests import Answer, Reply
from amendment.errors import Rejected, Transient

__all__ = ["Trial"]

Ask = Callable[[], Awaitable[Answer]]

_ABOUT_THE_WISH = re.compile(
    r"log_?probs?\b|response_format|json_schema|output_config|schema|do not begin with different tokens", re.IGNORECASE
)


class Trial:
    """What one judge has learned about its server so far."""

    def __init__(self, notice: Callable[[], None], *, is_vote: Callable[[Reply], bool] | None = None) -> None:
        """`notice` is called once, when the server turns out not to show what was asked for.

        `is_vote`: whether a reply without probabilities can be read; without it no probabilities are expected.
        """
        self._notice = notice
        self._is_vote = is_vote
        self._alone = asyncio.Lock()
        self._way: Literal["specially", "words"] | None = None
        self._has_shown = False
        self._has_noticed = False

    async def ask(self, specially: Ask, in_words: Ask) -> Answer:
        """The answer to a question, asked with the wish or without; while nothing is known, one at a time."""
        if self._way is None:
            async with self._alone:
                if self._way is None:
                    return await self._first(specially, in_words)
        return await self._next(specially, in_words)

    async def _first(self, specially: Ask, in_words: Ask) -> Answer:
        try:
            return await self._next(specially, in_words)
        except Transient:  # nothing is known, and nobody shall wait for it any longer
            self._way = self._way or "specially"
            raise

    async def _next(self, specially: Ask, in_words: Ask) -> Answer:
        if self._way != "words":
            try:
                answer = await specially()
            except Rejected as fault:
                if not _ABOUT_THE_WISH.search(str(fault)):
                    raise
                self._way = "words"
            else:
                if self._stands(answer.reply):
                    is_silent = self._has_shown and answer.reply.choice_logprobs is None and self._is_vote is not None
                    return _without_probabilities(answer) if is_silent else answer
            self._say()
        return await in_words()

    def _stands(self, reply: Reply) -> bool:
        """Whether the question needs no other wording; a refusal says nothing about the server."""
        if reply.finish_reason == "refusal" or self._has_shown:
            return True
        if self._is_vote is None or reply.choice_logprobs:
            self._way, self._has_shown = "specially", True
            return True
        self._way = "words"
        if reply.choice_logprobs is None and self._is_vote(reply):
            self._say()
            return True
        return False

    def _say(self) -> None:
        if not self._has_noticed:
            self._has_noticed = True
            self._notice()


def _without_probabilities(answer: Answer) -> Answer:
    """The answer as one whose list of probabilities is empty."""
    return answer._replace(reply=answer.reply.model_copy(update={"choice_logprobs": {}}))
