"""Yes or no about one answer: what is read, what is shown, by which principles, and what such a judge is not for."""

from __future__ import annotations

import asyncio

import pytest

from amendment.constitutions import Drawn
from amendment.errors import ConfigError
from amendment.llm.requests import Reply, Request
from amendment.preference import Judge
from amendment.records import Candidate, Message, Prompt, Verdict, user
from amendment.text import around_fences, read_fenced
from tests.preference.scripted_judge import Scripted, house, judge, principle, question, written

PROMPT = Prompt(messages=user("Hi"))
RULES = house(principle("kind"), principle("brief"), principle("true"))


def verdicts(asked: Judge, text: str, *names: str | None) -> list[Verdict]:
    said = Candidate(prompt_id=PROMPT.id, messages=(Message(role="assistant", content=text),), kind="policy")
    by = [Drawn(RULES, RULES.principle(name)) if name else None for name in names]
    with asked.model.calls.ledger:
        return asyncio.run(asked.answer_verdicts(PROMPT, said, by=by))


def test_each_principle_that_is_named_is_asked_about_by_itself() -> None:
    def say(request: Request) -> Reply:
        return written("Verdict: yes" if "Be brief." in question(request) else "Why.\nVerdict: no")

    provider = Scripted(say)
    kind, brief = verdicts(judge(provider, "violation", constitution=RULES), "You fool.", "kind", "brief")
    assert [(one.scale, one.principle_id, one.value) for one in (kind, brief)] == [
        ("binary", "house/kind", False),
        ("binary", "house/brief", True),
    ]
    assert kind.reasoning == "Why."
    for request in provider.asked:
        shown = read_fenced(question(request))
        assert shown["candidate"][-1]["content"] == "You fool."
        assert "Be true." not in question(request)
        assert around_fences(question(request)).index("principle:") > 0  # it stands last, behind what all share


def test_a_folder_without_a_principle_asks_the_same_of_every_answer() -> None:
    provider = Scripted(lambda _: written("Verdict: no"))
    [found] = verdicts(judge(provider, "refusal", constitution=RULES), "Here you are.", None)
    assert (found.value, found.principle_id) == (False, None)
    assert "Be kind." not in question(provider.asked[0])


def test_such_a_judge_neither_compares_nor_rewards() -> None:
    asked = judge(Scripted(lambda _: written("Verdict: no")), "violation", constitution=RULES)
    with asked.model.calls.ledger:
        with pytest.raises(ConfigError, match="says yes or no to one answer, which prefers none of two"):
            asked.compare(prompt="Hi", a="a", b="b")
        with pytest.raises(ConfigError, match="says yes or no to one answer"):
            asked.as_reward()
