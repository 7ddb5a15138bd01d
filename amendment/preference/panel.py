"""The judges of a run: asked about two candidates side by side, or the second ones where the first are unsure, and what
became of all comparisons in a few counts.

Covered: judges by themselves (what could be read, what the displayed order did), judges beside each other, how far the
first ones got. A few numbers are kept of each comparison. Not covered: which comparisons are asked; whether judges are
right, which the certificate measures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from amendment.errors import ConfigError, Transient
from amendment.llm.concurrency import flow
from amendment.llm.model import Ending, ending_of
from amendment.preference.aggregate import aggregate_verdicts
from amendment.preference.judge import Judge, JudgeSettings
from amendment.preference.juries import Escalation, JuryKind, JuryVotes, escalate, jury_result
from amendment.records import Candidate, Comparison, Judgement, Prompt, Record, Verdict
from amendment.statistics import share
from amendment.statistics.sides import side_of
from amendment.text import transcript


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
    """Where there are second judges."""

    @property
    def p_a(self) -> float | None:
        return self.judgement.p_a if self.judgement else None


class JudgePanel:
    """Judges of pairs or of single answers, side by side in one jury; second ones where the first are unsure."""

    def __init__(
        self,
        tiers: Sequence[Sequence[Judge]],
        settings: JudgeSettings,
        *,
        jury: JuryKind = "mean",
        confidence: float = 0.0,
        asks_most: bool = False,
    ) -> None:
        """`asks_most` asks every tier, as a plan does, which cannot know what judges will say.

        Raises ConfigError for two judges that would sign as one.
        """
        self._tiers, self._jury, self._confidence = tiers, jury, confidence
        self.asks_most = asks_most
        self.judges = [judge for tier in tiers for judge in tier]
        names = [judge.name for judge in self.judges]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"judging: two judges would sign as one, of {', '.join(names)}; give each folder its own id"
            )
        self._aggregate = partial(
            aggregate_verdicts,
            orders=settings.orders,
            disagreement=settings.disagreement,
            combine=settings.combine,
            standings=self.judges[0].standings,
        )

    async def compare(self, prompt: Prompt, a: Candidate, b: Candidate) -> Judged:
        """Ask about two candidates; a fault that passes leaves the comparison pending."""
        comparison = Comparison.between(a, b)
        verdicts: list[Verdict] = []
        by_rater: dict[str, Judgement] = {}

        async def ask(judges: Sequence[Judge]) -> Judgement:
            replies = await flow(judges, lambda judge: judge.verdicts(prompt, a, b), window=len(judges))
            asked = [verdict for reply in replies for verdict in reply]
            result = jury_result(asked, partial(self._aggregate, comparison=comparison), self._jury)
            verdicts.extend(asked)
            by_rater.update(result.by_rater)
            return result.judgement

        try:
            if self.asks_most:
                judgements = [await ask(tier) for tier in self._tiers]
                escalation = Escalation(judgements[-1], len(judgements) - 1, True, tuple(judgements))
            else:
                escalation = await escalate([partial(ask, tier) for tier in self._tiers], self._confidence)
        except Transient as fault:
            return Judged(comparison, [], ending_of(fault))
        is_read = any(verdict.invalid is None for verdict in verdicts)
        ending = (
            Ending("done") if is_read else Ending("invalid", next((v.invalid for v in verdicts if v.invalid), None))
        )
        several = escalation if len(self._tiers) > 1 else None
        return Judged(comparison, verdicts, ending, escalation.judgement, by_rater, several)


class PanelCounts:
    """What came of all comparisons, counted as they come."""

    def __init__(self, raters: Sequence[str]) -> None:
        self.votes = JuryVotes(raters)
        self.all = JudgeCount()
        self.judges = {rater: JudgeCount() for rater in raters}
        self._tiers: list[tuple[int, int | None, float, str]] = []
        """Of each comparison: tiers that were asked, the one that kept it, agreement with people, the prompt."""

    def add(self, judged: Iterable[Judged], verdicts: Iterable[Verdict], people: Mapping[str, float]) -> None:
        """Count comparisons, and the verdicts behind them, each once; `people` have decided some, by P(a)."""
        for verdict in verdicts:
            self.judges[verdict.rater].add_verdict(verdict)
            self.all.add_verdict(verdict)
        for one in judged:
            if one.judgement is None:
                continue
            prompt_id, label = one.comparison.prompt_id, people.get(one.comparison.id)
            self.all.add_judgement(one.judgement)
            for rater, own in one.by_rater.items():
                self.judges[rater].add_judgement(own)
            if len(self.votes.raters) > 1:
                self.votes.add(prompt_id, {rater: own.p_a for rater, own in one.by_rater.items()}, label)
            if one.escalation:
                _, tier, is_for_people, tiers = one.escalation
                agreed = _agreement(one.p_a, label)
                self._tiers.append((len(tiers), None if is_for_people else tier, agreed, prompt_id))

    def to_json(self) -> dict[str, Any]:
        """Judges by themselves, and beside each other where there are several."""
        report: dict[str, Any] = {"judges": {}}
        for rater, count in self.judges.items():
            own = {"comparisons": count.comparisons, "abstained": count.abstained}
            weight = {"weight": round(self.votes.weights[rater], 4)} if rater in self.votes.weights else {}
            verdicts = {"verdicts": count.verdicts, "invalid": count.invalid}
            report["judges"][rater] = {**own, **weight, **verdicts, **count.means()}
        if len(self.votes.raters) > 1:
            same, several = self.votes.unanimous()
            report["unanimous"] = {"same": same, "comparisons of two votes or more": several}
            report["agreement"] = [
                {"judges": list(judges), "same": round(same_share, 4), "comparisons": count}
                for judges, (same_share, count) in self.votes.agreement().items()
            ]
        return report

    def tiers(self) -> dict[str, Any]:
        """Comparisons by the tier of judges that kept them: how many, their share, how often people agree."""
        first, second = ({"asked": sum(row[0] > tier for row in self._tiers), **self._kept(tier)} for tier in (0, 1))
        return {"first judges": first, "second judges": second, "people": self._kept(None)}

    def _kept(self, tier: int | None) -> dict[str, Any]:
        prompts = [prompt for *_, prompt in self._tiers]
        is_kept = [float(kept == tier) for _, kept, _, _ in self._tiers]
        counts: dict[str, Any] = {"kept": int(sum(is_kept)), "share": share(is_kept, prompts).to_json()}
        rows = [(agreed, prompt) for _, kept, agreed, prompt in self._tiers if kept == tier and not math.isnan(agreed)]
        if tier is not None and rows:
            counts["people agree"] = share([row[0] for row in rows], [row[1] for row in rows]).to_json()
        return counts


class JudgeCount:
    """One judge by itself, or all of them."""

    def __init__(self) -> None:
        self.verdicts = self.invalid = self.bounded = self.comparisons = self.abstained = 0
        self.consistent: Counter[bool] = Counter()
        """Comparisons whose orders agree, and whose orders do not."""
        self._firsts, self._p_first = 0, 0.0

    def add_verdict(self, verdict: Verdict) -> None:
        self.verdicts += 1
        self.invalid += verdict.invalid is not None
        self.bounded += verdict.bounded is not None
        if (p_first := verdict.p_first()) is not None:
            self._firsts, self._p_first = self._firsts + 1, self._p_first + p_first

    def add_judgement(self, judgement: Judgement) -> None:
        self.comparisons += 1
        self.abstained += judgement.p_a is None
        if judgement.consistent is not None:
            self.consistent[judgement.consistent] += 1

    def means(self) -> dict[str, float]:
        """How often orders agree, and the mean P of what was shown first, where they are known."""
        agree = {"orders agree": round(self.consistent[True] / self.consistent.total(), 4)} if self.consistent else {}
        first = {"mean P(first shown)": round(self._p_first / self._firsts, 4)} if self._firsts else {}
        return {**agree, **first}


def _agreement(p_a: float | None, label: float | None) -> float:
    """1 on people's side, 0 on the other, half on neither; nan where they have not decided."""
    if p_a is None or label is None or not side_of(label):
        return math.nan
    return (1 + side_of(p_a) * side_of(label)) / 2


class ForPeople(Record):
    """A comparison of which no judge was sure, as it can be shown to people."""

    comparison_id: str
    prompt_id: str
    conversation: str
    """What was asked, turn by turn where there are several."""
    answer_1: str
    """Of candidate `a`."""
    answer_2: str
    """Of candidate `b`."""
    a: str
    b: str
    """Candidate ids in canonical order, which says nothing of who wrote them."""
    p_a: float | None = None
    """What the last judges make of it, which people should not see; absent where none could be read."""

    @classmethod
    def of(cls, prompt: Prompt, answers: Mapping[str, Candidate], judgement: Judgement) -> Self:
        """With the texts of candidates by their ids."""
        return cls(
            comparison_id=judgement.comparison_id,
            prompt_id=prompt.id,
            conversation=transcript(prompt.messages, by="user"),
            answer_1=transcript(answers[judgement.a].messages, by="assistant"),
            answer_2=transcript(answers[judgement.b].messages, by="assistant"),
            a=judgement.a,
            b=judgement.b,
            p_a=judgement.p_a,
        )
