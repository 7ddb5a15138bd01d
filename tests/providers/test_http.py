"""The table of statuses row by row, and the three forms of Retry-After."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import CredentialsError, Rejected, Transient
from amendment.providers._http import LONGEST_PAUSE, Endpoint, body_of, clean, fault_of, shown, wait_of

KEY = "sk-canary-0123456789"
HERE = Endpoint("gateway.example.org/v1", "our-7b", "OUR_KEY", KEY)


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529])
def test_what_passes_by_itself_is_asked_again(status: int) -> None:
    fault = fault_of(HERE, status, {"retry-after": "7"}, said("busy"))
    assert isinstance(fault, Transient)
    assert fault.retry_after == 7
    assert f"status {status}: busy" in str(fault)


@pytest.mark.parametrize("status", [400, 405, 410, 413, 418, 422])
def test_what_the_server_will_never_take_is_final_for_the_item(status: int) -> None:
    fault = fault_of(HERE, status, {}, said("maximum context length is 4096 tokens", code="context_length_exceeded"))
    assert isinstance(fault, Rejected)
    assert "maximum context length" in str(fault)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_stops_the_run_and_is_named_by_its_variable(status: int) -> None:
    fault = fault_of(HERE, status, {}, said(f"Incorrect API key provided: {KEY}"))
    assert isinstance(fault, CredentialsError)
    assert "OUR_KEY" in str(fault)
    assert "canary" not in str(fault)


def test_a_missing_model_stops_the_run_and_is_named() -> None:
    fault = fault_of(HERE, 404, {}, said("not found"))
    assert isinstance(fault, CredentialsError)
    assert "our-7b" in str(fault)
    assert "base_url" in str(fault)


def test_a_redirect_stops_the_run() -> None:
    assert isinstance(fault_of(HERE, 302, {"location": "http://elsewhere"}, b""), CredentialsError)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, said("You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota")),
        (429, said("nope", code="billing_hard_limit_reached")),
        (400, said("Your credit balance is too low to access the API.", type="invalid_request_error")),
        (402, said("Insufficient credits")),
    ],
)
def test_an_empty_account_stops_the_run(status: int, body: bytes) -> None:
    fault = fault_of(HERE, status, {"retry-after": "1"}, body)
    assert isinstance(fault, CredentialsError)
    assert "OUR_KEY" in str(fault)


def test_advice_to_pay_more_is_not_an_empty_account() -> None:
    advice = "Rate limit reached. Add a payment method at https://example.org/account/billing to raise it."
    assert isinstance(fault_of(HERE, 429, {}, said(advice, code="rate_limit_exceeded")), Transient)


def test_a_server_that_says_not_to_retry_is_believed() -> None:
    assert isinstance(fault_of(HERE, 503, {"x-should-retry": "false"}, b""), Rejected)


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[1]", b'{"error": "plain"}', b'{"detail": [{"a": 1}]}'])
def test_any_error_body_can_be_read(body: bytes) -> None:
    assert isinstance(fault_of(HERE, 500, {}, body), Transient)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "4294967"}, LONGEST_PAUSE),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:00 GMT", "date": "Sat, 21 Nov 2026 12:00:30 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 23:00:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}, LONGEST_PAUSE),
    ],
)
def test_how_long_a_server_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_of(headers) == seconds


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_retry_after_is_a_bounded_wait_or_none(after: str, date: str) -> None:
    waited = wait_of({"retry-after": after, "date": date})
    assert waited is None or 0 <= waited <= LONGEST_PAUSE


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b'{"choices": [', b"<html></html>", b"[]", b"null", b"\xff"),
        *(b'{"error": {"message": "x"}}', b'{"type": "error"}'),
        *(b"[" * 100_000, b'{"a": ' * 100_000, b"1" * 5000),
    ],
)
def test_a_good_status_with_a_bad_body_is_asked_again(raw: bytes) -> None:
    with pytest.raises(Transient):
        body_of(raw, "here")


def test_numbers_and_signs_that_cannot_be_stored_are_gone() -> None:
    body = body_of(b'{"a": [NaN, 1e999, -Infinity, 0.5], "b": {"\\ud800": "x\\udc00\\u0000y"}}', "here")
    assert body == {"a": [None, None, None, 0.5], "b": {"\ufffd": "x\ufffd\ufffdy"}}


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_cleaned_text_can_be_stored_and_good_text_stays(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned
    if not any("\ud800" <= sign <= "\udfff" or sign == "\0" for sign in text):
        assert cleaned == text


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_servers_text_is_shown_on_one_short_printable_line(text: str) -> None:
    line = shown(text, KEY)
    assert line.isprintable()
    assert 0 < len(line) <= 200


@pytest.mark.parametrize("text", [f"bad key {KEY}", "Bearer abcdefgh", "sk-ant-abc***xyz was refused", "hf_abcdefghij"])
def test_what_looks_like_a_key_is_not_shown(text: str) -> None:
    assert "[key]" in shown(text, KEY)
    assert "abc" not in shown(text, KEY)


def test_the_key_is_not_in_the_endpoints_representation() -> None:
    assert "canary" not in repr(HERE)
