"""A model behind HTTP, asked by its vendor's SDK: one attempt a call, the raw reply kept, faults told apart.

Promised: of the environment nothing leaves but the entry's key (the SDKs would send organisations and headers that
stand there); no redirect is followed; every status, every way in which a connection ends, and every header that asks to
wait has one meaning, for calls and batches alike. Not covered: retries and the deadline of a call (see `client` and
`transport`), and what bodies mean (see `openai` and `anthropic`).
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from amendment.errors import CredentialsError, FaultKind, ProviderError, Rejected, Transient
from amendment.keys import redact, redact_bytes, redact_logs
from amendment.llm.pace import allowances
from amendment.llm.provider import Meter, RawReply
from amendment.llm.replies import error_text, shown
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import AnthropicSpec, OpenAISpec

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 15.0
"""The longest that a connection may take to stand, TLS included."""
LONGEST_NAME = 20_000
"""Characters of a server's call id that are read: more than a header holds, so that a key in it is never cut."""
LONG_WAIT = 10.0
"""Seconds. A longer Retry-After is named in the message."""

Meaning = Literal["rate", "server", "quota", "key", "not found", "redirect", "item"]
"""A passing fault by its kind; or final for the run: no quota, a refused key, no such model or address, a redirect;
or final for this item alone."""


class StatusRule(NamedTuple):
    """The meaning of some replies. The first rule that fits counts."""

    statuses: range | frozenset[int]
    meaning: Meaning
    words: re.Pattern[str] | None = None
    """The body must match."""
    at_first: bool = False
    """The row counts only until the first good reply: an address that has answered once exists."""
    asks_to_wait: bool = False
    """The row counts only for a reply that asks to call again later."""


_EMPTY_ACCOUNT = re.compile(
    r"insufficient[_ ](?:quota|funds|credits|balance)|credit balance"
    r"|billing[_ ]hard[_ ]limit|billing[_ ]not[_ ]active|account is not active|reached your specified api usage limits",
    re.IGNORECASE,
)
_OVER_QUOTA = re.compile(r"exceeded your current quota", re.IGNORECASE)
"""OpenAI sends this for an empty account, Google also for a limit per minute."""
_RETRY_IN = re.compile(
    rb"""retry in (\d{1,6}(?:\.\d+)?)s\b|["']retryDelay["']\s*:\s*["'](\d{1,6}(?:\.\d+)?)s["']""", re.IGNORECASE
)
"""The seconds that Google asks to wait: in the message, and as RetryInfo in the error's details."""
_ASKS_TO_WAIT = re.compile(rb"retry in \d|RetryInfo|RESOURCE_EXHAUSTED", re.IGNORECASE)
_FLAGGED = re.compile(r"moderation|flagged|guardrail|content[_ ](?:policy|filter)", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model_not_found|is not a valid model|model\b.{0,80}\b(?:does not exist|not found)", re.IGNORECASE | re.DOTALL
)
_INVALID = re.compile(r"validation[_ ]?errors?\b|\bnot supported\b|\bunsupported\b", re.IGNORECASE)
"""A server that says so with a status of 5xx, such as llama_cpp.server, says so at every attempt."""
_ADVICE = "Find the setting that it names in the model's entry, and change or remove it."
TABLE: tuple[StatusRule, ...] = (
    StatusRule(frozenset({400, 402, 403, 429}), "quota", words=_EMPTY_ACCOUNT),
    StatusRule(frozenset({429}), "rate", asks_to_wait=True),
    StatusRule(frozenset({400, 402, 403, 429}), "quota", words=_OVER_QUOTA),
    StatusRule(
        frozenset({400, 403}), "item", words=_FLAGGED
    ),  # a gateway's 403 for a text that its filter will not pass on
    StatusRule(frozenset({401, 402, 403}), "key"),
    StatusRule(frozenset({404}), "not found", at_first=True),
    StatusRule(frozenset({400, 422}), "not found", words=_NO_MODEL, at_first=True),
    StatusRule(range(400), "redirect"),
    StatusRule(frozenset({429, 529}), "rate"),
    StatusRule(range(500, 600), "server", asks_to_wait=True),
    StatusRule(range(500, 600), "item", words=_INVALID),
    StatusRule(frozenset({408, 409, 425, *range(500, 600)}), "server"),
    StatusRule(
        range(1000), "item"
    ),  # 400, a later 404, 413, 422 and whatever else: context length, a malformed request
)
"""The meaning of a status other than 2xx, by status and words. `x-should-retry` is for SDKs and is ignored here."""


class Target(NamedTuple):
    """The server and model as messages name them. The key is kept only to remove it from texts."""

    host: str
    model: str
    key_variable: str | None
    key: str | None

    def __repr__(self) -> str:
        return f"Target({self.host}, {self.model})"

    def without_key(self, body: bytes) -> bytes:
        """Return a body in which a server echoed the key, as it may be stored and shown."""
        return redact_bytes(body, self.key) if self.key else body

    def call_name(self, name: object) -> str | None:
        """Return a server's id of a call as it may be stored and shown: without keys, at most 200 printable
        characters."""
        if not isinstance(name, str):
            return None
        printable = "".join(sign for sign in name[:LONGEST_NAME] if sign.isprintable())
        unkeyed = self.without_key(printable.encode("utf-8", "replace")).decode()
        return redact(unkeyed)[:200] or None


def make_fault(
    target: Target, status: int, headers: Mapping[str, str], body: bytes, *, at_first: bool = True
) -> ProviderError:
    """Return the error for a status other than 2xx. `at_first`: this address has not answered yet.

    Where no further call can succeed nothing of the server's own words is shown, which may repeat the key.
    """
    words = error_text(body)
    wait = read_wait(headers)
    if wait is None and (delay := _RETRY_IN.search(body)):
        wait = float(delay[1] or delay[2])
    asks_to_wait = wait is not None or bool(_ASKS_TO_WAIT.search(body))
    fitting = (
        row.meaning
        for row in TABLE
        if status in row.statuses
        and (row.words is None or row.words.search(words))
        and (at_first or not row.at_first)
        and (asks_to_wait or not row.asks_to_wait)
    )
    meaning: Meaning = next(fitting, "item")
    key = f"the key in {target.key_variable}" if target.key_variable else "a call without a key (set api_key_env)"
    at = f"{target.host}: status {status}"
    final = {
        "quota": f"the quota or balance behind {key} is used up. Top it up there.",
        "key": f"{key} was refused. Check the key and what it may be used for.",
        "not found": f"no model {target.model!r} or no such address. Check model and base_url.",
        "redirect": "a redirect, which is not followed with a key. Write the final base_url.",
    }
    if meaning in final:
        return CredentialsError(f"{at}: {final[meaning]}")
    if meaning == "item":
        advice = f". {_ADVICE}" if status == 422 or status >= 500 else ""
        return Rejected(f"{at}: {shown(words, target.key)}{advice}")
    asked = f" (it asks to wait {wait:,.0f} s)" if wait and wait >= LONG_WAIT else ""
    kind: FaultKind = "rate" if meaning == "rate" else "server"
    return Transient(f"{at}: {shown(words, target.key)}{asked}", kind=kind, retry_after=wait or None, status=status)


def read_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a reply asks us to wait, however many; None if it does not say or makes no sense.

    A date is measured against the reply's own Date, so that a wrong clock on either side does no harm.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name) or "nan") * unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    until = _date(headers.get("retry-after"))
    return max((until - (_date(headers.get("date")) or datetime.now(UTC))).total_seconds(), 0.0) if until else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def broken(target: Target, fault: BaseException) -> Transient:
    """Return the fault for a missing reply, by the cause that the SDK's client reports."""
    causes = list(_causes(fault))
    for known in causes:
        if isinstance(known, Transient):  # a reply that is too long
            return known
    kinds = [kind for cause in causes if (kind := _wire_fault(cause))]
    cause = type(causes[-1]).__name__
    return Transient(f"{target.host}: no reply ({cause})", kind=kinds[0] if kinds else "transport")


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """Yield the fault, its cause, and so on."""
    cause: BaseException | None = fault
    for _ in range(8):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__


def _wire_fault(cause: BaseException) -> FaultKind | None:
    """Return the kind of fault that the wire's error shows; None if it shows none."""
    import aiohttp

    # nobody took the connection: refused, no such host, no TLS, no proxy, or no answer in time to any of it
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError):
        return "refused"
    return "deadline" if isinstance(cause, TimeoutError) else None


def sdk_options(sdk: Any, spec: OpenAISpec | AnthropicSpec, key: str | None, *, ambient: str) -> dict[str, Any]:
    """Return keyword arguments of an SDK's client. Headers that the environment variable `ambient` would add are left
    out.

    Over https the environment's proxy sees the host's name and nothing else. Where there is no https the key and all
    texts would pass through it in the clear, so there none is used.
    """
    import httpx2

    from amendment.llm.reply_size import bound

    lines = os.environ.get(ambient, "").split("\n")
    left_out = {line.partition(":")[0].strip(): sdk.Omit() for line in lines if ":" in line}
    redact_logs(key or "")
    return {
        "api_key": key or "none",  # without one the SDKs look for credentials; it is not sent
        "base_url": spec.base_url,
        "max_retries": 0,
        "timeout": httpx2.Timeout(None, connect=min(spec.timeout, CONNECT_SECONDS)),
        "default_headers": {**left_out, "Authorization": f"Bearer {key}" if key else sdk.Omit()},
        "http_client": sdk.DefaultAioHttpClient(
            follow_redirects=False,
            trust_env=spec.base_url.startswith("https:"),
            limits=httpx2.Limits(max_connections=1024, max_keepalive_connections=1024),
            event_hooks={"response": [partial(bound, host=spec.host)]},
        ),
    }


class Wire(NamedTuple):
    """One protocol as its SDK speaks it."""

    kind: str
    path: str
    sdk: Any
    body: Callable[[Request], Mapping[str, Any]]
    """Raises Rejected for what the protocol cannot ask."""
    read: Callable[[bytes, Request], Reply]
    meter: Callable[[bytes], Meter]


class HostedProvider:
    """A server that speaks a wire's protocol. Use from one event loop."""

    def __init__(self, spec: OpenAISpec | AnthropicSpec, key: str | None, client: Any, wire: Wire) -> None:
        self.kind = wire.kind
        self.host = spec.host
        self.deadline: float | None = spec.timeout
        """Seconds; the sender keeps it."""
        self.shows_choices = spec.shows_choices
        self.takes_prefill: bool = getattr(spec, "takes_prefill", False)
        self.scores_texts: bool = getattr(spec, "scores_texts", False)
        self.meter = wire.meter
        """Usage and model, as far as they can be found. Never raises."""
        self.wire = wire
        self.target = Target(spec.host, spec.model, spec.api_key_env, key)
        self.has_answered = False
        self._client = client
        self._headers = {} if key else {"Authorization": wire.sdk.Omit()}  # OpenAI's SDK needs it for each call
        self._closing: weakref.finalize[Any, Any] | None = None

    async def send(self, request: Request) -> RawReply:
        """Return the raw body of a good status, with what its headers tell. Raises only ProviderError."""
        from amendment.llm.reply_size import MOST, most_bytes

        content = encoded(self.wire.body(request), self.host)
        MOST.set(most_bytes(request, content))
        async with self.faults():
            response = await self.post(self.wire.path, content=content)
        self.has_answered = True
        name = response.headers.get("x-request-id") or response.headers.get("request-id")
        limits = allowances(response.headers, _date(response.headers.get("date")))
        return RawReply(self.target.without_key(response.content), self.target.call_name(name), limits)

    async def post(self, path: str, **parts: Any) -> httpx2.Response:
        """Return the response of a good status; raises what the SDK raises."""
        return await self._call(self._client.post, path, **parts)

    async def get(self, path: str, **parts: Any) -> httpx2.Response:
        """Return the response of a good status; raises what the SDK raises."""
        return await self._call(self._client.get, path, **parts)

    async def _call(
        self, method: Any, path: str, *, headers: Mapping[str, str] | None = None, **parts: Any
    ) -> httpx2.Response:
        import httpx2

        if self._closing is None:
            self._closing = weakref.finalize(self, _close, self._client, asyncio.get_running_loop())
        params = parts.pop("params", None)
        options: dict[str, Any] = {"headers": {**self._headers, **(headers or {})}}
        if params:
            options["params"] = params
        response: httpx2.Response = await method(path, cast_to=httpx2.Response, options=options, **parts)
        return response

    @asynccontextmanager
    async def faults(self, not_found: type[Exception] | None = None) -> AsyncIterator[None]:
        """Raise errors within as ProviderError; status 404 as `not_found`, if that is given."""
        try:
            yield
        except self.wire.sdk.APIStatusError as fault:
            reply, first = fault.response, not self.has_answered
            if not_found and reply.status_code == 404:
                raise not_found from None
            raise make_fault(self.target, reply.status_code, reply.headers, reply.content, at_first=first) from None
        except Exception as fault:
            raise broken(self.target, fault) from None

    def read(self, raw: bytes, request: Request) -> Reply:
        """Read the reply in a raw body. Raises Transient if there is none in it."""
        return self.wire.read(raw, request)

    async def close(self) -> None:
        if self._closing is not None:
            self._closing.detach()
        await self._client.close()


def _close(client: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Close a client that nobody will use any more, where its loop still runs, as a notebook's does."""
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), loop)


def encoded(body: Mapping[str, Any], host: str) -> bytes:
    """Return the body as it is sent. Raises Rejected for what JSON cannot hold."""
    try:
        return orjson.dumps(body)
    except TypeError as fault:  # an integer of more than 64 bits, in a tool's schema, say
        raise Rejected(f"{host}: the question cannot be written as JSON ({fault})") from None
