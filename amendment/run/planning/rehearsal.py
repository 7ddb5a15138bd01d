"""A rehearsal: the run's own stages ask, nothing is sent, and every question is counted once.

Covered: what the ledger holds is answered from it and counts as paid; the simulated world answers as in the run, since
it costs nothing; everything else gets an answer made up. Equal questions are one, as in a run. Not covered: faults,
and the attempts that they cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from amendment.errors import Transient
from amendment.llm.client import Calls
from amendment.llm.ledger_reading import ReturnedModel
from amendment.llm.prefixes import PrefixMeter
from amendment.llm.prices import FREE, Price, cost, most_cost
from amendment.llm.provider import Provider
from amendment.llm.requests import Reply, Request, Usage
from amendment.llm.tokens import CHARACTERS_PER_TOKEN, Tokens, likely_tokens, most_tokens
from amendment.llm.transport import Carrier
from amendment.records import text_of
from amendment.run.planning.made_up import Kind, kind_of, likely_answer, likely_length, longest_answer

__all__ = ["Asked", "Billing", "Find", "Place", "Rehearsal", "Tally"]

Find = Callable[[str], bytes | None]
"""The raw reply to a request, by its id, where it has been paid for already."""
ENOUGH_ANSWERS = 20
"""Answers that must have been seen before their length is taken for the length of those to come."""


class Place(NamedTuple):
    """Where calls are counted: a stage and a model by its short name."""

    stage: str
    model: str


@dataclass
class Tally:
    """What one stage asks of one model; calls of a sampled prompt count as many times as it stands for others."""

    paid: float = 0.0
    calls: float = 0.0
    """To be made."""
    input: float = 0.0
    """Tokens of the calls to be made."""
    output: float = 0.0
    cached: float = 0.0
    """Of the input, tokens in prefixes that the vendor's cache may serve; 0 where its price knows no cache."""
    usd: float = 0.0
    """Nothing read from a cache; 0 without a price."""
    usd_cached: float = 0.0
    """The same with a cache that serves every prefix that it can."""
    is_bounded: bool = True
    """Whether the answers of all these calls have a longest length."""
    ids: set[str] = field(default_factory=set)


class Billing(NamedTuple):
    """What counts for the cost of one model's calls."""

    price: Price | None = FREE
    batch: bool = False
    longest: int | None = None
    """Its max_tokens, where it asks once more for an answer that is cut there."""


class _Lengths:
    """How long the answers of one stage and model were that have been paid for."""

    def __init__(self) -> None:
        self.seen = 0
        self._tokens = 0

    def add(self, reply: Reply) -> None:
        words = len(text_of(reply.messages)) // CHARACTERS_PER_TOKEN
        self._tokens += reply.usage.output_tokens if reply.usage else words
        self.seen += 1

    def of(self, request: Request) -> int:
        """The mean of those that were seen, or what is assumed where too few were."""
        if self.seen < ENOUGH_ANSWERS or request.choices:
            return likely_length(request)
        mean = max(1, round(self._tokens / self.seen))
        return min(mean, request.sampling.max_tokens or mean)


class Rehearsal:
    """What is asked in the course of one rehearsal. `is_longest` gives every answer the most tokens that it can have,
    and has every answer that would be asked again for its length asked again."""

    def __init__(self, find: Find, *, is_longest: bool = False) -> None:
        self.tallies: defaultdict[Place, Tally] = defaultdict(Tally)
        self.lengths: defaultdict[tuple[Place, Kind], _Lengths] = defaultdict(_Lengths)
        self.stage = ""
        self.weight = 1.0
        """How many prompts one prompt stands for just now."""
        self.is_done = False
        """The stage stands: all that it asks has been answered, whether the ledger still has it or not."""
        self._find = find
        self._is_longest = is_longest
        self._prefixes = PrefixMeter()
        self._known: dict[str, Reply] = {}

    def way_out(self, model: str, billing: Billing = Billing()) -> Asked:  # noqa: B008 - immutable
        """What a model asks through in place of a run's calls."""
        return Asked(self, model, billing)

    async def reply(self, asked: Asked, provider: Provider, request: Request) -> Reply:
        """The answer to a question, counted at its first time."""
        known = self._known.get(request.id)
        if known is None:
            place = Place(self.stage, asked.model)
            known = self._paid(place, provider, request) or await self._made(place, asked, provider, request)
            self._known[request.id] = known
        return known

    def _paid(self, place: Place, provider: Provider, request: Request) -> Reply | None:
        raw = self._find(request.id)
        if raw is None:
            return None
        try:
            reply = provider.read(raw, request)
        except Transient:  # the run would ask again
            return None
        self.tallies[place].paid += self.weight
        self.lengths[place, kind_of(request)].add(reply)
        return reply

    async def _made(self, place: Place, asked: Asked, provider: Provider, request: Request) -> Reply:
        length = self.lengths[place, kind_of(request)].of(request)
        tokens = self._most(asked, request) if self._is_longest else likely_tokens(request, output=length)
        if self.is_done:
            self.tallies[place].paid += self.weight
        else:
            self._count(place, asked.billing, request, tokens)
        if provider.kind == "simulated":
            return provider.read((await provider.send(request)).raw, request)
        if self._is_longest:
            limit = request.sampling.max_tokens
            is_cut = limit is not None and limit == asked.billing.longest
            return longest_answer(request, tokens.output, is_cut=is_cut)
        return likely_answer(request, length)

    def _most(self, asked: Asked, request: Request) -> Tokens:
        """The most that a request can take, its answer bounded by max_tokens or by the price table."""
        most = most_tokens(request)
        return Tokens(most.input, most.output or (asked.billing.price.max_output if asked.billing.price else None))

    def _count(self, place: Place, billing: Billing, request: Request, tokens: Tokens) -> None:
        tally, weight, output = self.tallies[place], self.weight, tokens.output or 0
        tally.calls += weight
        tally.input += weight * tokens.input
        tally.output += weight * output
        tally.is_bounded &= tokens.output is not None
        tally.ids.add(request.id)
        if self._is_longest:
            worst = most_cost(billing.price, tokens, batch=billing.batch) if billing.price else None
            tally.usd += weight * (worst or 0.0)
        elif billing.price:
            cached = self._cached(billing.price, request, tokens.input)
            usage = Usage(input_tokens=tokens.input, output_tokens=output)
            tally.cached += weight * cached
            tally.usd += weight * cost(billing.price, usage, batch=billing.batch)
            usage = usage.model_copy(update={"cached_tokens": cached})
            tally.usd_cached += weight * cost(billing.price, usage, batch=billing.batch)

    def _cached(self, price: Price, request: Request, tokens: int) -> int:
        """Of a request's tokens those that the vendor's cache may have from the requests before it."""
        if price.cached_input is None:
            return 0
        share = self._prefixes.add(request)
        return int(share.of_total * tokens)


class _NoLedger:
    """In place of a ledger: nothing is written, and no model has answered yet."""

    def models(self) -> list[ReturnedModel]:
        return []


class Asked(Calls):
    """Stands where a run has its calls, and sends nothing."""

    def __init__(self, rehearsal: Rehearsal, model: str, billing: Billing) -> None:
        super().__init__(cast(Any, _NoLedger()))
        self.model = model
        self.billing = billing
        self._rehearsal = rehearsal

    async def ask(self, provider: Provider, carrier: Carrier, request: Request) -> Reply:
        """The reply from the rehearsal."""
        return await self._rehearsal.reply(self, provider, request)
