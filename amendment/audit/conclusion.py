"""May the judge be used? One of three answers in one sentence, chosen from its gates by the rules of `decide`.

Covered: every judge of a certificate, the best first; what is missing where nothing can be concluded. Not covered:
whether the items resemble those that the judge is for. docs/audit.md has the rules as a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from amendment.audit.figures import between, rounded, short
from amendment.audit.gates import Gate, GateOutcome, JudgeReport, at_chance
from amendment.audit.votes import INVALID, NONE, TIE, AuditData
from amendment.statistics import Estimate, Resampling, bounds, share
from amendment.statistics.intervals import FEWEST_ITEMS

Form = Literal["use", "use where both orders agree", "do not use", "no conclusion"]
FORMS: tuple[Form, ...] = ("use", "use where both orders agree", "no conclusion", "do not use")
"""The best first."""
GOOD_WITHOUT_CEILING = 0.8
"""Agreement with annotators that is enough where a ceiling cannot be had or the data leave it open: that of two people
on MT-Bench, ties left out (Zheng et al. 2023, arXiv 2306.05685, section 4.2: 81 %)."""
FAILURES = {
    "invalid": "too many of its verdicts cannot be read",
    "chance": "it agrees with annotators no better than chance",
    "ceiling": "it agrees with an annotator less often than another annotator does",
    "constant": "it prefers a stock answer that some system gives to most prompts",
    "repetition": "asked the same again, it often changes its verdict",
    "length": "it errs towards one length",
    "style": "it errs towards one style",
    "self": "it errs towards the answers of its own model",
}
"""What it means that a gate fails. The worst first; `order` is absent, since asking in both orders helps."""


class Evidence(NamedTuple):
    """What `decide` looks at besides the outcomes of the gates."""

    contradicts: bool
    """The judge's two orders contradict each other, so that they may have been read the wrong way round."""
    has_order: bool
    """A displayed order is on record."""
    both_orders: int
    """Items that were read in both displayed orders."""
    decided: int
    """Items on which the judge and the majority of annotators choose an answer: where the gate of order warns or
    fails, those on which both orders choose the same one."""
    least_agreement: float
    """The lower bound of the agreement on these items; nan where there is none."""
    doubts_people: bool
    """Two annotators do not agree better than chance."""


@dataclass(frozen=True)
class Conclusion:
    """What follows for one judge."""

    judge: str | None
    """None where no judge voted."""
    form: Form
    because: str
    """The rule of `decide` that applied: a gate, or what is missing."""
    sentence: str
    agreement: Estimate | None
    """With the majority of annotators, where both choose an answer; as in `Evidence.decided`. None without a label."""
    agreed: int
    """Items on which they choose the same answer."""
    two_annotators: Estimate | None
    """Agreement of two annotators on the items they share with the judge, ties left out; None without two."""
    flips: Estimate | None
    """Share of the items asked in both orders whose verdict changes with the order; None where none was."""
    coverage: float
    """Share of the items that the judge was asked about for which it chooses an answer."""


def decide(outcomes: Mapping[str, GateOutcome], evidence: Evidence) -> tuple[Form, str]:
    """The form of the conclusion, and what decides it; the first rule that applies."""
    order, ceiling, chance = outcomes["order"], outcomes["ceiling"], outcomes["chance"]
    is_swayed = order in ("WARN", "FAIL")
    is_good = ceiling == "PASS" or evidence.least_agreement > GOOD_WITHOUT_CEILING
    rules: list[tuple[bool, Form, str]] = [
        (outcomes["rows"] == "WARN", "no conclusion", "rows"),
        (evidence.contradicts, "no conclusion", "contradicting orders"),
        *((outcomes[check] == "FAIL", "do not use", check) for check in FAILURES),
        (chance == "not measured", "no conclusion", "few labels"),
        (chance == "WARN", "do not use", "chance"),
        (is_swayed and evidence.both_orders < FEWEST_ITEMS, "do not use", "one order"),
        (order == "not measured" and evidence.has_order, "no conclusion", "order not measured"),
        (evidence.decided < FEWEST_ITEMS, "no conclusion", "few choices"),
        (evidence.doubts_people, "no conclusion", "people"),
        (is_good and is_swayed, "use where both orders agree", "order"),
        (is_good, "use", "agreement"),
        (True, "no conclusion", "open"),
    ]
    return next((form, because) for applies, form, because in rules if applies)


def conclusions(
    data: AuditData, judges: Sequence[JudgeReport], gates: Sequence[Gate], alpha: Estimate | None, draws: Resampling
) -> tuple[Conclusion, ...]:
    """The conclusion on each judge, the best first; one that says so where no judge voted. `alpha` is that of people
    among themselves, None with fewer than two."""
    if not judges:
        sentence = "Nothing can be concluded about a judge: only people voted."
        return (Conclusion(None, "no conclusion", "no judge", sentence, None, 0, None, None, math.nan),)
    drawn = [
        _conclusion(
            data,
            judge,
            {gate.check: gate for gate in gates if gate.judge == judge.name},
            at_chance(alpha) if alpha else "",
            draws,
        )
        for judge in judges
    ]
    return tuple(sorted(drawn, key=_rank))


def refused(concluded: Iterable[Conclusion], gates: Iterable[Gate]) -> tuple[Conclusion, ...]:
    """The same where a run's own gate of people fails: people disagree with the labels, so no judge of the run is to be
    used, whatever the figures of its single verdicts are."""
    found = next((gate.found for gate in gates if gate.check == "people" and gate.outcome == "FAIL"), None)
    if found is None:
        return tuple(concluded)
    words = f"people disagree with the labels of this run: {found}."
    return tuple(
        replace(
            conclusion,
            form="do not use",
            because="people's labels",
            sentence=f"{_BEGINNING['do not use'].format(short(conclusion.judge))}: {words}",
        )
        if conclusion.judge and conclusion.form != "do not use"
        else conclusion
        for conclusion in concluded
    )


def _rank(conclusion: Conclusion) -> tuple[int, float, str]:
    agreement = conclusion.agreement.value if conclusion.agreement else math.nan
    return FORMS.index(conclusion.form), math.inf if math.isnan(agreement) else -agreement, conclusion.judge or ""


def _conclusion(
    data: AuditData, judge: JudgeReport, gates: Mapping[str, Gate], doubt: str, draws: Resampling
) -> Conclusion:
    number = next(number for number, rater in data.judges if rater.name == judge.name)
    position, verdicts = judge.position, data.verdicts.of(number)
    outcomes = {check: gate.outcome for check, gate in gates.items()}
    if outcomes["order"] in ("WARN", "FAIL") and position.pairs >= FEWEST_ITEMS:
        verdicts = verdicts.where(verdicts.order == 1)
    chosen = verdicts.where(verdicts.decided)
    majority = data.majority[chosen.item]
    both = ~np.isin(majority, (TIE, NONE, INVALID))
    right = (chosen.value == majority)[both]
    agreement = share(right, data.prompts(chosen.item[both]), draws.level)
    ceiling = judge.ceiling.get("no_ties")
    interval = bounds(agreement)
    evidence = Evidence(
        contradicts=position.contradicts,
        has_order=bool(position.prefers_first.n),
        both_orders=position.pairs,
        decided=agreement.n,
        least_agreement=interval[0] if interval else math.nan,
        doubts_people=bool(doubt),
    )
    form, because = decide(outcomes, evidence)
    same = position.consistency
    flips = same._replace(value=1 - same.value, low=1 - same.high, high=1 - same.low) if position.pairs else None
    conclusion = Conclusion(
        judge=judge.name,
        form=form,
        because=because,
        sentence="",
        agreement=agreement if judge.label else None,
        agreed=int(right.sum()),
        two_annotators=ceiling.people if ceiling else None,
        flips=flips,
        coverage=chosen.item.size / verdicts.item.size,
    )
    words = f"{_BEGINNING[form].format(short(judge.name))}: {_reason(conclusion, judge, gates, doubt)}."
    return replace(conclusion, sentence=words)


_BEGINNING: dict[Form, str] = {
    "use": "Use {}",
    "use where both orders agree": "Use {} only where both orders agree",
    "do not use": "Do not use {}",
    "no conclusion": "Nothing can be concluded about {}",
}


def _reason(conclusion: Conclusion, judge: JudgeReport, gates: Mapping[str, Gate], doubt: str) -> str:
    """The rest of the sentence."""
    position, flips, agreement = judge.position, conclusion.flips, conclusion.agreement
    changes = f"{rounded(flips.value)} of its verdicts change with the order" if flips else ""
    and_changes = f"; {changes}" if changes and gates["order"].outcome in ("WARN", "FAIL") else ""
    share_agreed, count = (rounded(agreement.value), agreement.n) if agreement else ("", 0)
    chosen = f"the items where both choose ({conclusion.agreed} of {count})"
    agrees = f"it agrees with the annotators' majority on {share_agreed} of {chosen}"
    coverage = f"{rounded(conclusion.coverage)} of its items"
    two = conclusion.two_annotators
    and_two = f"; two annotators agree on {rounded(two.value)}" if two else ""
    needed = f", and {FEWEST_ITEMS} are needed{and_changes}"
    labelled = f"people labelled {judge.label.items if judge.label else 'none'} of its items{needed}"
    if judge.label and judge.label.items >= FEWEST_ITEMS:
        labelled = f"its agreement with annotators is not measured: {gates['chance'].found}"
    kappa = f" (kappa {_kappa(judge.label.kappa)}){and_changes}" if judge.label else ""
    unproved = "the data do not show that it agrees with annotators better than chance"
    turned = f"in {rounded(position.turned)} of the items it changes sides when the answers change places"
    more = "more labelled items are" if two else "a second annotator or more labels are"
    reasons = {check: f"{words} ({gates[check].found})" for check, words in FAILURES.items()} | {
        "agreement": f"{agrees}; it chooses on {coverage}{and_two}",
        "order": f"{changes}; where both orders agree, {agrees}; both orders agree on {coverage}",
        "rows": f"check first how the files were joined ({gates['rows'].found})",
        "contradicting orders": f"{turned}. Check coordinates and orders of its file",
        "chance": f"{FAILURES['chance'] if gates['chance'].outcome == 'FAIL' else unproved}{kappa}",
        "ceiling": _below_ceiling(judge),
        "few labels": labelled,
        "one order": f"{gates['order'].found}. Ask it in both orders and audit it again",
        "order not measured": f"its position bias is not measured. Ask it in both orders on {FEWEST_ITEMS} items",
        "few choices": f"both it and annotators choose an answer on {agreement.n if agreement else 0} items{needed}",
        "people": doubt,
        "open": f"{agrees}, and the data cannot tell whether that is as good as a person; {more} needed",
    }
    return reasons[conclusion.because]


def _below_ceiling(judge: JudgeReport) -> str:
    """How often it agrees with an annotator, and how much less that is than two annotators do."""
    ceiling = judge.ceiling.get("no_ties")
    interval = bounds(ceiling.difference) if ceiling else None
    if ceiling is None or interval is None:
        return ""
    gap = f"{-100 * ceiling.difference.value:.1f} points more {between((-interval[1], -interval[0]))}"
    agrees = f"it agrees with an annotator on {rounded(ceiling.judge.value)} of the items"
    return f"{agrees}, while two annotators agree on {rounded(ceiling.people.value)}, which is {gap}"


def _kappa(kappa: Estimate) -> str:
    interval = bounds(kappa)
    return f"{kappa.value:.2f}" + (f", {round(interval[0], 2) + 0:.2f} to {interval[1]:.2f}" if interval else "")
