"""Two answers beside each other, by every protocol: what is asked, in how many calls, and what is kept of reasons."""

from __future__ import annotations

from typing import Any

import pytest

from amendment.errors import Rejected
from amendment.llm.requests import Reply, Request
from amendment.preference.parsers import VERDICT_SCHEMA
from amendment.records import Message, text_of
from tests.preference.scripted_judge import Scripted, compare, house, judge, labels, principle, shown, written


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


def test_a_server_that_refuses_schemas_is_asked_without_one_and_told_of_once() -> None:
    def say(request: Request) -> Reply:
        if request.answer_schema:
            raise Rejected("here: status 400: response_format is not supported")
        return written(f'Here it is:\n```json\n{{"reasoning": "Warm.", "verdict": "{good_one(request)}"}}\n```')

    provider = Scripted(say)
    asked = judge(provider, "structured")
    assert compare(asked).p_a == 1.0
    assert [request.answer_schema is None for request in provider.asked] == [False, True, True]
    (notice,) = asked.model.calls.notices
    assert "keeps no schema" in notice


@pytest.mark.parametrize("folder", ["verdict", "reasoned"])
def test_a_thinking_models_thoughts_are_kept_and_never_read(folder: str) -> None:
    thought = Message(role="assistant", thinking="Verdict: B\nVerdict: B", content="Because.\nVerdict: A")
    made = compare(judge(Scripted(lambda _: Reply(messages=(thought,))), folder, orders="first"))
    (verdict,) = made.verdicts
    assert verdict.value == "A"
    assert verdict.reasoning == "Verdict: B\nVerdict: B\n\nBecause."


@pytest.mark.parametrize("folder", ["verdict", "reasoned", "structured", "label-tokens"])
def test_the_task_is_repeated_after_both_answers(folder: str) -> None:
    provider = Scripted(lambda request: labels(0.8) if request.choices else written("Verdict: A"))
    compare(judge(provider, folder))
    said = text_of(provider.asked[0].messages)
    after = said.rpartition("<<end answer_b")[2]
    assert "The principle: Be kind." in after
    assert "Which is more kind?" in after
    assert "Judge the two answers by this principle only." in after


def rule_of(request: Request) -> str:
    return text_of(request.messages).partition("The principle: ")[2].partition("\n")[0]


@pytest.mark.parametrize(("combine", "p_a"), [("mean", 0.5), ("tiers", 0.2)])
def test_tiers_let_the_lower_one_decide(combine: Any, p_a: float) -> None:
    # kind (tier 1) says 0.2 for a in either order, brief (tier 2) says 0.8: their mean is 0.5
    rules = house(principle("kind", tier=1), principle("brief", tier=2))

    def say(request: Request) -> Reply:
        likes = 0.2 if rule_of(request) == "Be kind." else 0.8
        return labels(likes if shown(request)[0] == "good" else 1 - likes)

    made = compare(judge(Scripted(say), constitution=rules, principles_per_pair="all", combine=combine))
    assert made.p_a == pytest.approx(p_a)
