"""Prompts share their beginnings: nearly all that they could share in any order of their parts."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from itertools import accumulate, permutations, takewhile

import pytest

from amendment.constitutions import load_constitution
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.requests import Reply, Request, prompt_texts
from amendment.preference import Judge, JudgeSettings, load_judge_folder, shipped_judges
from amendment.records import Candidate, Message, Prompt, Sampling, text_of, user
from tests.preference.scripted_judge import Scripted, written


def shared_by(requests: Sequence[Request]) -> int:
    """The number of leading characters that requests share with earlier ones, in steps of 16."""
    known: set[int] = set()
    count = 0
    for request in requests:
        text = "".join(prompt_texts(request))
        blocks = [text[start : start + 16] for start in range(0, len(text) - 15, 16)]
        openings = list(accumulate(map(hash, blocks), lambda opening, block: hash((opening, block))))
        count += 16 * len(list(takewhile(known.__contains__, openings)))
        known.update(openings)
    return count


PASSAGE = "It depends on how much of it the dog has eaten, and on what kind of chocolate it was, so say both. " * 4
EVERY_VERDICT = '\nVerdict: A\nScore: 5\nRanking: 2 > 1\n{"reasoning": "", "verdict": "A"}'
PROMPTS = [Prompt(messages=user(f"Question {number}: {PASSAGE[number:200]}")) for number in range(4)]
CONSTITUTION = load_constitution("childrens-tutor")


def candidates(prompt: Prompt) -> list[tuple[Candidate, Candidate]]:
    """Two pairs of answers, which differ from each other and from those to other prompts."""
    yes, no, perhaps, never = (
        Candidate(
            prompt_id=prompt.id,
            messages=(Message(role="assistant", content=f"{prompt.id[-4:]} {start} {PASSAGE}"),),
            kind="imported",
        )
        for start in ("Yes.", "No.", "Perhaps.", "Never.")
    )
    return [(yes, no), (perhaps, never)]


def record(use: Callable[[Model], object]) -> list[Request]:
    """All requests of a use, in the order in which they were sent."""

    def say(request: Request) -> Reply:
        """What any judge, a critic and a reviser could say."""
        number = len(provider.asked)
        shares = {label: -math.log(len(request.choices)) for label in request.choices} if request.choices else None
        reply = written(f"{PASSAGE[number % 7 :]} {number}.{EVERY_VERDICT}")
        return reply.model_copy(update={"choice_logprobs": shares})

    provider = Scripted(say)

    async def main() -> None:
        with Ledger() as ledger:
            calls = Calls(ledger)
            await use(Model(name="m", model="m", provider=provider, calls=calls, sampling=Sampling()))  # type: ignore[misc]
            await calls.drain()

    asyncio.run(main())
    return provider.asked


def judged(folder: str) -> list[Request]:
    """A judge's first question about each pair; of judges of single answers, about all four answers of a prompt."""

    async def use(model: Model) -> None:
        settings = JudgeSettings(orders="both", principles_per_pair=3)
        judge = Judge.from_folder(folder, model=model, constitution=CONSTITUTION, settings=settings)
        for prompt in PROMPTS:
            for pair in candidates(prompt)[: 2 if judge.unit == "answer" else 1]:
                await judge.verdicts(prompt, *pair)

    return [one for one in record(use) if text_of(one.messages).startswith("You ")]


def reached(requests: Sequence[Request]) -> float:
    """The share of leading characters in common, of the best possible with the parts of the last message in any
    other order, the task first and the closing line last."""
    texts = [text_of(one.messages).split("\n\n") for one in requests]
    (parts,) = {len(text) for text in texts}
    best = 0
    for order in permutations(range(1, parts - 1)):
        moved = ["\n\n".join([text[0], *(text[place] for place in order), text[-1]]) for text in texts]
        turns = [(*one.messages[:-1], *user(text)) for one, text in zip(requests, moved, strict=True)]
        asked = [one.model_copy(update={"messages": turn}) for one, turn in zip(requests, turns, strict=True)]
        best = max(best, shared_by(asked))
    return shared_by(requests) / best


ASKED = [name for name, made in ((n, load_judge_folder(n)) for n in shipped_judges()) if made.compares]


@pytest.mark.parametrize("folder", [name for name in ASKED if name != "likelihood"])
def test_over_orders_and_principles_judges_reach_nine_tenths_of_what_any_order_of_parts_could(folder: str) -> None:
    requests = judged(folder)
    questions = 4 if load_judge_folder(folder).unit == "answer" else 2
    assert len(requests) == 4 * questions * 3
    assert reached(requests) >= 0.9
