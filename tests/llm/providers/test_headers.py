"""Retry-After in its three forms, clocks that are wrong, and the server's name for a call."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.llm._headers import server_id_of, wait_of

NOON = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "4294967"}, 4294967.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", "date": NOON}, 30.0),
        ({"retry-after": NOON, "date": "Sat, 21 Nov 2026 12:00:30 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 23:00:00 GMT", "date": NOON}, 11 * 3600.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 +0000", "date": "no date"}, pytest.approx(2.5e11, rel=0.1)),
    ],
)
def test_how_long_a_server_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_of(headers) == seconds


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_retry_after_is_a_finite_wait_or_none(after: str, date: str) -> None:
    waited = wait_of({"retry-after": after, "date": date})
    assert waited is None or (math.isfinite(waited) and waited >= 0)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"x-request-id": "req_1"}, "req_1"),
        ({"request-id": "req_2"}, "req_2"),
        ({}, None),
    ],
)
def test_the_servers_own_name_for_the_call(headers: dict[str, str], name: str | None) -> None:
    assert server_id_of(headers) == name
