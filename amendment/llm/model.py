"""A model by its short name in a run, ready to be asked; what can be used of its answer, and what an item ends as.

A refusal is data, an empty reply is invalid, a fault that outlasts its attempts leaves the item pending.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

from amendment import __version__
from amendment.errors import ConfigError, CredentialsError, ProviderError, Transient
from amendment.llm.client import Calls
from amendment.llm.functions import FunctionProvider, ModelFunction, function_name
from amendment.llm.ledger import Ledger
from amendment.llm.limits import Limits
from amendment.llm.prices import FREE, MOST_OUTPUT
from amendment.llm.provider import Provider
from amendment.llm.requests import Answer, Request
from amendment.llm.transport import Online, Transport
from amendment.records import Candidate, Messages, Origin, Outcome, Prompt, Sampling, last_text
from amendment.text import Layout, tagged


class Model:
    """Provider, sampling and the run's way out under one name."""

    def __init__(
        self,
        *,
        name: str,
        model: str,
        provider: Provider,
        calls: Calls,
        sampling: Sampling,
        concurrency: int = 8,
        transport: Transport | None = None,
        max_output: int = MOST_OUTPUT,
        layout: Layout = "marks",
    ) -> None:
        """Call one by one without a `transport`, at most `concurrency` at once; calls of a local model are free, and
        others have no price.

        `max_output`: the most tokens that the model can write. `layout`: how questions show texts of others, see
        `amendment.text.tagged`.
        """
        self.name = name
        self.model = model
        self.provider = provider
        self.calls = calls
        self.sampling = sampling
        self.concurrency = concurrency
        self._max_output = max_output
        self._layout = layout
        endpoint = calls.endpoint(provider.host, model, Limits(concurrency))
        price = FREE if provider.kind == "local" else None
        self._transport = transport or Online(provider, endpoint, calls.ledger, calls.budget, price)

    @classmethod
    def from_function(cls, function: ModelFunction, *, name: str | None = None) -> Model:
        """Return a function as a model, for scripts: `ModelFunction` says what it gets and returns. `name`, by default
        the function's, stands in verdicts. Its replies are kept as long as this object; a run keeps them on disk."""
        if not callable(function):
            raise ConfigError(f"found {function!r:.80}, expected a model or a function from messages to text")
        name = name or function_name(function)
        provider = FunctionProvider("function", function)
        return cls(name=name, model=name, provider=provider, calls=Calls(Ledger()), sampling=Sampling())

    def __repr__(self) -> str:
        place = "" if self.provider.host == self.provider.kind else f" at {self.provider.host}"
        return f"<Model {self.name}: {self.model} ({self.provider.kind}{place})>"

    @property
    def shows_choices(self) -> bool:
        """Return True for a model that returns the probabilities of label tokens."""
        return self.provider.shows_choices

    @property
    def takes_prefill(self) -> bool:
        """Return True for a model that continues a given beginning of its answer."""
        return getattr(self.provider, "takes_prefill", False)

    @property
    def scores_texts(self) -> bool:
        """Return True for a model that returns the log-probability of a given answer."""
        return getattr(self.provider, "scores_texts", False)

    async def ask(
        self,
        messages: Messages,
        *,
        tools: tuple[dict[str, Any], ...] | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        choices: tuple[str, ...] | None = None,
        answer_schema: Mapping[str, Any] | None = None,
        prefill: str | None = None,
        scored: str | None = None,
        sampling: Mapping[str, Any] | None = None,
        sample: int = 0,
        shared: int = 0,
    ) -> Answer:
        """Ask once. `sampling` overrides single fields of the model's own; `Request` explains `prefill`, `scored` and
        `shared`. Raises ConfigError for what the model's provider cannot do, before anything is sent."""
        self._check_abilities(prefill, scored)
        if self._layout == "tags":
            shared = len(tagged(last_text(messages)[:shared]))
            messages = tuple(
                message.model_copy(update={"content": tagged(message.content)})
                if isinstance(message.content, str)
                else message
                for message in messages
            )
        request = Request(
            provider=self.provider.kind,
            host=self.provider.host,
            model=self.model,
            messages=messages,
            tools=tools,
            chat_template_kwargs=dict(chat_template_kwargs) if chat_template_kwargs else None,
            sampling=Sampling.model_validate({**self.sampling.model_dump(), **sampling}) if sampling else self.sampling,
            choices=choices,
            answer_schema=dict(answer_schema) if answer_schema else None,
            prefill=prefill,
            scored=scored,
            sample=sample,
            shared=shared,
        )
        return await self._send(request)

    async def lengthened(self, answer: Answer) -> Answer | None:
        """Return the answer to the same request with twice the limit, or the most that the model can write; None for an
        answer that was not cut or whose limit cannot be raised. Raises as `ask`."""
        request = answer.request
        limit = request.sampling.max_tokens or self._max_output
        longer = min(2 * limit, self._max_output)
        is_written = request.choices is None and request.scored is None
        if answer.reply.finish_reason != "length" or not is_written or longer <= limit:
            return None
        sampling = request.sampling.model_copy(update={"max_tokens": longer})
        return await self._send(request.model_copy(update={"sampling": sampling}))

    async def _send(self, request: Request) -> Answer:
        """Return the answer, and the request in the form in which the server took it."""
        send = partial(self.calls.ask, self.provider, self._transport)
        if request.answer_schema:
            forms = self.calls.answer_forms(self.provider.host, self.model)
            request, reply = await forms.ask(request, send=send, find=self.calls.ledger.find)
        else:
            reply = await send(request)
        origin = Origin(
            model=reply.model or self.model,
            provider=request.provider,
            host=request.host,
            sampling=request.sampling,
            request=request.id,
            toolkit=__version__,
        )
        return Answer(reply, origin, request)

    async def score(
        self,
        messages: Messages,
        text: str,
        *,
        tools: tuple[dict[str, Any], ...] | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Return the log-probability of `text` as the whole answer; nothing is written. Raises as `ask`."""
        return await self.ask(
            messages,
            tools=tools,
            chat_template_kwargs=chat_template_kwargs,
            scored=text,
            sampling={"max_tokens": 1},  # no matter how long the model's answers may be, the question is the same
        )

    def _check_abilities(self, prefill: str | None, scored: str | None) -> None:
        able = "use a local model, or a server with `{}: true`"
        if prefill is not None and not self.takes_prefill:
            raise ConfigError(
                f"model {self.name}: {self.provider.kind} cannot continue the beginning of an answer; "
                + able.format("prefill")
            )
        if prefill is not None and (not prefill or prefill[-1].isspace()):
            raise ConfigError(
                f"model {self.name}: the prefill {prefill!r} is empty or ends with a space; leave the space out"
            )
        if scored is not None and not self.scores_texts:
            raise ConfigError(
                f"model {self.name}: {self.provider.kind} returns no log-probability of a text; "
                + able.format("prompt_logprobs")
            )


class Unusable(Exception):
    """A reply came and holds no answer. `outcome` is what the item ends as."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome


class Ending(NamedTuple):
    """The outcome of an item, and the reason where it is not `done`."""

    outcome: Outcome
    reason: str | None = None


def item_ending(fault: Unusable | ProviderError) -> Ending:
    """Return the outcome of an item after this fault: only a passing fault leaves it pending, to be asked again. Raises
    the fault if it is a CredentialsError, which concerns the whole run."""
    if isinstance(fault, CredentialsError):
        raise fault
    if isinstance(fault, Unusable):
        return Ending(fault.outcome, str(fault))
    return Ending("pending" if isinstance(fault, Transient) else "failed", str(fault))


def usable(answer: Answer, step: str) -> Messages:
    """Return the messages of a reply that says something. Raises Unusable for a refusal and for silence."""
    reply = answer.reply
    if reply.finish_reason == "refusal":
        raise Unusable("refused", f"{step}: the model refused")
    if not reply.messages or not (last_text(reply.messages).strip() or reply.messages[-1].tool_calls):
        raise Unusable("invalid", f"{step}: the reply is empty")
    return reply.messages


async def draft(
    prompt: Prompt, model: Model, *, sample: int = 0, kind: Literal["draft", "policy"] = "draft"
) -> Candidate:
    """Return one answer of a model to a prompt: a draft to be revised, or an answer of the policy. Raises Unusable and
    ProviderError."""
    answer = await model.ask(
        prompt.messages,
        tools=prompt.tools,
        chat_template_kwargs=prompt.chat_template_kwargs,
        sample=sample,
    )
    return Candidate(
        prompt_id=prompt.id,
        messages=usable(answer, "draft" if kind == "draft" else "answer"),
        kind=kind,
        finish_reason=answer.reply.finish_reason,
        origin=answer.origin.model_copy(update={"source": prompt.source, "license": prompt.license}),
    )
