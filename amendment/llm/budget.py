"""The most that a run may spend: reserved before a call, settled after it.

Covered: what is spent and what is reserved never exceed the limit together, by the estimates; where a call's usage
turns out to be more than its estimate, it is charged truthfully, and nothing more is reserved. Calls wait for each
other in the order of their coming. Not covered: what a vendor bills besides tokens.

Money is counted in whole millionths of a millionth of a dollar, so that sums are exact.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from amendment.errors import BudgetReached, ConfigError
from amendment.llm.prices import Price, cost, least_bound, most_cost
from amendment.llm.requests import Tokens, Usage

_UNITS = 10**12
"""Units to the dollar."""


class _BudgetTurn(NamedTuple):
    """A call that waits for money."""

    units: int
    ready: asyncio.Future[None]


class Budget:
    """Money of one run; without a limit it only counts. To be used from one event loop."""

    def __init__(self, usd: float | None = None, *, spent: float = 0.0) -> None:
        """Take in `spent`, what earlier starts of the same run have spent."""
        self.usd = usd
        self._limit = None if usd is None else math.floor(Fraction(usd) * _UNITS)
        self._spent = to_units(spent)
        self._reserved = 0
        self._possibly_paid = 0
        self._queue: deque[_BudgetTurn] = deque()
        self._left: dict[int, Hold] = {}

    @property
    def spent(self) -> float:
        """Return the USD spent, with what was possibly paid for replies that never came."""
        return self._spent / _UNITS

    @property
    def reserved(self) -> float:
        """Return the USD reserved for calls in flight."""
        return self._reserved / _UNITS

    @property
    def committed(self) -> float:
        """Return spent and reserved together, in USD: what the limit bounds."""
        return (self._spent + self._reserved) / _UNITS

    @property
    def possibly_paid(self) -> float:
        """Return the part of `spent` for calls without a reply that the vendor may bill nevertheless, in USD."""
        return self._possibly_paid / _UNITS

    async def reserve(self, tokens: Tokens, price: Price | None) -> Hold:
        """Set aside the most that a call can cost, waiting for others to be settled where that may help.

        A call that costs nothing, or has no price, passes at once. Raises BudgetReached when too little is left even
        with nothing else under way, and ConfigError for a call under a limit whose answer has none.
        """
        (hold,) = await self.reserve_all([tokens], price)
        return hold

    async def reserve_all(self, calls: Sequence[Tokens], price: Price | None, *, batch: bool = False) -> list[Hold]:
        """Reserve for calls that are sent together: all of them get their money at once, or wait together.

        One after another they could wait for each other, since none gives anything back before all are sent.
        """
        each = [self._worst(tokens, price, batch) for tokens in calls]
        await self.take(sum(each))
        return [Hold(self, units, price, batch) for units in each]

    async def take(self, units: int) -> None:
        """Set aside so many units of money, waiting for others where that may help. Raises BudgetReached as
        `reserve`."""
        if units and (self._queue or not self._fits(units)):
            await self._wait(units)
        else:
            self._reserved += units

    def end(self, held: int, spent: int) -> None:
        """Give back units that were set aside; so many of them were spent."""
        self._reserved -= held
        self._spent += spent
        self._serve()

    def recount(self, spent: float) -> None:
        """Replace the USD spent by the ledger's sum, after other processes have spent some."""
        self._spent = to_units(spent)

    def affords(self, calls: Sequence[Tokens], price: Price | None, *, batch: bool = False) -> int:
        """Count the calls, from the first on, that the budget covers if no other call is in flight."""
        most = 0
        for number, tokens in enumerate(calls):
            most += self._worst(tokens, price, batch)
            if self._limit is not None and self._spent + most > self._limit:
                return number
        return len(calls)

    def count_left(self, attempt: int, tokens: Tokens, price: Price) -> None:
        """Count a line of an earlier start's batch that nobody has read: it is spent at its highest cost."""
        hold = Hold(self, math.ceil(least_bound(price, tokens, batch=True) * _UNITS), price, True)
        self._reserved += hold._units
        self.leave(attempt, hold)

    def leave(self, attempt: int, hold: Hold) -> None:
        """Stop following this line's batch: its money counts as spent until somebody follows it again."""
        self._left[attempt] = hold
        self.end(hold._units, hold._units)

    def take_up(self, attempt: int, price: Price | None) -> Hold:
        """Reserve the money of such a line again, now that its batch is followed, without waiting: whatever the limit
        says, the line is paid. A line that was never counted reserves nothing."""
        hold = self._left.pop(attempt, None)
        if hold is None:
            return Hold(self, 0, price, True)
        self._reserved += hold._units
        self._spent -= hold._units
        return hold

    def _worst(self, tokens: Tokens, price: Price | None, batch: bool) -> int:
        if price is None:
            return 0
        if self._limit is not None and most_cost(price, tokens, batch=batch) is None:
            raise ConfigError(
                f"a call under the budget of {self.usd:g} USD does not limit the length of its answer, so its "
                "cost cannot be bounded: set max_tokens for the model, or max_output in its price"
            )
        return math.ceil(least_bound(price, tokens, batch=batch) * _UNITS)

    def _fits(self, units: int) -> bool:
        return self._limit is None or self._spent + self._reserved + units <= self._limit

    async def _wait(self, units: int) -> None:
        turn = _BudgetTurn(units, asyncio.get_running_loop().create_future())
        self._queue.append(turn)
        self._serve()
        try:
            await turn.ready
        except asyncio.CancelledError:
            if not turn.ready.cancelled() and turn.ready.exception() is None:
                self._reserved -= units
            self._serve()
            raise

    def _serve(self) -> None:
        """Give the first in the queue their money, and those that can never have theirs the reason."""
        while self._queue:
            turn = self._queue[0]
            if turn.ready.done():
                pass
            elif self._fits(turn.units):
                self._reserved += turn.units
                turn.ready.set_result(None)
            elif not self._reserved:
                turn.ready.set_exception(self._reached(turn.units))
            else:
                return
            self._queue.popleft()

    def _reached(self, units: int) -> BudgetReached:
        return BudgetReached(
            f"the budget is reached: {_shown(self.spent)} of {self.usd:g} USD are spent, and the next call can cost up "
            f"to {_shown(units / _UNITS)} USD. Raise usd under budget in the run file, or lower max_tokens of the "
            "model, and run again. Replies already paid for are kept and are not requested again."
        )


class Hold:
    """Money set aside for one call. It ends by exactly one of `settle`, `release` and `lose`."""

    def __init__(self, budget: Budget, units: int, price: Price | None, batch: bool) -> None:
        self._budget = budget
        self._units = units
        self._price = price
        self._batch = batch
        self._open = True

    @property
    def usd(self) -> float:
        """Return the reserved amount, in USD."""
        return self._units / _UNITS

    def settle(self, usage: Usage | None) -> float | None:
        """Charge for a reply: its cost in USD, by its usage or else by the estimate; None for an unpriced model."""
        self._close()
        units = self._units
        if usage is not None and self._price is not None:
            units = to_units(cost(self._price, usage, batch=self._batch))
        self._budget.end(self._units, units)
        return None if self._price is None else units / _UNITS

    def release(self) -> None:
        """Give the money back: nothing was paid."""
        self._close()
        self._budget.end(self._units, 0)

    def lose(self) -> None:
        """Count the money as spent: no reply came, and the provider may still bill for it."""
        self._close()
        self._budget._possibly_paid += self._units
        self._budget.end(self._units, self._units)

    def _close(self) -> None:
        if not self._open:
            raise RuntimeError("this money was settled, released or lost before")
        self._open = False


def _shown(usd: float) -> str:
    """Show a sum to four decimals, and a smaller one to two significant digits."""
    return f"{usd:.4f}" if usd >= 0.001 or not usd else f"{usd:.2g}"


def to_units(usd: float) -> int:
    """Convert US dollars to units of money."""
    return round(usd * _UNITS)
