"""What all protocols share: a question put to the model, read, and put once more where it could not be read.

Covered: label probabilities and schemas where the server has them, and the same question in words where it has not; the
model's own thinking kept beside its answer, which alone is read. A question that is never taken, or that is met with
silence in all of its attempts, is heard as invalid, and the rest of a comparison goes on; an outage, a rate limit and
a page in place of a reply pass as they are: the comparison waits. Not covered: what is asked; see each unit's module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from amendment.llm.requests import Answer, Reply
from amendment.llm.model import Model
from amendment.errors import Rejected, Transient
from amendment.preference._again import asked_again, can_be_asked_again
from amendment.preference._folder import JudgeFolder
from amendment.preference._trial import Trial
from amendment.preference.parsers import Parsed
from amendment.records import Messages, Origin

__all__ = ["Answered", "Asker", "Question"]

Read = Callable[[Reply], Sequence[Parsed]]

_NO_COMPLETION = re.compile(r"\S+: the reply has no (completion|output) that can be read")
"""A reply with nothing in it. Whatever else is unreadable is a page or an error: an outage in disguise."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One call, and how its reply is read."""

    messages: Messages
    read: Read
    form: str
    """What a reply must look like, as the model is told when its own could not be read."""
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
    reply: Reply | None
    """None for a question that the provider rejected, or answered with silence."""


@dataclass(frozen=True, kw_only=True)
class Asker:
    """A model that is asked by the texts of one folder."""

    folder: JudgeFolder
    model: Model
    trial: Trial

    async def ask(self, question: Question) -> Answered:
        """The reading of one question. One that the provider will never take, or meets with silence, is invalid."""
        try:
            answer = await self._put(question)
        except (Rejected, Transient) as fault:
            return self._unanswered(question, fault)
        parsed = question.read(answer.reply)
        complaints = [one.invalid for one in parsed if one.invalid]
        if complaints and can_be_asked_again(answer.reply):
            answer, parsed = await self._put_again(question, answer, parsed, "; ".join(complaints))
        return Answered(_with_thinking(parsed, answer.reply), self._signed(answer.origin), answer.reply)

    async def tell(self, question: Question) -> Answered:
        """One text that holds no verdict, as it comes: neither read nor asked for again."""
        try:
            answer = await self.model.ask(question.messages, sample=question.sample, shared=question.shared)
        except (Rejected, Transient) as fault:
            return self._unanswered(question, fault)
        parsed = _with_thinking(question.read(answer.reply), answer.reply)
        return Answered(parsed, self._signed(answer.origin), answer.reply)

    async def _put(self, question: Question) -> Answer:
        sample, shared = question.sample, question.shared

        async def in_words() -> Answer:
            return await self.model.ask(question.in_words or question.messages, sample=sample, shared=shared)

        async def specially() -> Answer:
            return await self.model.ask(
                question.messages,
                choices=question.choices,
                answer_schema=question.schema,
                sampling={"max_tokens": 1} if question.choices else None,
                sample=sample,
                shared=shared,
            )

        if question.choices is None and question.schema is None:
            return await in_words()
        answer = await self.trial.ask(specially, in_words)
        return await in_words() if question.needs_words and question.needs_words(answer.reply) else answer

    async def _put_again(
        self, question: Question, answer: Answer, parsed: Sequence[Parsed], complaint: str
    ) -> tuple[Answer, Sequence[Parsed]]:
        """One more answer, told what was wrong with the first; that one stands where a second is not to be had."""
        asked = question.in_words or question.messages
        messages = asked_again(asked, answer.reply, complaint=complaint, form=question.form)
        try:
            answer = await self.model.ask(messages, sample=question.sample)
        except (Rejected, Transient) as fault:
            _final(fault)
            return answer, parsed
        return answer, question.read(answer.reply)

    def _unanswered(self, question: Question, fault: Rejected | Transient) -> Answered:
        invalid = Parsed(invalid=_final(fault))
        asked = Origin(model=self.model.model, provider=self.model.provider.kind, host=self.model.provider.host)
        return Answered([invalid] * question.parts, self._signed(asked), None)

    def _signed(self, origin: Origin) -> Origin:
        return origin.model_copy(update={"template": self.folder.hash})


def _final(fault: Rejected | Transient) -> str:
    """What a verdict is invalid for; a fault that says nothing about its question is raised again."""
    if isinstance(fault, Rejected):
        return f"rejected: {fault}"
    if fault.kind == "empty" or (fault.kind == "unreadable" and _NO_COMPLETION.fullmatch(str(fault))):
        return f"the model said nothing: {fault}"
    raise fault


def _with_thinking(parsed: Sequence[Parsed], reply: Reply) -> Sequence[Parsed]:
    """What a thinking model showed beside its answer, before the reasoning in the answer itself."""
    thinking = reply.messages[-1].thinking if reply.messages else None
    if not thinking:
        return parsed
    return [one._replace(reasoning="\n\n".join(filter(None, (thinking, one.reasoning)))) for one in parsed]
