"""The certificate: what is known of judges and people from one set of votes, each figure with interval and n.

Covered: agreement, the human ceiling, displayed order, length and other biases, slices, wrongly joined labels, gates.
Not covered: whether people are right, and what a judge would say about other items than these.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from amendment.audit import _renaming as renaming
from amendment.audit._panel import Panel, panel_of
from amendment.audit._table import TIE, A, B, table_of
from amendment.audit.against_people import Agreement, Ceiling, against_majority, against_single_people
from amendment.audit.alarm import Alarms, alarms
from amendment.audit.apart import Apart, apart
from amendment.audit.bias import Bias, bias
from amendment.audit.constant import ConstantAnswer, constant_answers
from amendment.audit.controlled import Controlled, ControlledBy, controlled
from amendment.audit.counts import Counts, count
from amendment.audit.gates import Gate, gates
from amendment.audit.groups import Group, group
from amendment.audit.how import how
from amendment.audit.labels_apart import LabelsApart, labels_apart
from amendment.audit.length import Length, length, longer_by_majority
from amendment.audit.order import Order, order
from amendment.audit.others_mode import LeaveOneOut, leave_judge_in, leave_one_out
from amendment.audit.shown_again import ShownAgain, shown_again
from amendment.audit.slices import Slice, WinShare, not_sliced, slices, win_shares
from amendment.audit.standing_in import StandIn, stands_in
from amendment.audit.votes import Item, Vote
from amendment.errors import ConfigError
from amendment.records import RaterKind
from amendment.statistics import Estimate, Resampling
from amendment.terminal import plain

__all__ = ["CERTIFICATE_FORMAT", "Certificate", "Judge", "People", "audit"]

CERTIFICATE_FORMAT = 5


@dataclass(frozen=True)
class People:
    """People among themselves."""

    majority: dict[str, int]
    """Items by what the most frequent verdict says; a draw is a tie."""
    prefers_longer: Estimate
    """Share of decided majorities for the longer answer."""
    among: Group | None
    """Absent with one person."""
    leave_one_out: Estimate | None
    """How often one person says what the others mostly say; absent where no item has two people."""
    again: ShownAgain | None
    """Absent where nobody was shown an item once more."""

    def renamed(self, names: Mapping[str, str]) -> People:
        """With other names for people."""
        return replace(
            self,
            among=renaming.group_renamed(self.among, names) if self.among else None,
            again=renaming.again_renamed(self.again, names) if self.again else None,
        )


@dataclass(frozen=True)
class Judge:
    """One judge: a model or a verifier."""

    name: str
    kind: RaterKind
    label: Agreement | None
    """By all its verdicts on an item, different orders being a tie, against the majority of people; absent without."""
    one_call: Agreement | None
    """The same of each displayed order by itself."""
    ceiling: dict[str, Ceiling]
    """The label against single people, by rule of ties; empty where it cannot be measured."""
    ceiling_note: str
    """Why it is empty."""
    leave_one_out: LeaveOneOut | None
    """Beside what the other people mostly say, in the place of each of them; absent without items of two people."""
    stand_in: StandIn | None
    """The alternative annotator test."""
    stand_in_note: str
    """Why there is none."""
    order: Order
    length: Length | None
    """Absent where no lengths are known."""
    bias: Bias

    @property
    def headline(self) -> Estimate | None:
        """The share of items on which judge and majority choose the same side, where both choose one."""
        return self.label.by_rule["no_ties"] if self.label else None

    @property
    def counts_orders_apart(self) -> bool:
        """Whether a call is something else than the label: some item was asked in several orders."""
        if self.label is None or self.one_call is None:
            return False
        return self.label.invalid_wrong["strict"].n != self.one_call.invalid_wrong["strict"].n

    def renamed(self, names: Mapping[str, str]) -> Judge:
        """With other names for people; its own stays."""
        return replace(self, stand_in=renaming.stand_in_renamed(self.stand_in, names)) if self.stand_in else self


@dataclass(frozen=True)
class Certificate:
    """An audit's result."""

    format: int
    level: float
    """Of all intervals."""
    draws: int
    """Of the bootstrap."""
    seed: int
    counts: Counts
    apart: tuple[Apart, ...]
    """Judges that share no item with people."""
    people: People | None
    judges: tuple[Judge, ...]
    between_judges: Group | None
    labels: tuple[LabelsApart, ...]
    """People's labels by annotator and by confidence, beside other people and judges."""
    slices: tuple[Slice, ...]
    not_sliced: dict[str, int]
    """Principles, categories and models with too few items for a slice of their own, or beyond the largest."""
    win_shares: tuple[WinShare, ...]
    controlled: tuple[Controlled, ...]
    """Systems at equal lengths."""
    controlled_by: tuple[ControlledBy, ...]
    """How these figures were made, by judge."""
    constant_answers: tuple[ConstantAnswer, ...]
    """Systems that give one answer to most of their prompts."""
    alarms: Alarms
    gates: tuple[Gate, ...]
    how: dict[str, str]
    """Every term and rule in a sentence or two."""

    def headline(self) -> dict[str, Any]:
        """The few figures that a stage's summary shows, as JSON values; those that could not be measured are absent."""
        counts = {"items": self.counts.items, "people": self.counts.people, "judges": self.counts.judges}
        return {**counts, **{f"judge {plain(judge.name)}": self._headline(judge) for judge in self.judges}}

    def _headline(self, judge: Judge) -> dict[str, Any]:
        ceiling = judge.ceiling.get("no_ties")
        agreed = judge.headline
        figures = {
            "agreement with people": agreed.value if agreed else math.nan,
            "items on which both choose": agreed.n if agreed else math.nan,
            "difference from the ceiling": ceiling.difference.value if ceiling else math.nan,
            "consistency over orders": judge.order.consistency.value,
        }
        known = {name: value for name, value in figures.items() if not math.isnan(value)}
        return {**known, "gates": self.outcome(judge.name)}

    def outcome(self, judge: str) -> str:
        """The gates of one judge in a line: those that failed or warn, else those that passed and how many others
        could not be measured."""
        passed = [gate.check for gate in self.gates if gate.judge == judge and gate.outcome == "PASS"]
        if self.not_passed(judge) or not passed:
            return ", ".join(self.not_passed(judge)) or "not measured"
        unmeasured = sum(gate.judge == judge and gate.outcome == "not measured" for gate in self.gates)
        return f"PASS {', '.join(passed)}" + (f"; {unmeasured} not measured" if unmeasured else "")

    def not_passed(self, judge: str) -> list[str]:
        """The gates of one judge that failed or warn, worst first: "FAIL order"."""
        return [
            f"{gate.outcome} {gate.check}"
            for outcome in ("FAIL", "WARN")
            for gate in self.gates
            if gate.judge == judge and gate.outcome == outcome
        ]

    @property
    def persons(self) -> tuple[str, ...]:
        """The names of the people who voted."""
        return tuple(rater.name for rater in self.counts.raters if rater.kind == "person")

    def renamed(self, names: Mapping[str, str]) -> Certificate:
        """The same figures with other names for people, who stand sorted by these; judges keep theirs.

        A name belongs to one rater in an audit, and so to no judge.
        """
        new = {name: names.get(name, name) for name in self.persons}
        return replace(
            self,
            counts=renaming.counts_renamed(self.counts, new),
            people=self.people.renamed(new) if self.people else None,
            judges=tuple(judge.renamed(new) for judge in self.judges),
            labels=renaming.labels_renamed(self.labels, new),
            alarms=renaming.alarms_renamed(self.alarms, new),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values: nan becomes null."""
        found = _json(self)
        assert isinstance(found, dict)
        return found


def audit(
    items: Mapping[str, Item],
    votes: Iterable[Vote],
    *,
    models: Mapping[str, str] | None = None,
    seed: int = 0,
    draws: int = 2000,
    level: float = 0.95,
) -> Certificate:
    """Everything that votes say about judges and people.

    `items` describes each comparison by name, in the order of their file; `votes` may come in any order and change
    nothing by it. `models` names the model of a judge as the writers of items are named, where that is not the judge's
    own name. Intervals hold at `level` and are clustered by prompt; the bootstrap ones take `draws` draws from
    `seed`. DataError names votes that cannot be used, ConfigError settings that make no sense.
    """
    try:
        drawing = Resampling(seed, draws, level).checked()
    except ValueError as error:
        raise ConfigError(str(error)) from error
    panel = panel_of(table_of(items, votes))
    counts, alarmed, separate = count(panel, drawing), alarms(panel, drawing), apart(panel)
    made, at_equal_lengths = controlled(panel, drawing)
    people, constant = _people(panel, drawing), constant_answers(panel, drawing)
    judges = tuple(_judge(panel, number, models or {}, drawing) for number, _ in panel.judges)
    invalid = {rater.name: rater.invalid for rater in counts.raters}
    return Certificate(
        format=CERTIFICATE_FORMAT,
        level=level,
        draws=draws,
        seed=seed,
        counts=counts,
        apart=separate,
        people=people,
        judges=judges,
        between_judges=group(panel, panel.judges, drawing),
        labels=labels_apart(panel, drawing),
        slices=slices(panel, drawing),
        not_sliced=not_sliced(panel),
        win_shares=win_shares(panel, drawing),
        controlled=at_equal_lengths,
        controlled_by=made,
        constant_answers=constant,
        alarms=alarmed,
        gates=tuple(
            gate
            for one in judges
            for gate in gates(
                one.name,
                invalid=invalid[one.name],
                order=one.order,
                agreed=one.label,
                one_call=one.one_call,
                ceiling=one.ceiling,
                alpha=people.among.alpha if people and people.among else None,
                alarms=alarmed,
                is_apart=one.name in {beside.judge for beside in separate},
                constant=constant,
                bias=one.bias,
                length=one.length,
            )
        ),
        how=how(drawing),
    )


def _people(panel: Panel, draws: Resampling) -> People | None:
    if not panel.persons:
        return None
    classes = {"A": A, "tie": TIE, "B": B}
    return People(
        majority={name: int((panel.majority == value).sum()) for name, value in classes.items()},
        prefers_longer=longer_by_majority(panel, draws),
        among=group(panel, panel.persons, draws),
        leave_one_out=leave_one_out(panel, draws),
        again=shown_again(panel, draws),
    )


def _judge(panel: Panel, number: int, models: Mapping[str, str], draws: Resampling) -> Judge:
    rater, calls, verdicts = panel.table.raters[number], panel.calls.of(number), panel.verdicts.of(number)
    ceiling, note = against_single_people(panel, verdicts, draws)
    stand_in, why_not = stands_in(panel, verdicts, draws)
    return Judge(
        name=rater.name,
        kind=rater.kind,
        label=against_majority(panel, verdicts, draws),
        one_call=against_majority(panel, calls, draws),
        ceiling=ceiling,
        ceiling_note=note,
        leave_one_out=leave_judge_in(panel, verdicts, draws),
        stand_in=stand_in,
        stand_in_note=why_not,
        order=order(panel, calls, draws),
        length=length(panel, calls, draws),
        bias=bias(panel, number, calls, models, draws),
    )


def _json(value: Any) -> Any:
    """Dataclasses as objects, estimates by their own rule, nan as null."""
    if isinstance(value, Estimate):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _json(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
