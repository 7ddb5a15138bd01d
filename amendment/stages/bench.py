"""The judges of a run, asked about the candidates of one prompt: all of them, or the second ones where the first are
unsure.

Covered: judges that look at a pair, at one answer, or at a whole pool, side by side in one jury; a cascade; faults that
leave a comparison pending. Not covered: which comparisons are asked; see `schedules`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from amendment.errors import ConfigError, Transient
from amendment.llm.answers import Ending, ending_of
from amendment.llm.concurrency import flow
from amendment.llm.model import Model
from amendment.preference import (
    Escalated,
    Heard,
    Judge,
    aggregate_verdicts,
    cascade,
    hear,
    load_judge_folder,
    standings_of,
)
from amendment.records import Candidate, Comparison, Judgement, Prompt, Verdict
from amendment.stages.configs import JudgingStage
from amendment.stages.contract import Context, JudgeEntry

__all__ = ["Bench", "Hearing", "Judged", "Two"]

Two = tuple[Candidate, Candidate]
"""Two candidates of a prompt, in the order of its pool."""


class Judged(NamedTuple):
    """A comparison, what every judge said of it, and how it ended."""

    comparison: Comparison
    verdicts: list[Verdict]
    ending: Ending
    judgement: Judgement | None = None
    """By the judges whose word counts; absent where one of them could not be asked."""
    apart: Mapping[str, Judgement] = MappingProxyType({})
    """Of each judge that was asked, by its verdicts alone."""
    escalated: Escalated | None = None
    """Where there is a cascade."""

    @property
    def p_a(self) -> float | None:
        return self.judgement.p_a if self.judgement else None


class Bench:
    """All judges of a stage."""

    def __init__(self, context: Context, stage: JudgingStage) -> None:
        self.stage = stage
        tiers = [stage.judges, *([stage.cascade.then] if stage.cascade else [])]
        self.tiers = [[_open(context, stage, entry) for entry in entries] for entries in tiers]
        names = [judge.name for judge in self.judges]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"judging: two judges would sign as one, of {', '.join(names)}; give each folder its own id"
            )
        self._sure = stage.cascade.sure if stage.cascade else 0.0
        self.asks_most = context.asks_most and any(one.model.provider.kind != "simulated" for one in self.tiers[0])
        """In a plan, which cannot know what judges will say: everything is asked that may be."""
        drawn_by_weight = stage.principles_per_pair != "all" and stage.sampling == "weighted"
        self._together = partial(
            aggregate_verdicts,
            orders=stage.orders,
            disagreement=stage.disagreement,
            combine=stage.combine,
            standings=standings_of(context.constitutions, by_weight=not drawn_by_weight),
        )

    @property
    def judges(self) -> list[Judge]:
        return [judge for tier in self.tiers for judge in tier]

    @property
    def models(self) -> list[Model]:
        return [judge.model for judge in self.judges]

    async def hearing(self, prompt: Prompt, pool: Sequence[Candidate]) -> Hearing:
        """What is asked about one prompt. Judges of whole pools are asked here, once."""
        hearing = Hearing(self, prompt)
        await hearing.rank(pool)
        return hearing

    def heard(self, verdicts: Sequence[Verdict], comparison: Comparison) -> Heard:
        """What several judges say of a comparison."""
        return hear(verdicts, partial(self._together, comparison=comparison), self.stage.jury)

    async def escalated(self, tiers: Sequence[Callable[[], Awaitable[Judgement]]]) -> Escalated:
        """One comparison through the cascade."""
        if self.asks_most:
            judgements = [await ask() for ask in tiers]
            return Escalated(judgements[-1], len(tiers) - 1, True, tuple(judgements))
        return await cascade(tiers, self._sure)


class Hearing:
    """The judges before the candidates of one prompt."""

    def __init__(self, bench: Bench, prompt: Prompt) -> None:
        self._bench = bench
        self._prompt = prompt
        self._rankings: dict[str, list[Verdict]] = {}
        """Of judges of whole pools, by their names."""
        self._fault: Transient | None = None

    async def rank(self, pool: Sequence[Candidate]) -> None:
        """Ask the judges of whole pools."""
        judges = [judge for judge in self._bench.tiers[0] if judge.unit == "pool"]

        async def ask(judge: Judge) -> list[Verdict]:
            return await judge.pool_verdicts(self._prompt, pool)

        try:
            found = await flow(judges, ask, window=max(len(judges), 1))
        except Transient as fault:
            self._fault = fault
            return
        self._rankings = {judge.name: said for judge, said in zip(judges, found, strict=True)}

    async def settle(self, two: Two) -> Judged:
        """Ask about two candidates; a fault that passes leaves the comparison pending."""
        comparison = Comparison.between(*two)
        try:
            if self._fault:
                raise self._fault
            return await self._settle(two, comparison)
        except Transient as fault:
            return Judged(comparison, [], ending_of(fault))

    async def _settle(self, two: Two, comparison: Comparison) -> Judged:
        verdicts: list[Verdict] = []
        apart: dict[str, Judgement] = {}

        async def ask(judges: Sequence[Judge]) -> Judgement:
            said = await self._asked(judges, two)
            heard = self._bench.heard(said, comparison)
            verdicts.extend(said)
            apart.update(heard.apart)
            return heard.judgement

        tiers = [partial(ask, judges) for judges in self._bench.tiers]
        escalated = await self._bench.escalated(tiers)
        invalid = next((verdict.invalid for verdict in verdicts if verdict.invalid), None)
        is_read = any(verdict.invalid is None for verdict in verdicts)
        ending = Ending("done") if is_read else Ending("invalid", invalid)
        return Judged(comparison, verdicts, ending, escalated.judgement, apart, escalated if len(tiers) > 1 else None)

    async def _asked(self, judges: Sequence[Judge], two: Two) -> list[Verdict]:
        async def ask(judge: Judge) -> list[Verdict]:
            if judge.name in self._rankings:
                return self._rankings[judge.name]
            return await judge.verdicts(self._prompt, *two)

        found = await flow(judges, ask, window=len(judges))
        return [verdict for said in found for verdict in said]


def _open(context: Context, stage: JudgingStage, entry: JudgeEntry) -> Judge:
    """A judge, ready to be asked."""
    return Judge(
        folder=load_judge_folder(entry.protocol, base=context.base),
        model=context.model(entry.model),
        constitutions=context.constitutions,
        settings=stage,
        samples=entry.samples,
        seed=context.config.seed,
    )
