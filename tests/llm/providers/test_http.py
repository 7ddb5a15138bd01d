"""The table of statuses row by row, what a broken connection means, and bodies that are good and bad."""

from __future__ import annotations

import json
import ssl
from typing import Any

import aiohttp
import httpx2
import openai
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import CredentialsError, FaultKind, Rejected, Transient
from amendment.llm._http import TABLE, Endpoint, body_of, broken, clean, fault_of, shown

KEY = "sk-canary-0123456789"
HERE = Endpoint("gateway.example.org/v1", "our-7b", "OUR_KEY", KEY)


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "rate") for status in (429, 529)),
        *((status, "server") for status in (408, 409, 425, 500, 502, 503, 504, 520, 599)),
    ],
)
def test_what_passes_by_itself_is_asked_again(status: int, kind: FaultKind) -> None:
    fault = fault_of(HERE, status, {"retry-after": "7"}, said("busy"))
    assert isinstance(fault, Transient)
    assert (fault.kind, fault.status, fault.retry_after) == (kind, status, 7)
    assert f"status {status}: busy" in str(fault)


def test_a_wait_of_days_is_handed_on_as_it_is() -> None:
    fault = fault_of(HERE, 429, {"retry-after": "4294967"}, said("busy"))
    assert isinstance(fault, Transient)
    assert fault.retry_after == 4294967  # 49.7 days: whoever asked decides, and must not be told of less


@pytest.mark.parametrize("status", [400, 405, 410, 413, 418, 422, 451])
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


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, said("not found")),
        (400, said("openai/gtp-4 is not a valid model ID")),
        (422, said("The model `our-7b` does not exist", code="model_not_found")),
    ],
)
def test_a_missing_model_stops_the_run_at_first_and_is_final_for_the_item_later(status: int, body: bytes) -> None:
    fault = fault_of(HERE, status, {}, body)
    assert isinstance(fault, CredentialsError)
    assert "our-7b" in str(fault)
    assert "base_url" in str(fault)
    assert isinstance(fault_of(HERE, status, {}, body, at_first=False), Rejected)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_stops_the_run(status: int) -> None:
    assert isinstance(fault_of(HERE, status, {"location": "http://elsewhere"}, b""), CredentialsError)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, said("You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota")),
        (429, said("nope", code="billing_hard_limit_reached")),
        (400, said("Your credit balance is too low to access the API.", type="invalid_request_error")),
        (400, said("You have reached your specified API usage limits.", type="invalid_request_error")),
        (402, said("Insufficient credits")),
    ],
)
def test_an_empty_account_stops_the_run(status: int, body: bytes) -> None:
    fault = fault_of(HERE, status, {"retry-after": "1"}, body)
    assert isinstance(fault, CredentialsError)
    assert "OUR_KEY" in str(fault)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, said("Your chosen model requires moderation and your input was flagged")),
        (400, said("The response was filtered", code="content_filter")),
    ],
)
def test_a_text_that_a_filter_holds_back_is_final_for_the_item_alone(status: int, body: bytes) -> None:
    assert isinstance(fault_of(HERE, status, {}, body), Rejected)


def test_advice_to_pay_more_is_not_an_empty_account() -> None:
    advice = "Rate limit reached. Add a payment method at https://example.org/account/billing to raise it."
    assert isinstance(fault_of(HERE, 429, {}, said(advice, code="rate_limit_exceeded")), Transient)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 503, 529])
@pytest.mark.parametrize("hint", ["false", "true"])
def test_a_hint_for_sdks_that_retry_decides_nothing(status: int, hint: str) -> None:
    assert isinstance(fault_of(HERE, status, {"x-should-retry": hint}, b""), Transient)


def test_not_retrying_an_empty_account_is_still_an_empty_account() -> None:
    body = said("You exceeded your current quota.", code="insufficient_quota")
    assert isinstance(fault_of(HERE, 429, {"x-should-retry": "false"}, body), CredentialsError)


@given(st.integers(0, 999), st.text(max_size=40), st.booleans())
def test_every_status_has_a_row(status: int, text: str, first: bool) -> None:
    assert any(status in row.statuses for row in TABLE)
    fault_of(HERE, status, {}, text.encode("utf-8", "surrogatepass"), at_first=first)


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[1]", b'{"error": "plain"}', b'{"detail": [{"a": 1}]}'])
def test_any_error_body_can_be_read(body: bytes) -> None:
    assert isinstance(fault_of(HERE, 500, {}, body), Transient)


TO = ConnectionKey("gateway", 443, True, True, None, None, None)
WIRE: list[tuple[Exception, FaultKind]] = [
    (aiohttp.ClientConnectorError(TO, OSError(111, "refused")), "refused"),
    (aiohttp.ClientConnectorDNSError(TO, OSError(-2, "no such name")), "refused"),
    (aiohttp.ClientConnectorCertificateError(TO, ssl.SSLCertVerificationError("self-signed")), "refused"),
    (aiohttp.ConnectionTimeoutError("no answer to SYN"), "refused"),
    (aiohttp.ServerDisconnectedError(), "transport"),
    (aiohttp.ClientOSError(104, "reset"), "transport"),
    (aiohttp.ClientPayloadError("cut"), "transport"),
    (aiohttp.SocketTimeoutError("no byte"), "deadline"),
    (json.JSONDecodeError("cut", "{", 1), "transport"),
    (httpx2.ReadError("broke"), "transport"),
    (RuntimeError("Session is closed"), "transport"),
]


@pytest.mark.parametrize(("cause", "kind"), WIRE)
def test_a_call_without_a_reply_is_told_by_whether_anything_can_have_arrived(cause: Exception, kind: FaultKind) -> None:
    assert broken(HERE, cause).kind == kind
    wrapped = openai.APIConnectionError(request=httpx2.Request("POST", "http://here"))
    wrapped.__cause__ = cause
    fault = broken(HERE, wrapped)
    assert fault.kind == kind
    assert str(fault) == f"gateway.example.org/v1: no reply ({type(cause).__name__})"


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b'{"choices": [', b"<html></html>", b"[]", b"null", b"\xff"),
        *(b'{"error": {"message": "x"}}', b'{"type": "error"}'),
        *(b"[" * 100_000, b'{"a": ' * 100_000, b"1" * 5000),
    ],
)
def test_a_good_status_with_a_bad_body_is_asked_again(raw: bytes) -> None:
    with pytest.raises(Transient) as caught:
        body_of(raw, "here")
    assert caught.value.kind == "unreadable"


def test_half_a_surrogate_pair_in_raw_bytes_is_gone_too() -> None:
    assert body_of(b'{"id": "call \xed\xa0\x80"}', "here") == {"id": "call \ufffd"}


def test_numbers_and_signs_that_cannot_be_stored_are_gone() -> None:
    body = body_of(b'{"a": [NaN, 1e999, -Infinity, 0.5], "b": {"\\ud800": "x\\udc00\\u0000y"}}', "here")
    assert body == {"a": [None, None, None, 0.5], "b": {"\ufffd": "x\ufffd\ufffdy"}}


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(), st.lists, max_leaves=8))
def test_a_good_body_is_read_as_it_was_written(value: Any) -> None:
    assert body_of(json.dumps({"a": value}).encode(), "here")["a"] == _cleaned(value)


def _cleaned(value: Any) -> Any:
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


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


def test_a_key_at_the_end_of_a_long_text_is_not_shown_in_part() -> None:
    assert "canary" not in shown(" " * 1990 + KEY, KEY)


def test_the_key_is_not_in_the_endpoints_representation() -> None:
    assert "canary" not in repr(HERE)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("req_1", "req_1"),
        (f"req-{KEY}-1", "req-[key]-1"),
        (f"{KEY[:9]}\x1b{KEY[9:]}", "[key]"),  # a sign that is left out does not hide it
        ("a\x1b[31m\r\n", "a[31m"),
        ("a" * 195 + KEY, "a" * 195 + "[key]"),  # taken out before the cut
        ("a" * 201, "a" * 200),
        ("", None),
        (None, None),
        ({"name": KEY}, None),
    ],
)
def test_the_servers_name_for_a_call_is_kept_without_keys_and_short(name: object, kept: str | None) -> None:
    assert HERE.call_name(name) == kept


def test_a_word_for_servers_that_want_no_key_takes_nothing_out_of_names() -> None:
    assert HERE._replace(key="req").call_name("req_1") == "req_1"
