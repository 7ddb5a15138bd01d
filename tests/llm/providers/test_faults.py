"""The table of statuses row by row, waits that servers ask for, and what a broken connection means."""

from __future__ import annotations

import json
import ssl
from typing import Any

import aiohttp
import httpx2
import openai
import pytest
import yaml
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import FaultKind, Rejected, Transient
from amendment.llm.hosted import TABLE, Target, broken, make_fault, read_wait

KEY = "sk-canary-0123456789"
HERE = Target("gateway.example.org/v1", "our-7b", "OUR_KEY", KEY)


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize("status", [429, 529, 408, 409, 425, 500, 502, 503, 504, 520, 599])
def test_what_passes_by_itself_is_asked_again_whatever_is_advised_to_sdks(status: int) -> None:
    kind = "rate" if status in (429, 529) else "server"
    fault = make_fault(HERE, status, {"retry-after": "7", "x-should-retry": "false"}, said("busy"))
    assert isinstance(fault, Transient)
    assert (fault.kind, fault.status, fault.retry_after) == (kind, status, 7)
    assert f"status {status}: busy" in str(fault)


FINAL = r"""
- [[400, 405, 410, 413, 418, 422, 451], {message: maximum context length is 4096}, Rejected, 4096]
- [[401, 402, 403], {message: "Incorrect API key: sk-canary-0123456789"}, CredentialsError, OUR_KEY]
- [[301, 302, 307, 308], {}, CredentialsError, base_url]
- [[429], {message: You exceeded your current quota., code: insufficient_quota}, CredentialsError, OUR_KEY]
- [[429], {message: "You exceeded your current quota, please check your plan."}, CredentialsError, OUR_KEY]
- [[400], {message: Your credit balance is too low to access the API.}, CredentialsError, OUR_KEY]
- [[403], {message: Your chosen model requires moderation and your input was flagged}, Rejected, flagged]
- [[400], {message: The response was filtered, code: content_filter}, Rejected, filtered]
- [[404], {message: not found}, CredentialsError, our-7b]
- [[400], {message: openai/gtp-4 is not a valid model ID}, CredentialsError, our-7b]
- [[422], {message: The model `our-7b` does not exist, code: model_not_found}, CredentialsError, our-7b]
- [[500], {message: logprobs is not supported for models created with logits_all=False}, Rejected, in the model's entry]
# as llama_cpp.server 0.3.36 says
- - [500]
  - message: "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg':
      \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}\n\n  POST /v1/chat/completions"
    type: internal_server_error
  - Rejected
  - in the model's entry
"""


@pytest.mark.parametrize(
    ("status", "error", "kind", "named"),
    [(status, *row) for statuses, *row in yaml.safe_load(FINAL) for status in statuses],
)
def test_what_is_final_for_the_run_or_for_the_item(status: int, error: Any, kind: str, named: Any) -> None:
    body = json.dumps({"error": error}).encode() if error else b""
    fault = make_fault(HERE, status, {"location": "http://elsewhere"}, body)
    assert type(fault).__name__ == kind
    assert str(named) in str(fault)
    assert "canary" not in str(fault)
    if named == "our-7b":
        assert isinstance(make_fault(HERE, status, {}, body, at_first=False), Rejected), "later for the item alone"


def test_a_server_that_asks_to_wait_is_asked_again_whatever_it_names() -> None:
    assert isinstance(make_fault(HERE, 503, {"retry-after": "7"}, said("validation error upstream")), Transient)


OVER_QUOTA = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({}, said(f"{OVER_QUOTA} Please retry in 37.5s.", code=429), 37.5),
        (
            {},
            said(OVER_QUOTA, details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]),
            37,
        ),
        ({}, b"[" + said(OVER_QUOTA, status="RESOURCE_EXHAUSTED") + b"]", None),
    ],
)
def test_a_quota_per_minute_that_says_when_to_retry_is_a_rate_limit(
    headers: dict[str, str], body: bytes, wait: float | None
) -> None:
    fault = make_fault(HERE, 429, headers, body)
    assert isinstance(fault, Transient)
    assert (fault.kind, fault.retry_after) == ("rate", wait)


@given(st.integers(0, 999), st.text(max_size=40), st.booleans())
def test_every_status_has_a_row(status: int, text: str, first: bool) -> None:
    assert any(status in row.statuses for row in TABLE)
    make_fault(HERE, status, {}, text.encode("utf-8", "surrogatepass"), at_first=first)


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[1]", b'{"error": "plain"}', b'{"detail": [{"a": 1}]}'])
def test_any_error_body_can_be_read(body: bytes) -> None:
    assert isinstance(make_fault(HERE, 500, {}, body), Transient)


NOON = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "4294967"}, 4294967.0),  # 49.7 days: whoever asked decides, and must not be told of less
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", "date": NOON}, 30.0),
        ({"retry-after": NOON, "date": "Sat, 21 Nov 2026 12:00:30 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 +0000", "date": "no date"}, pytest.approx(2.5e11, rel=0.1)),
    ],
)
def test_how_long_a_server_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert read_wait(headers) == seconds


TO = ConnectionKey("gateway", 443, True, True, None, None, None)
WIRE: list[tuple[Exception, FaultKind]] = [
    (aiohttp.ClientConnectorError(TO, OSError(111, "refused")), "refused"),
    (aiohttp.ClientConnectorCertificateError(TO, ssl.SSLCertVerificationError("self-signed")), "refused"),
    (aiohttp.ConnectionTimeoutError("no answer to SYN"), "refused"),
    (aiohttp.ServerDisconnectedError(), "transport"),
    (aiohttp.ClientPayloadError("cut"), "transport"),
    (aiohttp.SocketTimeoutError("no byte"), "deadline"),
    (RuntimeError("Session is closed"), "transport"),
]


@pytest.mark.parametrize(("cause", "kind"), WIRE)
def test_a_call_without_a_reply_is_told_by_whether_anything_can_have_arrived(cause: Exception, kind: FaultKind) -> None:
    wrapped = openai.APIConnectionError(request=httpx2.Request("POST", "http://here"))
    wrapped.__cause__ = httpx2.ConnectTimeout("as the transport names any of them")
    wrapped.__cause__.__cause__ = cause
    fault = broken(HERE, wrapped)
    assert fault.kind == kind
    assert str(fault) == f"gateway.example.org/v1: no reply ({type(cause).__name__})"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (f"req-{KEY}-1", "req-[key]-1"),
        (f"{KEY[:9]}\x1b{KEY[9:]}", "[key]"),  # a sign that is left out does not hide it
        ("a\x1b[31m\r\n", "a[31m"),
        ("a" * 195 + KEY, "a" * 195 + "[key]"),  # taken out before the cut
        (None, None),
        ({"name": KEY}, None),
    ],
)
def test_the_servers_name_for_a_call_is_kept_without_keys_and_short(name: object, kept: str | None) -> None:
    assert HERE.call_name(name) == kept
