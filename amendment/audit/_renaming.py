"""People under other names: every part of a certificate that names one, sorted by the new names as by the old."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from amendment.audit.alarm import Alarms
from amendment.audit.counts import Counts
from amendment.audit.groups import Group
from amendment.audit.labels_apart import LabelsApart
from amendment.audit.shown_again import ShownAgain
from amendment.audit.standing_in import StandIn, sorted_by_name

__all__ = ["again_renamed", "alarms_renamed", "counts_renamed", "group_renamed", "labels_renamed", "stand_in_renamed"]

Names = Mapping[str, str]
"""New names of people by old ones; who is not among them keeps the name."""


def counts_renamed(counts: Counts, names: Names) -> Counts:
    """People first, then by name, as in every table."""
    found = (replace(one, name=names.get(one.name, one.name)) if one.kind == "person" else one for one in counts.raters)
    return replace(counts, raters=tuple(sorted(found, key=lambda one: (one.kind != "person", one.name))))


def group_renamed(group: Group, names: Names) -> Group:
    """Every figure of two people is the same whoever of them is named first."""
    pairs = [
        replace(two, a=first, b=second)
        for two in group.pairs
        for first, second in [sorted((names.get(two.a, two.a), names.get(two.b, two.b)))]
    ]
    return replace(group, pairs=tuple(sorted(pairs, key=lambda two: (two.a, two.b))))


def again_renamed(again: ShownAgain, names: Names) -> ShownAgain:
    found = (replace(one, person=names.get(one.person, one.person)) for one in again.people)
    return replace(again, people=tuple(sorted(found, key=lambda one: one.person)))


def stand_in_renamed(test: StandIn, names: Names) -> StandIn:
    found = [replace(one, person=names.get(one.person, one.person)) for one in test.people]
    skipped = sorted((names.get(person, person), why) for person, why in test.not_measured.items())
    return replace(test, people=sorted_by_name(found), not_measured=dict(skipped))


def labels_renamed(parts: Iterable[LabelsApart], names: Names) -> tuple[LabelsApart, ...]:
    """Annotators first and by name; within one of them nothing moves."""
    known = list(parts)
    people = [replace(one, name=names.get(one.name, one.name)) for one in known if one.by == "annotator"]
    return (*sorted(people, key=lambda one: one.name), *(one for one in known if one.by != "annotator"))


def alarms_renamed(alarms: Alarms, names: Names) -> Alarms:
    found = (
        replace(one, a=names.get(one.a, one.a), b=names.get(one.b, one.b) if one.b else None) for one in alarms.found
    )
    return replace(alarms, found=tuple(found))
