"""Judges of pools: k answers in one question, and positions that are told from candidates."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amendment.llm.requests import Request
from amendment.fence import read_fenced
from amendment.records import Candidate, Message, Prompt, Verdict, user
from tests.preference.scripted_judge import Scripted, compare, judge, question, written

PROMPT = Prompt(messages=user("Hi"))
LENGTHS = ("aaaa", "bb", "ccc", "d")


def candidate(text: str, prompt: Prompt = PROMPT) -> Candidate:
    return Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=text),), kind="imported")


def displayed(request: Request) -> list[str]:
    blocks = read_fenced(question(request))
    count = sum(name.startswith("answer_") for name in blocks)
    return [blocks[f"answer_{place}"][-1]["content"] for place in range(1, count + 1)]


def likes_short(request: Request) -> str:
    texts = displayed(request)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    return "Ranking: " + " > ".join(str(place + 1) for place in order)


def ranked(texts: tuple[str, ...] = LENGTHS, **settings: Any) -> tuple[list[Verdict], Scripted]:
    provider = Scripted(lambda request: written(likes_short(request)), shows_choices=False)
    asked = judge(provider, "listwise", **settings)
    with asked.model.calls.ledger:
        return asyncio.run(asked.pool_verdicts(PROMPT, [candidate(text) for text in texts])), provider


def test_a_pool_is_shown_as_given_and_reversed() -> None:
    (given, back), provider = ranked()
    assert [displayed(request) for request in provider.asked] == [list(LENGTHS), list(LENGTHS[::-1])]
    assert given.value == (4, 2, 3, 1)  # d is the fourth, bb the second, ccc the third, aaaa the first
    assert back.value == (1, 3, 2, 4)
    ids = [candidate(text).id for text in ("d", "bb", "ccc", "aaaa")]
    assert given.ranks() == back.ranks() == {id: rank for rank, id in enumerate(ids, start=1)}
    assert (given.scale, given.shown) == ("ranking", tuple(candidate(text).id for text in LENGTHS))


def test_one_order_is_as_given_or_drawn() -> None:
    (_,), provider = ranked(orders="first")
    assert displayed(provider.asked[0]) == list(LENGTHS)
    drawn = set()
    for seed in range(8):
        (_,), provider = ranked(orders="random", seed=seed)
        (_,), again = ranked(LENGTHS[::-1], orders="random", seed=seed)
        assert displayed(provider.asked[0]) == displayed(again.asked[0])
        drawn.add(tuple(displayed(provider.asked[0])))
    assert len(drawn) > 3


def test_two_answers_are_compared_by_their_ranks() -> None:
    provider = Scripted(lambda request: written(likes_short(request)), shows_choices=False)
    made = compare(judge(provider, "listwise"), "long one", "short")
    assert (made.p_a, made.consistent) == (0.0, True)
    tied = Scripted(lambda _: written("Ranking: 1 = 2"), shows_choices=False)
    assert compare(judge(tied, "listwise")).p_a == 0.5
    first = Scripted(lambda _: written("Ranking: 1 > 2"), shows_choices=False)
    assert compare(judge(first, "listwise")).consistent is False


def test_a_ranking_that_cannot_be_read_is_asked_for_once_more() -> None:
    provider = Scripted(lambda _: written("Ranking: 1 > 2 > 9"), shows_choices=False)
    asked = judge(provider, "listwise", orders="first")
    with asked.model.calls.ledger:
        (found,) = asyncio.run(asked.pool_verdicts(PROMPT, [candidate(text) for text in LENGTHS]))
    assert found.invalid == "the ranking names 1, 2, 9, expected 1 to 4 once each"
    assert "every answer from 1 to 4 once" in question(provider.asked[1])


@pytest.mark.parametrize(
    "pool",
    [
        [candidate("a")],
        [candidate("a"), candidate("a")],
        [candidate("a"), candidate("b", Prompt(messages=user("Other")))],
    ],
)
def test_what_cannot_be_ranked_is_refused(pool: list[Candidate]) -> None:
    asked = judge(Scripted(lambda _: written("")), "listwise")
    with pytest.raises(ValueError, match="expected"):
        asyncio.run(asked.pool_verdicts(PROMPT, pool))


def test_a_judge_of_pairs_ranks_no_pool() -> None:
    asked = judge(Scripted(lambda _: written("")), "verdict")
    with pytest.raises(ValueError, match="judge verdict looks at one pair at a time"):
        asyncio.run(asked.pool_verdicts(PROMPT, [candidate("a"), candidate("b")]))
