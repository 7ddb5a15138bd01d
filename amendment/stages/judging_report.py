"""What judging came to: a few counts for the summary, and the whole as `judging/report.json`.

Covered: judges by themselves (what could be read, what the displayed order did), judges beside each other (agreement,
whether all agree), principles beside each other, the cascade, rankings.
All is counted prompt by prompt, and a few numbers are kept of each comparison. Not covered: whether judges are right;
that is measured by the certificate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amendment.errors import AmendmentError
from amendment.preference import JuryVotes, PrincipleMatrix, PrincipleTally
from amendment.records import Judgement, Prompt, Verdict
from amendment.stages.cascading import CascadeCount
from amendment.stages.configs import JudgingStage
from amendment.stages.judge_panel import Judged
from amendment.stages.schedules import Ranking

__all__ = ["JudgingReport"]


class JudgingReport:
    """Counts of a stage while it goes on."""

    def __init__(self, stage: JudgingStage, raters: Sequence[str]) -> None:
        self.votes = JuryVotes(raters)
        self._stage = stage
        self._comparisons, self._asked = 0, 0
        self._set_aside: Counter[str] = Counter()
        self._found: Counter[str] = Counter()
        self._firsts, self._twice = _Mean(), _Mean()
        self._judges = {rater: _JudgeCount() for rater in raters}
        self._principles = PrincipleTally()
        self._cascade = CascadeCount() if stage.cascade else None
        self._rankings: Counter[str] = Counter()

    def add_pool(self, comparisons: int, set_aside: Mapping[str, int]) -> None:
        """Count the pairs of a prompt's candidates, judged or not, and the candidates that take part in none."""
        self._comparisons += comparisons
        self._set_aside.update(set_aside)

    def add_verdicts(self, prompt: Prompt, verdicts: Sequence[Verdict]) -> None:
        """Count all verdicts about a prompt, each once."""
        self._found["verdicts"] += len(verdicts)
        self._found["invalid verdicts"] += sum(verdict.invalid is not None for verdict in verdicts)
        self._found["verdicts with an upper bound"] += sum(verdict.bounded is not None for verdict in verdicts)
        for verdict in verdicts:
            self._judges[verdict.rater].add(verdict)
            self._firsts.add(verdict.p_first())
        self._principles.add(verdicts, category=prompt.category)

    def add_judged(self, judged: Iterable[Judged], people: Mapping[str, float]) -> None:
        """Count the comparisons of a prompt. `people` have decided some, by P(a)."""
        for one in judged:
            self._asked += 1
            if one.judgement:
                self._add(one, one.judgement, people.get(one.comparison.id))

    def _add(self, judged: Judged, judgement: Judgement, label: float | None) -> None:
        self._found["comparisons"] += 1
        self._twice.add(judgement.consistent)
        if len(self.votes.raters) > 1:
            self.votes.add(
                judged.comparison.prompt_id, {rater: one.p_a for rater, one in judged.by_rater.items()}, label
            )
        for rater, own in judged.by_rater.items():
            self._judges[rater].add_comparison(own)
        if self._cascade and judged.escalation:
            self._cascade.add(judged.escalation, label)

    def add_ranking(self, ranking: Ranking) -> None:
        """Count what a ranking asked."""
        self._rankings.update(prompts=1, comparisons=ranking.comparisons, possible=ranking.possible)
        self._rankings["best and worst known"] += ranking.best is not None and ranking.worst is not None

    def refuse_nothing(self) -> None:
        """Raises AmendmentError that says why, where no comparison was asked about."""
        if self._asked:
            return
        if self._comparisons:
            raise AmendmentError(
                f"judging: of {self._comparisons} comparisons none is left to ask about: your own verdicts have "
                "decided them all; set judging.judge_labelled: true to measure the judge on them"
            )
        counts = ", ".join(f"{count} {reason}" for reason, count in self._set_aside.items()) or "none"
        ways = ["raise max_tokens of the models that write them"] if self._set_aside["truncated"] else []
        ways.append("draw more candidates of each prompt, or take more prompts")
        raise AmendmentError(
            f"judging: no prompt has two different candidates to compare; set aside: {counts}. What helps: "
            f"{', or '.join(ways)}"
        )

    def counts(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """What summary and status show of the whole report."""
        counts: dict[str, Any] = {name: self._found[name] for name in ("comparisons", "verdicts", "invalid verdicts")}
        if bounded := self._found["verdicts with an upper bound"]:
            counts["verdicts with an upper bound"] = bounded
        if self._twice.count:  # with one order there is nothing to agree, and no telling position from quality
            counts["orders agree"] = self._twice.value
            if self._firsts.count:
                counts["mean P(first shown)"] = self._firsts.value
        counts |= _of_the_jury(report)
        counts |= self._cascade.counts() if self._cascade else {}
        if self._rankings["prompts"]:
            counts["comparisons spared"] = self._rankings["possible"] - self._rankings["comparisons"]
        for kind in ("redundant", "conflicting"):
            pairs = sum(pair[kind] for pair in report["principles"]["agreements"])
            counts |= {f"{kind} principles": pairs} if pairs else {}
        return {**counts, "candidates set aside": dict(self._set_aside)}

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        found: dict[str, Any] = {"jury": self._stage.jury, "ranking": self._stage.ranking}
        found["judges"] = {rater: {**self._of_judge(rater), **one.to_json()} for rater, one in self._judges.items()}
        if len(self.votes.raters) > 1:
            found |= _of_votes(self.votes)
        if self._cascade:
            found["cascade"] = self._cascade.to_json()
        if self._rankings["prompts"]:
            found["rankings"] = dict(self._rankings)
        return {**found, "principles": self.matrix.to_json()}

    @property
    def matrix(self) -> PrincipleMatrix:
        """Principles beside each other, of what was counted so far."""
        return self._principles.matrix()

    def _of_judge(self, rater: str) -> dict[str, Any]:
        weight = self.votes.weights.get(rater)
        return {**self._judges[rater].asked, **({} if weight is None else {"weight": round(weight, 4)})}


def _of_votes(votes: JuryVotes) -> dict[str, Any]:
    """Judges beside each other."""
    same, several = votes.unanimous()
    pairs = [
        {"judges": list(judges), "same": round(share, 4), "comparisons": count}
        for judges, (share, count) in votes.agreement().items()
    ]
    return {"unanimous": {"same": same, "comparisons of two votes or more": several}, "agreement": pairs}


def _of_the_jury(report: Mapping[str, Any]) -> dict[str, Any]:
    """Several judges in a few numbers."""
    if "unanimous" not in report:
        return {}
    counts: dict[str, Any] = {}
    abstained = {rater: one["abstained"] for rater, one in report["judges"].items() if one["abstained"]}
    same, several = report["unanimous"].values()
    if several:
        counts["judges all agree"] = round(same / several, 4)
    return {**counts, "abstentions": abstained} if abstained else counts


class _JudgeCount:
    """One judge by itself."""

    def __init__(self) -> None:
        self._verdicts, self._invalid = 0, 0
        self._firsts, self._twice = _Mean(), _Mean()
        self.asked = {"comparisons": 0, "abstained": 0}
        """Comparisons, and those of them for which it could not be read."""

    def add(self, verdict: Verdict) -> None:
        self._verdicts += 1
        self._invalid += verdict.invalid is not None
        self._firsts.add(verdict.p_first())

    def add_comparison(self, own: Judgement) -> None:
        self.asked["comparisons"] += 1
        self.asked["abstained"] += own.p_a is None
        self._twice.add(own.consistent)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"verdicts": self._verdicts, "invalid": self._invalid}
        if self._twice.count:
            found["orders agree"] = self._twice.value
        if self._firsts.count:
            found["mean P(first shown)"] = self._firsts.value
        return found


class _Mean:
    """A mean of numbers that come one by one, with four digits."""

    def __init__(self) -> None:
        self.count, self._sum = 0, 0.0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.count, self._sum = self.count + 1, self._sum + value

    @property
    def value(self) -> float:
        return round(self._sum / self.count, 4)
