"""The certificate: what is known of judges and people from one set of votes, each figure with interval and n.

Covered: agreement, the human ceiling, position, length and other biases, slices, wrongly joined labels, gates. `text`
puts it into words and tables. Not covered: whether people are right, and what a judge would say about other items.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amendment.audit.agreement import RaterGroup, group, people_leave_one_out
from amendment.audit.alarm import Alarms, Unmatched, alarms, unmatched
from amendment.audit.bias import longer_by_majority
from amendment.audit.ceiling import Requirements, between, look_at
from amendment.audit.conclusion import Conclusion, conclusions
from amendment.audit.counts import Counts, count
from amendment.audit.gates import Gate, JudgeReport, gates, group_gates, judge_report, order_ruling
from amendment.audit.people import LabelGroup, ShownAgain, label_groups, shown_again
from amendment.audit.slices import Slice, slices
from amendment.audit.systems import ConstantAnswer, Controlled, ControlledBy, constant_answers, controlled
from amendment.audit.votes import TIE, A, AuditData, B, ComparisonInfo, Flags, Vote, audit_data
from amendment.errors import ConfigError
from amendment.records import LABELLERS
from amendment.results import Figure, counted
from amendment.statistics import Estimate, Resampling, alternative_annotators
from amendment.statistics.intervals import FEW, FEWEST, FEWEST_ITEMS, json_values
from amendment.statistics.length_control import FEWEST_SYSTEMS
from amendment.statistics.misclassification import MOST_DRAWS
from amendment.statistics.sides import HALF
from amendment.text import plain
from amendment.yamlfile import read_yaml

CERTIFICATE_FORMAT = 10
"""The version of the layout of `certificate.json`."""


@dataclass(frozen=True)
class PeopleReport:
    """Agreement among people."""

    majority: dict[str, int]
    """Items by what the most frequent verdict says; a draw is a tie."""
    prefers_longer: Estimate
    """Share of decided majorities for the longer answer."""
    among: RaterGroup | None
    """Absent with one person."""
    leave_one_out: Estimate | None
    """How often one person says what the others mostly say; absent where no item has two people."""
    again: ShownAgain | None
    """Absent where nobody was shown an item once more."""


class JudgeComparison(NamedTuple):
    """Two judges on the same items."""

    best: str
    other: str
    difference: Estimate
    """How much more often the best judge agrees with one annotator, item by item, on the labelled items that both
    judged."""


@dataclass(frozen=True)
class Certificate:
    """An audit's result."""

    format: int
    conclusions: tuple[Conclusion, ...]
    """One for each judge, the best first; one that says so where no judge voted."""
    level: float
    """Of all intervals."""
    draws: int
    """Of the bootstrap."""
    seed: int
    counts: Counts
    unmatched: tuple[Unmatched, ...]
    """Judges that share no item with people."""
    people: PeopleReport | None
    judges: tuple[JudgeReport, ...]
    between_judges: RaterGroup | None
    compared: tuple[JudgeComparison, ...]
    """Every other judge with that of the first conclusion."""
    labels: tuple[LabelGroup, ...]
    """People's labels by annotator and by confidence, against other people and judges."""
    slices: tuple[Slice, ...]
    not_sliced: dict[str, int]
    """Principles, categories and models with too few items for a slice of their own, or beyond the largest."""
    controlled: tuple[Controlled, ...]
    """Systems at equal lengths."""
    controlled_by: tuple[ControlledBy, ...]
    """How these figures were made, by judge."""
    constant_answers: tuple[ConstantAnswer, ...]
    """Systems that give one answer to most of their prompts."""
    alarms: Alarms
    gates: tuple[Gate, ...]
    glossary: dict[str, str]
    """Every term and rule in a sentence or two."""

    def __repr__(self) -> str:
        forms = "; ".join(f"{plain(found.judge or 'no judge')}: {found.form}" for found in self.conclusions)
        return f"<Certificate {forms}>"

    def figures(self) -> Iterator[Figure]:
        """Yield the few figures that a run's summary shows; those that could not be measured are absent."""
        yield from counted(items=self.counts.items, people=self.counts.people, judges=self.counts.judges)
        for judge in self.judges:
            measured = {
                ("agreement_with_people", "share"): judge.headline,
                ("difference_from_the_ceiling", "points"): self.gaps[judge.name],
                ("consistency_over_orders", "share"): judge.position.consistency,
            }
            for (name, unit), estimate in measured.items():
                if estimate and not math.isnan(estimate.value):
                    yield Figure(name=name, value=estimate, unit=unit, of={"judge": judge.name})
            yield Figure(name="gates", value=self.outcome(judge.name), of={"judge": judge.name})

    @property
    def gaps(self) -> dict[str | None, Estimate | None]:
        """By judge, its agreement with one annotator minus that of two annotators."""
        return {conclusion.judge: conclusion.gap for conclusion in self.conclusions}

    def outcome(self, judge: str) -> str:
        """Return the gates of one judge in a line: those that failed or warn, worst first ("FAIL order"), else those
        that passed and how many others could not be measured."""
        checks = group_gates(judge, self.gates)
        raised = [f"{name} {check}" for name in ("FAIL", "WARN") for check in checks[name]]
        if raised or not checks["PASS"]:
            return ", ".join(raised) or "not measured"
        left = len(checks["not measured"])
        return f"PASS {', '.join(checks['PASS'])}" + (f"; {left} not measured" if left else "")

    @property
    def persons(self) -> tuple[str, ...]:
        """Return the names of the people who voted."""
        return tuple(rater.name for rater in self.counts.raters if rater.kind in LABELLERS)

    def to_json(self) -> dict[str, Any]:
        """JSON values; nan becomes null."""
        values: dict[str, Any] = json_values(vars(self))
        return values


def audit(
    items: Mapping[str, ComparisonInfo],
    votes: Iterable[Vote],
    *,
    models: Mapping[str, str] | None = None,
    seed: int = 0,
    draws: int = 2000,
    level: float = 0.95,
    asked: Requirements | None = None,
) -> Certificate:
    """Everything that votes say about judges and people.

    `items` describes each comparison by name, in the order of their file; `votes` may come in any order and change
    nothing by it. `models` names the model of a judge as the writers of items are named, where that is not the judge's
    own name. `asked` is what the study asks of a judge. Intervals hold at `level` for all judges and looks together
    (Bonferroni) and are clustered by prompt; the bootstrap ones take `draws` draws from `seed`. DataError names votes
    that cannot be used, ConfigError settings that make no sense.
    """
    try:
        drawing = Resampling(seed, draws, level).checked()
    except ValueError as error:
        raise ConfigError(str(error)) from error
    data, asked = audit_data(items, votes), asked or Requirements()
    family = max(1, len(data.judges)) * asked.looks
    drawing = drawing._replace(level=1 - (1 - level) / family)
    counts = count(data, drawing)
    people = _people(data, drawing)
    judges = tuple(judge_report(data, number, models or {}, drawing) for number, _ in data.judges)
    raised, alone, constant = alarms(data, drawing), unmatched(data), constant_answers(data, drawing)
    made, at_equal_lengths = controlled(data, drawing)
    sliced, not_sliced = slices(data, drawing)
    invalid = {rater.name: rater.invalid for rater in counts.raters}
    alarmed = {alarm.rater: alarm.hint for alarm in raised.found}
    unshared = {entry.judge for entry in alone}
    looks = {
        judge.name: look_at(data, number, alarmed=alarmed, asked=asked, where=_narrowed(data, number, judge))
        for (number, _), judge in zip(data.judges, judges, strict=True)
    }
    checked = {
        judge.name: gates(
            judge,
            looks[judge.name],
            invalid=invalid[judge.name],
            alarms=raised,
            is_unmatched=judge.name in unshared,
            constant=constant,
        )
        for judge in judges
    }
    concluded = conclusions(judges, checked, looks, asked)
    best, *others = [conclusion.judge for conclusion in concluded if conclusion.judge] or [""]
    return Certificate(
        format=CERTIFICATE_FORMAT,
        conclusions=concluded,
        level=drawing.level,
        draws=draws,
        seed=seed,
        counts=counts,
        unmatched=alone,
        people=people,
        judges=judges,
        between_judges=group(data, data.judges, drawing),
        compared=tuple(
            JudgeComparison(best, other, difference.estimate(drawing.level))
            for other in others
            if (difference := between(looks[best], looks[other])).items
        ),
        labels=label_groups(data, drawing),
        slices=sliced,
        not_sliced=not_sliced,
        controlled=at_equal_lengths,
        controlled_by=made,
        constant_answers=constant,
        alarms=raised,
        gates=tuple(gate for own, _ in checked.values() for gate in own),
        glossary=_glossary(drawing),
    )


def _narrowed(data: AuditData, number: int, judge: JudgeReport) -> Flags | None:
    """Return the items on which both orders of a judge that they sway choose the same answer; None for any other judge,
    and where too few items were asked in both."""
    if order_ruling(judge.position)[0] not in ("WARN", "FAIL") or judge.position.pairs < FEWEST_ITEMS:
        return None
    verdicts = data.verdicts.of(number)
    same = verdicts.where((verdicts.order == 1) & verdicts.decided)
    return np.isin(np.arange(len(data.items)), same.item)


def _glossary(draws: Resampling) -> dict[str, str]:
    files = ("agreement", "alarm", "ceiling", "gates", "people", "position", "slices", "systems")
    constants: dict[str, Any] = {name: import_module(f"amendment.audit.{name}") for name in files} | {
        "alternative_annotators": alternative_annotators,
        "draws": draws,
        "few_clusters": FEW,
        "fewest_clusters": FEWEST,
        "fewest_items": FEWEST_ITEMS,
        "fewest_systems": FEWEST_SYSTEMS,
        "half": HALF,
        "most_draws": MOST_DRAWS,
    }
    texts = read_yaml(Path(__file__).with_name("glossary.yaml")).data
    return {term: re.sub(r"(?<! )%", " %", text.format_map(constants)) for term, text in texts.items()}


def _people(data: AuditData, draws: Resampling) -> PeopleReport | None:
    if not data.persons:
        return None
    return PeopleReport(
        majority={name: int((data.majority == value).sum()) for name, value in (("A", A), ("tie", TIE), ("B", B))},
        prefers_longer=longer_by_majority(data, np.arange(data.majority.size), draws),
        among=group(data, data.persons, draws),
        leave_one_out=people_leave_one_out(data, draws),
        again=shown_again(data, draws),
    )
