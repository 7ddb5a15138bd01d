"""Compare two answers by code, and count how often judges say the same.

Covered: if only one of two answers passes every check of the principles that apply to the prompt, it is the better one;
of a contrast pair, the checks of the principle that it was drawn by count alone.
Hard principles are vetoes: if only one of two answers passes their checks, this decides the comparison, whatever the
judges say.
Not covered: comparisons in which both answers pass, neither passes, or a check could not be run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from amendment.constitutions import Constitution, DrawnPrinciple, list_principles
from amendment.llm.model import Ending
from amendment.preference.panel import JudgedComparison
from amendment.records import Candidate, Prompt, last_text
from amendment.results import Estimate, Figure, Result, counted
from amendment.statistics import share
from amendment.statistics.sides import read_side
from amendment.text import plain

RATER = "check"
"""The rater of comparisons that code decides."""
LATEST = 1000
"""Answers by principle whose outcome is kept, since an answer is in several comparisons and a function may be slow."""


class _Preference(NamedTuple):
    """Which answer code prefers, and by which principles."""

    p_a: float
    principle_ids: tuple[str, ...]


class CheckedComparisons:
    """What checks say of a run's comparisons; counted one by one."""

    def __init__(self, constitutions: Sequence[Constitution]) -> None:
        self._principles = [drawn for drawn in list_principles(constitutions) if drawn.principle.check]
        checked = {drawn.id: drawn.principle for drawn in self._principles}
        self.has_hard = any(drawn.principle.hard for drawn in self._principles)
        """Checks decide some comparisons."""
        self._is_kept = lru_cache(maxsize=LATEST)(lambda name, *texts: checked[name].is_kept_by(*texts))
        self._agreed: dict[str, list[float]] = defaultdict(list)
        self._prompts: dict[str, list[str]] = defaultdict(list)
        self._counts: Counter[str] = Counter()
        self._undecided: Counter[str] = Counter()
        self._flipped: dict[str, Counter[str]] = defaultdict(Counter)

    def decided(self, prompt: Prompt, judged: JudgedComparison, answers: Mapping[str, Candidate]) -> JudgedComparison:
        """Return the comparison as checks of hard principles decide it, or as it was; `answers` are candidates by
        id."""
        hard = [drawn for drawn in self._applying(prompt) if drawn.principle.hard]
        preferred = self._preferred(prompt, judged, answers, hard)
        if preferred is None or judged.judgement is None:
            return judged
        update = {
            "p_a": preferred.p_a,
            "rater_kind": "verifier",
            "raters": (RATER,),
            "principle_ids": preferred.principle_ids,
            "decisive": preferred.principle_ids[0] if len(preferred.principle_ids) == 1 else None,
            "conflict": None,
        }
        return judged._replace(judgement=judged.judgement.model_copy(update=update), ending=Ending("done"))

    def add(
        self,
        prompt: Prompt,
        judged: JudgedComparison,
        answers: Mapping[str, Candidate],
        drawn_by: DrawnPrinciple | None = None,
    ) -> None:
        """Count a comparison: whether code says which answer is better, and whether each judge says the same.

        `drawn_by` is the principle of a contrast pair; without it, all that apply to the prompt count.
        """
        principles = self._applying(prompt) if drawn_by is None else [drawn_by] if drawn_by.principle.check else []
        preferred = self._preferred(prompt, judged, answers, principles)
        if preferred is None:
            return
        self._counts["comparisons"] += 1
        self._counts["contrast pairs"] += drawn_by is not None
        self._counts["decided"] += judged.judgement is not None and judged.judgement.rater_kind == "verifier"
        for rater, judgement in judged.by_rater.items():
            side = 0 if judgement.p_a is None else read_side(judgement.p_a)
            agrees = side == read_side(preferred.p_a)
            is_flipped = judgement.consistent is False
            self._undecided[rater] += side == 0 and not is_flipped
            self._flipped[rater].update({"n": is_flipped, "mean agrees": is_flipped and agrees})
            if side and not is_flipped:
                self._agreed[rater].append(float(agrees))
                self._prompts[rater].append(prompt.id)

    def to_json(self) -> dict[str, Any]:
        """Comparisons in which code prefers an answer, the contrast pairs among them, those that it decided, and each
        judge's agreement with it over those on which the judge is decided too; empty where no principle has a check.

        A judge whose displayed orders disagree has not decided: `orders disagree` counts such comparisons apart, and
        on how many of them the mean of both orders agrees with the check.
        """
        if not self._principles:
            return {}
        judges = {
            rater: {
                **share(self._agreed[rater], self._prompts[rater]).to_json(),
                "agrees": round(sum(self._agreed[rater])),
                "undecided": self._undecided[rater],
                "orders disagree": dict(self._flipped[rater]),
            }
            for rater in sorted(self._undecided)
        }
        names = ("comparisons", "contrast pairs", "decided")
        return {**{name: self._counts[name] for name in names}, "judges": judges}

    def _applying(self, prompt: Prompt) -> list[DrawnPrinciple]:
        return [drawn for drawn in self._principles if drawn.principle.applies_to(prompt.category, prompt.tags)]

    def _preferred(
        self,
        prompt: Prompt,
        judged: JudgedComparison,
        answers: Mapping[str, Candidate],
        principles: Sequence[DrawnPrinciple],
    ) -> _Preference | None:
        """Return the answer that passes every check of these principles, if only one does."""
        _, a, b = judged.comparison
        texts = [last_text(answers[name].messages) for name in (a, b)]
        kept = [[self._is_kept(drawn.id, text, prompt.answer) for drawn in principles] for text in texts]
        passes = [False if False in by_principle else None if None in by_principle else True for by_principle in kept]
        if not principles or None in passes or passes[0] == passes[1]:
            return None
        differ = tuple(drawn.id for drawn, first, second in zip(principles, *kept, strict=True) if first != second)
        return _Preference(float(passes[0] is True), differ)


def check_lines(checks: Mapping[str, Any]) -> list[str]:
    """What checks and judges say of the same comparisons, as Markdown lines; `checks` is `to_json` of the counts."""
    contrast = checks.get("contrast pairs", 0)
    lines = []
    if contrast:
        lines.append(f"- in {contrast:,} contrast pairs only one answer passes the checks of the pair's own principle")
    if (others := checks["comparisons"] - contrast) or not contrast:
        lines.append(
            f"- in {others:,} comparisons only one answer passes the checks of the principles that apply; "
            f"hard principles and verifiers decided {checks['decided']:,} of these"
        )
    for rater, agreement in checks["judges"].items():
        interval = "" if agreement["low"] is None else f" ({agreement['low']:.2f} to {agreement['high']:.2f})"
        flipped = agreement.get("orders disagree", {}).get("n", 0)
        open_ones = f"; on {flipped:,} others its two orders disagree" if flipped else ""
        open_ones += f"; it is undecided on {agreement['undecided']:,} more" if agreement["undecided"] else ""
        agrees = f"agrees with the check on {agreement['agrees']:,} of {agreement['n']:,} pairs{interval}{open_ones}"
        if flipped and not agreement["n"] and not agreement["undecided"]:
            agrees = f"its two orders disagree on all {flipped:,} pairs, so it could not be compared with the check"
        lines.append(f"- {plain(rater)}{':' if agrees.startswith('its') else ''} {agrees}")
    return lines


def check_result(checks: Mapping[str, Any]) -> Result:
    """Return the same as figures; an empty result where no principle has a check."""
    if not checks:
        return Result()
    figures = [
        *counted(
            checked_comparisons=checks["comparisons"],
            checked_contrast_pairs=checks["contrast pairs"],
            decided_by_checks=checks["decided"],
        )
    ]
    for rater, agreement in checks["judges"].items():
        measured: dict[str, Estimate | int] = {
            "agrees_with_checks": Estimate.from_json(agreement),
            "undecided": agreement["undecided"],
            "orders_disagree": agreement["orders disagree"].get("n", 0),
        }
        units = {"agrees_with_checks": "share"}
        figures += [
            Figure(name=name, value=measured[name], unit=units.get(name, ""), of={"judge": rater}) for name in measured
        ]
    return Result(figures=tuple(figures))
