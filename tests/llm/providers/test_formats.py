"""The two protocols, without a network: what each sends, and what is read from good and bad bodies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import Rejected, Transient
from amendment.llm import anthropic, openai
from amendment.llm.requests import Reply, Request, Usage
from amendment.llm.specs import OpenAISpec
from amendment.records import Message, ToolCall, user

Ask = Callable[..., Request]
BODIES: dict[str, Callable[[Request], dict[str, Any]]] = {
    "chat": lambda request: openai.chat_body(
        request, OpenAISpec(provider="openai", model="m", base_url="http://localhost:8000/v1")
    ),
    "vendor": lambda request: openai.chat_body(request, OpenAISpec(provider="openai", model="m")),
    "messages": lambda request: anthropic.body_for(request, 99),
}
"""The bodies sent to one's own server, to OpenAI, and to Anthropic."""
CASES = yaml.safe_load(Path(__file__).with_name("formats.yaml").read_text(encoding="utf-8"))


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


@pytest.mark.parametrize(("protocol", "fields", "expected"), CASES["sent"])
def test_a_body_says_what_was_asked_in_the_protocols_words(
    protocol: str, fields: dict[str, Any], expected: dict[str, Any], question: Ask
) -> None:
    body = BODIES[protocol](question("Hi", **fields))
    assert {name: body.get(name) for name in expected} == expected
    assert fields or body == expected, "nothing that was not set is sent"
    assert "canary" not in json.dumps(body), "earlier thoughts stay here"


def test_a_part_that_anthropic_has_no_word_for_is_refused(question: Ask) -> None:
    with pytest.raises(Rejected, match="'input_audio'"):
        anthropic.body_for(question(messages=[{"role": "user", "content": [{"type": "input_audio"}]}]), 99)


MARK = {"cache_control": {"type": "ephemeral"}}


def test_the_cache_is_told_of_the_system_text_the_worked_examples_and_what_the_question_shares(question: Ask) -> None:
    shots = (
        Message(role="system", content="Be kind."),
        *user("p1"),
        Message(role="assistant", content="B"),
        *user("shared, and its own"),
    )
    body = anthropic.body_for(question(messages=shots, shared=len("shared, ")), 99, cache=True)
    assert body["system"] == [text("Be kind.", **MARK)]
    assert body["messages"] == [
        {"role": "user", "content": [text("p1")]},
        {"role": "assistant", "content": [text("B", **MARK)]},
        {"role": "user", "content": [text("shared, ", **MARK), text("and its own")]},
    ]


def chat(message: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish, **more}]}


def message(*content: Any, stop: Any = "end_turn", **more: Any) -> dict[str, Any]:
    return {"content": list(content), "stop_reason": stop, **more}


def read(protocol: str, body: Any, **fields: Any) -> Reply:
    asked = Request(provider="x", host="here", model="m", messages=user("x"), **fields)
    reader = anthropic.read_reply if protocol == "messages" else openai.read_reply
    return reader(json.dumps(body).encode(), asked)


@pytest.mark.parametrize("protocol", CASES["ends"])
def test_why_an_answer_ended(protocol: str) -> None:
    for said, meant in CASES["ends"][protocol].items():
        body = chat({"content": "Yes"}, said) if protocol == "chat" else message(text("Yes"), stop=said)
        assert read(protocol, body).finish_reason == meant, said


@pytest.mark.parametrize(("protocol", "body", "meant"), CASES["silent"])
def test_a_limit_that_went_to_thinking_is_told_from_silence(protocol: str, body: Any, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(Transient, match="the reply is empty"):
            read(protocol, body, sampling={"max_tokens": 64})
    else:
        assert read(protocol, body, sampling={"max_tokens": 64}).finish_reason == meant


@pytest.mark.parametrize(("protocol", "body", "usage"), CASES["whole"])
def test_a_whole_reply_is_read_and_thoughts_are_no_part_of_the_answer(
    protocol: str, body: Any, usage: dict[str, int]
) -> None:
    reply = read(protocol, body)
    assert reply.messages == (Message(role="assistant", content="Yes.", thinking="Well."),)
    assert (reply.finish_reason, reply.model, reply.usage) == ("stop", "m-1", Usage(**usage))


@pytest.mark.parametrize(("protocol", "body", "words"), CASES["refusals"])
def test_a_refusal_is_data_with_its_words(protocol: str, body: Any, words: list[str]) -> None:
    reply = read(protocol, body)
    assert (reply.finish_reason, [one.content for one in reply.messages]) == ("refusal", words)


@pytest.mark.parametrize(("given", "meant"), CASES["calls"])
def test_a_tool_call_is_read_and_its_arguments_become_an_object(given: Any, meant: dict[str, Any]) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": given}}
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": meant}
    bodies = {"chat": chat({"content": None, "tool_calls": [call]}), "messages": message(use, stop="tool_use")}
    for protocol, body in bodies.items():
        reply = read(protocol, body)
        assert reply.finish_reason == "tool_calls"
        assert reply.messages[0].tool_calls == (ToolCall(id="c1", function={"name": "look", "arguments": meant}),)


@pytest.mark.parametrize("protocol", CASES["bad"])
def test_a_body_without_an_answer_is_asked_again(protocol: str) -> None:
    for body in CASES["bad"][protocol]:
        with pytest.raises(Transient, match="here: "):
            read(protocol, body)


NAMES = [
    *("choices", "message", "content", "finish_reason", "tool_calls", "function", "arguments", "name", "logprobs"),
    *("type", "text", "thinking", "id", "input", "output", "status", "usage", "token", "summary"),
]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON, st.sampled_from(["chat", "messages"]))
def test_no_body_raises_anything_but_transient(value: Any, other: Any, protocol: str) -> None:
    body = chat(value, logprobs=other) if protocol == "chat" else message(value, usage=other)
    try:
        reply = read(protocol, body, choices=("A", "B"))
    except Transient:
        return
    assert Reply.from_json(reply.to_json()) == reply


@pytest.mark.parametrize(("content", "thinking", "said"), CASES["thinking"])
def test_thoughts_between_tags_before_the_answer_are_no_part_of_it(
    content: str, thinking: str | None, said: str | None
) -> None:
    reply = read("chat", chat({"content": content}, "length"))
    assert reply.messages == (Message(role="assistant", content=said, thinking=thinking),)


def labels(token: Any) -> Reply:
    """The reply as read from the first token of an answer to a question with the labels A and B."""
    logprobs = {"content": [token]} if token is not None else None
    return read("chat", chat({"content": "A"}, "length", logprobs=logprobs), choices=("A", "B"))


def test_spellings_of_a_label_are_added_up() -> None:
    # P(A) = 0.5 + 0.25 = 0.75; P(B) = 0.125; a byte-level spelling, as vLLM may show it, is no label
    spelled = (("A", 0.5), (" A", 0.25), ("B\n", 0.125), ("\u0120A", 0.05))
    tops = [{"token": token, "logprob": math.log(p)} for token, p in spelled]
    token = {**tops[0], "top_logprobs": [*tops, {"token": "C", "logprob": math.log(0.1)}]}
    assert labels(token).choice_logprobs == pytest.approx({"A": math.log(0.75), "B": math.log(0.125)})


def test_a_label_outside_the_list_is_left_out_but_the_one_that_was_drawn_and_a_full_list_bounds_it() -> None:
    first = {"token": "B", "logprob": -9.0, "top_logprobs": [{"token": "A", "logprob": -0.1}]}
    assert labels(first).choice_logprobs == {"A": -0.1, "B": -9.0}
    assert labels({"token": "Well", "logprob": -0.1, "top_logprobs": []}).choice_logprobs == {}
    drawn = {"token": "A", "logprob": -0.1}
    others = [{"token": f"w{number}", "logprob": -3.0 - number} for number in range(19)]
    assert labels({**drawn, "top_logprobs": [drawn, *others]}).least_logprob == -21.0
    assert labels({**drawn, "top_logprobs": [drawn, *others[:5]]}).least_logprob is None


@pytest.mark.parametrize("logprob", [math.nan, -math.inf, 0.5, None, "-1", 10**400])
def test_a_log_probability_that_makes_no_sense_spoils_the_list(logprob: Any) -> None:
    tops = [{"token": "B", "logprob": logprob}]
    try:
        found = labels({"token": "A", "logprob": -0.5, "top_logprobs": tops}).choice_logprobs
    except Transient:
        assert logprob == 10**400  # no machine number: the reply as a whole is not believed
    else:
        assert found
        assert all(map(math.isnan, found.values()))


def scored(text: str, *tokens: tuple[str, float]) -> tuple[float | None, int | None]:
    """What is read of an answer from its tokens and those before, of which the first has no log-probability; at each a
    likelier token is listed too."""
    listed = [
        {"1": {"logprob": logprob, "rank": 2, "decoded_token": token}, "2": {"logprob": -0.1, "rank": 1}}
        for token, logprob in tokens
    ]
    reply = read("chat", {**chat({"content": ""}), "prompt_logprobs": [None, *listed]}, scored=text)
    return reply.scored_logprob, reply.scored_tokens


def test_a_given_answer_is_read_from_the_end_of_the_prompts_tokens() -> None:
    # the answer "No, no." is the last three tokens: -0.5 - 0.25 - 1 = -1.75; the same words before are the question's
    asked = [("No, no.", -7.0), ("<|assistant|>", -8.0), ("\n", -9.0)]
    assert scored("No, no.", *asked, ("No", -0.5), (", no", -0.25), (".", -1.0)) == (-1.75, 3)
    assert scored("No, no. ", *asked, ("\nNo", -0.5), (", no.", -0.25)) == (-0.75, 2)  # servers cut white space


@pytest.mark.parametrize("tokens", [(), (("Nein", -1.0),), (("N\ufffd", -1.0), ("\ufffd", -1.0))])
def test_an_answer_whose_tokens_are_not_found_has_no_log_probability(tokens: Any) -> None:
    assert scored("N\u00e9", *tokens) == (None, None)


def test_a_server_that_shows_no_probabilities_is_told_apart() -> None:
    assert labels(None).choice_logprobs is None
    odds: list[Any] = [[], {"top_logprobs": "x"}]
    for odd in odds:
        with pytest.raises(Transient):
            labels(odd)
