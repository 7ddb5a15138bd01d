"""The budget: spent and reserved together stay below the limit whatever happens, and nobody waits for nothing."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.errors import BudgetReached, ConfigError
from amendment.llm.budget import Budget, Hold
from amendment.llm.prices import FREE, Price
from amendment.llm.requests import Tokens, Usage
from tests.llm.scripted import in_loop

CENT = Price(input=10_000.0, output=10_000.0, cached_input=1000.0, batch_discount=0.5)
"""A token costs a cent."""


def cents(number: int) -> Tokens:
    return Tokens(number, 0)


@pytest.fixture
def budget() -> Budget:
    """A dollar."""
    return Budget(1.0)


def used(number: int, cached: int = 0) -> Usage:
    return Usage(input_tokens=number, output_tokens=0, cached_tokens=cached)


async def settled(rounds: int = 5) -> None:
    """Everything that can run without an event from outside has run."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def held(budget: Budget, number: int) -> Hold:
    return await budget.reserve(cents(number), CENT)


def begin(budget: Budget, number: int) -> asyncio.Task[Hold]:
    return asyncio.ensure_future(held(budget, number))


@in_loop
async def test_a_call_holds_its_most_and_then_costs_what_it_took(budget: Budget) -> None:
    hold = await budget.reserve(Tokens(30, 20), CENT)
    assert (hold.usd, budget.reserved, budget.spent) == (0.5, 0.5, 0.0)
    assert hold.settle(used(20, cached=10)) == pytest.approx(0.11)  # 10 at a cent, 10 cached at a tenth of it
    assert budget.reserved == 0.0
    assert budget.spent == pytest.approx(0.11)


@in_loop
async def test_who_cannot_be_served_learns_what_is_spent_and_needed_and_how_to_go_on(budget: Budget) -> None:
    (await held(budget, 80)).settle(used(80))
    with pytest.raises(BudgetReached) as caught:
        await held(budget, 30)
    for part in ("0.8000 of 1 USD are spent", "up to 0.3000 USD", "Raise usd under budget", "run again", "kept"):
        assert part in str(caught.value)


@in_loop
async def test_calls_are_served_in_the_order_of_asking_so_that_large_ones_do_not_starve(budget: Budget) -> None:
    holds = [await held(budget, 50) for _ in range(2)]
    large, small = begin(budget, 90), begin(budget, 10)
    holds[0].release()
    await settled()
    assert not small.done(), "50 are free, but 90 came first"
    holds[1].release()
    await settled()
    assert large.done()
    assert small.done()


@in_loop
async def test_an_answer_without_a_limit_cannot_be_had_under_one(budget: Budget) -> None:
    with pytest.raises(ConfigError, match="set max_tokens"):
        await budget.reserve(Tokens(1, None), CENT)
    bounded = CENT.model_copy(update={"max_output": 30})
    assert (await budget.reserve(Tokens(1, None), bounded)).usd == 0.31


@in_loop
async def test_a_call_waits_while_others_may_give_something_back(budget: Budget) -> None:
    first = await held(budget, 80)
    second = begin(budget, 60)
    await settled()
    assert not second.done()
    first.settle(used(40))
    assert (await second).usd == 0.6
    third = begin(budget, 20)
    await settled()
    assert not third.done()
    second.result().settle(used(60))  # all of it: 40 + 60 are spent, and nothing is under way
    with pytest.raises(BudgetReached):
        await third


@in_loop
async def test_calls_that_are_sent_together_get_their_money_together(budget: Budget) -> None:
    first = await held(budget, 50)
    together = asyncio.ensure_future(budget.reserve_all([cents(40), cents(50)], CENT))
    await settled()
    assert budget.reserved == 0.5  # not a part of them
    first.release()
    holds = await together
    assert [hold.usd for hold in holds] == [0.4, 0.5]
    for hold in holds:
        hold.settle(used(10))
    assert (budget.reserved, budget.spent) == (0.0, 0.2)
    with pytest.raises(BudgetReached, match=r"up to 0\.9000 USD"):
        await budget.reserve_all([cents(40), cents(50)], CENT)


@in_loop
async def test_free_and_unpriced_calls_wait_for_nobody(budget: Budget) -> None:
    await held(budget, 100)
    begin(budget, 50)
    await settled()
    for price in (FREE, None):
        hold = await budget.reserve(Tokens(10**9, None if price is None else 10**9), price)
        assert hold.settle(used(10**9)) == (None if price is None else 0.0)
    assert budget.spent == 0.0
    assert (await Budget().reserve(cents(30), CENT)).settle(None) == 0.3, "without a usage the estimate"


@in_loop
async def test_a_line_of_an_earlier_batch_is_spent_until_it_is_followed(
    budget: Budget,
) -> None:
    budget.count_left(7, Tokens(60, 40), CENT)  # 100 cents, in a batch half of it
    assert (budget.spent, budget.reserved) == (0.5, 0.0)
    with pytest.raises(BudgetReached):
        await held(budget, 60)
    hold = budget.take_up(7, CENT)
    assert (budget.spent, budget.reserved) == (0.0, 0.5)
    waiting = begin(budget, 60)
    await settled()
    assert not waiting.done()
    assert hold.settle(used(20)) == 0.1
    assert (await waiting).usd == 0.6


@in_loop
async def test_money_of_a_batch_that_is_left_is_spent_again_and_nobody_waits_for_it(budget: Budget) -> None:
    budget.count_left(7, cents(100), CENT)
    hold = budget.take_up(7, CENT)
    waiting = begin(budget, 60)
    await settled()
    budget.leave(7, hold)
    with pytest.raises(BudgetReached):
        await waiting
    assert (budget.spent, budget.reserved) == (0.5, 0.0)
    assert budget.take_up(7, CENT) is hold


@pytest.mark.parametrize(("first", "second"), [("settle", "lose"), ("release", "settle"), ("lose", "release")])
@in_loop
async def test_money_ends_once(budget: Budget, first: str, second: str) -> None:
    hold = await held(budget, 30)
    ends = {"settle": lambda: hold.settle(used(10)), "release": hold.release, "lose": hold.lose}
    ends[first]()
    before = (budget.spent, budget.reserved)
    with pytest.raises(RuntimeError):
        ends[second]()
    assert (budget.spent, budget.reserved) == before
    assert budget.possibly_paid == (0.3 if first == "lose" else 0.0)


@in_loop
async def test_more_than_the_estimate_is_charged_truthfully_and_ends_the_spending(budget: Budget) -> None:
    assert (await held(budget, 90)).settle(used(130)) == 1.3
    assert budget.spent == 1.3
    with pytest.raises(BudgetReached):
        await held(budget, 1)


@in_loop
async def test_sums_of_many_small_prices_are_exact(budget: Budget) -> None:
    for _ in range(10_000):  # 10,000 x 0.0001 is 1.0, which a sum of floats misses
        (await budget.reserve(Tokens(1, 0), Price(input=100.0, output=0.0))).settle(used(1))
    assert budget.spent == 1.0
    with pytest.raises(BudgetReached):
        await budget.reserve(Tokens(1, 0), Price(input=0.000_001, output=0.0))


ENDS = st.sampled_from(["settle", "unmetered", "release", "lose"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 60), st.just(0)),
        st.tuples(ENDS, st.integers(0, 50), st.integers(0, 90)),
        st.tuples(st.just("cancel"), st.integers(0, 50), st.just(0)),
        st.tuples(st.just("turn"), st.integers(1, 3), st.just(0)),
    ),
    max_size=60,
)


class Play:
    """Calls that begin, wait, are cancelled and end, in whatever order; the limit is a dollar."""

    def __init__(self) -> None:
        self.budget = Budget(1.0)
        self.tasks: list[asyncio.Task[Hold]] = []
        self.open: list[Hold] = []
        self.over = 0.0
        """USD by which usages were more than their estimates."""

    def collect(self) -> None:
        for task in [task for task in self.tasks if task.done()]:
            self.tasks.remove(task)
            if not task.cancelled() and task.exception() is None:
                self.open.append(task.result())
            elif not task.cancelled():
                assert isinstance(task.exception(), BudgetReached)

    def end(self, how: str, which: int, took: int) -> None:
        if not self.open:
            return
        hold = self.open.pop(which % len(self.open))
        match how:
            case "settle":
                self.over += max(0.0, took / 100 - hold.usd)
                hold.settle(used(took))
            case "unmetered":
                hold.settle(None)
            case "release":
                hold.release()
            case _:
                hold.lose()

    async def step(self, what: str, number: int, took: int) -> None:
        match what:
            case "begin":
                self.tasks.append(begin(self.budget, number))
            case "cancel" if self.tasks:
                self.tasks[number % len(self.tasks)].cancel()
            case "turn":
                await settled(number)
                self.collect()
            case "cancel":
                pass
            case how:
                self.end(how, number, took)

    async def finish(self) -> None:
        while self.tasks or self.open:
            await settled()
            self.collect()
            self.end("release", 0, 0)


@settings(max_examples=100)
@given(STEPS)
@in_loop
async def test_spent_and_reserved_never_exceed_the_limit_but_by_what_usages_exceeded_their_estimates(
    steps: list[tuple[str, int, int]],
) -> None:
    play = Play()
    for step in steps:
        await play.step(*step)
        assert play.budget.committed <= 1.0 + play.over + 1e-9
        assert play.over or play.budget.committed <= 1.0
        assert play.budget.reserved + 1e-9 >= sum(hold.usd for hold in play.open)
    async with asyncio.timeout(10):  # nobody waits for ever
        await play.finish()
    assert play.budget.reserved == 0.0
