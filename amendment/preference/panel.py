"""The judges of a run: a jury that is asked together, second judges where the first are unsure, and what became of all.

A jury is of raters and not of calls: each is aggregated by itself first, over its orders and principles; who could not
be read abstains. It comes to the mean of its members, to their majority (see `aggregate`), or to members weighed on
comparisons that people have decided (`weigh`), which takes all comparisons of a run.

Covered: judges by themselves (what could be read, what the displayed order did), how often judges agree, how far the
first ones got. Not covered: which comparisons are asked; whether judges are right, which the certificate measures; what
the members of a jury have in common, which no way of counting makes good.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from amendment.constitutions import DrawnPrinciple
from amendment.errors import ConfigError, Transient
from amendment.llm.concurrency import flow
from amendment.llm.model import Ending, item_ending
from amendment.preference.aggregate import RaterVote, take_majority
from amendment.preference.judge import Judge
from amendment.records import Candidate, Comparison, Judgement, Prompt, Verdict
from amendment.statistics import share
from amendment.statistics.logistic import stack
from amendment.statistics.sides import HALF, read_side

JuryKind = Literal["mean", "majority", "weighted"]
FEWEST_LABELS = 30
"""Comparisons that people and judges decided, without which judges are not weighed."""

Aggregate = Callable[[Sequence[Verdict]], Judgement]
"""The judgement of one comparison's verdicts, over orders, principles and raters."""


class JuryResult(NamedTuple):
    """A jury's result for one comparison."""

    judgement: Judgement
    by_rater: dict[str, Judgement]
    """The judgement of each rater that was asked, from its verdicts alone."""


def jury_result(verdicts: Sequence[Verdict], aggregate: Aggregate, kind: JuryKind) -> JuryResult:
    """Return one comparison's verdicts by a jury; a `weighted` one has the mean here, until `weigh` has all
    comparisons.

    Raises ValueError for verdicts of different comparisons.
    """
    judgement = aggregate(verdicts)
    by_rater: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_rater[verdict.rater].append(verdict)
    if len(by_rater) == 1:
        return JuryResult(judgement, dict.fromkeys(by_rater, judgement))
    result = JuryResult(judgement, {rater: aggregate(by_rater[rater]) for rater in sorted(by_rater)})
    if kind != "majority":
        return result
    p_by_rater = {rater: own.p_a for rater, own in result.by_rater.items()}
    votes = (RaterVote.of(p) for p in p_by_rater.values() if p is not None)
    return result._replace(judgement=_with_p(judgement, take_majority(votes), p_by_rater))


def _with_p(judgement: Judgement, p_a: float | None, p_by_rater: Mapping[str, float | None]) -> Judgement:
    """Return the judgement with the jury's P in place of the mean, named after the raters that did not abstain.

    A principle decided it only where the jury stands on the side of the mean, which is that principle's.
    """
    is_same_side = p_a is not None and judgement.p_a is not None and read_side(p_a) == read_side(judgement.p_a) != 0
    raters = tuple(sorted(rater for rater, p in p_by_rater.items() if p is not None))
    decisive = judgement.decisive if is_same_side else None
    return judgement.model_copy(update={"p_a": p_a, "raters": raters, "decisive": decisive})


class Unweighed(NamedTuple):
    """A comparison whose jury waits for all comparisons."""

    judgement: Judgement
    """The jury's judgement by the mean."""
    p_by_rater: Mapping[str, float | None]
    """P(a) of each rater that was asked; None where it abstains."""


class Weighed(NamedTuple):
    """Judgements by a jury whose raters are weighed, and each rater's weight."""

    judgements: list[Judgement]
    weights: dict[str, float]


def weigh(jury: Sequence[Unweighed], people: Mapping[str, float], raters: Sequence[str]) -> Weighed:
    """Return the judgements of a run by raters that are weighed on what people decided: P(a) by comparison id.

    Where every rater abstained P stays None. Raises ConfigError where people have decided too few of the comparisons.
    """
    rows = [[_or_nan(unweighed.p_by_rater.get(rater)) for rater in raters] for unweighed in jury]
    p = np.array(rows).reshape(-1, len(raters))
    prompts = [unweighed.judgement.prompt_id for unweighed in jury]
    has_votes = (~np.isnan(p)).any(axis=1)
    labels = np.array([_or_nan(people.get(unweighed.judgement.comparison_id)) for unweighed in jury])
    labels[~has_votes] = math.nan
    decided = [prompt for prompt, label in zip(prompts, labels, strict=True) if not math.isnan(label)]
    refuse_few_labels(len(decided), prompts=len(set(decided)))
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    stacked = stack(p, labels, [numbers[prompt] for prompt in prompts])
    judgements = [
        _with_p(unweighed.judgement, value if is_judged else None, unweighed.p_by_rater)
        for unweighed, value, is_judged in zip(jury, stacked.p.tolist(), has_votes, strict=True)
    ]
    return Weighed(judgements, dict(zip(raters, stacked.weights.tolist(), strict=True)))


def _or_nan(p: float | None) -> float:
    return math.nan if p is None else p


def refuse_few_labels(labelled: int, *, prompts: int) -> None:
    """Raises ConfigError where judges cannot be weighed on so few comparisons that people have decided."""
    if labelled >= FEWEST_LABELS and prompts >= 2:
        return
    raise ConfigError(
        f"jury: weighted learns from comparisons that people have decided and the judges have judged; found {labelled} "
        f"of {prompts} prompts, expected {FEWEST_LABELS} at least, of two prompts or more: label more under verdicts, "
        "with judging.judge_labelled: true, or take jury: mean"
    )


class Escalation(NamedTuple):
    """The tier of judges that decided a comparison."""

    judgement: Judgement
    """The judgement of the last tier asked that could be read; of the last asked where none could."""
    tier: int
    """The number of that tier; 0 is the cheapest."""
    is_unsure: bool
    """No tier was confident."""
    judgements: tuple[Judgement, ...]
    """The judgements of all tiers that were asked, the cheapest first."""


async def escalate(tiers: Sequence[Callable[[], Awaitable[Judgement]]], confidence: float) -> Escalation:
    """Ask one tier after another until one is confident: |2 p_a - 1| >= `confidence`, from 0 to 1.

    A tier that could not be read is not confident.
    """
    judgements: list[Judgement] = []
    for ask in tiers:
        judgements.append(await ask())
        if _is_confident(judgements[-1], confidence):
            break
    read = [tier for tier, judgement in enumerate(judgements) if judgement.p_a is not None]
    tier = read[-1] if read else len(judgements) - 1
    is_unsure = not _is_confident(judgements[-1], confidence)
    return Escalation(judgements[tier], tier, is_unsure, tuple(judgements))


def _is_confident(judgement: Judgement, confidence: float) -> bool:
    """Compares |2 P - 1|, plus `HALF` since rounding may have lowered it."""
    return judgement.p_a is not None and abs(2 * judgement.p_a - 1) + HALF >= confidence


class JudgedComparison(NamedTuple):
    """A comparison with its verdicts, its ending and its judgement."""

    comparison: Comparison
    verdicts: list[Verdict]
    ending: Ending
    judgement: Judgement | None = None
    """The result of the judges that count; absent where one of them could not be asked."""
    by_rater: Mapping[str, Judgement] = MappingProxyType({})
    """The judgement of each judge that was asked, from its verdicts alone."""
    escalation: Escalation | None = None
    """Present where there are second judges."""

    @property
    def p_a(self) -> float | None:
        return self.judgement.p_a if self.judgement else None


class JudgePanel:
    """Judges of pairs or of single answers, side by side in one jury; second ones where the first are unsure."""

    def __init__(
        self,
        tiers: Sequence[Sequence[Judge]],
        *,
        jury: JuryKind = "mean",
        confidence: float = 0.0,
    ) -> None:
        """Raises ConfigError for two judges that would sign as one."""
        self._tiers, self._jury, self._confidence = tiers, jury, confidence
        self.judges = [judge for tier in tiers for judge in tier]
        names = [judge.name for judge in self.judges]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"judging: two of the judges {', '.join(names)} have the same name; give each folder its own id"
            )

    async def compare(
        self, prompt: Prompt, a: Candidate, b: Candidate, by: DrawnPrinciple | None = None, *, at_most: bool = False
    ) -> JudgedComparison:
        """Ask about two candidates, by one principle or by those that the judges draw, and `at_most` every judge; a
        fault that passes leaves the comparison pending."""
        comparison = Comparison.between(a, b)
        verdicts: list[Verdict] = []
        by_rater: dict[str, Judgement] = {}

        async def ask(judges: Sequence[Judge]) -> Judgement:
            replies = await flow(judges, lambda judge: judge.verdicts(prompt, a, b, by=by), window=len(judges))
            asked = [verdict for reply in replies for verdict in reply]
            result = jury_result(asked, partial(self.judges[0].together, comparison=comparison), self._jury)
            verdicts.extend(asked)
            by_rater.update(result.by_rater)
            return result.judgement

        try:
            enough = math.inf if at_most else self._confidence
            escalation = await escalate([partial(ask, tier) for tier in self._tiers], enough)
        except Transient as fault:
            return JudgedComparison(comparison, [], item_ending(fault))
        is_read = any(verdict.invalid is None for verdict in verdicts)
        ending = (
            Ending("done") if is_read else Ending("invalid", next((v.invalid for v in verdicts if v.invalid), None))
        )
        several = escalation if len(self._tiers) > 1 else None
        return JudgedComparison(comparison, verdicts, ending, escalation.judgement, by_rater, several)


class PanelCounts:
    """Counts over all comparisons, updated one by one; a few numbers are kept of each."""

    def __init__(self, raters: Sequence[str]) -> None:
        self.all = JudgeCount()
        self.judges = {rater: JudgeCount() for rater in raters}
        self.weights: dict[str, float] = {}
        """Weights by rater, where the jury is weighted."""
        self._agreed: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
        """Comparisons on which two raters say the same, and on which they do not."""
        self._unanimous: Counter[bool] = Counter()
        """Comparisons on which all readable raters agree, and on which they do not, where there are two or more."""
        self._tiers: list[tuple[int, int | None, float, str]] = []
        """For each comparison: the number of tiers asked, the one that decided, agreement with people, the prompt."""

    def add(self, judged: Iterable[JudgedComparison], verdicts: Iterable[Verdict], people: Mapping[str, float]) -> None:
        """Count comparisons, and the verdicts behind them, each once; `people` have decided some, by P(a)."""
        for verdict in verdicts:
            self.judges[verdict.rater].add_verdict(verdict)
            self.all.add_verdict(verdict)
        for result in judged:
            if result.judgement is None:
                continue
            self.all.add_judgement(result.judgement)
            for rater, own in result.by_rater.items():
                self.judges[rater].add_judgement(own)
            self._add_sides(result)
            if result.escalation:
                _, tier, is_unsure, tiers = result.escalation
                agreed = _agreement(result.escalation.judgement.p_a, people.get(result.comparison.id))
                self._tiers.append((len(tiers), None if is_unsure else tier, agreed, result.comparison.prompt_id))

    def _add_sides(self, result: JudgedComparison) -> None:
        votes = {rater: result.by_rater[rater].p_a for rater in self.judges if rater in result.by_rater}
        sides = {rater: read_side(p) for rater, p in votes.items() if p is not None}
        for first, second in combinations(sides, 2):
            self._agreed[first, second][sides[first] == sides[second]] += 1
        if len(sides) > 1:
            self._unanimous[len(set(sides.values())) == 1] += 1

    def to_json(self) -> dict[str, Any]:
        """Judges by themselves, and how often they agree where there are several."""
        report: dict[str, Any] = {"judges": {}}
        for rater, count in self.judges.items():
            own = {"comparisons": count.comparisons, "abstained": count.abstained}
            weight = {"weight": round(self.weights[rater], 4)} if rater in self.weights else {}
            verdicts = {"verdicts": count.verdicts, "invalid": count.invalid}
            report["judges"][rater] = {**own, **weight, **verdicts, **count.means()}
        if len(self.judges) > 1:
            several = self._unanimous.total()
            report["unanimous"] = {"same": self._unanimous[True], "comparisons of two votes or more": several}
            report["agreement"] = [
                {"judges": list(two), "same": round(agreed[True] / agreed.total(), 4), "comparisons": agreed.total()}
                for two in combinations(self.judges, 2)
                if (agreed := self._agreed.get(two))
            ]
        return report

    def tiers(self) -> dict[str, Any]:
        """Comparisons by the tier of judges that kept them: how many, their share, how often people agree."""
        counts: dict[str, dict[str, Any]] = {}
        prompts = [prompt for *_, prompt in self._tiers]
        for name, tier in (("first judges", 0), ("second judges", 1), ("unsure", None)):
            kept = [row for row in self._tiers if row[1] == tier]
            asked = {"asked": sum(row[0] > tier for row in self._tiers)} if tier is not None else {}
            share_kept = share([float(row[1] == tier) for row in self._tiers], prompts).to_json()
            counts[name] = {**asked, "kept": len(kept), "share": share_kept}
            decided = [row for row in kept if not math.isnan(row[2])]
            if tier is not None and decided:
                agree = share([row[2] for row in decided], [row[3] for row in decided])
                counts[name]["people agree"] = agree.to_json()
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
        """Return the share of comparisons whose orders agree, and the mean P of the answer shown first, where known."""
        agree = {"orders agree": round(self.consistent[True] / self.consistent.total(), 4)} if self.consistent else {}
        first = {"mean P(first shown)": round(self._p_first / self._firsts, 4)} if self._firsts else {}
        return {**agree, **first}


def _agreement(p_a: float | None, label: float | None) -> float:
    """1 on people's side, 0 on the other, half on neither; nan where they have not decided."""
    if p_a is None or label is None or not read_side(label):
        return math.nan
    return (1 + read_side(p_a) * read_side(label)) / 2
