"""A plan for people: a table of stages and models, and what has to be known beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from amendment.run.outward import contact_lines, file_lines
from amendment.run.planning.plan import Asks, BudgetCheck, Plan
from amendment.terminal import plain

__all__ = ["plan_lines", "shown_usd"]

HEAD = ("stage", "model", "paid", "calls", "at most", "tokens in", "out", "USD likely", "cached", "at most", "time")
UNKNOWN = "?"
_COUNTED = ("paid", "calls", "most_calls", "input_tokens", "output_tokens")
_MONEY = ("usd", "cached_usd", "most_usd")


def plan_lines(plan: Plan) -> list[str]:
    """The plan, a line each."""
    about = f", counted with {plan.rehearsed:,} of them" if plan.rehearsed < plan.prompts else ""
    return [
        f"{plain(plan.name)}: {plan.prompts:,} prompts{about}",
        "",
        *(_table([HEAD, *map(_row, plan.asks), _total(plan)]) if plan.asks else ["no model is asked"]),
        "",
        *_notes(plan),
        *(["assumed:"] if plan.assumed else []),
        *(f"  - {plain(line, longest=500)}" for line in plan.assumed),
    ]


def _row(one: Asks) -> tuple[str, ...]:
    tokens = (f"{one.input_tokens:,}", f"{one.output_tokens:,}")
    money = (shown_usd(one.usd), shown_usd(one.cached_usd), shown_usd(one.most_usd))
    return (
        plain(one.stage),
        plain(one.model),
        f"{one.paid:,}",
        f"{one.calls:,}",
        f"{one.most_calls:,}",
        *tokens,
        *money,
        _time(one.seconds),
    )


def _total(plan: Plan) -> tuple[str, ...]:
    numbers = (f"{getattr(plan.total, name):,}" for name in _COUNTED)
    return (
        "total",
        "",
        *numbers,
        *(_summed(plan, name, shown_usd) for name in _MONEY),
        _summed(plan, "seconds", _time),
    )


def _summed(plan: Plan, name: str, shown: Callable[[float], str]) -> str:
    """A sum; where a part of it is not known, what is known and that there is more."""
    whole = getattr(plan.total, name)
    if whole is not None:
        return shown(whole)
    known = (getattr(one, name) for one in plan.asks)
    return f"{shown(sum(value for value in known if value is not None))} + {UNKNOWN}"


def shown_usd(usd: float | None) -> str:
    """Dollars with as many digits as matter; a question mark where they are not known."""
    if usd is None:
        return UNKNOWN
    return f"{usd:,.2f}" if usd == 0 or usd >= 0.1 else f"{usd:.4f}"


def _time(seconds: float | None) -> str:
    """A time in the unit that fits it; a question mark where it is not known."""
    if seconds is None:
        return UNKNOWN
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_cells(row, widths)).rstrip() for row in rows]


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if index < 2 else cell.rjust(width)


def _notes(plan: Plan) -> Iterator[str]:
    yield from contact_lines(plan.contacts)
    yield from file_lines(plan.outside)
    yield from (f"warning: {plain(line, longest=2000)}" for line in plan.warnings)
    for name in plan.unpriced:
        yield (
            f"{plain(name)} has no price: a run needs --allow-unpriced, or a price (price: in its entry, or a table of "
            "your own under prices:)"
        )
    if plan.budget:
        yield _budget(plan.budget)
    for change in plan.changes:
        yield f"changed since the run in the folder: {change}"
    if plan.done:
        yield f"done: {', '.join(map(plain, plan.done))}"
    left = [name for name in plan.unasked if name not in plan.done]
    if left:
        yield f"without calls to models, and not estimated: {', '.join(map(plain, left))}"
    for stage, reason in plan.stops.items():
        yield f"{plain(stage)} would stop the run, and nothing after it is counted: {plain(reason, longest=500)}"


def _budget(found: BudgetCheck) -> str:
    spent = f", of which {shown_usd(found.spent)} are spent" if found.spent else ""
    unpriced = f"{', '.join(map(plain, found.unpriced))} {'has' if len(found.unpriced) == 1 else 'have'} no known price"
    said = {
        "fits": "the run fits, even at most",
        "likely fits": "the run likely fits; at most it would not, and would then stop",
        "unknown": f"cannot be compared with the cost: {unpriced}",
        "would stop": f"the run would likely stop in {found.stage}",
        "nothing left": "nothing is left to be asked",
    }[found.verdict]
    return f"budget: {shown_usd(found.usd)} USD{spent}: {said}"
