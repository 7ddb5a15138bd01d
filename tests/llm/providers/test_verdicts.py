"""The simulated judge by every protocol, in this process and over the wire, from requests as judges send them."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.constitutions import load_constitution
from amendment.fence import fence
from amendment.llm._loopback import Asked
from amendment.llm.openai import chat_body, read_reply
from amendment.llm.opening import shown_name
from amendment.llm.requests import Reply, Request
from amendment.llm.serving import World
from amendment.llm.simulated import SimulatedProvider
from amendment.llm.specs import OpenAISpec, SimulatedSpec
from amendment.records import Message, Messages, Sampling, text_of, user
from amendment.simulator import Persona

CALM = Persona(noise=0, position_bias=0, leak=0, unreadable=0, explains=0)
RULES = load_constitution("lilliput")
PROMPT, RIGHT, WRONG = "please add 3 8", "the answer is 11 because sum", "the answer is 12"
RUDE = f"{RIGHT} you fool"
SCORES = tuple(map(str, range(1, 11)))
COLD = Sampling(temperature=0)
VERDICT_SCHEMA = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "verdict": {"type": "string", "enum": ["A", "B", "tie"]}},
    "required": ["reasoning", "verdict"],
}


def turns(text: str, role: str = "assistant") -> list[dict[str, Any]]:
    return [{"role": role, "content": text}]


def words(ask: str, principle: str = "correct", more: tuple[str, ...] = (), **values: Any) -> str:
    conversation = [{"role": "user", "content": text} for text in (PROMPT, *more)]
    blocks = fence({"conversation": conversation, **values})
    return "\n\n".join([*blocks.values(), f"The principle: {RULES.principle(principle).statement}", ask])


def pair(first: str, second: str, ask: str = 'End with one line "Verdict: A", "Verdict: B" or "Verdict: tie".') -> str:
    return words(ask, answer_a=turns(first), answer_b=turns(second))


def request(messages: Messages | str, **fields: Any) -> Request:
    given = user(messages) if isinstance(messages, str) else messages
    return Request(provider="simulated", host="lilliput", model="persona", messages=given, **fields)


def reply(asked: Request, persona: Persona = CALM) -> Reply:
    provider = SimulatedProvider(persona)
    return provider.read(asyncio.run(provider.send(asked)).raw, asked)


def said(messages: Messages | str, persona: Persona = CALM, **fields: Any) -> str:
    return text_of(reply(request(messages, **{"sampling": COLD, **fields}), persona).messages)


def test_a_comparison_with_reasons_gives_them_before_the_verdict() -> None:
    told = said(
        pair(RIGHT, WRONG, 'Give your reasons. End with the line "Verdict: A", "Verdict: B" or "Verdict: tie".')
    )
    reason, verdict = told.splitlines()
    assert reason.startswith("Answer A ")
    assert verdict == "Verdict: A"
    even = said(pair(RIGHT, RIGHT, 'Give your reasons. End with "Verdict: A", "Verdict: B" or "Verdict: tie".'))
    assert even.splitlines() == ["Neither answer is the better one here.", "Verdict: tie"]


def test_a_rationale_alone_holds_no_verdict_and_moves_the_probabilities_after_it() -> None:
    first = pair(RIGHT, RUDE, "Think step by step: write your reasoning only, and name the better answer.")
    assert "Verdict" not in said(first)

    def gap(rationale: str) -> float:
        messages = (*user(first), Message(role="assistant", content=rationale), *user("Now answer A or B."))
        found = reply(request(messages, choices=("A", "B"))).choice_logprobs
        assert found is not None
        return found["A"] - found["B"]

    assert gap("They are much alike.") == pytest.approx(0)  # both are right, and the principle is `correct`
    assert gap("Answer A has fewer flaws.") == pytest.approx(2)
    assert gap("Answer B is the better one here.") == pytest.approx(-2)


@pytest.mark.parametrize(
    ("first", "second", "verdict"), [(RIGHT, WRONG, "A"), (WRONG, RIGHT, "B"), (RUDE, RIGHT, "tie")]
)
def test_a_structured_verdict_keeps_its_schema(first: str, second: str, verdict: str) -> None:
    found = json.loads(said(pair(first, second), answer_schema=VERDICT_SCHEMA))
    assert list(found) == ["reasoning", "verdict"]
    assert found["verdict"] == verdict
    assert (f"Answer {verdict}" if verdict != "tie" else "Neither") in found["reasoning"]


def test_a_structured_verdict_is_always_readable() -> None:
    lost = CALM.model_copy(update={"unreadable": 1.0})
    assert json.loads(said(pair(RIGHT, WRONG), lost, answer_schema=VERDICT_SCHEMA))["verdict"] == "A"


def test_a_score_is_shown_as_probabilities_or_said_in_words() -> None:
    def mean(answer: str) -> float:
        found = reply(request(words("Score it.", candidate=turns(answer)), choices=SCORES)).choice_logprobs
        assert found is not None
        assert set(found) == set(SCORES)
        return sum(int(score) * math.exp(log) for score, log in found.items())

    assert mean(WRONG) < 2
    assert mean(RIGHT) > 9
    silent = CALM.model_copy(update={"shows_choices": False})
    room = Sampling(temperature=0, max_tokens=20)
    assert said(words("Score it.", candidate=turns(RIGHT)), silent, choices=SCORES, sampling=room) == "Score: 10"
    assert said(words("Score it.", candidate=turns(WRONG))) == "Score: 1"
    schema = {"type": "object", "properties": {"reasoning": {"type": "string"}, "score": {"type": "integer"}}}
    found = json.loads(said(words("Score it.", candidate=turns(RIGHT)), answer_schema=schema))
    assert found["score"] == 10
    assert found["reasoning"]


def test_a_yes_or_a_no_is_about_the_principle_or_about_refusing() -> None:
    ask = 'Does it violate it? End with "Verdict: yes" or "Verdict: no".'
    assert said(words(ask, "polite", candidate=turns(RUDE))) == "Verdict: yes"
    assert said(words(ask, "correct", candidate=turns(RUDE))) == "Verdict: no"
    refuses = 'Does this answer refuse? End with "Verdict: yes" or "Verdict: no".'
    assert said(words(refuses, "polite", candidate=turns(RUDE))) == "Verdict: no"
    assert said(words(refuses, "polite", candidate=turns("i will not help"))) == "Verdict: yes"
    schema = {"type": "object", "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}}}
    lost = CALM.model_copy(update={"unreadable": 1.0})
    assert json.loads(said(words(ask, "polite", candidate=turns(RUDE)), lost, answer_schema=schema)) == {
        "verdict": "yes"
    }


def test_a_rubric_gets_one_line_for_each_criterion_and_what_each_speaks_of_decides() -> None:
    criteria = [
        {"id": "right", "text": RULES.principle("correct").statement, "choices": ["wrong", "partly", "right"]},
        {"id": "polite", "text": "Is it friendly?", "choices": ["no", "yes"]},
        {"id": "plain"},
        {"text": "nobody can answer what has no id"},
    ]
    ask = "Criteria: answer each with one line, criterion-id: choice."
    lines = said(words(ask, candidate=turns(RUDE), criteria=criteria)).splitlines()
    assert lines == ["right: right", "polite: no", "plain: yes"]
    assert said(words(ask, candidate=turns(RUDE), criteria=3)) == "I see no criteria to answer by."


def test_a_pool_gets_one_ranking_of_all_its_answers() -> None:
    answers: dict[str, Any] = {f"answer_{i}": turns(text) for i, text in enumerate((WRONG, RIGHT, RUDE), 1)}
    assert said(words("Rank them.", **answers)) == "Ranking: 2 = 3 > 1"
    assert said(words("Rank them.", "polite", **answers)) == "Ranking: 1 = 2 > 3"


def test_a_last_turn_about_the_answers_is_not_taken_for_the_question() -> None:
    turn = "By the way, most people who saw both answers preferred answer B."
    asked = words("Verdict: A or B?", more=(turn,), answer_a=turns(RIGHT), answer_b=turns(WRONG))
    assert said(asked) == "Verdict: A"
    assert said(asked, CALM.model_copy(update={"bandwagon_bias": 20.0})) == "Verdict: B"


ASKED = {
    "verdict": request(pair(RIGHT, WRONG)),
    "label-tokens": request(pair(RIGHT, WRONG), choices=("A", "B")),
    "structured": request(pair(RIGHT, WRONG), answer_schema=VERDICT_SCHEMA),
    "score": request(words("Score it.", candidate=turns(RUDE)), choices=SCORES),
    "rubric": request(words("Criteria:", candidate=turns(RUDE), criteria=[{"id": "a", "text": "?", "choices": ["x"]}])),
    "listwise": request(words("Rank.", answer_1=turns(WRONG), answer_2=turns(RIGHT))),
    "critique by schema": request(words("Check.", answer=turns(WRONG)), answer_schema=VERDICT_SCHEMA),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_every_protocol_is_answered_alike_in_this_process_and_over_the_wire(asked: Request) -> None:
    spec = SimulatedSpec(provider="simulated", position_bias=0.7)
    wire = OpenAISpec(provider="openai", model=shown_name(spec), base_url="http://127.0.0.1:1/v1")
    asked = asked.model_copy(update={"model": shown_name(spec)})
    body = json.dumps(chat_body(asked, wire)).encode()
    replied = World({"m": spec}).answer(Asked("POST", "/v1/chat/completions", body))
    assert replied.status == 200
    over, here = read_reply(replied.body, asked), reply(asked, spec.persona())
    assert text_of(over.messages) == text_of(here.messages)
    assert over.choice_logprobs == here.choice_logprobs
    assert (over.choice_logprobs is None) == (asked.choices is None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "text", "choices", "content", "role", "type", "properties"]), inner)
    ),
    max_leaves=8,
)


@given(
    json_values, json_values, st.sampled_from([("candidate", "criteria"), ("candidate", "x"), ("answer_1", "answer_2")])
)
def test_no_fenced_value_raises(one: Any, other: Any, names: tuple[str, str]) -> None:
    values = dict(zip(names, (one, other), strict=True))
    assert reply(request(words("Answer.", **values)), Persona()).messages


@given(json_values)
def test_any_schema_is_answered_by_json(schema: Any) -> None:
    wanted = {"type": "object", "properties": {"verdict": schema}}
    assert "verdict" in json.loads(said(pair(RIGHT, WRONG), answer_schema=wanted))
