"""The fault server itself: its answers are a function of the question, and its books are true."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.vendors.catalogue import FAULTS, PASSING, passing
from tests.vendors.server import FaultServer
from tests.vendors.troubles import Plan, first, seeded
from tests.vendors.wire import Ask

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "tell capital abrin today"}], "max_tokens": 50}
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": QUESTION,
    "/v1/responses": {"model": "m", "input": "tell capital abrin today"},
    "/v1/messages": QUESTION,
}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as started:
        yield started


def post(server: FaultServer, path: str, body: Any) -> tuple[int, bytes]:
    """Status and body by the standard library's client, which is none of the project's."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", PATHS)
def test_equal_questions_have_equal_answers_and_others_have_others(server: FaultServer, path: str) -> None:
    asked = PATHS[path]
    one, two = (post(server, path, asked) for _ in range(2))
    assert one == two
    assert one[0] == 200
    assert post(server, path, {**asked, "temperature": 0.5})[1] != one[1]
    assert sorted(server.received.values()) == sorted(server.paid.values()) == [1, 2]
    assert server.lost.total() == 0


def test_a_reply_that_breaks_off_is_billed_and_lost(server: FaultServer) -> None:
    server.plan = first(1, FAULTS["cut"])
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        post(server, "/v1/messages", QUESTION)
    assert post(server, "/v1/messages", QUESTION)[0] == 200
    server.settle()
    assert (server.received.total(), server.paid.total(), server.lost.total()) == (2, 2, 1)


def test_a_reply_that_nobody_waits_for_is_billed_and_lost(server: FaultServer) -> None:
    server.latency = 0.2
    body = json.dumps(QUESTION).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as leaving:
        leaving.sendall(b"POST /v1/messages HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        ends = time.monotonic() + 20
        while not server.received:
            assert time.monotonic() < ends
            time.sleep(0.001)
    server.settle()
    assert (server.paid.total(), server.lost.total()) == (1, 1)


def test_a_seeded_plan_keeps_to_its_shares_is_the_same_each_time_and_passes() -> None:
    def drawn(plan: Plan, nth: int) -> list[str | None]:
        found = []
        for i in range(4000):
            ask = Ask("POST", "/v1/messages", {}, b"%d" % i)
            ask.nth = nth
            fault = plan(ask)
            found.append(fault.name if fault else None)
        return found

    plan = seeded(5, passing(0.38), times=2)
    faults = drawn(plan, 1)
    assert faults == drawn(seeded(5, passing(0.38), times=2), 1)
    assert faults != drawn(seeded(6, passing(0.38), times=2), 1)
    assert faults != drawn(plan, 2)
    assert set(drawn(plan, 3)) == {None}
    for name in PASSING:  # a share of 0.02 of 4,000 is 80, and six standard deviations are 53
        assert 27 < faults.count(name) < 133
