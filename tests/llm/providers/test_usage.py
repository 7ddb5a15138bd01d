"""What a reply took, by every protocol's names; what is of a wrong type spoils nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.llm import _anthropic_format, _openai_format
from amendment.llm._usage import anthropic_usage, meter_by, openai_usage
from amendment.llm.provider import Meter
from amendment.llm.requests import Request, Usage
from amendment.records import user

ASKED = Request(provider="x", host="here", model="m", messages=user("x"))


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 12, "completion_tokens": 3}, (12, 3, 0)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}, (12, 3, 8)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": None}, (12, 3, 0)),
        ({"prompt_tokens": 12, "prompt_tokens_details": {"cached_tokens": 99}}, (12, 0, 12)),
        ({"input_tokens": 12, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 8}}, (12, 3, 8)),
        ({"prompt_tokens": 12.0, "completion_tokens": 3}, (12, 3, 0)),
    ],
)
def test_openais_counts(usage: dict[str, Any], counted: tuple[int, int, int]) -> None:
    read, written, cached = counted
    assert openai_usage(usage) == Usage(input_tokens=read, output_tokens=written, cached_tokens=cached)


def test_anthropics_counts_are_added_up() -> None:
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 70,
        "cache_creation_input_tokens": 900,
        "output_tokens": 3,
    }
    assert anthropic_usage(usage) == Usage(
        input_tokens=975, output_tokens=3, cached_tokens=70, written_tokens=900
    )  # 5 + 70 + 900


@pytest.mark.parametrize("odd", ["many", None, -1, True, 1.5, [], {}, 2**60])
def test_a_count_of_a_wrong_type_leaves_the_reply_readable(odd: Any) -> None:
    chat = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": odd, "completion_tokens": odd}}
    reply = _openai_format.read_reply(json.dumps(chat).encode(), ASKED)
    assert (reply.messages[0].content, reply.usage) == ("x", None)
    said = {"content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": odd, "output_tokens": 3}}
    reply = _anthropic_format.read_reply(json.dumps(said).encode(), ASKED)
    assert (reply.messages[0].content, reply.usage) == ("x", None)


def test_the_meter_finds_what_the_reader_finds() -> None:
    raw = b'{"model": "/srv/models/our-7b", "usage": {"prompt_tokens": 4, "completion_tokens": 2}, "choices": []}'
    assert meter_by(openai_usage)(raw) == Meter(Usage(input_tokens=4, output_tokens=2), "our-7b")


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_no_bytes_upset_the_meter(raw: bytes) -> None:
    for usage_of in (openai_usage, anthropic_usage):
        assert isinstance(meter_by(usage_of)(raw), Meter)


NAMES = st.sampled_from(["usage", "model", "input_tokens", "prompt_tokens", "prompt_tokens_details"])
PLAIN = st.none() | st.integers() | st.floats() | st.text()


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)))
def test_no_value_upsets_the_meter(value: Any) -> None:
    raw = json.dumps({"usage": value, "model": value}).encode()
    for usage_of in (openai_usage, anthropic_usage):
        assert isinstance(meter_by(usage_of)(raw), Meter)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"usage": NaN}', b'{"usage": {"prompt_tokens": 1e999}}'])
def test_what_cannot_be_metered_is_not_known(raw: bytes) -> None:
    assert meter_by(openai_usage)(raw) == Meter()
