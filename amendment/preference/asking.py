"""Send a question to a judge's model, read the reply, and ask once more where it was cut or could not be read.

Covered: label probabilities and schemas where the server has them, and the plain question where it has not; the model's
own thinking kept with its answer, of which only the answer is read. A verdict that was cut, while thinking or
later, is asked for again with twice the limit; one that cannot be read, with a complaint. A question that the server
rejects, or that gets an empty reply in all of its attempts, is invalid, and the rest of the comparison goes on; an
outage, a rate limit and a page in place of a reply are raised: the comparison waits. Not covered: what is asked; see
`protocols`.

No server announces whether it returns probabilities or keeps a schema. Some leave the probabilities out of a good
answer, some return no token at all for a question of one token, and some reject the whole question. So a judge's first
question is sent alone, and its reply decides for all later ones. A server that returns no probabilities, or rejects the
question because of them, gets plain questions from then on, with the model's own token limit, since the one token
allowed before may be the article that begins a sentence. A complete answer without probabilities that holds the label
is one vote; otherwise its question is asked again as a plain one. An answer without probabilities from a server that
has returned some before says nothing: it is neither a whole vote nor asked for again. What a server does with a schema
is found out in `llm.schemas`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from amendment.errors import ConfigError, Rejected, Transient
from amendment.llm.model import Model
from amendment.llm.requests import Answer, Reply
from amendment.preference.first_verdicts import FirstVerdicts
from amendment.preference.folder import JudgeFolder
from amendment.preference.parsers import Parsed
from amendment.preference.protocols import JudgeQuestion, JudgeRequest
from amendment.records import Message, Messages, Origin, last_text, user

_OPENING = "Your verdict could not be read"
"""The complaint in a question that is asked once more begins so; the simulated world recognises it by these words."""
_NO_COMPLETION = re.compile(r"\S+: the reply has no (completion|output) that can be read")
"""A reply with nothing in it. Whatever else is unreadable is a page or an error: an outage in disguise."""
_CAPABILITY_REFUSED = re.compile(r"log_?probs?\b|do not begin with different tokens", re.IGNORECASE)
"""Found in the rejection of a question: the server does not offer the probabilities asked for."""
_ENTRY_REFUSED = re.compile(r"continue_final_message|add_generation_prompt|prompt_logprobs")
"""Found in the rejection of what a model's entry says that its server can do (`prefill`, `prompt_logprobs`)."""


class ParsedReply(NamedTuple):
    """What the parts of a reply say, and its origin."""

    parsed: Sequence[Parsed]
    origin: Origin


class JudgeModel:
    """Asks a model the questions of one folder, and remembers what its server can do."""

    def __init__(self, folder: JudgeFolder, model: Model, *, least_mass: float, stops: bool = False) -> None:
        """`least_mass`: the probability that labels must hold together; `stops`: raise Paused where none of the first
        verdicts can be read, see `first_verdicts`."""
        self.folder, self.model = folder, model
        self._least_mass = least_mass
        self._first = FirstVerdicts(folder, model) if stops else None
        self._alone = asyncio.Lock()
        self._mode: Literal["constrained", "plain"] | None = None
        """Constrained: with log-probabilities. None until the first reply decides."""
        self._has_shown = False
        self._has_noticed = False

    async def ask(self, question: JudgeQuestion) -> ParsedReply:
        """Return the parts of one question's reply; invalid where the server rejects it or all replies are empty.

        Raises ConfigError where it rejects what the model's entry says that it can do.
        """
        request = self.folder.protocol.build(question)
        try:
            answer = await self._send(request)
        except (Rejected, Transient) as fault:
            provider = self.model.provider
            is_begun = request.prefill is not None and self._mode != "plain" and not self._has_shown
            is_by_entry = provider.kind == "openai" and (is_begun or request.scored is not None)
            if is_by_entry and (refused := _ENTRY_REFUSED.search(str(fault))):
                key = "prefill" if request.scored is None else "prompt_logprobs"
                raise ConfigError(
                    f"models.{self.model.name}: found {key}: true, and its server rejects {refused[0]}; take the key "
                    f"out, or use a server that can do it. The server: {fault}"
                ) from fault
            parsed: Sequence[Parsed] = [Parsed(invalid=_explain_fault(fault))] * request.parts
            if self._first and isinstance(fault, Transient):
                self._first.add(parsed, None)
            origin = Origin(model=self.model.model, provider=provider.kind, host=provider.host)
        else:
            parsed = self._read(answer.reply, question)
            complaints = [part.invalid for part in parsed if part.invalid]
            if complaints and request.scored is None:
                answer = await self._reask(request, answer, "; ".join(complaints))
                parsed = _with_limit(self._read(answer.reply, question), answer)
            if self._first:
                self._first.add(parsed, answer, prefill=request.prefill)
            parsed, origin = _with_thinking(parsed, answer.reply), answer.origin
        return ParsedReply(parsed, origin.model_copy(update={"template": self.folder.hash}))

    def _read(self, reply: Reply, question: JudgeQuestion) -> Sequence[Parsed]:
        return [part.require_mass(self._least_mass) for part in self.folder.protocol.read(reply, question)]

    async def _send(self, request: JudgeRequest) -> Answer:
        if request.scored is not None:
            return await self._score(request, request.scored)
        if request.choices is None:
            return await self._send_plain(request)
        if self._mode is None:
            async with self._alone:
                if self._mode is None:
                    try:
                        return await self._send_with_logprobs(request)
                    except Transient:  # the server is still unknown, and the other questions must not wait any longer
                        self._mode = self._mode or "constrained"
                        raise
        return await self._send_with_logprobs(request)

    async def _score(self, request: JudgeRequest, text: str) -> Answer:
        """Return the answer of the first of two calls, with the ratio in natural logs in place of its log-probability.

        Raises Rejected for an answer without text, and what a call raises.
        """
        if not text.strip():
            raise Rejected("found an answer without text; only a text has a likelihood")
        answer, against = await asyncio.gather(
            self.model.score(request.messages, text),
            self.model.score(request.opposite, text),
        )
        logprobs = answer.reply.scored_logprob, against.reply.scored_logprob
        ratio = None if logprobs[0] is None or logprobs[1] is None else logprobs[0] - logprobs[1]
        return answer._replace(reply=answer.reply.model_copy(update={"scored_logprob": ratio}))

    async def _send_with_logprobs(self, request: JudgeRequest) -> Answer:
        """Return the answer to a question with its choices; to the plain one where the server does not show their
        probabilities."""
        if self._mode != "plain":
            try:
                answer = await self.model.ask(
                    request.messages,
                    choices=request.choices,
                    prefill=request.prefill,
                    sampling={"max_tokens": 1},
                    sample=request.question.sample,
                    shared=request.shared,
                )
            except Rejected as fault:
                is_known = self._has_shown or _ENTRY_REFUSED.search(str(fault))  # the words are of this question alone
                if is_known or not _CAPABILITY_REFUSED.search(str(fault)):
                    raise
                self._mode = "plain"
            else:
                if self._is_answer(answer.reply, request.question):
                    if self._has_shown and answer.reply.choice_logprobs is None:
                        empty = answer.reply.model_copy(update={"choice_logprobs": {}})
                        answer = answer._replace(reply=empty)
                    needs_plain = self.folder.protocol.needs_plain(answer.reply)
                    return await self._send_plain(request) if needs_plain else answer
            self._notice()
        return await self._send_plain(request)

    async def _send_plain(self, request: JudgeRequest) -> Answer:
        return await self.model.ask(
            request.plain_messages, answer_schema=request.schema, sample=request.question.sample, shared=request.shared
        )

    def _is_answer(self, reply: Reply, question: JudgeQuestion) -> bool:
        """Return True where no plain question is needed. Sets the mode, unless the reply is a refusal, which says
        nothing about the server."""
        if reply.finish_reason == "refusal" or self._has_shown:
            return True
        is_listed = bool(reply.choice_logprobs) or reply.least_logprob is not None  # a full list may lack every label
        if is_listed:
            self._mode, self._has_shown = "constrained", True
            return True
        self._mode = "plain"
        is_vote = reply.choice_logprobs is None and self._read(reply, question)[0].value is not None
        if is_vote:
            self._notice()
        return is_vote

    def _notice(self) -> None:
        """Say once what the server does not do."""
        if self._has_noticed:
            return
        self._has_noticed = True
        self.model.calls.notice(
            f"{self.model.provider.host}: model {self.model.model} shows no token probabilities, so judge "
            f"{self.folder.id} counts each answer of {self.model.name} as one vote. For more votes use protocol: "
            "verdict with samples, such as samples: 5"
        )

    async def _reask(self, request: JudgeRequest, answer: Answer, complaint: str) -> Answer:
        """Return a second answer: with twice the limit where the first was cut, else after a complaint about it. The
        first where no second one comes."""
        try:
            is_cut = answer.reply.finish_reason == "length" and answer.request.sampling == self.model.sampling
            is_open = is_cut and not self.model.calls.ledger.is_as_cut(answer.request.id)
            longer = await self.model.lengthened(answer) if is_open else None
            if longer or not _can_be_asked_again(answer.reply):
                return longer or answer
            form = request.form or self.folder.protocol.form
            messages = with_complaint(request.plain_messages, answer.reply, complaint=complaint, form=form)
            return await self.model.ask(messages, sample=request.question.sample)
        except (Rejected, Transient) as fault:
            _explain_fault(fault)
            return answer


def with_complaint(messages: Messages, reply: Reply, *, complaint: str, form: str) -> Messages:
    """Return the conversation so far, the model's answer, and the parser's complaint with the form that it expects."""
    answer = Message(role="assistant", content=last_text(reply.messages))
    return (*messages, answer, *user(f"{_OPENING}: {complaint}. Answer again, without a new argument: {form}."))


def is_asked_again(messages: Messages) -> bool:
    """Return True where the conversation ends with such a complaint."""
    return last_text(messages[-1:]).startswith(_OPENING)


def _can_be_asked_again(reply: Reply) -> bool:
    """Return True for a reply with text to complain about: neither a refusal nor empty."""
    return (
        reply.finish_reason != "refusal" and reply.choice_logprobs is None and bool(last_text(reply.messages).strip())
    )


def _explain_fault(fault: Rejected | Transient) -> str:
    """Return the reason for an invalid verdict. Raises the fault again where it says nothing about the question."""
    if isinstance(fault, Rejected):
        return f"rejected: {fault}"
    if fault.kind == "empty" or (fault.kind == "unreadable" and _NO_COMPLETION.fullmatch(str(fault))):
        return f"the model said nothing: {fault}"
    raise fault


def _with_limit(parsed: Sequence[Parsed], answer: Answer) -> Sequence[Parsed]:
    """Return the verdicts of a written reply; of one that was cut with the reason and the limit."""
    reply = answer.reply
    limit = answer.request.sampling.max_tokens
    if reply.finish_reason != "length" or limit is None or answer.request.choices:
        return parsed
    is_begun = bool(last_text(reply.messages).strip())
    where = "the reply was cut at its limit of" if is_begun else "cut while thinking, at"
    return [part._replace(invalid=f"{where} {limit:,} tokens") for part in parsed]


def _with_thinking(parsed: Sequence[Parsed], reply: Reply) -> Sequence[Parsed]:
    """Return the verdicts with the model's separate thinking before the reasoning in the answer."""
    thinking = reply.messages[-1].thinking if reply.messages else None
    if not thinking:
        return parsed
    return [part._replace(reasoning="\n\n".join(filter(None, (thinking, part.reasoning)))) for part in parsed]
