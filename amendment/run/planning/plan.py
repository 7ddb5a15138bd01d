"""A plan as a record: what a run will ask, take and cost, by stage and model, before anything is spent.

Covered: numbers and what they rest on. Not covered: how they are found (`making`) and how they are shown (`table`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from amendment.records import Record
from amendment.run.differences import Change
from amendment.run.outward import Contact

__all__ = ["Asks", "BudgetCheck", "Plan", "Total"]

Fit = Literal["fits", "likely fits", "would stop", "unknown", "nothing left"]


class Asks(Record):
    """What one stage asks of one model."""

    stage: str
    model: str
    """Its short name in the run file, or the stage that trains it."""
    paid: int
    """Calls whose replies are in the ledger, or whose stage stands."""
    calls: int
    """Calls to be made."""
    most_calls: int
    """The same where every answer is cut at max_tokens and asked for once more, and every written verdict, being
    unreadable at first."""
    input_tokens: int
    """Of the calls to be made, likely."""
    output_tokens: int
    cached_tokens: int
    """Of the input tokens those in prefixes that the vendor's cache may serve, where its price knows a cache."""
    most_input_tokens: int
    most_output_tokens: int | None
    """Absent where nothing bounds an answer."""
    usd: float | None
    """USD, likely, with nothing read from a cache; absent without a price."""
    cached_usd: float | None
    """The same with a cache that serves every prefix that it can."""
    most_usd: float | None
    """USD that calls without faults can cost at most; absent without a price, and where nothing bounds an answer."""
    seconds: float | None
    """Likely time; absent for batches and for models of this machine."""


class Total(Record):
    """Sums over stages and models; absent where a part of them is not known."""

    paid: int
    calls: int
    """To be made."""
    most_calls: int
    """The same with every call that asks for an answer again."""
    input_tokens: int
    """Of the calls to be made, likely."""
    output_tokens: int
    usd: float | None
    """USD, likely, with nothing read from a cache; absent where a model without a price is asked."""
    cached_usd: float | None
    """The same with a cache that serves every prefix that it can."""
    most_usd: float | None
    """USD, at most and without faults; absent where something is unpriced or unbounded."""
    seconds: float | None
    """One stage after another; absent where batches or models of this machine are asked."""

    @classmethod
    def of(cls, asks: Sequence[Asks]) -> Total:
        """The sums of these rows."""
        return cls(
            paid=sum(one.paid for one in asks),
            calls=sum(one.calls for one in asks),
            most_calls=sum(one.most_calls for one in asks),
            input_tokens=sum(one.input_tokens for one in asks),
            output_tokens=sum(one.output_tokens for one in asks),
            usd=_sum([one.usd for one in asks]),
            cached_usd=_sum([one.cached_usd for one in asks]),
            most_usd=_sum([one.most_usd for one in asks]),
            seconds=_sum([one.seconds for one in asks]),
        )


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


class BudgetCheck(Record):
    """The plan beside the run file's budget."""

    usd: float
    spent: float
    """USD, by the ledger."""
    verdict: Fit
    stage: str | None = None
    """Where the money would likely be gone."""
    unpriced: tuple[str, ...] = ()
    """Models without a known price; what they cost is not compared with the budget."""


class Plan(Record):
    """What is left of a run to be asked, and what it will take."""

    name: str
    prompts: int
    rehearsed: int
    """Prompts with which the stages were rehearsed; where these are fewer than all, numbers are scaled up from them."""
    asks: tuple[Asks, ...]
    """In the order of the stages."""
    total: Total
    """Of all of them."""
    unasked: tuple[str, ...]
    """Stages that ask no model; what they take is not estimated."""
    done: tuple[str, ...]
    """Stages that stand in the run's folder."""
    stops: dict[str, str] = Field(default={})
    """Stages that would stop the run as things are, and why; nothing is known of what comes after them."""
    contacts: tuple[Contact, ...]
    outside: tuple[str, ...] = ()
    """Files and folders that are read outside the folder of the run file."""
    unpriced: tuple[str, ...]
    """Models without a price."""
    assumed: tuple[str, ...]
    """What the numbers rest on, a sentence each."""
    budget: BudgetCheck | None = None
    changes: tuple[Change, ...] = ()
    """Settings that differ from those of the run in the folder."""
    warnings: tuple[str, ...] = ()
    """What is doubtful about the run file, a sentence each."""

    def __str__(self) -> str:
        from amendment.run.planning.table import plan_lines

        return "\n".join(plan_lines(self))
