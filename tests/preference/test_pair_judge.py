"""The judge as a user meets it: what is asked, in which orders, and whose answer wins."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from amendment.constitutions import AppliesWhen, CompareExample, FewShot
from amendment.errors import ConfigError
from amendment.preference import Judge, JudgeSettings
from amendment.records import Candidate, Message, Origin, Prompt, ToolCall, user
from amendment.text import read_fenced
from tests.preference.scripted_judge import (
    HOUSE,
    Scripted,
    always_first,
    compare,
    house,
    judge,
    labels,
    likes_good,
    principle,
    question,
    shown,
    written,
)


def test_the_better_answer_wins_in_the_callers_coordinates() -> None:
    for a, b, p_a in (("good", "bad", 0.8), ("bad", "good", 0.2)):
        made = compare(judge(Scripted(likes_good)), a, b)
        assert made.p_a == pytest.approx(p_a)  # (0.9 + 0.7) / 2, or the rest
        assert made.consistent is True
        assert made.principle_ids == ("house/kind",)


def test_each_verdict_speaks_of_the_order_that_was_displayed() -> None:
    good, bad = (
        Candidate(
            prompt_id=Prompt(messages=user("Hi")).id,
            messages=(Message(role="assistant", content=text),),
            kind="imported",
        )
        for text in ("good", "bad")
    )
    made = compare(judge(Scripted(likes_good)), good, bad)
    p_first = {verdict.shown: verdict.p_first() for verdict in made.verdicts}
    assert p_first == {(good.id, bad.id): pytest.approx(0.9), (bad.id, good.id): pytest.approx(0.3)}


def test_a_random_order_depends_on_seed_and_comparison_and_not_on_who_is_named_first() -> None:
    def displayed(seed: int, a: str, b: str) -> tuple[str, str]:
        provider = Scripted(always_first)
        compare(judge(provider, orders="random", seed=seed), a, b)
        (request,) = provider.asked
        return shown(request)

    tosses = [displayed(seed, "good", "bad") for seed in range(12)]
    assert set(tosses) == {("good", "bad"), ("bad", "good")}
    assert tosses == [displayed(seed, "bad", "good") for seed in range(12)]


def test_both_orders_are_asked_with_the_same_wording() -> None:
    many = house(principle("kind", compare=tuple(f"Wording {i}?" for i in range(5))))
    seen: set[str] = set()
    for i in range(12):
        provider = Scripted(likes_good)
        compare(judge(provider, constitution=many), prompt=f"Hi {i}")
        wordings = [re.findall(r"Wording \d", question(request))[0] for request in provider.asked]
        assert len(set(wordings)) == 1
        seen |= set(wordings)
    assert len(seen) > 2  # and comparisons differ in theirs


def test_it_works_inside_a_running_loop_and_asks_nothing_twice() -> None:
    provider = Scripted(likes_good)
    asked = judge(provider)

    async def cell() -> float | None:
        return asked.compare(prompt="Hi", a="good", b="bad").p_a

    with asked.model.calls.ledger:
        assert asyncio.run(cell()) == pytest.approx(0.8)
        assert asked.compare(prompt="Hi", a="good", b="bad").p_a == pytest.approx(0.8)
        assert asked.compare(prompt="Hi", a="bad", b="good").p_a == pytest.approx(0.2)
    assert len(provider.asked) == 2


def test_a_principle_for_other_prompts_is_not_judged_by() -> None:
    rules = house(
        principle("medical", applies_when=AppliesWhen(categories=("health",))),
        principle("kind"),
        principle("mute", compare=()),
    )
    made = compare(judge(Scripted(likes_good), constitution=rules, principles_per_pair=5))
    assert made.principle_ids == ("house/kind",)


def test_a_verdict_says_where_it_came_from() -> None:
    asked = judge(Scripted(likes_good))
    with asked.model.calls.ledger as ledger:
        made = asked.compare(prompt="Hi", a="good", b="bad")
        for verdict in made.verdicts:
            assert (verdict.rater, verdict.rater_kind, verdict.principle_id) == (asked.name, "model", "house/kind")
            assert verdict.origin.template == asked.folder.hash
            assert asked.name == f"judge-1/{asked.folder.id}@{asked.folder.version}"
            assert verdict.origin.constitution == HOUSE.reference
            assert ledger.find(verdict.origin.request or "") is not None
    assert made.judgement.verdict_ids == tuple(sorted(verdict.id for verdict in made.verdicts))


EXAMPLES = FewShot(
    compare=(
        CompareExample(prompt="p1", a="a1", b="b1", answer="B", principle="kind"),
        CompareExample(prompt="p2", a="a2", b="b2", answer="A"),
    )
)


@pytest.mark.parametrize(
    ("folder", "answers"), [("label-tokens", ["B", "A"]), ("verdict", ["Verdict: B", "Verdict: A"])]
)
def test_worked_examples_stand_before_the_question_in_its_form(folder: str, answers: list[str]) -> None:
    said = written("Verdict: A").model_copy(update={"choice_logprobs": labels(0.9).choice_logprobs})
    plainly = Scripted(lambda _: said)
    worded = house(principle("kind", compare=("Which answer keeps the principle better?",)), few_shot=EXAMPLES)
    compare(judge(plainly, folder, constitution=worded))
    *shots, last = plainly.asked[0].messages
    assert [message.role for message in shots] == ["user", "assistant"] * 2
    assert [message.content for message in shots[1::2]] == answers
    assert "The principle: House rules" in str(shots[2].content)
    alone = Scripted(lambda _: said)
    compare(judge(alone, folder, constitution=worded, orders="first"), "a1", "b1", "p1")
    assert shots[0] == alone.asked[0].messages[-1]
    assert last.role == "user"


CALL = Message(role="assistant", tool_calls=(ToolCall(function={"name": "look", "arguments": {"up": "vet"}}),))
RESULT = Message(role="tool", content="Vet: 555", name="look")
PROMPT = Prompt(messages=(Message(role="system", content="Be brief."), *user("My dog ate chocolate.")))


def traced(text: str, thinking: str | None) -> Candidate:
    last = Message(role="assistant", content=text, thinking=thinking)
    return Candidate(prompt_id=PROMPT.id, messages=(CALL, RESULT, last), kind="imported", origin=Origin(model="m"))


@pytest.mark.parametrize("sees", ["answer", "trace"])
def test_thoughts_are_shown_to_judges_of_traces_alone(sees: Any) -> None:
    provider = Scripted(likes_good)
    asked = judge(provider)
    looking = Judge(
        folder=asked.folder._replace(sees=sees),
        model=asked.model,
        constitutions=[HOUSE],
        settings=JudgeSettings(orders="first"),
    )
    good, bad = traced("good", "Think."), traced("bad", None)
    compare(looking, good, bad, PROMPT)
    blocks = read_fenced(question(provider.asked[0]))
    thoughtless = [{**message.to_json()} for message in good.messages]
    if sees == "answer":
        del thoughtless[-1]["thinking"]
    assert blocks["answer_a"] == thoughtless
    assert blocks["answer_b"] == [message.to_json() for message in bad.messages]
    assert blocks["conversation"] == [message.to_json() for message in PROMPT.messages]


@pytest.mark.parametrize("argument", ["prompt", "a", "b"])
def test_half_a_surrogate_pair_is_refused_by_the_name_of_its_argument(argument: str) -> None:
    provider = Scripted(always_first)
    with pytest.raises(ConfigError, match=rf"compare: {argument} has a lone surrogate \(U\+D800\)"):
        compare(judge(provider), **{argument: "x \ud800"})
    assert provider.asked == []
