"""The body of a chat completion call as the simulated world reads it: what counts, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from amendment.fence import fence
from amendment.llm._question import Question
from amendment.llm.requests import Reply
from amendment.preference.asking import asked_again
from amendment.records import Message, user

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "please add 3 8"}]}


def named(**fields: Any) -> str:
    return Question.model_validate({**BODY, **fields}).id


@pytest.mark.parametrize(
    "field",
    [
        {"model": "other"},
        {"messages": [{"role": "user", "content": "please add 3 9"}]},
        {"messages": [{"role": "system", "content": "Be kind."}, *BODY["messages"]]},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"max_tokens": 5},
        {"stop": ["\n"]},
        {"seed": 1},
        {"logprobs": True},
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ],
    ids=str,
)
def test_all_that_changes_an_answer_counts_in_the_name(field: dict[str, Any]) -> None:
    assert named(**field) != named()


def test_what_says_the_same_has_the_same_name() -> None:
    assert named(temperature=1) == named(temperature=1.0)
    assert named(max_tokens=5) == named(max_completion_tokens=5)
    assert named(stop="x") == named(stop=["x"])
    assert named(n=1, stream=False, logprobs=False, seed=None, temperature=None) == named()
    assert named(logprobs=True, top_logprobs=20) == named(logprobs=True, top_logprobs=2)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"n": 2}, "n"),
        ({"stream": True}, "stream"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format"),
        ({"response_format": {"type": "text"}}, "response_format"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"stop": [""]}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages"),
        ({"messages": ["x"]}, "messages"),
        ({"model": ""}, "model"),
    ],
    ids=str,
)
def test_what_the_world_cannot_do_is_refused_and_never_ignored(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as told:
        named(**fields)
    assert told.value.errors()[0]["loc"][0] == place


def test_the_question_is_what_the_last_user_turn_says() -> None:
    parts = [{"type": "text", "text": "please "}, {"type": "text", "text": "add 3 8"}]
    turns = [
        {"role": "user", "content": "earlier"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "?"},
    ]
    assert Question.model_validate({**BODY, "messages": turns}).asked == "please add 3 8"
    assert Question.model_validate({**BODY, "messages": [{"role": "assistant", "content": None}]}).asked == ""


def test_a_judge_who_asks_once_more_still_asks_what_it_asked_first() -> None:
    reply = Reply(messages=(Message(role="assistant", content="Both are fine."),))
    messages = asked_again(user("which is better?"), reply, complaint="no verdict", form="end with A or B")
    turns = [{"role": message.role, "content": message.content} for message in messages]
    assert len(turns) == 3
    assert Question.model_validate({**BODY, "messages": turns}).asked == "which is better?"


def test_a_question_after_a_rationale_goes_back_to_the_turn_with_the_answers() -> None:
    shown = "\n".join(fence({"answer_a": "x", "answer_b": "y"}).values())
    turns = [
        {"role": "user", "content": shown},
        {"role": "assistant", "content": "Answer A is better."},
        {"role": "user", "content": "Now name it in one letter."},
    ]
    asked = Question.model_validate({**BODY, "messages": turns})
    assert asked.asked == shown
    assert asked.said_since == "Answer A is better."
    example = [{"role": "user", "content": "\n".join(fence({"answer_a": "p"}).values())}, turns[1]]
    assert Question.model_validate({**BODY, "messages": [*example, turns[0]]}).said_since == ""
