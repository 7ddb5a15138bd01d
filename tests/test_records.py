"""Records: named by content, without absent keys, and without a winner until the end."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from amendment.records import (
    Candidate,
    Comparison,
    Judgement,
    Message,
    Origin,
    Pair,
    Prompt,
    ToolCall,
    Verdict,
    last_text,
    user,
)

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def several(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


CALLS = st.builds(ToolCall, id=maybe(TEXT), function=OBJECT)
MESSAGES = several(
    st.builds(
        Message,
        role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
        content=TEXT | several(OBJECT),
        thinking=maybe(TEXT),
        tool_calls=maybe(several(CALLS)),
        name=maybe(TEXT),
        tool_call_id=maybe(TEXT),
    ),
    least=1,
)
ORIGINS = st.builds(Origin, model=maybe(TEXT), parents=maybe(several(TEXT)))
PROMPTS = st.builds(
    Prompt,
    messages=MESSAGES,
    tools=maybe(several(OBJECT)),
    chat_template_kwargs=maybe(OBJECT),
    category=maybe(TEXT),
    tags=several(TEXT),
)
KINDS = st.sampled_from(["draft", "revision", "policy", "imported"])
CANDIDATES = st.builds(Candidate, prompt_id=TEXT, messages=MESSAGES, kind=KINDS, origin=ORIGINS)


@given(PROMPTS)
def test_keys_that_hold_none_are_absent(prompt: Prompt) -> None:
    assert None not in prompt.to_json().values()
    filled = {name: prompt.to_json().get(name) for name in Prompt.model_fields}
    assert Prompt.from_json(filled) == prompt


def test_nulls_inside_a_users_own_values_are_kept() -> None:
    call = ToolCall(function={"name": "f", "arguments": {"x": None, "y": [None]}})
    assert Message(role="assistant", tool_calls=(call,)).to_json()["tool_calls"][0]["function"] == call.function


def test_names_are_a_contract() -> None:
    def name(text: str) -> str:
        return "s2:" + hashlib.sha256(text.encode()).hexdigest()[:32]

    prompt = Prompt(messages=user("Is it?"), category="people")
    assert prompt.id == name('{"messages":[{"content":"Is it?","role":"user"}]}')
    candidate = Candidate(prompt_id="p", messages=(Message(role="assistant", content="Yes."),), kind="draft")
    assert candidate.id == name('["p",[{"content":"Yes.","role":"assistant"}]]')
    assert Comparison("p", "x", "y").id == name('["p","x","y"]')


@given(PROMPTS, TEXT)
def test_a_prompts_name_is_of_what_the_model_sees(prompt: Prompt, note: str) -> None:
    assert (
        prompt.model_copy(update={"category": note, "tags": (note,), "source": note, "license": note}).id == prompt.id
    )
    assert prompt.model_copy(update={"messages": (*prompt.messages, *user(note))}).id != prompt.id


@given(CANDIDATES, KINDS, ORIGINS)
def test_the_same_words_by_two_writers_are_one_candidate(candidate: Candidate, kind: str, origin: Origin) -> None:
    assert candidate.model_copy(update={"kind": kind, "origin": origin}).id == candidate.id


@given(MESSAGES, MESSAGES)
def test_a_comparison_does_not_know_who_was_named_first(one: Any, other: Any) -> None:
    first, second = (Candidate(prompt_id="p", messages=messages, kind="draft") for messages in (one, other))
    if first.id == second.id:
        with pytest.raises(ValueError, match="with itself"):
            Comparison.between(first, second)
        return
    comparison = Comparison.between(first, second)
    assert comparison == Comparison.between(second, first)
    assert comparison.a < comparison.b
    fields: dict[str, Any] = {"prompt_id": "p", "p_chosen": 0.9, "p_chosen_raw": 0.9, "decided_by": "judge"}
    for chosen, rejected in ((first, second), (second, first)):
        assert Pair(chosen_id=chosen.id, rejected_id=rejected.id, **fields).comparison_id == comparison.id
    assert Judgement(prompt_id="p", a=comparison.a, b=comparison.b).comparison_id == comparison.id


def test_candidates_of_two_prompts_cannot_be_compared() -> None:
    first, second = (Candidate(prompt_id=prompt, messages=user("x"), kind="draft") for prompt in "pq")
    with pytest.raises(ValueError, match="two prompts"):
        Comparison.between(first, second)


def verdict(**fields: Any) -> Verdict:
    return Verdict(**{"scale": "pair", "prompt_id": "p", "shown": ("x", "y"), "rater": "r", **fields})


@pytest.mark.parametrize(
    ("fields", "p"),
    [
        ({"value": "A"}, 1.0),
        ({"value": "B"}, 0.0),
        ({"value": "tie"}, 0.5),
        ({"value": "A", "distribution": {"A": 0.6, "B": 0.2, "tie": 0.2}}, 0.7),  # 0.6 + 0.2 / 2
        ({"invalid": "two verdicts"}, None),
        ({"value": 7.0, "scale": "score"}, None),
    ],
)
def test_the_probability_that_the_first_shown_is_better(fields: dict[str, Any], p: float | None) -> None:
    assert verdict(**fields).p_first() == (None if p is None else pytest.approx(p))


@pytest.mark.parametrize("fields", [{}, {"value": "A", "invalid": "unreadable"}])
def test_a_verdict_has_a_value_or_a_reason(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either a value or a reason"):
        verdict(**fields)


def test_a_message_says_something() -> None:
    with pytest.raises(ValidationError, match="needs content"):
        Message(role="assistant")
    assert Message(role="assistant", content="").content == ""


def test_the_text_of_a_conversation_is_its_last_messages() -> None:
    assert last_text(()) == ""
    assert last_text((*user("one"), *user("two"))) == "two"
    parts = ({"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"})
    assert last_text((Message(role="user", content=parts),)) == "ab"


def test_records_cannot_be_changed_and_take_no_unknown_field() -> None:
    prompt = Prompt(messages=user("x"))
    with pytest.raises(ValidationError, match="frozen"):
        prompt.category = "y"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra"):
        Prompt.from_json({**prompt.to_json(), "label": 1})


def test_a_verdict_whose_order_is_known_bears_the_name_that_it_always_had() -> None:
    told = {"scale": "pair", "prompt_id": "p", "shown": ["x", "y"], "value": "A", "rater": "r", "rater_kind": "person"}
    known = Verdict.from_json(told)
    assert known.to_json() == {**told, "sample": 0, "origin": {}}
    unknown = known.model_copy(update={"order": "unknown"})
    assert unknown.to_json() == {**known.to_json(), "order": "unknown"}
    assert unknown.id != known.id
