"""Retry-After in its three forms, both vendors' counts, and clocks that are wrong."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.calls import Pace
from amendment.providers._headers import pace_of, server_id_of, wait_of

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
    ("written", "seconds"),
    [
        ("1s", 1.0),
        ("20ms", 0.02),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),  # 3600 + 120 + 3.5
        ("2d", 172800.0),
        ("12", 12.0),
        ("", None),
        ("soon", None),
        ("1x", None),
        ("-3s", None),
        ("nan", None),
    ],
)
def test_spans_as_openai_writes_them(written: str, seconds: float | None) -> None:
    pace = pace_of({"x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": written})
    assert pace == Pace(requests_left=59, requests_reset=seconds)


def test_both_counts_of_openai() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "99",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert pace_of(headers) == Pace(99, 1.0, 149984, 360.0)


def test_both_counts_of_anthropic_by_the_replys_own_clock() -> None:
    headers = {
        "date": NOON,
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:20Z",
        "anthropic-ratelimit-tokens-remaining": "7000",
        "anthropic-ratelimit-tokens-reset": "2026-11-21T11:59:00+00:00",
        "anthropic-ratelimit-input-tokens-remaining": "9999",
    }
    assert pace_of(headers) == Pace(3, 20.0, 7000, 0.0)


def test_input_tokens_stand_in_where_anthropic_names_no_others() -> None:
    headers = {"anthropic-ratelimit-input-tokens-remaining": "40"}
    assert pace_of(headers) == Pace(tokens_left=40)


@pytest.mark.parametrize("headers", [{}, {"x-ratelimit-remaining-requests": "many"}, {"x-ratelimit-reset": "17"}])
def test_a_silent_server_has_no_pace(headers: dict[str, str]) -> None:
    assert pace_of(headers) is None


@given(st.text(max_size=20), st.text(max_size=30))
def test_any_header_is_a_pace_in_bounds_or_none(count: str, moment: str) -> None:
    headers = {f"anthropic-ratelimit-requests-{name}": text for name, text in (("remaining", count), ("reset", moment))}
    pace = pace_of(headers)
    assert pace is None or all(part is None or (math.isfinite(part) and part >= 0) for part in pace)


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
