"""OpenAI's responses protocol, without a network: what is sent, and what is read from good and bad bodies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import Transient
from amendment.llm.openai import read_reply, responses_body
from amendment.llm.requests import Reply, Request, Usage
from amendment.records import Message, ToolCall, user

Ask = Callable[..., Request]


def read(body: Any, **fields: Any) -> Reply:
    asked = {"provider": "openai", "host": "here", "model": "m", "messages": user("x"), **fields}
    return read_reply(json.dumps(body).encode(), Request.model_validate(asked))


def spoken(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(content)}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": [], **more}


def test_the_least_body_leaves_nothing_at_the_server(question: Ask) -> None:
    assert responses_body(question("Hi")) == {
        "model": "m",
        "input": [{"role": "user", "content": "Hi"}],
        "store": False,
    }


def test_settings_go_by_the_protocols_names(question: Ask) -> None:
    sampling = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 20, "stop": ("\n",), "seed": 7}
    body = responses_body(question(sampling=sampling))
    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (0.5, 0.9, 20)
    assert not body.keys() & {"seed", "stop", "max_tokens"}


def test_system_texts_before_the_conversation_are_instructions_and_later_ones_turns(question: Ask) -> None:
    messages = (
        Message(role="system", content="Be kind."),
        Message(role="developer", content="Be short."),
        *user("Hi"),
        Message(role="system", content="Be quick."),
    )
    body = responses_body(question(messages=messages))
    assert body["instructions"] == "Be kind.\n\nBe short."
    assert body["input"] == [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Be quick."}]


def test_tools_their_calls_and_results_take_the_protocols_shape(question: Ask) -> None:
    schema = {"type": "object", "properties": {}}
    tool = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": schema}}
    call = ToolCall(id="c1", function={"name": "look", "arguments": {"at": 1}})
    messages = (
        *user("Hi"),
        Message(role="assistant", content="One moment.", thinking="canary", tool_calls=(call,)),
        Message(role="tool", content="Found.", tool_call_id="c1"),
    )
    body = responses_body(question(messages=messages, tools=(tool,)))
    assert body["tools"] == [{"type": "function", "name": "look", "description": "Look.", "parameters": schema}]
    assert body["input"][1:] == [
        {"role": "assistant", "content": "One moment."},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "Found."},
    ]


def test_parts_take_the_protocols_names(question: Ask) -> None:
    parts = ({"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}})
    body = responses_body(question(messages=(Message(role="user", content=parts),)))
    assert body["input"][0]["content"] == [
        {"type": "input_text", "text": "See."},
        {"type": "input_image", "image_url": "data:image/png;base64,AA"},
    ]


def test_a_schema_is_asked_for_strictly(question: Ask) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = responses_body(question(answer_schema=schema))
    assert body["text"]["format"] == {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}


def test_label_probabilities_are_asked_for_with_the_least_limit_that_is_taken(question: Ask) -> None:
    body = responses_body(question(choices=("A", "B"), sampling={"max_tokens": 1}))
    assert body["max_output_tokens"] == 16
    assert (body["include"], body["top_logprobs"]) == (["message.output_text.logprobs"], 20)


def test_a_whole_reply_is_read() -> None:
    reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Well."}]}
    usage = {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 3}
    body = {
        "status": "completed",
        "model": "m-1",
        "output": [reasoning, spoken(text("Yes"), text("."))],
        "usage": usage,
    }
    reply = read(body)
    assert reply.messages == (Message(role="assistant", content="Yes.", thinking="Well."),)
    assert (reply.finish_reason, reply.model) == ("stop", "m-1")
    assert reply.usage == Usage(input_tokens=12, output_tokens=3, cached_tokens=8)


def test_a_tool_call_is_read() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": 1}'}
    reply = read({"status": "completed", "output": [call]})
    assert reply.finish_reason == "tool_calls"
    wanted = ToolCall(id="c1", function={"name": "look", "arguments": {"at": 1}})
    assert reply.messages[0].tool_calls == (wanted,)


@pytest.mark.parametrize(
    ("reason", "meant"),
    [("max_output_tokens", "length"), ("content_filter", "refusal"), ("steered", "other"), (None, "other")],
)
def test_why_a_reply_is_incomplete(reason: str | None, meant: str) -> None:
    body = {"status": "incomplete", "incomplete_details": {"reason": reason}, "output": [spoken(text("Ye"))]}
    assert read(body).finish_reason == meant


def test_a_refusal_is_told_from_an_answer() -> None:
    reply = read({"status": "completed", "output": [spoken({"type": "refusal", "refusal": "No."})]})
    assert reply.finish_reason == "refusal"
    assert reply.messages[0].content == "No."


def test_probabilities_of_the_first_token_and_their_absence() -> None:
    token = {"token": "A", "logprob": -0.5, "top_logprobs": [{"token": " B", "logprob": -1.0}]}
    shown = read({"output": [spoken(text("A", logprobs=[token]))]}, choices=("A", "B"))
    assert shown.choice_logprobs == {"A": -0.5, "B": -1.0}
    for silent, said in ((text("A"), None), (text("A", logprobs=[]), {})):
        assert read({"output": [spoken(silent)]}, choices=("A", "B")).choice_logprobs == said
    assert math.isclose(sum(map(math.exp, shown.choice_logprobs.values())), 0.974, abs_tol=0.001)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"output": None},
        {"output": 3},
        {"status": "failed", "output": []},
        {"status": "in_progress", "output": [spoken(text("Ye"))]},
        {"status": "failed", "error": {"code": "server_error", "message": "x"}, "output": []},
        {"output": [{"type": "function_call"}]},
        {"output": [spoken(text("Yes"))], "incomplete_details": 3, "status": "incomplete"},
    ],
)
def test_a_body_without_an_answer_is_asked_again(body: Any) -> None:
    with pytest.raises(Transient) as caught:
        read(body)
    assert caught.value.kind == "unreadable"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "content", "text", "logprobs", "summary", "output", "status", "usage", "token"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, ("A", "B")]))
def test_any_body_is_read_or_asked_again(value: Any, choices: tuple[str, ...] | None) -> None:
    with suppress(Transient):
        read({"output": [value, {"type": "message", "content": value}], "usage": value}, choices=choices)
