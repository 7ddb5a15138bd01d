"""A cheap judge first: who decides, who is asked, and what each tier kept."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.preference import Escalated, cascade, tier_shares
from amendment.records import Judgement


def judgement(p_a: float | None, prompt: str = "p", rater: str = "cheap") -> Judgement:
    return Judgement(prompt_id=prompt, a="x", b="y", p_a=p_a, raters=(rater,))


def asked(*ps: float | None, sure: float = 0.6, prompt: str = "p") -> tuple[Escalated, list[int]]:
    """Tiers that answer `ps`, and which of them were asked."""
    calls: list[int] = []

    def tier(place: int, p: float | None) -> Callable[[], Awaitable[Judgement]]:
        async def ask() -> Judgement:
            calls.append(place)
            return judgement(p, prompt, f"tier {place}")

        return ask

    return asyncio.run(cascade([tier(place, p) for place, p in enumerate(ps)], sure)), calls


def test_a_sure_judge_is_the_only_one_asked() -> None:
    found, calls = asked(0.9, 0.1)  # |2 * 0.9 - 1| = 0.8
    assert (found.tier, found.is_for_people, calls) == (0, False, [0])
    assert found.judgement.raters == ("tier 0",)


def test_an_unsure_or_unreadable_judge_hands_on() -> None:
    for first in (0.75, 0.5, None):  # |2 * 0.75 - 1| = 0.5, below 0.6
        found, calls = asked(first, 0.05, 0.9)
        assert (found.tier, found.is_for_people, calls) == (1, False, [0, 1])
        assert found.judgement.p_a == 0.05


def test_what_no_tier_is_sure_of_goes_to_people_with_the_strongest_reading() -> None:
    assert asked(0.6, 0.7)[0][1:3] == (1, True)
    assert asked(0.6, None)[0][1:3] == (0, True)  # the stronger one could not be read
    found = asked(None, None)[0]
    assert found[1:3] == (1, True)
    assert found.judgement.p_a is None
    assert len(found.judgements) == 2


def test_the_bound_itself_is_sure_enough_whatever_rounding_does() -> None:
    for p in range(101):  # hundredths, in which |2p - 1| is a whole number
        surety = abs(2 * p - 100)
        assert not asked(p / 100, sure=surety / 100)[0].is_for_people
        assert surety == 100 or asked(p / 100, sure=(surety + 1) / 100)[0].is_for_people


def test_shares_and_agreement_by_tier_by_hand() -> None:
    # eight prompts: tier 0 keeps q0 to q3, tier 1 keeps q4 and q5, q6 and q7 go to people
    ps = [(0.9,), (0.9,), (0.1,), (0.1,), (0.6, 0.9), (0.5, 0.1), (0.6, 0.6), (0.5, None)]
    found = [asked(*p, prompt=f"q{i}")[0] for i, p in enumerate(ps)]
    said = [1.0, 0.0, 0.0, 0.5, 1.0, 0.0, 1.0, 1.0]  # tier 0: right, wrong, right, undecided; tier 1: both right
    people = {one.judgement.comparison_id: p for one, p in zip(found, said, strict=True)}
    cheap, strong, rest = tier_shares(found, people)
    assert (cheap.tier, cheap.asked, cheap.kept, cheap.share.value) == (0, 8, 4, 0.5)
    assert (strong.tier, strong.asked, strong.kept, strong.share.value) == (1, 4, 2, 0.25)
    assert (rest.tier, rest.asked, rest.kept, rest.share.value) == (None, 2, 2, 0.25)
    assert cheap.agreement is not None
    assert strong.agreement is not None
    assert cheap.agreement.value == pytest.approx(2 / 3)
    assert cheap.agreement.n == 3
    assert (strong.agreement.value, strong.agreement.n) == (1.0, 2)
    assert rest.agreement is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from([None, 0.1, 0.45, 0.5, 0.7, 1.0]), min_size=3, max_size=3), max_size=12))
def test_every_comparison_ends_in_exactly_one_place(ps: list[list[float | None]]) -> None:
    shares = tier_shares([asked(*p, prompt=f"q{i}")[0] for i, p in enumerate(ps)])
    assert sum(one.kept for one in shares) == len(ps)
    assert all(before.asked - before.kept == after.asked for before, after in pairwise(shares))
    assert all(one.agreement is None for one in shares)


def test_of_nothing_there_is_no_share() -> None:
    (rest,) = tier_shares([], {})
    assert rest[:3] == (None, 0, 0)
    assert math.isnan(rest.share.value)


def test_no_tiers_no_surety_and_tiers_of_two_questions_are_refused() -> None:
    async def other() -> Judgement:
        return judgement(0.9, prompt="another")

    async def unsure() -> Judgement:
        return judgement(0.5)

    for tiers, sure in (([], 0.5), ([unsure], 1.5), ([unsure], math.nan)):
        with pytest.raises(ValueError, match="at least one tier and a surety"):
            asyncio.run(cascade(tiers, sure))
    with pytest.raises(ValueError, match="different comparisons"):
        asyncio.run(cascade([unsure, other], 0.5))
