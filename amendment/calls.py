"""The one way out to a model: look in the ledger, wait for a slot, send, commit the raw reply, read it.

Covered: the same question is never asked twice, in one process or over several; passing faults are
retried with jitter while no slot is held; a provider's deadline is kept; what came back is on disk before
anything reads it. Not covered: budgets, rate limits, batch carriers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from amendment import __version__
from amendment.errors import Transient
from amendment.hashing import content_id
from amendment.ledger import Ledger
from amendment.records import FinishReason, Message, Messages, Origin, Record, Sampling

__all__ = ["Answer", "Calls", "Model", "Provider", "Reply", "Request", "Usage", "flow"]

T = TypeVar("T")
R = TypeVar("R")


class Request(Record):
    """One question to one model: every field changes the answer, so every field counts in its name."""

    provider: str
    host: str
    model: str
    messages: Messages
    tools: tuple[dict[str, Any], ...] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    sampling: Sampling = Sampling()
    choices: tuple[str, ...] | None = None
    """Labels whose probabilities as the first token of the answer are asked for."""
    sample: int = 0
    """0, 1, 2 ... for repeated draws of the same question."""

    @cached_property
    def id(self) -> str:
        """The content hash under which ledger and records know this request."""
        return content_id(self.to_json())


class Usage(Record):
    """Tokens as the provider counted them."""

    input_tokens: int
    output_tokens: int


class Reply(Record):
    """What a provider answered, read from its raw reply."""

    messages: tuple[Message, ...] = ()
    """The completion; empty when the model refused without words."""
    finish_reason: FinishReason = "stop"
    choice_logprobs: dict[str, float] | None = None
    """Natural log-probability of each asked label as first token; absent where the provider shows none."""
    model: str | None = None
    """The model's name as returned, which may be more exact than the name asked for."""
    usage: Usage | None = None


class Provider(Protocol):
    """A place that answers requests. `send` returns the raw body; `read` makes a Reply of it, purely.

    Both raise Transient, Rejected or CredentialsError, and nothing else, for what a provider can do wrong.
    """

    @property
    def kind(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def shows_choices(self) -> bool:
        """Whether log-probabilities of label tokens can be had."""
        ...

    @property
    def deadline(self) -> float | None:
        """Seconds after which one `send` is given up as a passing fault; None where it takes as long as it takes."""
        ...

    async def send(self, request: Request) -> bytes: ...

    def read(self, raw: bytes, request: Request) -> Reply: ...

    async def close(self) -> None: ...


class Answer(NamedTuple):
    """A reply and where it came from."""

    reply: Reply
    origin: Origin


@dataclass
class _Flight:
    """A question on its way, and how many wait for its answer."""

    task: asyncio.Task[Reply]
    askers: int = 0


def _quiet(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task whose error, where nobody is left to be told of it, is dropped without a warning."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


class Calls:
    """All calls of a run: one ledger, one retry policy, one count of what was asked and what stood."""

    def __init__(self, ledger: Ledger, *, attempts: int = 8, longest_wait: float = 60.0) -> None:
        """`longest_wait` bounds the jittered pause between attempts, in seconds."""
        self.ledger = ledger
        self.sent = 0
        self.cached = 0
        self._attempts = attempts
        self._backoff = wait_random_exponential(multiplier=1, max=longest_wait)
        self._flying: dict[str, _Flight] = {}
        self._on_wire: dict[str, asyncio.Task[bytes]] = {}

    async def ask(self, provider: Provider, request: Request, slots: asyncio.Semaphore) -> Reply:
        """The reply to a request: from the ledger, from an equal call in flight, or from the provider.

        One of several askers may be cancelled without harm to the others; when the last one is, no further
        attempt begins, and what is on the wire already still reaches the ledger (see `drain`).
        """
        flight = self._flying.get(request.id)
        if flight is None:
            flight = self._flying[request.id] = _Flight(_quiet(self._fetch(provider, request, slots)))
        flight.askers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.askers -= 1
            if not flight.askers:
                self._flying.pop(request.id, None)
                flight.task.cancel()

    async def drain(self, seconds: float = 60.0) -> None:
        """Wait until every call that was sent has its reply in the ledger, or has failed, or time is up."""
        if self._on_wire:
            await asyncio.wait(self._on_wire.values(), timeout=seconds)

    async def _fetch(self, provider: Provider, request: Request, slots: asyncio.Semaphore) -> Reply:
        stored = self._stored(provider, request)
        if stored is not None:
            self.cached += 1
            return stored
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(self._attempts),
            wait=self._pause,
            reraise=True,
        )
        return await retrying(self._attempt, provider, request, slots)

    def _stored(self, provider: Provider, request: Request) -> Reply | None:
        raw = self.ledger.find(request.id)
        if raw is None:
            return None
        try:
            return provider.read(raw, request)
        except Transient:  # a paid reply that nobody could read is kept, and asked for again
            return None

    async def _attempt(self, provider: Provider, request: Request, slots: asyncio.Semaphore) -> Reply:
        sending = self._on_wire.get(request.id)  # there is one when its askers left and another one came
        if sending is None:
            await slots.acquire()
            sending = self._on_wire[request.id] = _quiet(self._send(provider, request, slots))
            sending.add_done_callback(lambda _: self._on_wire.pop(request.id, None))
        return provider.read(await asyncio.shield(sending), request)

    async def _send(self, provider: Provider, request: Request, slots: asyncio.Semaphore) -> bytes:
        """Send once and commit the reply; the slot is free as soon as the reply is in."""
        self.sent += 1
        try:
            async with asyncio.timeout(provider.deadline):
                raw = await provider.send(request)
        except TimeoutError as late:
            raise Transient(f"{provider.host}: no reply within {provider.deadline or 0:g} s") from late
        finally:
            slots.release()
        await self.ledger.commit(request.id, request.to_json(), raw)
        return raw

    def _pause(self, state: RetryCallState) -> float:
        """Full jitter, and never less than the server asked for."""
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, Transient) and fault.retry_after else 0.0
        return asked + self._backoff(state)


class Model:
    """A model by its short name in a run: provider, sampling and the run's way out, ready to be asked."""

    def __init__(
        self, *, name: str, model: str, provider: Provider, calls: Calls, sampling: Sampling, concurrency: int = 8
    ) -> None:
        self.name = name
        self.model = model
        self.provider = provider
        self.calls = calls
        self.sampling = sampling
        self.concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)

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
        sampling: Mapping[str, Any] | None = None,
        sample: int = 0,
    ) -> Answer:
        """Ask once. `sampling` overrides single fields of the model's own."""
        request = Request(
            provider=self.provider.kind,
            host=self.provider.host,
            model=self.model,
            messages=messages,
            tools=tools,
            chat_template_kwargs=dict(chat_template_kwargs) if chat_template_kwargs else None,
            sampling=Sampling.model_validate({**self.sampling.model_dump(), **sampling}) if sampling else self.sampling,
            choices=choices,
            sample=sample,
        )
        reply = await self.calls.ask(self.provider, request, self._slots)
        return Answer(reply, self._origin(request, reply))

    def _origin(self, request: Request, reply: Reply) -> Origin:
        return Origin(
            model=reply.model or self.model,
            provider=request.provider,
            host=request.host,
            sampling=request.sampling,
            request=request.id,
            toolkit=__version__,
        )


async def flow(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, window: int) -> list[R]:
    """Work on items without barriers, at most `window` of them begun and unfinished; results in input order.

    The first error stops the rest and is raised as it is.
    """
    results: dict[int, R] = {}
    queue = iter(enumerate(items))

    async def worker() -> None:
        for index, item in queue:
            results[index] = await work(item)

    workers = [asyncio.ensure_future(worker()) for _ in range(window)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[index] for index in range(len(results))]
