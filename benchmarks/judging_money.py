"""Label accuracy against calls, tokens and dollars: one order, both, juries and cascades, through the whole judge.

Every question takes the way of a run: the judge's folder, the model, the ledger. A word of this world counts as a
token, and dollars are those of two real models by the shipped price table, one for the small and one for the strong
persona; nothing here was asked of those models, and how far apart the personas are is made up, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from judging_fewer import CHEAP, STRONG
from judging_world import RULES, Case, cases, over_seeds, right, table

from amendment.llm.client import Calls
from amendment.llm.concurrency import flow
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.prices import PriceTable, cost
from amendment.llm.provider import Meter
from amendment.llm.requests import Usage
from amendment.llm.simulated import SimulatedProvider
from amendment.preference import Judge, JudgeSettings
from amendment.records import Sampling
from amendment.simulator import Persona

HOST = "api.openai.com/v1"
PRICED = {"small": (CHEAP, "gpt-6-luna"), "strong": (STRONG, "gpt-6.2-sol")}
JURORS = tuple(CHEAP.model_copy(update={"pair_noise_source": name}) for name in "xyz")
"""As good as the small one, each with noise of its own; all are asked by the principle that was drawn for the pair."""
MANY = 4
"""Principles a pair where more than one is drawn."""
CONFIDENCES = (0.2, 0.3, 0.4, 0.5, 0.6)
MOST_SEEDS = 5
GOALS = (0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


class Counting(SimulatedProvider):
    """The simulated world with a count of what it was asked."""

    def __init__(self, persona: Persona, price: str) -> None:
        super().__init__(persona)
        found = PriceTable.shipped().price(HOST, price)
        if found is None:
            raise SystemExit(f"no price of {price} in the shipped table")
        self._price, self.calls, self.tokens, self.dollars = found, 0, 0, 0.0

    def meter(self, raw: bytes) -> Meter:
        """Words, counted as tokens, and what they would cost."""
        found = super().meter(raw)
        usage = found.usage or Usage(input_tokens=0, output_tokens=0)
        self.calls += 1
        self.tokens += usage.input_tokens + usage.output_tokens
        self.dollars += cost(self._price, usage)
        return found


class Way(NamedTuple):
    """What a way of judging said of each pair, and its cost for one pair."""

    p: list[float]
    calls: float
    tokens: float
    dollars: float

    def share(self, share: float) -> tuple[float, float, float]:
        return self.calls * share, self.tokens * share, self.dollars * share


def money(seeds: Sequence[int], count: int = 150) -> None:
    """The curve, and the cheapest way to each accuracy; of the seeds no more than `MOST_SEEDS`."""
    seeds = seeds[:MOST_SEEDS]
    found = [_measured(seed, count) for seed in seeds]
    names = sorted(found[0], key=lambda name: fmean(one[name].dollars for one, _ in _zipped(found, seeds, count)))
    accuracy = {name: [_accuracy(one[name], asked) for one, asked in _zipped(found, seeds, count)] for name in names}
    means = {name: [fmean(getattr(one[name], field) for one in found) for field in Way._fields[1:]] for name in names}
    rows: list[list[object]] = []
    for name in names:
        calls, tokens, dollars = means[name]
        rows.append([name, over_seeds(accuracy[name]), f"{calls:.2f}", f"{tokens:.0f}", f"{1e3 * dollars:.3f}"])
    header = ("way", "label accuracy", "calls", "tokens", "dollars for 1,000 pairs")
    prices = ", ".join(f"{name} at the price of {model}" for name, (_, model) in PRICED.items())
    table(f"Money, cheapest first, {count} pairs a seed, {len(seeds)} seeds; {prices}", header, rows)
    rows = []
    for goal in GOALS:
        able = [name for name in names if fmean(accuracy[name]) >= goal]
        rows.append([goal, able[0], f"{1e3 * means[able[0]][2]:.3f}"] if able else [goal, "none of these", ""])
    table("Money: the cheapest way to an accuracy", ("accuracy", "way", "dollars for 1,000 pairs"), rows)


def _zipped(
    found: Sequence[dict[str, Way]], seeds: Sequence[int], count: int
) -> list[tuple[dict[str, Way], list[Case]]]:
    return [(one, cases(count, seed)) for one, seed in zip(found, seeds, strict=True)]


def _accuracy(way: Way, asked: Sequence[Case]) -> float:
    return fmean(right(p, case.is_a) for p, case in zip(way.p, asked, strict=True))


def _measured(seed: int, count: int) -> dict[str, Way]:
    asked, ways = cases(count, seed), {}
    for name, (persona, price) in PRICED.items():
        for label, settings in (
            ("one order", JudgeSettings(orders="random")),
            ("both orders", JudgeSettings()),
            (f"both orders, {MANY} principles", JudgeSettings(principles_per_pair=MANY)),
            ("both orders, all principles", JudgeSettings(principles_per_pair=len(RULES.principles))),
        ):
            ways[f"{name}, {label}"] = asyncio.run(_asked(asked, persona, price, settings, seed))
    jury = [asyncio.run(_asked(asked, one, PRICED["small"][1], JudgeSettings(), seed)) for one in JURORS]
    ways["jury of three small, both orders"] = Way(
        [fmean(said) for said in zip(*(one.p for one in jury), strict=True)],
        *(sum(getattr(one, field) for one in jury) for field in Way._fields[1:]),
    )
    many = f"both orders, {MANY} principles"
    for confidence in CONFIDENCES:
        ways[f"cascade, {many}, confidence {confidence}"] = _cascade(
            ways[f"small, {many}"], ways[f"strong, {many}"], confidence
        )
    return ways


def _cascade(small: Way, strong: Way, confidence: float) -> Way:
    """The small judge's label where it is confident, else the strong one's."""
    keeps = [abs(2 * p - 1) >= confidence for p in small.p]
    p = [one if keep else other for one, other, keep in zip(small.p, strong.p, keeps, strict=True)]
    further = strong.share(1 - fmean(keeps))
    return Way(p, *(one + more for one, more in zip(small[1:], further, strict=True)))


async def _asked(asked: Sequence[Case], persona: Persona, price: str, settings: JudgeSettings, seed: int) -> Way:
    provider = Counting(persona, price)
    with Ledger() as ledger:
        model = Model(
            name="judge", model=persona.id, provider=provider, calls=Calls(ledger), sampling=Sampling(seed=seed)
        )
        judge = Judge.from_folder("label-tokens", model=model, constitution=RULES, settings=settings, seed=seed)

        async def compare(case: Case) -> float:
            found = await judge.compare_async(prompt=case.prompt, a=case.a, b=case.b)
            return 0.5 if found.p_a is None else found.p_a

        p = await flow(asked, compare, window=64)
    n = len(asked)
    return Way(list(p), provider.calls / n, provider.tokens / n, provider.dollars / n)
