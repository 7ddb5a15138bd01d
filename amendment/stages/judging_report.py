"""What judging came to: a few counts for the summary, and the whole as `judging/report.json`.

Covered: judges by themselves (what could be read, what the displayed order did), judges beside each other (agreement,
errors that go together), principles beside each other, the cascade, rankings, comparisons that go round in a circle.
All is counted prompt by prompt, and a few numbers are kept of each comparison. Not covered: whether judges are right;
that is measured by the certificate.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amendment.errors import AmendmentError
from amendment.preference import Panel, PrincipleMatrix, PrincipleTally
from amendment.records import Judgement, Prompt, Verdict
from amendment.stages.bench import Judged
from amendment.stages.cascading import CascadeCount
from amendment.stages.configs import JudgingStage
from amendment.stages.schedules import Ranking
from amendment.statistics import count_triads

__all__ = ["JudgingReport"]


class JudgingReport:
    """Counts of a stage while it goes on."""

    def __init__(self, stage: JudgingStage, raters: Sequence[str]) -> None:
        self.panel = Panel(raters)
        self._stage = stage
        self._comparisons, self._asked = 0, 0
        self._set_aside: Counter[str] = Counter()
        self._found: Counter[str] = Counter()
        self._firsts, self._twice = _Mean(), _Mean()
        self._judges = {rater: _JudgeCount() for rater in raters}
        self._principles = PrincipleTally()
        self._circles = _Circles()
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

    def add_judged(self, judged: Iterable[Judged], people: Mapping[str, float], places: Mapping[str, int]) -> None:
        """Count the comparisons of a prompt. `people` have decided some, by P(a); `places` number its candidates."""
        heard = []
        for one in judged:
            self._asked += 1
            if one.judgement:
                self._add(one, one.judgement, people.get(one.comparison.id))
                heard.append(one.judgement)
        self._circles.add(heard, places)

    def _add(self, judged: Judged, judgement: Judgement, label: float | None) -> None:
        self._found["comparisons"] += 1
        self._twice.add(judgement.consistent)
        if len(self.panel.raters) > 1:
            self.panel.add(judged.comparison.prompt_id, {rater: one.p_a for rater, one in judged.apart.items()}, label)
        for rater, own in judged.apart.items():
            self._judges[rater].add_comparison(own)
        if self._cascade and judged.escalated:
            self._cascade.add(judged.escalated, label)

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
                "decided them all; set judging.labelled to judge to measure the judge on them"
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
        if "circles" in report:
            counts["triads in a circle"] = round(report["circles"]["value"], 4)
        for kind in ("redundant", "conflicting"):
            pairs = sum(pair[kind] for pair in report["principles"]["agreements"])
            counts |= {f"{kind} principles": pairs} if pairs else {}
        return {**counts, "candidates set aside": dict(self._set_aside)}

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        found: dict[str, Any] = {"jury": self._stage.jury, "ranking": self._stage.ranking}
        found["judges"] = {rater: {**self._of_judge(rater), **one.to_json()} for rater, one in self._judges.items()}
        if len(self.panel.raters) > 1:
            found |= _of_panel(self.panel)
        if self._cascade:
            found["cascade"] = self._cascade.to_json()
        if self._rankings["prompts"]:
            found["rankings"] = dict(self._rankings)
        if circles := self._circles.to_json():
            found["circles"] = circles
        return {**found, "principles": self.matrix.to_json()}

    @property
    def matrix(self) -> PrincipleMatrix:
        """Principles beside each other, of what was counted so far."""
        return self._principles.matrix()

    def _of_judge(self, rater: str) -> dict[str, Any]:
        trust = self.panel.trust.get(rater)
        name = {"stacked": "weight", "dawid-skene": "right by the votes of all"}.get(self._stage.jury, "trust")
        told = {} if trust is None else {name: round(trust, 4)}
        return {**self._judges[rater].asked, **told}


def _of_panel(panel: Panel) -> dict[str, Any]:
    """Judges beside each other."""
    same, several = panel.unanimous()
    errors = panel.errors()
    pairs = [
        {"judges": list(judges), "same": round(share, 4), "comparisons": count}
        for judges, (share, count) in panel.agreement().items()
    ]
    together = {
        "against": "people" if errors.against == "labels" else errors.against,
        "labelled comparisons": panel.n_labelled,
        "error rates": dict(zip(panel.raters, map(_number, errors.error_rates.tolist()), strict=True)),
        "phi": [[_number(phi) for phi in row] for row in errors.phi.tolist()],
        "mean phi": _number(errors.mean_phi),
        "effective judges": _number(errors.effective),
    }
    unanimous = {"same": same, "comparisons of two votes or more": several}
    return {"unanimous": unanimous, "agreement": pairs, "errors together": together}


def _of_the_jury(report: Mapping[str, Any]) -> dict[str, Any]:
    """Several judges in a few numbers."""
    if "unanimous" not in report:
        return {}
    counts: dict[str, Any] = {}
    abstained = {rater: one["abstained"] for rater, one in report["judges"].items() if one["abstained"]}
    same, several = report["unanimous"].values()
    if several:
        counts["judges all agree"] = round(same / several, 4)
    if report["errors together"]["effective judges"] is not None:
        counts["effective judges"] = report["errors together"]["effective judges"]
        counts["errors measured against"] = report["errors together"]["against"]
    return {**counts, "abstentions": abstained} if abstained else counts


def _number(value: float) -> float | None:
    """With four digits; None for nan, which JSON does not know."""
    return None if math.isnan(value) else round(value, 4)


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


class _Circles:
    """Triads of candidates, of which every two were compared."""

    def __init__(self) -> None:
        self._firsts, self._seconds, self._prompts = array("q"), array("q"), array("q")
        self._p = array("d")
        self._count = 0

    def add(self, judgements: Iterable[Judgement], places: Mapping[str, int]) -> None:
        if len(places) > 2:
            self._count += 1
            for one in judgements:
                if one.p_a is not None:
                    self._firsts.append(places[one.a])
                    self._seconds.append(places[one.b])
                    self._prompts.append(self._count)
                    self._p.append(one.p_a)

    def to_json(self) -> dict[str, Any] | None:
        """The share of triads that go round in a circle; nothing where no three were compared."""
        if not self._count:
            return None
        found = count_triads([*map(str, self._firsts)], [*map(str, self._seconds)], self._p, self._prompts).share
        return found.to_json() if found.n else None


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
