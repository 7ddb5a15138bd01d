"""The judges of a run, asked about two candidates of a prompt: all of them, or the second ones where the first are
unsure.

Covered: judges that look at a pair or at one answer, side by side in one jury; a cascade; faults that leave a
comparison pending. Not covered: which comparisons are asked; see `schedules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from amendment.errors import ConfigError, Transient
from amendment.llm.answers import Ending, ending_of
from amendment.llm.concurrency import flow
from amendment.llm.model import Model
from amendment.preference import (
    Escalation,
    Judge,
    aggregate_verdicts,
    escalate,
    jury_result,
    load_judge_folder,
    standings_of,
)
from amendment.records import Candidate, Comparison, Judgement, Prompt, Verdict
from amendment.stages.configs import JudgingStage
from amendment.stages.contract import Context, JudgeEntry

__all__ = ["JudgePanel", "Judged", "Two"]

Two = tuple[Candidate, Candidate]
"""Two candidates of a prompt, in the order of its pool."""


class Judged(NamedTuple):
    """A comparison, what every judge said of it, and how it ended."""

    comparison: Comparison
    verdicts: list[Verdict]
    ending: Ending
    judgement: Judgement | None = None
    """By the judges whose word counts; absent where one of them could not be asked."""
    by_rater: Mapping[str, Judgement] = MappingProxyType({})
    """Of each judge that was asked, by its verdicts alone."""
    escalation: Escalation | None = None
    """Where there is a cascade."""

    @property
    def p_a(self) -> float | None:
        return self.judgement.p_a if self.judgement else None


class JudgePanel:
    """All judges of a stage."""

    def __init__(self, context: Context, stage: JudgingStage) -> None:
        self._stage = stage
        tiers = [stage.judges, *([stage.cascade.then] if stage.cascade else [])]
        self._tiers = [[_open(context, stage, entry) for entry in entries] for entries in tiers]
        self.judges: list[Judge] = [judge for tier in self._tiers for judge in tier]
        self.models: list[Model] = [judge.model for judge in self.judges]
        names = [judge.name for judge in self.judges]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"judging: two judges would sign as one, of {', '.join(names)}; give each folder its own id"
            )
        self.asks_most = context.asks_most and any(one.model.provider.kind != "simulated" for one in self._tiers[0])
        """In a plan, which cannot know what judges will say: everything is asked that may be."""
        drawn_by_weight = stage.principles_per_pair != "all" and stage.sampling == "weighted"
        self._aggregate = partial(
            aggregate_verdicts,
            orders=stage.orders,
            disagreement=stage.disagreement,
            combine=stage.combine,
            standings=standings_of(context.constitutions, by_weight=not drawn_by_weight),
        )

    async def compare(self, prompt: Prompt, two: Two) -> Judged:
        """Ask about two candidates; a fault that passes leaves the comparison pending."""
        comparison = Comparison.between(*two)
        try:
            return await self._compared(prompt, two, comparison)
        except Transient as fault:
            return Judged(comparison, [], ending_of(fault))

    async def _compared(self, prompt: Prompt, two: Two, comparison: Comparison) -> Judged:
        verdicts: list[Verdict] = []
        by_rater: dict[str, Judgement] = {}

        async def ask(judges: Sequence[Judge]) -> Judgement:
            replies = await flow(judges, lambda judge: judge.verdicts(prompt, *two), window=len(judges))
            asked = [verdict for reply in replies for verdict in reply]
            result = jury_result(asked, partial(self._aggregate, comparison=comparison), self._stage.jury)
            verdicts.extend(asked)
            by_rater.update(result.by_rater)
            return result.judgement

        tiers = [partial(ask, judges) for judges in self._tiers]
        if self.asks_most:
            judgements = [await tier() for tier in tiers]
            escalation = Escalation(judgements[-1], len(tiers) - 1, True, tuple(judgements))
        else:
            escalation = await escalate(tiers, self._stage.cascade.confidence if self._stage.cascade else 0.0)
        invalid = next((verdict.invalid for verdict in verdicts if verdict.invalid), None)
        is_read = any(verdict.invalid is None for verdict in verdicts)
        ending = Ending("done") if is_read else Ending("invalid", invalid)
        has_cascade = len(tiers) > 1
        return Judged(comparison, verdicts, ending, escalation.judgement, by_rater, escalation if has_cascade else None)


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
