"""The figures of one judge, and its gates: PASS, WARN or FAIL by check, each by a rule that is printed with it.

No gate edits anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from amendment.audit import alarm
from amendment.audit.agreement import (
    AgainstPeople,
    Agreement,
    against_majority,
    judge_leave_one_out,
)
from amendment.audit.alarm import Alarms
from amendment.audit.bias import FORMAT, LENGTH, SELF, FeatureBias, bias_table, longer_by_majority
from amendment.audit.ceiling import ColumnValue, Look, by_category
from amendment.audit.figures import between, short, stated
from amendment.audit.people import stands_in
from amendment.audit.position import CONFOUNDED, Position, Repetition, position, repetition
from amendment.audit.systems import ConstantAnswer, ConstantWins
from amendment.audit.votes import AuditData
from amendment.records import RaterKind
from amendment.statistics import Estimate, Resampling, bounds
from amendment.statistics.alternative_annotators import AlternativeAnnotator
from amendment.statistics.beside import Shown
from amendment.statistics.intervals import FEWEST_ITEMS, t_quantile

GateOutcome = Literal["PASS", "WARN", "FAIL", "not measured"]
Ruling = tuple[GateOutcome, str]
CANNOT_TELL = "the data cannot tell"
OFTEN, FEWEST_UNREADABLE, MOST_UNREADABLE = 0.02, 5, 0.1
"""Share of unreadable verdicts above which a judge does not pass; number of verdicts from which a majority decides;
share above which it fails."""
LEAST_CONSISTENT, HARDLY_CONSISTENT = 0.8, 0.65
"""Shares of pairs with the same verdict in both orders. The gate of order passes from the first on; it fails if the
whole interval of the share lies below the second."""
MOST_LEANING, FAR_LEANING = 0.1, 0.175
"""Distance of the first shown's share from one half that costs consistencies of 0.80 and 0.65: a judge that goes by
the place in a share q of its verdicts prefers the first shown in (1 + q) / 2, and is consistent in 1 - q."""
MOST_TIES, TIMES_PEOPLE = 0.2, 2
"""Share of a judge's verdicts, and multiple of people's share, up to which its ties raise no question."""
MOST_SWAY, WIDEST = 0.2, 1.0
"""Asymmetry beyond which a bias fails its judge; width of an interval beyond which finding nothing tells nothing."""
STABLE, HARDLY_STABLE = 0.9, 0.75
UNREADABLE_RULE = (
    f"FAIL if the whole interval lies above the limit, or if more than half of at least {FEWEST_UNREADABLE} verdicts "
    f"are unreadable; otherwise not measured with fewer than {FEWEST_ITEMS} verdicts, PASS up to {100 * OFTEN:g} %, "
    "WARN above"
)


@dataclass(frozen=True)
class JudgeReport:
    """One judge: a model or a verifier."""

    name: str
    kind: RaterKind
    label: Agreement | None
    """By all its verdicts on an item, different orders being a tie, against the majority of people; absent without."""
    length_baseline: Estimate | None
    """The share of items on which the longer answer is the majority's choice, of those on which the judge chooses one
    too; absent without people or lengths."""
    one_call: Agreement | None
    """The same of each displayed order by itself."""
    leave_one_out: AgainstPeople | None
    """Beside what the other people mostly say, in the place of each of them; absent without items of two people."""
    alternative_annotator: AlternativeAnnotator | None
    """Whether it could stand in for one of the people."""
    alternative_annotator_note: str
    """Why that was not tested."""
    position: Position
    repetition: Repetition | None
    """Absent where nothing was asked twice in one order."""
    bias: dict[str, FeatureBias]
    """By feature of the answers: length, what their texts carry, and self."""

    @property
    def headline(self) -> Estimate | None:
        """Return the share of items on which judge and majority choose the same side, where both choose one."""
        return self.label.by_rule["no_ties"] if self.label else None

    @property
    def counts_orders_apart(self) -> bool:
        """Return whether calls and labels are counted separately, since some item was asked in several orders."""
        if self.label is None or self.one_call is None:
            return False
        return self.label.invalid_wrong["strict"].n != self.one_call.invalid_wrong["strict"].n


@dataclass(frozen=True)
class Gate:
    """One check of one judge."""

    judge: str
    check: str
    """A name whose rule stands in the glossary."""
    outcome: GateOutcome
    found: str
    """What was measured, or why it was not."""


def group_gates(judge: str, gates: Sequence[Gate]) -> dict[str, list[str]]:
    """Return the names of one judge's gates by their outcomes, the worst first."""
    outcomes = ("FAIL", "WARN", "PASS", "not measured")
    own = [gate for gate in gates if gate.judge == judge]
    return {outcome: [gate.check for gate in own if gate.outcome == outcome] for outcome in outcomes}


def judge_report(data: AuditData, number: int, models: Mapping[str, str], draws: Resampling) -> JudgeReport:
    """Return all figures of one judge; `models` names the model of a judge where that is not the judge's own name."""
    rater, calls, verdicts = data.raters[number], data.calls.of(number), data.verdicts.of(number)
    alternative = stands_in(data, verdicts, draws)
    longer = longer_by_majority(data, verdicts.item[verdicts.decided], draws)
    return JudgeReport(
        name=rater.name,
        kind=rater.kind,
        label=against_majority(data, verdicts, draws),
        length_baseline=longer if longer.n else None,
        one_call=against_majority(data, calls, draws),
        leave_one_out=judge_leave_one_out(data, verdicts, draws),
        alternative_annotator=None if isinstance(alternative, str) else alternative,
        alternative_annotator_note=alternative if isinstance(alternative, str) else "",
        position=position(data, calls, draws),
        repetition=repetition(data, number, draws),
        bias=bias_table(data, rater.name, calls, models, draws),
    )


def gates(
    judge: JudgeReport,
    look: Look,
    *,
    invalid: Estimate,
    alarms: Alarms,
    is_unmatched: bool,
    constant: Iterable[ConstantAnswer],
) -> tuple[list[Gate], tuple[ColumnValue, ...]]:
    """Return all checks of one judge, and its categories. `invalid` is its share of unreadable votes; `is_unmatched`
    says that it shares no item with people.

    Those that fail hold together, with the categories below chance, at 5 % (Holm): any other failure is a WARN.
    """
    marks = {name: row for name, row in judge.bias.items() if name not in (LENGTH, SELF, *FORMAT)}
    rulings: dict[str, Ruling] = {
        "order": order_ruling(judge.position),
        "invalid": unreadable(invalid, MOST_UNREADABLE),
        "constant": _constant(judge.name, constant),
        "repetition": _repetition(judge.repetition),
        "chance": _chance(look),
        "ceiling": _ceiling(look),
        "bar": _bar(look),
        "categories": ("not measured", "one category, or none on record"),
        "ties": _ties(judge.one_call),
        "rows": _rows(judge, alarms, is_unmatched=is_unmatched),
        "length": _length(judge.bias.get(LENGTH)),
        "style": _style(marks),
        "self": _style({SELF: judge.bias[SELF]} if SELF in judge.bias else {}),
    }
    level = 1 - 5 * look.bar.p
    tested = {
        "invalid": _p_above(invalid, MOST_UNREADABLE, level),
        "repetition": 1 - _p_above(judge.repetition.stability, HARDLY_STABLE, level) if judge.repetition else math.nan,
        **{check: look.p_below(check) for check in look.parts if check != "people"},
    }
    parts, family = by_category(look, {check: p for check, p in tested.items() if rulings[check][0] != "not measured"})
    for check in tested:
        outcome, found = rulings[check]
        if outcome == "FAIL" and not family[check].rejected and not look.says_one_thing:
            rulings[check] = "WARN", f"{found}; not shown together with its other gates"
    if parts and look.kappa.items >= FEWEST_ITEMS:
        rulings["categories"] = _categories(parts)
    return [Gate(judge.name, check, *ruling) for check, ruling in rulings.items()], parts


def _p_above(estimate: Estimate, bound: float, level: float) -> float:
    """Return the one-sided p that the true value is `bound` or less, by the interval's own error on that side."""
    if math.isnan(estimate.low) or estimate.clusters < 2:
        return math.nan
    from scipy.special import stdtr

    reach = estimate.value - estimate.low if estimate.value > bound else estimate.high - estimate.value
    t = t_quantile(estimate.clusters - 1, level)
    return float(stdtr(estimate.clusters - 1, t * (bound - estimate.value) / max(reach, 1e-12)))


def worst_measured(rulings: Iterable[Ruling]) -> Ruling:
    """Return the first of the worst of them; a measured one is worse than none."""
    ranked: tuple[GateOutcome, ...] = ("FAIL", "WARN", "PASS", "not measured")
    return min(rulings, key=lambda ruling: ranked.index(ruling[0]))


def unreadable(share: Estimate, limit: float) -> Ruling:
    """Apply `UNREADABLE_RULE` to the share of verdicts that could not be read."""
    interval, shown = bounds(share), f"{share.n} verdicts"
    if share.n:
        shown = f"{100 * share.value:.1f} % of {shown}"
    if share.n >= FEWEST_UNREADABLE and share.value > 0.5:
        return "FAIL", f"{shown}, more than half"
    if interval and interval[0] > limit:
        return "FAIL", f"{shown} {between(interval)}, above {100 * limit:g} %"
    if share.n < FEWEST_ITEMS:
        return "not measured", shown
    return ("WARN", f"{shown}, above {100 * OFTEN:g} %") if share.value > OFTEN else ("PASS", shown)


def order_ruling(position: Position) -> Ruling:
    if position.pairs < FEWEST_ITEMS:
        return _one_order(position)
    consistent = position.consistency.value
    interval = bounds(position.consistency)
    below = next((bound for bound in (HARDLY_CONSISTENT, LEAST_CONSISTENT) if consistent < bound), None)
    is_shown = interval is not None and interval[1] < HARDLY_CONSISTENT
    doubt = f": {CANNOT_TELL}" if below == HARDLY_CONSISTENT and not is_shown else ""
    findings = [
        f"the same verdict in both orders on {100 * consistent:.1f} %"
        + (f", below {100 * below:g} %{doubt}" if below else "")
    ]
    if position.leans:
        side = "first" if position.index.value < 0 else "second"
        won = (1 + abs(position.index.value)) / 2
        p = f"p = {position.p:.3f}" if position.p >= 0.001 else "p < 0.001"
        findings.append(f"where the order changes it, the {side} shown wins {100 * won:.0f} % ({p})")
    if position.contradicts or position.mostly_turns:
        findings.append(f"it changes sides in {100 * position.turned:.0f} %: check coordinates and orders first")
    outcome: GateOutcome = "FAIL" if is_shown else "WARN" if below or position.leans else "PASS"
    return outcome, "; ".join(findings)


def _one_order(position: Position) -> Ruling:
    share = position.one_order
    interval = bounds(share) if share else None
    if share is None and position.one_order_note != CONFOUNDED:
        return "not measured", f"{position.pairs} items read in both orders, {position.one_order_note}"
    if share is None or interval is None:
        return "not measured", share.note if share else CONFOUNDED
    low, high = interval
    shown = f"one order per item: the first shown wins {100 * share.value:.1f} % {between(interval)}"
    if low <= 0.5 <= high:
        is_near = low >= 0.5 - MOST_LEANING and high <= 0.5 + MOST_LEANING
        return ("PASS", shown) if is_near else ("not measured", f"{shown}: too wide to tell")
    is_far = low > 0.5 + FAR_LEANING or high < 0.5 - FAR_LEANING
    return "FAIL" if is_far else "WARN", f"{shown}, not 50 %"


def _chance(look: Look) -> Ruling:
    if look.says_one_thing:
        return "FAIL", "every verdict is the same"
    if look.kappa.items < FEWEST_ITEMS:
        return "not measured", f"{look.kappa.items} items with a label"
    return _against(look, "chance", f"kappa {_interval(look.kappa, look, '.2f', 1)}")


def _ceiling(look: Look) -> Ruling:
    gap = look.figures.gap
    if look.is_truth or gap.items < FEWEST_ITEMS:
        return "not measured", f"{gap.items} items with two annotators"
    shown = f"agreement minus that of two annotators, in points: {_interval(gap, look, '+.1f', 100)}"
    return _against(look, "ceiling", shown)


def _bar(look: Look) -> Ruling:
    bar = look.asked.min_agreement
    if not look.is_truth or bar is None or look.with_labels.items < FEWEST_ITEMS:
        return "not measured", "needs labels of kind truth, and min_agreement"
    return _against(look, "bar", f"agreement in percent: {_interval(look.with_labels, look, '.1f', 100)}")


def _against(look: Look, part: str, found: str) -> Ruling:
    """PASS where all figures of the part are shown above their bound, FAIL where all are shown below, by themselves."""
    if look.p_above(part) < look.bar.p:
        return "PASS", found
    return ("FAIL", found) if look.p_below(part) < 5 * look.bar.p else ("WARN", f"{found}: {CANNOT_TELL}")


def _interval(shown: Shown, look: Look, form: str, scale: float) -> str:
    return stated(shown.estimate(1 - 5 * look.bar.p), form, scale)


def _categories(parts: Sequence[ColumnValue]) -> Ruling:
    below = [part for part in parts if part.standing == "below chance"]
    few = [part for part in parts if part.standing == "too few labels" and part.is_large]
    named = ", ".join(f"{short(part.name)} (kappa {part.kappa.value:.2f})" for part in below or few)
    if below:
        return "WARN", f"below chance: {named}"
    return ("WARN", f"not shown above chance: {named}") if few else ("PASS", f"{len(parts)} categories")


def _ties(calls: Agreement | None) -> Ruling:
    if calls is None or calls.items < FEWEST_ITEMS:
        return "not measured", f"{calls.items if calls else 0} items with a person's vote"
    ties = calls.ties.value
    people = calls.people_ties.value
    shown = f"{100 * ties:.1f} % of its {calls.ties.n} verdicts on items with people are ties; of people's, "
    return "WARN" if ties > max(MOST_TIES, TIMES_PEOPLE * people) else "PASS", f"{shown}{100 * people:.1f} %"


def _rows(judge: JudgeReport, alarms: Alarms, *, is_unmatched: bool) -> Ruling:
    between_orders = judge.position.kappa.value
    if is_unmatched:
        return "WARN", "it shares no item with people: check the item keys, unless they saw different items"
    if between_orders < alarm.SELF:
        return "not measured", f"its two orders hardly agree (kappa {between_orders:.2f})"
    if judge.label is None or judge.name not in alarms.checked:
        return "not measured", f"needs {alarm.FEWEST} items shared with people"
    return next((("WARN", raised.hint) for raised in alarms.found if raised.rater == judge.name), ("PASS", "no alarm"))


def _constant(judge: str, answers: Iterable[ConstantAnswer]) -> Ruling:
    """Return the worst of all constant answers that the judge compared with others."""
    none: Ruling = "not measured", "no system repeats an answer, or the texts are not known"
    rulings = [_wins(answer, wins) for answer in answers for wins in answer.wins if wins.judge == judge]
    return worst_measured(rulings) if rulings else none


def _wins(answer: ConstantAnswer, wins: ConstantWins) -> Ruling:
    interval = bounds(wins.share)
    people = bounds(wins.people) if wins.people else None
    shown = f"the same text in {answer.same} of {answer.prompts} prompts wins {100 * wins.share.value:.1f} %"
    if interval is None:
        return "not measured", f"{shown}: {wins.share.note}"
    shown += f" {between(interval)}"
    if interval[1] < 0.5:
        return "PASS", shown
    if people and people[0] > 0.5:
        return "WARN", f"{shown}, and people prefer it too"
    return "FAIL" if interval[0] > 0.5 else "WARN", shown


def _repetition(repetition: Repetition | None) -> Ruling:
    if repetition is None or repetition.groups < FEWEST_ITEMS:
        return "not measured", f"{repetition.groups if repetition else 0} items asked twice in one order"
    stable = repetition.stability.value
    shown = f"{100 * stable:.1f} % of repeated draws agree"
    if stable >= STABLE:
        return "PASS", shown
    bound = HARDLY_STABLE if stable < HARDLY_STABLE else STABLE
    return "FAIL" if bound == HARDLY_STABLE else "WARN", f"{shown}, below {100 * bound:g} %"


def _length(bias: FeatureBias | None) -> Ruling:
    if bias is None or bias.asymmetry is None:
        return "not measured", "needs two annotators, and the lengths of the answers"
    return _one_sided([bias.asymmetry], "errors towards the longer answer {} points")


def _style(rows: Mapping[str, FeatureBias]) -> Ruling:
    rulings: list[Ruling] = []
    for name, row in rows.items():
        if row.asymmetry is None:
            rulings.append(("not measured", f"{name}: needs two annotators"))
        elif row.at_equal_length is None:
            rulings.append(_one_sided([row.asymmetry], f"{name} {{}} points"))
        else:
            form = f"{name} {{}} points, {{}} at equal length"
            rulings.append(_one_sided([row.asymmetry, row.at_equal_length], form))
    return worst_measured(rulings) if rulings else ("not measured", "nothing to compare")


def _one_sided(asymmetries: list[Estimate], form: str) -> Ruling:
    """Return whether the intervals of all lie on the same side of 0, and how far."""
    intervals = [found for asymmetry in asymmetries if (found := bounds(asymmetry))]
    if len(intervals) < len(asymmetries):
        return "not measured", next(asymmetry.note for asymmetry in asymmetries if not bounds(asymmetry))
    shown = form.format(
        *(
            f"{100 * asymmetry.value:+.1f} {between(interval, '+.1f')}"
            for asymmetry, interval in zip(asymmetries, intervals, strict=True)
        )
    )
    least = min(low for low, _ in intervals)
    most = max(high for _, high in intervals)
    if least > 0 or most < 0:
        return "WARN", shown
    if any(low <= 0 <= high and high - low > WIDEST for low, high in intervals):
        return "not measured", f"{shown}: too wide to tell"
    is_open = least < -MOST_SWAY or most > MOST_SWAY
    return "PASS", f"{shown}: not shown, but more than {100 * MOST_SWAY:g} is not ruled out" if is_open else shown
