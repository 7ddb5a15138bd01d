"""The outcome of a question for each way in which a server can fail it, through the real SDKs and real sockets.

The books of the server say what was sent and what a vendor would bill: an answer that did not reach us may be paid
for, and nothing else may be paid for twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from amendment.errors import AmendmentError, CredentialsError, Paused, Rejected, Transient
from amendment.llm.requests import Reply
from tests.vendors.askers import ask_all, ask_one, said
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, PASSING, Plan, always, first, status

KEY = "canary-key-5d20"
PRIVATE = {"environ": {"OUR_KEY": KEY}, "api_key_env": "OUR_KEY"}

pytestmark = pytest.mark.parametrize("protocol", ["chat", "messages"])


class Bill(NamedTuple):
    """The server's own records."""

    received: int
    paid: int
    lost: int


def bill(server: FaultServer) -> Bill:
    server.settle()
    return Bill(server.received.total(), server.paid.total(), server.lost.total())


def under(server: FaultServer, plan: Plan, protocol: str, **settings: Any) -> Reply | AmendmentError:
    """The outcome of one question under a plan; the server's records hold nothing else."""
    server.forget()
    server.plan = plan
    return ask_one(server, protocol, **settings)


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_costs_one_more_attempt_and_nothing_else(
    server: FaultServer, protocol: str, name: str
) -> None:
    undisturbed = ask_one(server, protocol)
    assert said(under(server, first(1, FAULTS[name]), protocol)) == said(undisturbed)
    found = bill(server)
    assert found.received == 2
    assert found.paid - found.lost == 1, "one whole answer"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        *((name, Rejected) for name in ("413", "context")),  # for its item
        *((name, CredentialsError) for name in ("401", "404", "quota", "balance")),  # for the run
    ],
)
def test_what_the_server_will_never_take_is_final_after_one_call(
    server: FaultServer, protocol: str, name: str, error: type[AmendmentError]
) -> None:
    found = under(server, always(FAULTS[name]), protocol, **PRIVATE)
    assert type(found) is error
    assert str(found).startswith(f"127.0.0.1:{server.port}")
    assert KEY not in str(found)
    assert ("OUR_KEY" in str(found)) == (name in ("401", "quota", "balance"))
    assert bill(server) == (1, 0, 0)


def test_calls_that_a_rate_limit_refused_use_up_no_attempt(server: FaultServer, protocol: str) -> None:
    assert said(under(server, first(3, FAULTS["429 ms"]), protocol, attempts=2))
    assert bill(server) == (4, 1, 0)


def test_a_rate_limit_that_never_ends_leaves_a_question_pending_when_patience_is_over(
    server: FaultServer, protocol: str
) -> None:
    found = under(server, always(FAULTS["429 ms"]), protocol, max_wait=0.2)
    assert isinstance(found, Transient)
    assert "status 429" in str(found)
    assert 1 <= bill(server).received <= 11, "pauses of at least 20 ms, for 0.2 s"


def test_an_endpoint_that_asks_everybody_to_wait_for_years_pauses_the_run(server: FaultServer, protocol: str) -> None:
    server.plan = always(status(429, "gone fishing", retry_after="3153600000"))
    found = ask_all(server, protocol, [f"Is {n} odd?" for n in range(40)], concurrency=4, max_wait=3)
    assert isinstance(found[-1], Paused)
    assert "accepts no calls for 3,153,600,000 s" in str(found[-1])
    assert bill(server).received <= 24, "sixteen in a row open the breaker, four are in flight, four were let go"


@pytest.mark.parametrize(("name", "seconds"), [("429 ms", 0.02), ("429 seconds", 0.02)])
def test_what_the_server_asks_to_be_waited_is_the_least_that_is_waited(
    server: FaultServer, protocol: str, name: str, seconds: float
) -> None:
    assert said(under(server, first(1, FAULTS[name]), protocol))
    before, after = (arrival.at for arrival in server.log)
    assert after - before >= seconds


@pytest.mark.parametrize("name", ["hang", "drip"])
def test_a_reply_that_does_not_come_in_time_is_given_up_and_asked_for_again(
    server: FaultServer, protocol: str, name: str
) -> None:
    assert said(under(server, first(1, FAULTS[name]), protocol, timeout=0.3))
    assert bill(server) == (2, 2, 1)
    found = under(server, always(FAULTS[name]), protocol, timeout=0.1, attempts=2)
    assert isinstance(found, Transient)
    assert found.kind == "deadline"
    assert bill(server).received == 2


@pytest.mark.parametrize(("name", "attempts"), [("empty", 8), ("cut json", 3), ("page", 3)])
def test_a_reply_that_nobody_can_use_is_asked_for_three_times_or_as_often_as_attempts_allow(
    server: FaultServer, protocol: str, name: str, attempts: int
) -> None:
    found = under(server, always(FAULTS[name]), protocol, attempts=attempts)
    assert isinstance(found, Transient)
    assert (found.kind == "empty") == (name == "empty")
    assert bill(server).received == 3


ODD = {"surrogate": "\ufffd{}", "nul": "\ufffd{}", "megabyte": "{} " + "x" * 2**20}


@pytest.mark.parametrize("name", [*ODD, "odd usage", "no usage", "other name", "length"])
def test_an_odd_reply_is_read_as_far_as_it_makes_sense_and_paid_for_once(
    server: FaultServer, protocol: str, name: str
) -> None:
    plain = said(ask_one(server, protocol))
    found = under(server, always(FAULTS[name]), protocol)
    assert said(found) == ODD.get(name, "{}").format(plain)
    assert isinstance(found, Reply)
    assert found.model == ("another-snapshot" if name == "other name" else "m")
    assert (found.finish_reason == "length") == (name == "length")
    assert bill(server) == (1, 1, 0)
