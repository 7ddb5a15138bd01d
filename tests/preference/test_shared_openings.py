"""What the questions of one comparison share: said to the provider, and warm before the others come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amendment.constitutions import Constitution, Principle
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.provider import Meter, Sent
from amendment.llm.requests import Reply, Request
from amendment.preference import Judge, JudgeSettings
from amendment.records import Message, Sampling, text_of

HOUSE = Constitution(
    id="house",
    version="1.0.0",
    title="House rules",
    license="CC0-1.0",
    principles=tuple(
        Principle(id=name, statement=f"Be {name}.", compare=(f"Which is more {name}?",))
        for name in ("kind", "brief", "true")
    ),
)


class Server:
    """Says one verdict to everything, after the loop has turned often enough for others to come too."""

    kind, host, deadline, shows_choices = "scripted", "here", None, False

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.sent_before_the_first_answer = 0

    async def send(self, request: Request) -> Sent:
        self.asked.append(request)
        is_first = len(self.asked) == 1
        for _ in range(20):
            await asyncio.sleep(0)
        if is_first:
            self.sent_before_the_first_answer = len(self.asked)
        said = Message(role="assistant", content="Verdict: A")
        return Sent(Reply(messages=(said,)).model_dump_json().encode())

    def meter(self, raw: bytes) -> Meter:
        return Meter()

    def read(self, raw: bytes, request: Request) -> Reply:
        return Reply.model_validate_json(raw)

    async def close(self) -> None: ...


def compared(*, samples: int = 1, **settings: Any) -> Server:
    """A server that one pair was judged by."""
    server = Server()
    with Ledger() as ledger:
        model = Model(name="m", model="m", provider=server, calls=Calls(ledger), sampling=Sampling())
        judge = Judge.from_folder(
            "verdict", model=model, constitution=HOUSE, settings=JudgeSettings(**settings), samples=samples
        )
        judge.compare(prompt="Hi", a="good", b="bad")
    return server


def test_the_first_question_of_a_comparison_is_answered_before_its_siblings_are_sent() -> None:
    server = compared(principles_per_pair=3)
    assert server.sent_before_the_first_answer == 1
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("settings", "last_shared", "first_own"),
    [
        ({"principles_per_pair": 3}, "The principle:", "Be "),
        ({"samples": 2, "orders": "first"}, "The principle:", "Be "),
        ({"orders": "both"}, "<<end conversation", "<<answer_a"),
        ({"orders": "first"}, "You compare two answers", "<<conversation"),
    ],
)
def test_providers_are_told_how_much_of_a_question_its_siblings_share(
    settings: dict[str, Any], last_shared: str, first_own: str
) -> None:
    asked = compared(**settings).asked
    openings = {text_of(request.messages)[: request.shared] for request in asked}
    assert len(openings) == (2 if "principles_per_pair" in settings else 1)  # one for each order of the answers
    for request in asked:
        shared, own = text_of(request.messages)[: request.shared], text_of(request.messages)[request.shared :]
        assert last_shared in shared
        assert own.startswith(first_own)


def test_what_is_shared_counts_in_no_name() -> None:
    (request, *_) = compared(principles_per_pair=3).asked
    assert request.shared > 0
    assert request.id == request.model_copy(update={"shared": 0}).id
