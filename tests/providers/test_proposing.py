"""The simulated world is asked which rule is missing, in the very words of the command."""

from __future__ import annotations

import asyncio
from pathlib import Path

from amendment.calibration import Difference, LabelledRow, propose
from amendment.calls import Calls, Model
from amendment.constitutions import load_constitution
from amendment.ledger import Ledger
from amendment.lilliput import Persona
from amendment.providers._scenes import role_of
from amendment.providers.simulated import SimulatedProvider
from amendment.records import Comparison, Message, Sampling, user

LILLIPUT = load_constitution("lilliput")
KEEN = Persona(skill=1.0, false_alarms=0.0, noise=0.0)


def shown(number: int) -> Difference:
    row = LabelledRow(Comparison(f"prompt {number}", "a", "b"), 1.0, 1.0, 0.2, {})
    polite, rude = (
        (Message(role="assistant", content=text),) for text in ("the answer is 11", "the answer is 11 you fool")
    )
    return Difference(row, user("add 3 8"), polite, rude)


def proposed(tmp_path: Path, rules: dict[str, str]) -> tuple[str, ...]:
    calls = Calls(Ledger(tmp_path / "ledger.sqlite"))
    model = Model(name="m", model="m", provider=SimulatedProvider(KEEN), calls=calls, sampling=Sampling(seed=1))

    async def ask() -> tuple[str, ...]:
        found = await propose(model, [shown(number) for number in range(8)], rules)
        assert not found.unfit or not found.rules  # a reply that holds no rule is counted
        await calls.drain()
        return tuple(one.statement for one in found.rules)

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
