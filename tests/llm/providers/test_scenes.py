"""What the simulated world finds out by itself: role and principle, from the very texts that the chain sends."""

from __future__ import annotations

import asyncio
from itertools import combinations

import pytest

from amendment.constitutions import Constitution, load_constitution, shipped
from amendment.critique import ChainSettings, run_chain
from amendment.fence import read_fenced
from amendment.llm._question import Question
from amendment.llm._scene import principles_in
from amendment.llm._scenes import role_of
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.openai import chat_body
from amendment.llm.provider import Sent
from amendment.llm.requests import Reply, Request
from amendment.llm.simulated import SimulatedProvider
from amendment.llm.specs import OpenAISpec
from amendment.preference import Judge, JudgeSettings, load_judge_folder, shipped_judges
from amendment.records import Candidate, Message, Prompt, Sampling, Verdict, text_of
from amendment.simulator import PRINCIPLES, Persona, sample_prompts

LILLIPUT = load_constitution("lilliput")
FOREIGN = load_constitution("helpful-honest")
WIRE = OpenAISpec(provider="openai", model="m", base_url="http://127.0.0.1:1/v1")


class Overheard(SimulatedProvider):
    """The simulated world, and every question that came to it."""

    def __init__(self, unreadable: float = 0) -> None:
        super().__init__(Persona(unreadable=unreadable))
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Sent:
        self.asked.append(request)
        return await super().send(request)

    def read(self, raw: bytes, request: Request) -> Reply:
        return super().read(raw, request)

    @property
    def roles(self) -> list[str]:
        return [role_of(text, read_fenced(text)) for text in map(text_seen, self.asked)]


def text_seen(request: Request) -> str:
    return Question.model_validate(chat_body(request, WIRE)).asked


def model(provider: Overheard, ledger: Ledger) -> Model:
    return Model(name="m", model="m", provider=provider, calls=Calls(ledger), sampling=Sampling(seed=1))


def test_no_sentence_of_a_principle_stands_in_one_of_another() -> None:
    sentences = [
        (one.id, text)
        for one in LILLIPUT.principles
        for text in (one.statement, *one.critique, *one.revise, *one.compare)
    ]
    assert len(sentences) > 50
    for (first, text), (second, other) in combinations(sentences, 2):
        assert first == second or (text not in other and other not in text)
    assert {one.id for one in LILLIPUT.principles} == set(PRINCIPLES)


@pytest.mark.parametrize("critique", [True, False])
@pytest.mark.parametrize("rules", [LILLIPUT, FOREIGN], ids=["lilliput", "foreign"])
def test_every_step_of_a_chain_is_played_in_its_role_and_by_its_principle(rules: Constitution, critique: bool) -> None:
    provider = Overheard()

    async def main() -> list[tuple[str, ...]]:
        with Ledger() as ledger:
            drawn: list[tuple[str, ...]] = []
            for prompt in sample_prompts(12, 3):
                settings = ChainSettings(rounds=2, critique=critique)
                made = await run_chain(prompt.record, model(provider, ledger), [rules], settings, seed=4)
                assert made.ending.outcome == "done"
                for revision in made.candidates[1:]:
                    principles = revision.origin.principle_ids or ()
                    drawn += [principles] * (2 if critique else 1)
            return drawn

    drawn = asyncio.run(main())
    step = ["critique", "revise"] if critique else ["revise"]
    assert provider.roles == ["draft", *step, *step] * 12
    steps = [one for one, role in zip(provider.asked, provider.roles, strict=True) if role != "draft"]
    read = [principles_in(text_seen(one)) for one in steps]
    assert read == (drawn if rules is LILLIPUT else [()] * len(drawn))


@pytest.mark.parametrize("folder", [name for name in shipped_judges() if load_judge_folder(name).has_principle])
def test_every_verdict_is_given_by_the_principle_that_was_drawn(folder: str) -> None:
    provider = Overheard()
    prompts: list[Prompt] = [one.record for one in sample_prompts(10, 5)]

    async def main() -> list[Verdict]:
        with Ledger() as ledger:
            judge = Judge.from_folder(
                folder,
                model=model(provider, ledger),
                constitution=LILLIPUT,
                settings=JudgeSettings(principles_per_pair=8, sampling="uniform", orders="first"),
            )
            found: list[Verdict] = []
            for prompt in prompts:
                a, b = (
                    Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=text),), kind="imported")
                    for text in ("the answer is 11", "i will not help")
                )
                compares = judge.folder.compares
                found += await (judge.verdicts(prompt, a, b) if compares else judge.answer_verdicts(prompt, a))
            return found

    verdicts = asyncio.run(main())
    roles = {"score": "score", "rubric": "criteria", "violation": "check"}
    assert set(provider.roles) == {roles.get(folder, "judge")}
    asked = [text_seen(one) for one in provider.asked if read_fenced(text_of(one.messages))]  # first questions
    whole = [one for one in verdicts if one.criterion is None]  # of a rubric the score of all criteria
    assert [principles_in(text) for text in asked] == [(one.principle_id,) for one in whole]
    assert {one.principle_id for one in verdicts} == {f"lilliput/{name}" for name in PRINCIPLES}


@pytest.mark.parametrize("unreadable", [0.5, 1.0])
def test_a_judge_that_is_asked_once_more_judges_the_same_pair_by_the_same_principle(unreadable: float) -> None:
    provider = Overheard(unreadable)

    async def main() -> list[Verdict]:
        with Ledger() as ledger:
            judge = Judge.from_folder("verdict", model=model(provider, ledger), constitution=LILLIPUT)
            found: list[Verdict] = []
            for prompt in (one.record for one in sample_prompts(10, 5)):
                a, b = (
                    Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=text),), kind="imported")
                    for text in ("the answer is 11", "i will not help")
                )
                found += await judge.verdicts(prompt, a, b)
            return found

    verdicts = asyncio.run(main())
    again = [one for one in provider.asked if len(one.messages) == 3]
    assert set(provider.roles) == {"judge"}
    assert {text_seen(one) for one in again} <= {text_seen(one) for one in provider.asked if len(one.messages) == 1}
    n_invalid = sum(one.invalid is not None for one in verdicts)
    assert len(provider.asked) == 20 + len(again)
    if unreadable == 1.0:
        assert (len(again), n_invalid) == (20, 20)  # nonsense again, and no third question
    else:
        assert 0 < n_invalid < len(again) < 20


def test_sentences_of_other_shipped_constitutions_are_not_taken_for_its_own() -> None:
    for name in set(shipped()) - {"lilliput"}:
        for one in load_constitution(name).principles:
            assert principles_in("\n".join((one.rule, *one.critique, *one.revise, *one.compare))) == ()
