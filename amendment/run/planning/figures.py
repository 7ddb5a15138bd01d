"""The figures of a plan: what was counted in a rehearsal, in tokens, dollars and seconds.

Covered: how long calls take, by what the run file says of a model's limits and by a stated or measured latency. Not
covered: faults, queues at the vendor, and the time of batches and of models of this machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from amendment.llm.ledger_reading import Latency
from amendment.llm.prices import FREE
from amendment.llm.specs import AnthropicSpec, ModelSpec, OpenAISpec
from amendment.run.planning.performing import Setting
from amendment.run.planning.plan import Asks, BudgetCheck
from amendment.run.planning.rehearsal import Place, Rehearsal, Tally

__all__ = ["AT_ONCE", "FIRST", "PER_SECOND", "asks_of", "budget_check", "likely_seconds", "measured"]

FIRST = 1.0
"""Seconds until an answer begins."""
PER_SECOND = 50.0
"""Tokens of an answer in a second."""
AT_ONCE = 8
"""Calls in flight where the run file leaves them to be found out: a run begins there, and grows."""
ENOUGH_TIMES = 20
"""Replies whose times must have been measured before their mean is taken for the time of those to come."""


def asks_of(likely: Rehearsal, most: Rehearsal, setting: Setting, times: Sequence[Latency]) -> tuple[Asks, ...]:
    """A row for each stage and model that calls are made to or were paid for."""
    return tuple(
        _asks(place, tally, most.tallies[place], setting, times)
        for place, tally in likely.tallies.items()
        if tally.calls or tally.paid
    )


def _asks(place: Place, likely: Tally, most: Tally, setting: Setting, times: Sequence[Latency]) -> Asks:
    spec = setting.config.models.get(place.model)
    price = setting.prices.get(place.model, FREE)
    is_priced, is_bounded = price is not None, most.is_bounded
    latency = measured(spec, place.stage, times)
    seconds = likely_seconds(spec, likely.calls, likely.input + likely.output, likely.output, latency)
    return Asks(
        stage=place.stage,
        model=place.model,
        paid=round(likely.paid),
        calls=round(likely.calls),
        most_calls=round(max(most.calls, likely.calls)),
        input_tokens=round(likely.input),
        output_tokens=round(likely.output),
        cached_tokens=round(likely.cached),
        most_input_tokens=round(most.input),
        most_output_tokens=round(most.output) if is_bounded else None,
        usd=likely.usd if is_priced else None,
        cached_usd=likely.usd_cached if is_priced else None,
        most_usd=most.usd if is_priced and (is_bounded or price == FREE) else None,
        seconds=seconds,
    )


def likely_seconds(
    spec: ModelSpec | None, calls: float, tokens: float, output: float, latency: float | None = None
) -> float | None:
    """Seconds for so many calls, which take so many tokens together, of which `output` are of answers.

    `latency` is the mean that was measured, where there is one. None where nothing can be said: a batch, and a model of
    this machine.
    """
    if spec is not None and spec.provider == "simulated":
        return 0.0
    if not isinstance(spec, OpenAISpec | AnthropicSpec) or spec.mode == "batch":
        return None if calls else 0.0
    if not calls:
        return 0.0
    one = latency if latency is not None else FIRST + output / calls / PER_SECOND
    rounds = max(1.0, calls / (spec.concurrency or AT_ONCE))
    by_requests = 60 * calls / spec.requests_per_minute if spec.requests_per_minute else 0.0
    by_tokens = 60 * tokens / spec.tokens_per_minute if spec.tokens_per_minute else 0.0
    return max(one * rounds, by_requests, by_tokens)


def measured(spec: ModelSpec | None, stage: str, times: Sequence[Latency]) -> float | None:
    """The mean time of a model's replies in a stage, where enough of them are in the ledger."""
    if not isinstance(spec, OpenAISpec | AnthropicSpec):
        return None
    place = (stage, spec.host, spec.model)
    return next((seconds for *told, seconds, count in times if tuple(told) == place and count >= ENOUGH_TIMES), None)


def budget_check(usd: float, spent: float, asks: Sequence[Asks]) -> BudgetCheck:
    """Whether the budget holds for what is left. A model without a price leaves that unknown, unless the others alone
    cost too much."""
    if not any(one.most_calls for one in asks):
        return BudgetCheck(usd=usd, spent=spent, verdict="nothing left")
    most = [one.most_usd for one in asks]
    known = [amount for amount in most if amount is not None]
    if len(known) == len(most) and spent + sum(known) <= usd:
        return BudgetCheck(usd=usd, spent=spent, verdict="fits")
    total = spent
    for one in asks:
        total += one.usd or 0.0
        if one.calls and total > usd:
            return BudgetCheck(usd=usd, spent=spent, verdict="would stop", stage=one.stage)
    unpriced = tuple(dict.fromkeys(one.model for one in asks if one.usd is None and one.most_calls))
    return BudgetCheck(usd=usd, spent=spent, verdict="unknown" if unpriced else "likely fits", unpriced=unpriced)
