"""The simulated world is asked which rule is missing, in the very words of the command."""

from __future__ import annotations

import asyncio
from pathlib import Path

from amendment.calibration.amending import propose
from amendment.constitutions import load_constitution
from amendment.llm._scenes import role_of
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.simulated import SimulatedProvider
from amendment.records import Sampling
from amendment.simulator import Persona

LILLIPUT = load_constitution("lilliput")
KEEN = Persona(skill=1.0, false_alarms=0.0, noise=0.0)


def shown() -> dict[str, object]:
    texts = {"preferred": "the answer is 11", "other": "the answer is 11 you fool"}
    answers = {name: [{"role": "assistant", "content": text}] for name, text in texts.items()}
    return {"conversation": [{"role": "user", "content": "add 3 8"}], **answers}


def proposed(tmp_path: Path, rules: dict[str, str]) -> tuple[str, ...]:
    calls = Calls(Ledger(tmp_path / "ledger.sqlite"))
    model = Model(name="m", model="m", provider=SimulatedProvider(KEEN), calls=calls, sampling=Sampling(seed=1))

    async def ask() -> tuple[str, ...]:
        found, left_out = await propose(model, next(iter(rules)), [shown() for _ in range(8)], rules)
        assert not left_out
        await calls.drain()
        return tuple(rule.statement for rule in found)

    try:
        return asyncio.run(ask())
    finally:
        asyncio.run(calls.close())


def test_it_writes_the_sentence_of_the_worlds_own_constitution(tmp_path: Path) -> None:
    assert proposed(tmp_path, {"correct": LILLIPUT.principle("correct").statement}) == (
        LILLIPUT.principle("polite").statement,
    )


def test_it_knows_a_rule_that_stands_already_by_its_sentence(tmp_path: Path) -> None:
    assert proposed(tmp_path, {"manners": LILLIPUT.principle("polite").statement}) == ()


def test_the_question_is_known_by_its_block() -> None:
    assert role_of("", {"disagreements": [], "rules": []}) == "propose"
