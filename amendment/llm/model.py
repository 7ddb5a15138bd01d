"""A model by its short name in a run, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amendment import __version__
from amendment.llm.client import Calls
from amendment.llm.limits import Limits
from amendment.llm.provider import Provider
from amendment.llm.requests import Answer, Reply, Request
from amendment.llm.transport import Carrier, Online
from amendment.records import Messages, Origin, Sampling

__all__ = ["Model"]


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
        carrier: Carrier | None = None,
        lengthens: bool = False,
    ) -> None:
        """Without a `carrier`, calls go one by one, at most `concurrency` at once and without a price.

        `lengthens`: an answer that was cut at its limit is asked for once more, with twice the limit.
        """
        self.name = name
        self.model = model
        self.provider = provider
        self.calls = calls
        self.sampling = sampling
        self.concurrency = concurrency
        self._lengthens = lengthens
        self._carrier = carrier or Online(
            provider, calls.endpoint(provider.host, model, Limits(concurrency)), calls.ledger, calls.budget
        )

    @property
    def shows_choices(self) -> bool:
        """Whether label-token probabilities can be asked of this model."""
        return self.provider.shows_choices

    async def ask(
        self,
        messages: Messages,
        *,
        tools: tuple[dict[str, Any], ...] | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        choices: tuple[str, ...] | None = None,
        answer_schema: Mapping[str, Any] | None = None,
        sampling: Mapping[str, Any] | None = None,
        sample: int = 0,
        shared: int = 0,
    ) -> Answer:
        """Ask once. `sampling` overrides single fields of the model's own; `shared` is explained at `Request`."""
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
            sample=sample,
            shared=shared,
        )
        reply = await self._reply(request)
        if reply.finish_reason == "length" and self._lengthens and not choices and request.sampling.max_tokens:
            longer = request.sampling.model_copy(update={"max_tokens": 2 * request.sampling.max_tokens})
            request = request.model_copy(update={"sampling": longer})
            reply = await self._reply(request)
        return Answer(reply, self._origin(request, reply))

    async def _reply(self, request: Request) -> Reply:
        return await self.calls.ask(self.provider, self._carrier, request)

    def _origin(self, request: Request, reply: Reply) -> Origin:
        return Origin(
            model=reply.model or self.model,
            provider=request.provider,
            host=request.host,
            sampling=request.sampling,
            request=request.id,
            toolkit=__version__,
        )
