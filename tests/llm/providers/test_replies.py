"""Bodies that are good and bad, texts as they can be stored and shown, and what a reply took."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import Transient
from amendment.llm import anthropic, openai
from amendment.llm.provider import Meter
from amendment.llm.replies import clean, meter_by, parse_body, shown
from amendment.llm.requests import Request, Usage
from amendment.records import user

KEY = "sk-canary-0123456789"
ASKED = Request(provider="x", host="here", model="m", messages=user("x"))


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
        parse_body(raw, "here")
    assert caught.value.kind == "unreadable"


def test_numbers_and_signs_that_cannot_be_stored_are_gone() -> None:
    body = parse_body(b'{"a": [NaN, 1e999, -Infinity, 0.5], "b": {"\\ud800": "x\\udc00\\u0000y"}}', "here")
    assert body == {"a": [None, None, None, 0.5], "b": {"\ufffd": "x\ufffd\ufffdy"}}


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_text_of_a_server_can_be_stored_and_shown(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned
    if not any("\ud800" <= sign <= "\udfff" or sign == "\0" for sign in text):
        assert cleaned == text
    line = shown(text, KEY)
    assert line.isprintable()
    assert 0 < len(line) <= 200


@pytest.mark.parametrize("text", [f"bad key {KEY}", "Bearer abcdefgh", "sk-ant-abc***xyz was refused", "hf_abcdefghij"])
def test_what_looks_like_a_key_is_not_shown(text: str) -> None:
    assert "[key]" in shown(text, KEY)
    assert "abc" not in shown(text, KEY)


CACHED, THOUGHT = (
    '"prompt_tokens_details": {"cached_tokens": %s}',
    '"completion_tokens_details": {"reasoning_tokens": 8}',
)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ('"prompt_tokens": 12.0, "completion_tokens": 3, "prompt_tokens_details": null', "12 3 0"),
        ('"prompt_tokens": 12, "completion_tokens": 3, ' + CACHED % 8, "12 3 8"),
        ('"prompt_tokens": 12, ' + CACHED % 99, "12 0 12"),
        ('"prompt_tokens": 1, "completion_tokens": 9, ' + THOUGHT, "1 9 0"),
        ('"prompt_tokens": 1, "completion_tokens": 3, ' + THOUGHT, "1 11 0"),
    ],
)
def test_openais_counts(usage: str, counted: str) -> None:
    found = openai.read_usage(json.loads(f"{{{usage}}}"))
    assert found
    assert f"{found.input_tokens} {found.output_tokens} {found.cached_tokens}" == counted


def test_anthropics_counts_are_added_up() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 900, "output_tokens": 3}
    # 5 + 70 + 900
    expected = Usage(input_tokens=975, output_tokens=3, cached_tokens=70, written_tokens=900)
    assert anthropic.read_usage(usage) == expected


@pytest.mark.parametrize("odd", ["many", None, -1, True, 1.5, [], 2**60])
def test_a_count_of_a_wrong_type_leaves_the_reply_readable(odd: Any) -> None:
    chat = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": odd, "completion_tokens": odd}}
    said = {"content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": odd, "output_tokens": 3}}
    for read, body in ((openai.read_reply, chat), (anthropic.read_reply, said)):
        reply = read(json.dumps(body).encode(), ASKED)
        assert (reply.messages[0].content, reply.usage) == ("x", None)


def test_the_meter_finds_usage_and_the_models_name_without_its_folder() -> None:
    raw = b'{"model": "/srv/models/our-7b", "usage": {"prompt_tokens": 4, "completion_tokens": 2}, "choices": []}'
    assert meter_by(openai.read_usage)(raw) == Meter(Usage(input_tokens=4, output_tokens=2), "our-7b")
