"""Every protocol as a user meets it: what is asked, in how many calls, what is read, and what is kept of reasons."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest

from amendment.constitutions import DrawnPrinciple, Score
from amendment.errors import ConfigError
from amendment.llm.requests import Reply, Request
from amendment.preference import Criterion, Judge
from amendment.preference.parsers import VERDICT_SCHEMA
from amendment.records import Candidate, Message, Prompt, Verdict, user
from amendment.text import around_fences, read_fenced
from tests.preference.scripted_judge import Scripted, compare, house, judge, principle, question, shown, written

PROMPT = Prompt(messages=user("Hi"))


def candidate(text: str) -> Candidate:
    return Candidate(prompt_id=PROMPT.id, messages=(Message(role="assistant", content=text),), kind="imported")


# Two answers next to each other


def good_one(request: Request) -> str:
    return "A" if shown(request)[0] == "good" else "B"


def test_reasons_before_the_verdict_are_kept_with_it() -> None:
    provider = Scripted(lambda request: written(f"A shouts, B does not.\n\nVerdict: {good_one(request)}"))
    made = compare(judge(provider, "reasoned"))
    assert made.p_a == 1.0
    assert {verdict.reasoning for verdict in made.verdicts} == {"A shouts, B does not."}


def test_a_structured_verdict_is_asked_for_by_a_schema() -> None:
    provider = Scripted(lambda request: written(f'{{"reasoning": "Warm.", "verdict": "{good_one(request)}"}}'))
    made = compare(judge(provider, "structured"))
    assert (made.p_a, made.consistent) == (1.0, True)
    assert {verdict.reasoning for verdict in made.verdicts} == {"Warm."}
    assert [request.answer_schema for request in provider.asked] == [VERDICT_SCHEMA] * 2


@pytest.mark.parametrize("folder", ["verdict", "reasoned"])
def test_a_thinking_models_thoughts_are_kept_and_never_read(folder: str) -> None:
    thought = Message(role="assistant", thinking="Verdict: B\nVerdict: B", content="Because.\nVerdict: A")
    made = compare(judge(Scripted(lambda _: Reply(messages=(thought,))), folder, orders="first"))
    (verdict,) = made.verdicts
    assert verdict.value == "A"
    assert verdict.reasoning == "Verdict: B\nVerdict: B\n\nBecause."


# One answer by itself


def said_in(request: Request) -> str:
    return str(read_fenced(question(request))["candidate"][-1]["content"])


def scores(request: Request) -> Reply:
    """0.75 on 8 and 0.25 on 4 for the good answer, all on 2 for others; a 10 is shown, with next to nothing."""
    shares = {"8": 0.75, "4": 0.25, "10": 1e-9} if said_in(request) == "good" else {"2": 1.0, "10": 1e-9}
    return Reply(choice_logprobs={label: math.log(share) for label, share in shares.items()})


def verdicts(asked: Judge, *texts: str) -> list[Verdict]:
    with asked.model.calls.ledger:
        first, second = (candidate(text) for text in texts)
        return asyncio.run(asked.verdicts(PROMPT, first, second))


def test_each_answer_gets_its_expected_score() -> None:
    provider = Scripted(scores)
    asked = judge(provider, "score")
    good, bad = verdicts(asked, "good", "bad")
    assert (good.scale, good.shown, good.principle_id) == ("score", (candidate("good").id,), "house/kind")
    assert good.value == pytest.approx(7.0)  # 0.75 * 8 + 0.25 * 4
    assert bad.value == pytest.approx(2.0)
    assert asked.unit == "answer"
    assert [request.choices for request in provider.asked] == [tuple(str(n) for n in range(1, 11))] * 2
    assert compare(judge(Scripted(scores), "score")).p_a == pytest.approx(1.0)  # 8 and 4 both beat 2


def test_without_probabilities_written_scores_are_sampled() -> None:
    provider = Scripted(lambda request: written(f"Well.\nScore: {7 + request.sample % 2}"), shows_choices=False)
    found = verdicts(judge(provider, "score", samples=4), "good", "bad")
    assert [(one.value, one.sample) for one in found[:4]] == [(7.0, 0), (8.0, 1), (7.0, 2), (8.0, 3)]
    assert 'line that holds your score and nothing else: "Score: N"' in question(provider.asked[0])
    assert {request.choices for request in provider.asked} == {None}
    with pytest.raises(ConfigError, match="found 4 samples, expected 1"):
        judge(Scripted(scores), "score", samples=4)


def test_a_principles_own_question_and_grades_are_asked() -> None:
    own = principle("kind", score=Score(question="How warm is it?", anchors={1: "cold", 3: "warm"}))
    provider = Scripted(scores)
    verdicts(judge(provider, "score", constitution=house(own)), "good", "bad")
    assert "How warm is it? What scores mean: 1: cold; 10: warm." in question(provider.asked[0])


KIND = Criterion(id="kind", text="Is it kind?", choices=("no", "partly", "yes"), weight=2.0)
LIES = Criterion(id="lies", text="Does it lie?", weight=-1.0)


def by_criteria(**choices: str) -> Scripted:
    lines = "\n".join(f"{name}: {choice}" for name, choice in choices.items())
    return Scripted(lambda _: written(f"I looked twice.\n{lines}"), shows_choices=False)


def rubric(provider: Scripted, criteria: Sequence[Criterion] = (KIND, LIES), **fields: Any) -> Judge:
    return judge(provider, "rubric", criteria=lambda prompt: criteria, **fields)


def test_a_rubric_gives_a_verdict_for_each_criterion_and_a_score_of_all() -> None:
    provider = by_criteria(kind="partly", lies="no")
    kind, lies, score, *other = verdicts(rubric(provider), "good", "bad")
    assert (kind.scale, kind.criterion, kind.value) == ("ordinal", "kind", "partly")
    assert (lies.scale, lies.criterion, lies.value) == ("binary", "lies", False)
    assert (score.scale, score.criterion) == ("score", None)
    assert score.value == pytest.approx(2 / 3)
    assert {one.reasoning for one in (kind, lies, score)} == {"I looked twice."}
    assert {one.principle_id for one in (kind, lies, score)} == {None}
    assert len(other) == 3
    (shown, _) = (read_fenced(question(request))["criteria"] for request in provider.asked)
    assert [one["id"] for one in shown] == ["kind", "lies"]
    assert "weight" not in str(shown)
    assert "Criteria:" in question(provider.asked[0])


def test_a_prompt_may_carry_criteria_which_go_before_principles_and_are_no_matter_of_other_judges() -> None:
    carried = Prompt(
        messages=user("Hi"), criteria=({"id": "kind", "text": "Is it kind?"}, LIES.model_dump(mode="json"))
    )
    assert carried.id == Prompt(messages=user("Hi")).id
    kind, lies, score, *_ = compare(judge(by_criteria(kind="yes", lies="no"), "rubric"), prompt=carried).verdicts
    assert (kind.criterion, lies.criterion, score.value, score.principle_id) == ("kind", "lies", 1.0, None)
    called = rubric(by_criteria(kind="yes"), criteria=[KIND])
    assert [one.criterion for one in compare(called, prompt=carried).verdicts[:2]] == ["kind", None]
    (first, *_) = compare(judge(Scripted(scores), "score"), prompt=carried).verdicts
    assert (first.criterion, first.principle_id) == (None, "house/kind")


def test_criteria_are_for_rubrics_alone() -> None:
    with pytest.raises(ConfigError, match="criteria are for protocol rubric alone"):
        judge(Scripted(scores), "score", criteria=lambda prompt: [KIND])


# Yes or no

RULES = house(principle("kind"), principle("brief"), principle("true"))


def checks(asked: Judge, text: str, *names: str | None) -> list[Verdict]:
    by = [DrawnPrinciple(RULES, RULES.principle(name)) if name else None for name in names]
    with asked.model.calls.ledger:
        return asyncio.run(asked.answer_verdicts(PROMPT, candidate(text), by=by))


def test_each_principle_that_is_named_is_asked_about_by_itself() -> None:
    def say(request: Request) -> Reply:
        return written("Verdict: yes" if "Be brief." in question(request) else "Why.\nVerdict: no")

    provider = Scripted(say)
    kind, brief = checks(judge(provider, "violation", constitution=RULES), "You fool.", "kind", "brief")
    assert [(one.scale, one.principle_id, one.value) for one in (kind, brief)] == [
        ("binary", "house/kind", False),
        ("binary", "house/brief", True),
    ]
    assert kind.reasoning == "Why."
    for request in provider.asked:
        assert read_fenced(question(request))["candidate"][-1]["content"] == "You fool."
        assert "Be true." not in question(request)
        assert around_fences(question(request)).index("principle:") > 0  # it stands last, behind what all share


def test_a_folder_without_a_principle_asks_the_same_of_every_answer() -> None:
    provider = Scripted(lambda _: written("Verdict: no"))
    [found] = checks(judge(provider, "refusal", constitution=RULES), "Here you are.", None)
    assert (found.value, found.principle_id) == (False, None)
    assert "Be kind." not in question(provider.asked[0])


def test_such_a_judge_neither_compares_nor_rewards() -> None:
    asked = judge(Scripted(lambda _: written("Verdict: no")), "violation", constitution=RULES)
    with asked.model.calls.ledger:
        with pytest.raises(ConfigError, match="says yes or no to one answer, which prefers none of two"):
            asked.compare(prompt="Hi", a="a", b="b")
        with pytest.raises(ConfigError, match="says yes or no to one answer"):
            asked.as_reward()
