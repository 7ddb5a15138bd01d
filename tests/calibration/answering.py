"""Answers the labelling page's own API, as annotators in browsers do: for people that are simulated, and for tests.

Covered: the real routes, cookies and checks, over a socket or, given the application, in this process. Not covered:
what anyone would say; that is what `rate` is for.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from amendment.calibration.label import Choice
from amendment.calibration.queue import Queue
from amendment.calibration.samples import LabelQuestion
from amendment.calibration.store import Labels
from amendment.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    import httpx2
    from starlette.types import ASGIApp

__all__ = ["Answer", "Rate", "answer_all", "answer_here"]

_HERE = "127.0.0.1:1"
"""The name of a page without a socket."""


class Answer(NamedTuple):
    """What an annotator says of an item."""

    choice: Choice
    """In displayed coordinates."""
    confidence: int | None = None
    principle_id: str | None = None
    comment: str | None = None
    seconds: float | None = None


Rate = Callable[[str, dict[str, Any]], Answer]
"""The answer of an annotator, by name, to an item as the page tells it."""


async def answer_here(
    questions: Sequence[LabelQuestion], labels: Labels, annotators: Sequence[str], rate: Rate, *, seed: int
) -> int:
    """Let annotators answer a page over these questions in this process until it has nothing for them.

    They take turns, so that equal calls give equal labels. What they had said before stands. Returns how many labels
    were new.
    """
    from amendment.calibration.page_app import create_app

    queue = Queue(questions, labels.current(), seed=seed, annotators=max(len(annotators), 1), clock=lambda: 0.0)
    links = {annotator: secrets.token_urlsafe() for annotator in annotators}
    app = create_app(queue, labels, links=links, hosts=[_HERE])
    return await answer_all({name: f"http://{_HERE}/#token={token}" for name, token in links.items()}, rate, app=app)


async def answer_all(links: Mapping[str, str], rate: Rate, *, app: ASGIApp | None = None, in_turn: bool = True) -> int:
    """Answer as each of these annotators until the page has nothing for them; how many labels were acknowledged.

    `links` are the addresses that a page prints, by annotator; given `app`, it is asked in this process instead. One
    item each in turn, or each annotator on their own. Raises LedgerError where the page refuses.
    """
    async with AsyncExitStack() as stack:
        going = []
        for annotator, url in links.items():
            token = parse_qs(urlsplit(url).fragment).get("token", [""])[0]
            if not token:
                raise ConfigError("no #token= in the page's address; copy it as it was printed")
            client = await stack.enter_async_context(_client(url.partition("#")[0], app))
            await _done(client, "POST", "/session", {"token": token})
            going.append(_labels_of(client, annotator, rate))
        if in_turn:
            return await _by_turns(going)
        return sum(await asyncio.gather(*(_by_turns([one]) for one in going)))


async def _by_turns(going: list[AsyncIterator[None]]) -> int:
    count = 0
    while going:
        left = []
        for one in going:
            if await anext(one, False) is None:
                count += 1
                left.append(one)
        going = left
    return count


async def _labels_of(client: httpx2.AsyncClient, annotator: str, rate: Rate) -> AsyncIterator[None]:
    """Yields after each label that was acknowledged."""
    while not (told := await _done(client, "GET", "/next"))["done"]:
        item = told["item"]
        answer = {name: value for name, value in rate(annotator, item)._asdict().items() if value is not None}
        label = {"uuid": secrets.token_hex(16), "annotator": annotator, "item": item["id"], **answer}
        await _done(client, "POST", "/labels", label)
        yield


def _client(base: str, app: ASGIApp | None) -> httpx2.AsyncClient:
    import httpx2

    transport = httpx2.ASGITransport(app=app) if app is not None else None
    headers = {"origin": base.rstrip("/")}
    return httpx2.AsyncClient(base_url=base, transport=transport, headers=headers, trust_env=False, timeout=30.0)


async def _done(client: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    response = await client.request(method, path, json=body)
    if not response.is_success:
        raise LedgerError(f"the labelling page refused {method} {path} ({response.status_code}): {response.text[:500]}")
    return response.json() if response.content else None
