"""Shared prefixes: counted as a prefix tree would, and as a vendor's cache does; shipped prompts share nearly all."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.constitutions import load_constitution
from amendment.critique import ChainSettings, PrincipleDraw, run_chain
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.prefixes import PrefixMeter, Share
from amendment.llm.provider import Meter, Sent
from amendment.llm.requests import Reply, Request
from amendment.llm.tokens import prompt_texts
from amendment.preference import Judge, JudgeSettings, load_judge_folder, shipped_judges
from amendment.records import Candidate, Message, Prompt, Sampling, text_of, user

OVERHEAD = len("user\n\n")


def request(text: str, model: str = "m", host: str = "h") -> Request:
    return Request(provider="openai", host=host, model=model, messages=user(text))


def counted(requests: Sequence[Request], **settings: int) -> Share:
    meter = PrefixMeter(**settings)
    for one in requests:
        meter.add(one)
    return meter.share


def common(text: str, other: str) -> int:
    """How many characters both begin with."""
    differing = (place for place, pair in enumerate(zip(text, other, strict=False)) if len(set(pair)) == 2)
    return next(differing, min(len(text), len(other)))


def tokens(number: int, letter: str = "x") -> str:
    """So many tokens of text, the role's line and the last line break included."""
    return letter * (4 * number - OVERHEAD)


def test_a_request_finds_what_an_earlier_one_began_with() -> None:
    meter = PrefixMeter(minimum=0, step=1, grain=1)
    assert meter.add(request(tokens(100))) == (0, 0, 100)
    assert meter.add(request(tokens(100))) == (100, 100, 100)
    # "user\n" and 160 letters are 165 characters, 41 whole tokens of the 50
    assert meter.add(request("x" * 160 + "y" * 34)) == (41, 41, 50)
    assert meter.share == Share(141, 141, 250)
    assert meter.share.of_total == pytest.approx(0.564)


@pytest.mark.parametrize(("shared", "cacheable"), [(1000, 0), (1023, 0), (1024, 1024), (1151, 1024), (1152, 1152)])
def test_a_vendor_keeps_long_prefixes_only_and_cuts_them_at_its_steps(shared: int, cacheable: int) -> None:
    opening = "x" * (4 * shared - len("user\n"))
    meter = PrefixMeter(grain=1)
    meter.add(request(opening + "a" * 400))
    added = meter.add(request(opening + "b" * 400))
    assert (added.cacheable, added.reachable) == (cacheable, shared)


def test_models_and_hosts_share_nothing_with_each_other() -> None:
    share = counted([request(tokens(2000), model, host) for model in "ab" for host in "cd"])
    assert (share.reachable, share.total) == (0, 8000)


def test_tools_and_earlier_turns_stand_before_the_last_message() -> None:
    turns = (*user(tokens(1500)), Message(role="assistant", content="Yes."))
    with_tools = [
        Request(provider="p", host="h", model="m", tools=({"name": name},), messages=(*turns, *user("Go.")))
        for name in ("look", "look", "seek")
    ]
    first, second, third = (counted(with_tools[:number]).reachable for number in (1, 2, 3))
    assert first == 0
    assert second >= 1472  # the turns in whole blocks of 32
    assert third == second  # other tools in front, and nothing is shared


def test_before_anything_is_counted_nothing_is_shared() -> None:
    assert PrefixMeter().share.of_total == 0.0


TEXTS = st.lists(st.lists(st.sampled_from(["a", "b", "cc", "ddddddd", "你"]), max_size=12).map("".join), max_size=12)


@given(TEXTS)
def test_the_count_is_that_of_a_tree_of_all_prefixes(texts: list[str]) -> None:
    """The tree by brute force: of each text, the longest beginning in whole tokens that an earlier text has too."""
    asked = [request(text) for text in texts]
    seen: list[str] = []
    reachable = 0
    for one in asked:
        text = "".join(prompt_texts(one))
        reachable += max((common(text, other) // 4 for other in seen), default=0)
        seen.append(text)
    share = counted(asked, minimum=0, step=1, grain=1)
    assert share.cacheable == share.reachable == reachable
    assert share.total == sum(-(-len(text) // 4) for text in seen)


def test_memory_is_bounded_and_what_is_met_again_and_again_is_remembered() -> None:
    meter = PrefixMeter(minimum=0, step=1, grain=32, most_blocks=1000)
    opening = "the same opening " * 40
    meter.add(request(opening + tokens(64)))
    for number in range(500):
        added = meter.add(request(f"{opening}{number}{tokens(320)}"))
        assert added.reachable >= len(opening) // 4 - 32
        assert meter.blocks <= 1000 + 12
    assert meter.add(request(opening + tokens(64))).reachable < 64 + len(opening) // 4 - 32  # its end is forgotten


# The shipped prompts: how much of what they could share, in any order of their parts, they do share.


class Recorder:
    """A provider that keeps what it is asked and says what any judge, a critic and a reviser could say."""

    kind = "simulated"
    host = "here"
    shows_choices = True
    deadline = None

    def __init__(self) -> None:
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Sent:
        self.asked.append(request)
        number = len(self.asked)
        return Sent(f"{PASSAGE[number % 7 :]} {number}.{EVERY_VERDICT}".encode())

    def meter(self, raw: bytes) -> Meter:
        return Meter()

    def read(self, raw: bytes, request: Request) -> Reply:
        said = Message(role="assistant", content=raw.decode())
        shares = {label: -math.log(len(request.choices)) for label in request.choices} if request.choices else None
        return Reply(messages=(said,), choice_logprobs=shares)

    async def close(self) -> None: ...


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
    provider = Recorder()

    async def main() -> None:
        with Ledger() as ledger:
            calls = Calls(ledger)
            await use(Model(name="m", model="m", provider=provider, calls=calls, sampling=Sampling()))  # type: ignore[misc]
            await calls.drain()

    asyncio.run(main())
    return provider.asked


def judged(folder: str, principles: int) -> list[Request]:
    """What a judge asks first about each pair; of judges of single answers, about all four answers of a prompt."""

    async def use(model: Model) -> None:
        settings = JudgeSettings(orders="both", principles_per_pair=principles)
        judge = Judge.from_folder(folder, model=model, constitution=CONSTITUTION, settings=settings)
        for prompt in PROMPTS:
            for pair in candidates(prompt)[: 2 if judge.unit == "answer" else 1]:
                await judge.verdicts(prompt, *pair)

    return [one for one in record(use) if text_of(one.messages).startswith("You ")]


def chained() -> list[Request]:
    async def use(model: Model) -> None:
        settings = ChainSettings(rounds=2, principles=PrincipleDraw(per_round=2))
        for prompt in PROMPTS:
            await run_chain(prompt, model, [CONSTITUTION], settings)

    return record(use)


def reached(requests: Sequence[Request]) -> float:
    """What the requests share as they are, of what they could share at best with the parts of the last message in any
    other order, the task first and the closing line last."""
    settings = {"minimum": 0, "step": 1, "grain": 4}
    texts = [text_of(one.messages).split("\n\n") for one in requests]
    (parts,) = {len(text) for text in texts}
    best = 0
    for order in permutations(range(1, parts - 1)):
        moved = ["\n\n".join([text[0], *(text[place] for place in order), text[-1]]) for text in texts]
        turns = [(*one.messages[:-1], *user(text)) for one, text in zip(requests, moved, strict=True)]
        asked = [one.model_copy(update={"messages": turn}) for one, turn in zip(requests, turns, strict=True)]
        best = max(best, counted(asked, **settings).reachable)
    return counted(requests, **settings).reachable / best


@pytest.mark.parametrize("folder", [name for name in shipped_judges() if load_judge_folder(name).compares])
def test_over_orders_and_principles_judges_reach_nine_tenths_of_what_any_order_of_parts_could(folder: str) -> None:
    requests = judged(folder, principles=3)
    questions = 4 if load_judge_folder(folder).unit == "answer" else 2
    assert len(requests) == 4 * questions * 3
    assert reached(requests) >= 0.9


@pytest.mark.parametrize("folder", ["label-tokens", "rubric", "score", "verdict"])
def test_with_one_principle_a_pair_they_reach_nine_tenths_too(folder: str) -> None:
    assert reached(judged(folder, principles=1)) >= 0.9


@pytest.mark.parametrize("task", ["You are checking", "You are improving"])
def test_over_rounds_and_principles_critics_and_revisers_reach_nine_tenths_too(task: str) -> None:
    requests = [one for one in chained() if text_of(one.messages).startswith(task)]
    assert len(requests) == 4 * 4
    assert reached(requests) >= 0.9


def test_both_orders_of_a_pair_share_the_conversation() -> None:
    first, second = judged("label-tokens", 1)[:2]
    text = text_of(first.messages)
    shared = text[: common(text, text_of(second.messages))]
    assert "<<end conversation" in shared
    assert "Yes." not in shared
