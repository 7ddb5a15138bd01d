"""OpenAI's protocol, without a network: what is sent, and what is read from good and bad bodies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import Transient
from amendment.llm.openai import chat_body, read_reply
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import OpenAISpec
from amendment.records import Message, ToolCall

VENDOR = OpenAISpec(provider="openai", model="m")
OTHER = OpenAISpec(provider="openai", model="m", base_url="http://localhost:8000/v1")
Ask = Callable[..., Request]


def completion(message: dict[str, Any], finish: Any = "stop", **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish, **more}]}).encode()


def read(raw: bytes, **fields: Any) -> Reply:
    whole = {"provider": "openai", "host": "here", "model": "m", "messages": [{"role": "user", "content": "x"}]}
    return read_reply(raw, Request.model_validate({**whole, **fields}))


def read_choices(first: Any, labels: tuple[str, ...] = ("A", "B")) -> dict[str, float] | None:
    logprobs = {"content": [first]} if first is not None else None
    return read(completion({"content": "A"}, "length", logprobs=logprobs), choices=labels).choice_logprobs


def test_only_what_is_set_is_sent(question: Ask) -> None:
    assert chat_body(question("Hi"), OTHER) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_settings_go_by_the_protocols_names(question: Ask) -> None:
    sampling = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 20, "stop": ("\n",), "seed": 7}
    body = chat_body(question(sampling=sampling, tools=({"type": "function"},)), OTHER)
    assert body["temperature"] == 0.5
    assert body["top_p"] == 0.9
    assert body["max_tokens"] == 20
    assert body["stop"] == ["\n"]
    assert body["seed"] == 7
    assert body["tools"] == [{"type": "function"}]
    assert chat_body(question(sampling=sampling), VENDOR)["max_completion_tokens"] == 20


def test_repeated_draws_have_seeds_of_their_own(question: Ask) -> None:
    seeds = [chat_body(question(sampling={"seed": 7}, sample=sample), OTHER)["seed"] for sample in range(3)]
    assert seeds == [7, 8, 9]


def test_template_settings_go_to_servers_that_render_templates(question: Ask) -> None:
    request = question(chat_template_kwargs={"enable_thinking": False})
    assert chat_body(request, OTHER)["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in chat_body(request, VENDOR)


def test_tool_calls_and_their_results_travel_in_the_protocols_shape(question: Ask) -> None:
    call = ToolCall(id="c1", function={"name": "look", "arguments": {"at": "ü"}})
    messages = (
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", content="seen", name="look", tool_call_id="c1"),
    )
    sent = chat_body(question(messages=messages), OTHER)["messages"]
    function = {"name": "look", "arguments": '{"at": "ü"}'}
    assert sent == [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "content": "seen", "name": "look", "tool_call_id": "c1"},
    ]


def test_a_label_question_asks_for_one_token_and_its_probabilities(question: Ask) -> None:
    body = chat_body(question(choices=("A", "B")), OTHER)
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)
    longer = chat_body(question(choices=("A", "B"), sampling={"max_tokens": 400}), OTHER)
    assert longer["max_tokens"] == 400  # a thinking model needs room before its first word


@pytest.mark.parametrize(
    ("finish", "meant"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "refusal"), ("eos", "other"), (None, "other")],
)
def test_why_an_answer_ended(finish: Any, meant: str) -> None:
    assert read(completion({"content": "Yes"}, finish)).finish_reason == meant


def test_a_whole_reply_is_read() -> None:
    raw = json.dumps(
        {
            "model": "m-2026-01-01",
            "choices": [{"message": {"content": "Yes.", "reasoning_content": "Well."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 3},
        }
    ).encode()
    reply = read(raw)
    assert reply.messages == (Message(role="assistant", content="Yes.", thinking="Well."),)
    assert reply.model == "m-2026-01-01"
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (12, 3)


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("org/name", "org/name"),
        ("accounts/us/models/m", "accounts/us/models/m"),
        ("/home/ada/runs/a/models/sft@main", "sft@main"),
        ("~/models/sft/", "sft"),
        ("./sft", "sft"),
        ("/", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_a_models_name_is_kept_and_of_a_folder_the_last_part(named: Any, shown: str | None) -> None:
    choice = {"message": {"content": "Yes."}, "finish_reason": "stop"}
    assert read(json.dumps({"model": named, "choices": [choice]}).encode()).model == shown


def test_a_refusal_is_data_with_its_words() -> None:
    reply = read(completion({"content": None, "refusal": "I cannot."}))
    assert reply.finish_reason == "refusal"
    assert reply.messages[0].content == "I cannot."
    assert read(completion({"content": ""}, "content_filter")) == Reply(finish_reason="refusal")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ('{"at": 1}', {"at": 1}),
        ({"at": 1}, {"at": 1}),
        ("", {}),
        (None, {}),
        ('{"at": ', {"_raw": '{"at": '}),
        ("[1]", {"_raw": "[1]"}),
        ('{"at": NaN}', {"_raw": '{"at": NaN}'}),
        ('{"at": 1e999}', {"_raw": '{"at": 1e999}'}),
    ],
)
def test_arguments_of_a_tool_call_become_an_object(arguments: Any, meant: dict[str, Any]) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}
    reply = read(completion({"content": None, "tool_calls": [call]}, "stop"))
    assert reply.finish_reason == "tool_calls"
    (message,) = reply.messages
    assert message.tool_calls == (ToolCall(id="c1", function={"name": "look", "arguments": meant}),)


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": [{}]}}]}',
        b'{"choices": [{"message": {"content": "x"}, "error": {"code": 502, "message": "upstream"}}]}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}',
        completion({"content": ""}),
        completion({"content": None}),
    ],
)
def test_a_body_without_a_completion_is_asked_again(raw: bytes) -> None:
    with pytest.raises(Transient, match="here: "):
        read(raw)


def test_an_answer_cut_before_its_first_word_is_no_fault() -> None:
    reply = read(completion({"content": "", "reasoning": "Hm"}, "length"))
    assert reply.finish_reason == "length"
    assert reply.messages == (Message(role="assistant", thinking="Hm"),)


def test_spellings_of_a_label_are_added_up() -> None:
    # P(A) = 0.5 + 0.25 = 0.75; P(B) = 0.125
    tops = [("A", 0.5), (" A", 0.25), ("B\n", 0.125), ("C", 0.1)]
    found = read_choices(
        {
            "token": "A",
            "logprob": math.log(0.5),
            "top_logprobs": [{"token": token, "logprob": math.log(p)} for token, p in tops],
        }
    )
    assert found == pytest.approx({"A": math.log(0.75), "B": math.log(0.125)})


def test_the_token_that_was_drawn_counts_even_outside_the_top() -> None:
    first = {"token": "B", "logprob": -9.0, "top_logprobs": [{"token": "A", "logprob": -0.1}]}
    assert read_choices(first) == {"A": -0.1, "B": -9.0}


def test_a_label_that_is_not_listed_is_left_out_and_a_full_list_bounds_it() -> None:
    assert read_choices({"token": "A", "logprob": -0.1, "top_logprobs": []}) == {"A": -0.1}
    assert read_choices({"token": "Well", "logprob": -0.1, "top_logprobs": []}) == {}
    others = [{"token": f"w{number}", "logprob": -3.0 - number} for number in range(19)]
    drawn = {"token": "A", "logprob": -0.1}
    full = completion({"content": "A"}, logprobs={"content": [{**drawn, "top_logprobs": [drawn, *others]}]})
    assert read(full, choices=("A", "B")).least_logprob == -21.0
    short = completion({"content": "A"}, logprobs={"content": [{**drawn, "top_logprobs": [drawn, *others[:5]]}]})
    assert read(short, choices=("A", "B")).least_logprob is None


@pytest.mark.parametrize("logprob", [math.nan, math.inf, -math.inf, 0.5, None, "-1", 10**400, -(10**400)])
def test_a_log_probability_that_makes_no_sense_spoils_the_list(logprob: Any) -> None:
    tops = [{"token": "B", "logprob": logprob}]
    try:
        found = read_choices({"token": "A", "logprob": -0.5, "top_logprobs": tops})
    except Transient:
        assert abs(logprob) == 10**400  # no machine number: the reply as a whole is not believed
    else:
        assert found
        assert all(map(math.isnan, found.values()))


@pytest.mark.parametrize("first", [None, [], {}])
def test_a_server_that_shows_no_probabilities_is_told_apart(first: Any) -> None:
    if first is None:
        assert read_choices(None) is None
    else:
        with pytest.raises(Transient):
            read_choices(first or {"top_logprobs": "x"})


KEYS = ["choices", "message", "content", "finish_reason", "tool_calls", "function", "arguments", "name", "logprobs"]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_no_body_raises_anything_but_transient(message: Any, logprobs: Any) -> None:
    raw = json.dumps({"choices": [{"message": message, "finish_reason": "stop", "logprobs": logprobs}]}).encode()
    try:
        reply = read(raw, choices=("A", "B"))
    except Transient:
        return
    assert Reply.from_json(reply.to_json()) == reply


def test_a_schema_is_asked_for_strictly(question: Ask) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = chat_body(question(answer_schema=schema), VENDOR)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }


@pytest.mark.parametrize(
    ("content", "thinking", "said"),
    [
        ("<think>\nVerdict: A, or so.\n</think>\n\nVerdict: B", "Verdict: A, or so.", "Verdict: B"),
        ("<think></think>Verdict: B", None, "Verdict: B"),
        ("<think>Hm", "Hm", None),
        ("Use <think>hm</think>", None, "Use <think>hm</think>"),
    ],
)
def test_thoughts_between_tags_before_the_answer_are_no_part_of_it(
    content: str, thinking: str | None, said: str | None
) -> None:
    reply = read(completion({"content": content}, "length"))
    assert reply.messages == (Message(role="assistant", content=said, thinking=thinking),)


def test_where_the_server_tells_thoughts_apart_the_answer_is_taken_as_it_is() -> None:
    reply = read(completion({"content": "<think>", "reasoning": "Which tag?"}))
    assert reply.messages == (Message(role="assistant", content="<think>", thinking="Which tag?"),)
