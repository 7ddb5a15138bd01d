"""A question put to a judge's model, read, and put once more where it could not be read.

Covered: label probabilities and schemas where the server has them, and the same question in words where it has not; the
model's own thinking kept with its answer, which alone is read. A question that is never taken, or that is met with
silence in all of its attempts, is answered as invalid, and the rest of a comparison goes on; an outage, a rate limit
and a page in place of a reply are raised: the comparison waits. Not covered: what is asked; see `protocols`.

Nobody says beforehand whether a server shows probabilities, or keeps a schema. Some leave them out of a good answer,
some answer a question of one token with none, so that the label that stands there in words is lost, and some refuse the
whole question for it. So the answer is what is looked at: a judge's first question goes alone, and what it finds out
holds for all. A server that leaves probabilities out or refuses the question for them is asked without and with the
model's own limit of tokens from then on, since the one token that it was allowed may be the article that begins a
sentence. An answer that came without them is one vote where it is whole and holds the label in words; where not, its
question is asked in words, too. An answer without probabilities from a server that has shown some says nothing: it is
neither a whole vote nor asked for again. A server that refuses a schema is asked without one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from amendment.errors import Rejected, Transient
from amendment.llm.model import Model
from amendment.llm.requests import Answer, Reply
from amendment.preference.folder import JudgeFolder
from amendment.preference.parsers import PARSERS, Parsed
from amendment.records import Message, Messages, Origin, text_of, user

_OPENING = "Your verdict could not be read"
"""How a question that is put once more begins; the simulated world knows it by these words."""
_NO_COMPLETION = re.compile(r"\S+: the reply has no (completion|output) that can be read")
"""A reply with nothing in it. Whatever else is unreadable is a page or an error: an outage in disguise."""
_ABOUT_THE_WISH = re.compile(
    r"log_?probs?\b|response_format|json_schema|output_config|schema|do not begin with different tokens", re.IGNORECASE
)
"""In the refusal of a question: it was refused for the probabilities or the schema that it asked for."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One call, and how its reply is read."""

    messages: Messages
    read: Callable[[Reply], Sequence[Parsed]]
    form: str
    """What a reply must look like, as the complaint says when one could not be read."""
    parts: int = 1
    """Verdicts in a reply."""
    sample: int = 0
    shared: int = 0
    choices: tuple[str, ...] | None = None
    schema: Mapping[str, Any] | None = None
    in_words: Messages | None = None
    """What is asked where the server shows no probabilities; the same where nothing else is said."""
    needs_words: Callable[[Reply], bool] | None = None
    """Whether probabilities that came cannot be used, so that the question is asked in words."""


class Answered(NamedTuple):
    """What was read, verdict by verdict, and where it came from."""

    parsed: Sequence[Parsed]
    origin: Origin


class Asker:
    """A model that is asked by the texts of one folder, and what was learned about its server so far."""

    def __init__(self, folder: JudgeFolder, model: Model) -> None:
        self.folder, self.model = folder, model
        self._alone = asyncio.Lock()
        self._way: Literal["specially", "words"] | None = None
        self._has_shown = False
        self._has_noticed = False
        self._expects_choices = folder.reads_choices(shown=model.shows_choices)

    async def ask(self, question: Question) -> Answered:
        """The reading of one question. One that the provider will never take, or meets with silence, is invalid."""
        try:
            answer = await self._put(question)
        except (Rejected, Transient) as fault:
            invalid = Parsed(invalid=_final(fault))
            provider = self.model.provider
            asked = Origin(model=self.model.model, provider=provider.kind, host=provider.host)
            return Answered([invalid] * question.parts, self._signed(asked))
        parsed = question.read(answer.reply)
        complaints = [part.invalid for part in parsed if part.invalid]
        if complaints and _can_be_asked_again(answer.reply):
            answer, parsed = await self._put_again(question, answer, parsed, "; ".join(complaints))
        return Answered(_with_thinking(parsed, answer.reply), self._signed(answer.origin))

    async def _put(self, question: Question) -> Answer:
        if question.choices is None and question.schema is None:
            return await self._in_words(question)
        if self._way is None:
            async with self._alone:
                if self._way is None:
                    try:
                        return await self._put_specially(question)
                    except Transient:  # nothing is known, and nobody shall wait for it any longer
                        self._way = self._way or "specially"
                        raise
        return await self._put_specially(question)

    async def _put_specially(self, question: Question) -> Answer:
        """The answer to a question asked for probabilities or by a schema, or in words where that is known better."""
        if self._way != "words":
            try:
                answer = await self.model.ask(
                    question.messages,
                    choices=question.choices,
                    answer_schema=question.schema,
                    sampling={"max_tokens": 1} if question.choices else None,
                    sample=question.sample,
                    shared=question.shared,
                )
            except Rejected as fault:
                if not _ABOUT_THE_WISH.search(str(fault)):
                    raise
                self._way = "words"
            else:
                if self._is_answer(answer.reply):
                    is_silent = self._has_shown and answer.reply.choice_logprobs is None and self._expects_choices
                    answer = _without_probabilities(answer) if is_silent else answer
                    needs_words = question.needs_words is not None and question.needs_words(answer.reply)
                    return await self._in_words(question) if needs_words else answer
            self._notice()
        return await self._in_words(question)

    async def _in_words(self, question: Question) -> Answer:
        messages = question.in_words or question.messages
        return await self.model.ask(messages, sample=question.sample, shared=question.shared)

    def _is_answer(self, reply: Reply) -> bool:
        """Whether the question needs no other wording; a refusal says nothing about the server."""
        if reply.finish_reason == "refusal" or self._has_shown:
            return True
        if not self._expects_choices or reply.choice_logprobs:
            self._way, self._has_shown = "specially", True
            return True
        self._way = "words"
        is_vote = reply.choice_logprobs is None and PARSERS[self.folder.parser].read(reply).value is not None
        if is_vote:
            self._notice()
        return is_vote

    def _notice(self) -> None:
        """Say once what the server does not do."""
        if self._has_noticed:
            return
        self._has_noticed = True
        where = f"{self.model.provider.host}: model {self.model.model}"
        if self._expects_choices:
            self.model.calls.notice(
                f"{where} shows no token probabilities, so judge {self.folder.id} counts each answer of "
                f"{self.model.name} as one vote. For more votes use protocol: verdict with samples, such as samples: 5"
            )
        else:
            self.model.calls.notice(f"{where} keeps no schema, so judge {self.folder.id} reads JSON from its text")

    async def _put_again(
        self, question: Question, answer: Answer, parsed: Sequence[Parsed], complaint: str
    ) -> tuple[Answer, Sequence[Parsed]]:
        """One more answer after a complaint about the first, which stands where no second one comes."""
        asked = question.in_words or question.messages
        messages = asked_again(asked, answer.reply, complaint=complaint, form=question.form)
        try:
            answer = await self.model.ask(messages, sample=question.sample)
        except (Rejected, Transient) as fault:
            _final(fault)
            return answer, parsed
        return answer, question.read(answer.reply)

    def _signed(self, origin: Origin) -> Origin:
        return origin.model_copy(update={"template": self.folder.hash})


def asked_again(messages: Messages, reply: Reply, *, complaint: str, form: str) -> Messages:
    """The conversation so far, what was said in it, and the parser's complaint with the form that it expects."""
    answer = Message(role="assistant", content=text_of(reply.messages))
    return (*messages, answer, *user(f"{_OPENING}: {complaint}. Answer again, without a new argument: {form}."))


def is_asked_again(messages: Messages) -> bool:
    """Whether a conversation ends with such a complaint."""
    return text_of(messages[-1:]).startswith(_OPENING)


def _can_be_asked_again(reply: Reply) -> bool:
    """Whether something was written that a complaint can be about; a refusal and a silence stand as they are."""
    return reply.finish_reason != "refusal" and reply.choice_logprobs is None and bool(text_of(reply.messages).strip())


def _without_probabilities(answer: Answer) -> Answer:
    """The answer as one whose list of probabilities is empty."""
    return answer._replace(reply=answer.reply.model_copy(update={"choice_logprobs": {}}))


def _final(fault: Rejected | Transient) -> str:
    """What a verdict is invalid for; a fault that says nothing about its question is raised again."""
    if isinstance(fault, Rejected):
        return f"rejected: {fault}"
    if fault.kind == "empty" or (fault.kind == "unreadable" and _NO_COMPLETION.fullmatch(str(fault))):
        return f"the model said nothing: {fault}"
    raise fault


def _with_thinking(parsed: Sequence[Parsed], reply: Reply) -> Sequence[Parsed]:
    """What a thinking model showed apart from its answer, before the reasoning in the answer itself."""
    thinking = reply.messages[-1].thinking if reply.messages else None
    if not thinking:
        return parsed
    return [part._replace(reasoning="\n\n".join(filter(None, (thinking, part.reasoning)))) for part in parsed]
