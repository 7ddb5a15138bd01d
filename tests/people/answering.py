"""Answers the labelling page's own API, as annotators in browsers do: over a socket or, given the application, here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx2
from starlette.types import ASGIApp

from amendment.people.page_app import create_app
from amendment.people.queue import Queue
from amendment.people.samples import Choice, LabelQuestion
from amendment.people.store import Labels

HERE = "127.0.0.1:1"
"""The name of a page without a socket."""


class Answer(NamedTuple):
    """What an annotator says of an item."""

    choice: Choice
    """In displayed coordinates."""
    confidence: int | None = None
    comment: str | None = None
    seconds: float | None = None


Rate = Callable[[str, dict[str, Any]], Answer]
"""The answer of an annotator, by name, to an item as the page tells it."""


async def answer_here(
    questions: Sequence[LabelQuestion], labels: Labels, annotators: Sequence[str], rate: Rate, *, seed: int
) -> int:
    """Let annotators answer a page over these questions in this process; how many labels were new."""
    queue = Queue(questions, labels.current(), seed=seed, annotators=max(len(annotators), 1), clock=lambda: 0.0)
    links = {annotator: secrets.token_urlsafe() for annotator in annotators}
    app = create_app(queue, labels, links=links, hosts=[HERE])
    return await answer_all({name: f"http://{HERE}/#token={token}" for name, token in links.items()}, rate, app=app)


async def answer_all(links: Mapping[str, str], rate: Rate, *, app: ASGIApp | None = None, in_turn: bool = True) -> int:
    """Answer as each of these annotators until the page has nothing for them; how many labels were acknowledged.

    `links` are the addresses that a page prints, by annotator. One item each in turn, or each annotator on their own.
    """
    async with AsyncExitStack() as stack:
        people = []
        for annotator, url in links.items():
            base = url.partition("#")[0]
            transport = httpx2.ASGITransport(app=app) if app is not None else None
            client = await stack.enter_async_context(
                httpx2.AsyncClient(
                    base_url=base, transport=transport, headers={"origin": base.rstrip("/")}, trust_env=False
                )
            )
            token = parse_qs(urlsplit(url).fragment)["token"][0]
            (await client.post("/session", json={"token": token})).raise_for_status()
            people.append(_labels_of(client, annotator, rate))
        if in_turn:
            return await _by_turns(people)
        return sum(await asyncio.gather(*(_by_turns([one]) for one in people)))


async def _by_turns(people: list[AsyncIterator[None]]) -> int:
    count = 0
    while people:
        people = [one for one in people if await anext(one, False) is None]
        count += len(people)
    return count


async def _labels_of(client: httpx2.AsyncClient, annotator: str, rate: Rate) -> AsyncIterator[None]:
    """Yields after each label that was acknowledged."""
    while not (told := (await client.get("/next")).raise_for_status().json())["done"]:
        answer = {name: value for name, value in rate(annotator, told["item"])._asdict().items() if value is not None}
        label = {"uuid": secrets.token_hex(16), "annotator": annotator, "item": told["item"]["id"], **answer}
        (await client.post("/labels", json=label)).raise_for_status()
        yield
