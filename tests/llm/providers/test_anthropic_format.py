"""Anthropic's protocol, without a network: what is sent, and what is read from good and bad bodies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import Rejected, Transient
from amendment.llm.anthropic import body_for, read_reply
from amendment.llm.requests import Reply, Request, Usage
from amendment.records import Message, ToolCall, user

Ask = Callable[..., Request]


def read(body: Any) -> Reply:
    whole = {"provider": "anthropic", "host": "here", "model": "m", "messages": [{"role": "user", "content": "x"}]}
    return read_reply(json.dumps(body).encode(), Request.model_validate(whole))


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def test_the_least_body_has_a_length_limit(question: Ask) -> None:
    body = body_for(question("Hi"), 99)
    assert body == {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": [text("Hi")]}]}


def test_settings_go_by_the_protocols_names_and_seeds_stay_here(question: Ask) -> None:
    sampling = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 20, "stop": ("\n",), "seed": 7}
    body = body_for(question(sampling=sampling), 99)
    assert body["max_tokens"] == 20
    assert body["stop_sequences"] == ["\n"]
    assert not body.keys() & {"seed", "temperature", "top_p"}


def test_system_texts_stand_in_their_own_field(question: Ask) -> None:
    messages = (
        Message(role="system", content="Be kind."),
        Message(role="developer", content="Be short."),
        Message(role="user", content="Hi"),
    )
    body = body_for(question(messages=messages), 99)
    assert body["system"] == "Be kind.\n\nBe short."
    assert body["messages"] == [{"role": "user", "content": [text("Hi")]}]


def test_tools_their_calls_and_results_take_the_protocols_shape(question: Ask) -> None:
    schema = {"type": "object", "properties": {}}
    tool = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": schema}}
    calls = tuple(ToolCall(id=f"c{i}", function={"name": "look", "arguments": {"at": i}}) for i in (1, 2))
    messages = (
        Message(role="user", content="Hi"),
        Message(role="assistant", content="One moment.", thinking="canary", tool_calls=calls),
        Message(role="tool", content="one", tool_call_id="c1"),
        Message(role="tool", content="", tool_call_id="c2"),
        Message(role="user", content="And?"),
    )
    body = body_for(question(messages=messages, tools=(tool,)), 99)
    assert body["tools"] == [{"name": "look", "description": "Look.", "input_schema": schema}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == [
        text("One moment."),
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}},
        {"type": "tool_use", "id": "c2", "name": "look", "input": {"at": 2}},
    ]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": [text("one")]},
        {"type": "tool_result", "tool_use_id": "c2"},
        text("And?"),
    ]
    assert "canary" not in json.dumps(body)


def test_images_are_translated_and_other_parts_refused(question: Ask) -> None:
    def content(part: dict[str, Any]) -> Any:
        message = Message(role="user", content=(part,))
        return body_for(question(messages=(message,)), 99)["messages"][0]["content"]

    url = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert content(url)[0]["source"] == {"type": "url", "url": "https://example.org/a.png"}
    data = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert content(data)[0]["source"] == {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    with pytest.raises(Rejected, match="'input_audio'"):
        content({"type": "input_audio"})


@pytest.mark.parametrize(
    ("stop", "meant"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "other"),
        (None, "other"),
    ],
)
def test_why_an_answer_ended(stop: Any, meant: str) -> None:
    assert read({"content": [text("Yes")], "stop_reason": stop}).finish_reason == meant


def test_a_whole_reply_is_read_and_cached_tokens_count() -> None:
    blocks = [{"type": "thinking", "thinking": "Well."}, text("Yes"), {"type": "unknown"}, text(".")]
    usage = {"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": None, "output_tokens": 3}
    reply = read({"content": blocks, "stop_reason": "end_turn", "model": "m-1", "usage": usage})
    assert reply.messages == (Message(role="assistant", content="Yes.", thinking="Well."),)
    assert reply.model == "m-1"
    assert reply.usage == Usage(input_tokens=12, output_tokens=3, cached_tokens=7)  # 5 + 7 read


def test_tool_calls_are_read() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}}
    reply = read({"content": [block], "stop_reason": "tool_use"})
    assert reply.finish_reason == "tool_calls"
    assert reply.messages[0].tool_calls == (ToolCall(id="t1", function={"name": "look", "arguments": {"at": 1}}),)


def test_a_refusal_without_words_is_data() -> None:
    assert read({"content": [], "stop_reason": "refusal"}) == Reply(finish_reason="refusal")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": None},
        {"content": "text"},
        {"content": [None]},
        {"content": [{"type": "text"}]},
        {"content": [], "stop_reason": "end_turn"},
        {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
    ],
)
def test_a_body_without_a_completion_is_asked_again(body: Any) -> None:
    with pytest.raises(Transient, match="here: "):
        read(body)


KEYS = ["type", "text", "thinking", "id", "name", "input"]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=3), JSON)
def test_no_body_raises_anything_but_transient(content: Any, usage: Any) -> None:
    try:
        reply = read({"content": content, "stop_reason": "end_turn", "usage": usage})
    except Transient:
        return
    assert Reply.from_json(reply.to_json()) == reply


MARK = {"cache_control": {"type": "ephemeral"}}
SHOTS = (
    Message(role="system", content="Be kind."),
    *user("p1"),
    Message(role="assistant", content="B"),
    *user("shared, and its own"),
)


def test_the_cache_is_told_of_the_system_text_the_worked_examples_and_what_the_question_shares(question: Ask) -> None:
    body = body_for(question(messages=SHOTS, shared=len("shared, ")), 99, cache=True)
    assert body["system"] == [{**text("Be kind."), **MARK}]
    first, second, third = body["messages"]
    assert first == {"role": "user", "content": [text("p1")]}
    assert second == {"role": "assistant", "content": [{**text("B"), **MARK}]}
    assert third == {"role": "user", "content": [{**text("shared, "), **MARK}, text("and its own")]}
    assert json.dumps(body).count("cache_control") == 3  # of the four that are taken


def test_a_question_that_is_shared_whole_is_not_cut(question: Ask) -> None:
    body = body_for(question("Hi", shared=2), 99, cache=True)
    assert body["messages"] == [{"role": "user", "content": [{**text("Hi"), **MARK}]}]


@given(st.text(min_size=1, max_size=30), st.integers(0, 40))
def test_cutting_a_question_changes_nothing_that_the_model_reads(said: str, shared: int) -> None:
    messages = [{"role": "user", "content": said}]
    asked = {"provider": "anthropic", "host": "here", "model": "m", "messages": messages, "shared": shared}
    blocks = body_for(Request.model_validate(asked), 99, cache=True)["messages"][0]["content"]
    assert "".join(block["text"] for block in blocks) == said
    assert all(block["text"] for block in blocks)


def test_a_schema_goes_into_the_protocols_field(question: Ask) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = body_for(question(answer_schema=schema), 99)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


def test_a_thinking_budget_goes_with_the_wish_to_see_the_thoughts(question: Ask) -> None:
    body = body_for(question(sampling={"max_tokens": 4000, "thinking_budget": 2048}), 99)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048, "display": "summarized"}
    assert body["max_tokens"] == 4000
    assert "output_config" not in body


def test_effort_without_a_budget_lets_the_model_decide_and_stands_beside_a_schema(question: Ask) -> None:
    schema = {"type": "object", "properties": {}}
    body = body_for(question(sampling={"effort": "high"}, answer_schema=schema), 99)
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": "high", "format": {"type": "json_schema", "schema": schema}}
    both = body_for(question(sampling={"effort": "low", "thinking_budget": 1024}), 2000)
    assert both["thinking"]["type"] == "enabled"
    assert both["output_config"] == {"effort": "low"}


def test_thoughts_are_no_part_of_the_answer_and_hidden_ones_leave_none() -> None:
    shown = [{"type": "thinking", "thinking": "Verdict: A, or so.", "signature": "s"}, text("Verdict: B")]
    assert read({"content": shown, "stop_reason": "end_turn"}).messages == (
        Message(role="assistant", content="Verdict: B", thinking="Verdict: A, or so."),
    )
    hidden = [{"type": "thinking", "thinking": "", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    reply = read({"content": [*hidden, text("Verdict: B")], "stop_reason": "end_turn"})
    assert reply.messages == (Message(role="assistant", content="Verdict: B"),)
