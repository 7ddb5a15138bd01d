"""The simulated world as the pipeline meets it: what it reads of a request, which role and principle it finds in the
very texts that chains and judges send, and what it answers by every protocol, in this process and over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amendment.constitutions import load_constitution
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.openai import chat_body
from amendment.llm.provider import RawReply
from amendment.llm.requests import Reply, Request
from amendment.llm.simulated import SimulatedProvider
from amendment.llm.specs import OpenAISpec
from amendment.preference import Judge, JudgeSettings, load_judge_folder, shipped_judges
from amendment.records import Candidate, Message, Messages, Prompt, Sampling, Verdict, text_of, user
from amendment.simulator import PRINCIPLES, Persona, sample_prompts
from amendment.simulator.roles import Question, find_role, principles_in
from amendment.text import fence, read_fenced

CALM = Persona(noise=0, biases={"position": 0}, leak=0, unreadable=0, explains=0)
LILLIPUT = load_constitution("lilliput")
WIRE = OpenAISpec(provider="openai", model="m", base_url="http://127.0.0.1:1/v1")
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "please add 3 8"}]}
PROMPT, RIGHT, WRONG = "please add 3 8", "the answer is 11 because sum", "the answer is 12"
RUDE = f"{RIGHT} you fool"


def turns(text: str, role: str = "assistant") -> list[dict[str, Any]]:
    return [{"role": role, "content": text}]


def rule(principle: str) -> str:
    return f"The principle: {LILLIPUT.principle(principle).statement}"


def request(messages: Messages | str, **fields: Any) -> Request:
    given = user(messages) if isinstance(messages, str) else messages
    return Request(provider="simulated", host="lilliput", model="persona", messages=given, **fields)


def reply(asked: Request, persona: Persona = CALM) -> Reply:
    provider = SimulatedProvider(persona)
    return provider.read(asyncio.run(provider.send(asked)).raw, asked)


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


class Overheard(SimulatedProvider):
    """The simulated world, and every question that came to it."""

    def __init__(self, unreadable: float = 0) -> None:
        super().__init__(Persona(unreadable=unreadable))
        self.asked: list[Request] = []

    async def send(self, request: Request) -> RawReply:
        self.asked.append(request)
        return await super().send(request)

    def read(self, raw: bytes, request: Request) -> Reply:
        return super().read(raw, request)

    @property
    def roles(self) -> list[str]:
        return [find_role(text, read_fenced(text)) for text in map(text_seen, self.asked)]


def text_seen(request: Request) -> str:
    return Question.model_validate(chat_body(request, WIRE)).asked


def overheard(provider: Overheard, ledger: Ledger) -> Model:
    return Model(name="m", model="m", provider=provider, calls=Calls(ledger), sampling=Sampling(seed=1))


ASKED = [name for name, made in ((n, load_judge_folder(n)) for n in shipped_judges()) if made.has_principle]


@pytest.mark.parametrize("folder", [name for name in ASKED if name != "likelihood"])
def test_every_verdict_is_given_by_the_principle_that_was_drawn(folder: str) -> None:
    provider = Overheard()
    prompts: list[Prompt] = [one.record for one in sample_prompts(10, 5)]

    async def main() -> list[Verdict]:
        with Ledger() as ledger:
            judge = Judge.from_folder(
                folder,
                model=overheard(provider, ledger),
                constitution=LILLIPUT,
                settings=JudgeSettings(principles_per_pair=8, orders="first"),
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
    roles = {"score": "score", "rubric": "criteria", "violation": "check", "keeps": "check"}
    assert set(provider.roles) == {roles.get(folder, "judge")}
    asked = [text_seen(one) for one in provider.asked if read_fenced(text_of(one.messages))]  # first questions
    whole = [one for one in verdicts if one.criterion is None]  # of a rubric the score of all criteria
    assert [principles_in(text) for text in asked] == [(one.principle_id,) for one in whole]
    assert {one.principle_id for one in verdicts} == {f"lilliput/{name}" for name in PRINCIPLES}


def test_the_simulated_judge_of_yes_and_no_prefers_the_answer_that_keeps_the_principle() -> None:
    constitution = LILLIPUT.model_copy(update={"principles": (LILLIPUT.principle("correct"),)})
    with Ledger() as ledger:
        model = Model(name="m", model="m", provider=SimulatedProvider(CALM), calls=Calls(ledger), sampling=Sampling())
        made = Judge.from_folder("keeps", model=model, constitution=constitution).compare(
            prompt=PROMPT, a=WRONG, b=RIGHT
        )
    assert made.p_a is not None
    assert made.p_a < 0.2
    assert {verdict.label_mass is not None and verdict.label_mass > 0.9 for verdict in made.verdicts} == {True}


def test_the_same_request_gets_the_same_bytes_and_another_sample_another_draw() -> None:
    async def send(*asked: Request) -> list[bytes]:
        return [(await SimulatedProvider().send(one)).raw for one in asked]

    same = asyncio.run(send(request(PROMPT), request(PROMPT)))
    assert same[0] == same[1]
    seeded = [request(PROMPT, sample=i, sampling=Sampling(seed=1)) for i in range(20)]
    assert len(set(asyncio.run(send(*seeded)))) > 3
    assert len(set(asyncio.run(send(*(request(PROMPT, sampling=Sampling(seed=i)) for i in range(20)))))) > 3


def test_an_answer_ends_at_its_budget_in_words() -> None:
    cut = reply(request(PROMPT, sampling=Sampling(max_tokens=2)))
    assert cut.finish_reason == "length"
    assert cut.usage is not None
    assert (cut.usage.input_tokens, cut.usage.output_tokens) == (4, 2)


def test_the_principle_is_read_around_the_blocks_and_one_of_another_world_stands_for_the_mix() -> None:
    def gap(told: str, second: str = RUDE) -> float:
        blocks = fence({"conversation": PROMPT, "answer_a": turns(RIGHT), "answer_b": turns(second)})
        found = reply(request("\n\n".join([*blocks.values(), told]), choices=("A", "B"))).choice_logprobs
        assert found is not None
        return found["A"] - found["B"]

    assert gap(rule("correct")) == gap(rule("correct"), f"{RUDE} {LILLIPUT.principle('polite').statement}") == 0
    assert gap(rule("polite")) == pytest.approx(CALM.gain)
    # 1.5 of the weights 2 + 2 + 3 + 1.5 + 1 + 0.6 + 1.5 + 1 = 12.6 are for being polite
    assert gap("The principle: Be a good neighbour.") == pytest.approx(CALM.gain * 1.5 / 12.6)
