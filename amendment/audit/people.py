"""People one by one: could a judge stand in for one of them, whom does it agree with, and are they of one mind?

A judge that agrees with one person and not with another has learnt that person; a judge that is wrong where people were
sure is worse than one that is wrong where they hesitated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from amendment.audit.agreement import RULES
from amendment.audit.votes import INVALID, AuditData, Codes, Flags, Verdicts, combined
from amendment.statistics import Estimate, Resampling, quotient, share
from amendment.statistics.alternative_annotators import MOST_PEOPLE, AlternativeAnnotator, alternative_annotator

LEVELS = ("unsure", "fairly sure", "sure")
"""Confidence up to 1/3, up to 2/3, above."""


@dataclass(frozen=True)
class LabelGroup:
    """Some of people's labels against what others say of their items; each label counts once."""

    by: Literal["annotator", "confidence"]
    name: str
    """Of the annotator, or the level of confidence."""
    judge: str | None
    """None: the other people of the item."""
    labels: int
    """With something to compare them with."""
    agreement: dict[str, Estimate]
    """By rule of ties; with several others on an item, the mean over them."""


class PersonAgain(NamedTuple):
    """One person's repeats."""

    person: str
    same: Estimate
    """Share of repeats with the verdict of the first time; `n` counts repeats."""


@dataclass(frozen=True)
class ShownAgain:
    """Self-agreement of people on items that are shown again unannounced, in either displayed order."""

    same: Estimate
    people: tuple[PersonAgain, ...]
    """Those who had a repeat, by name."""


def stands_in(data: AuditData, verdicts: Verdicts, draws: Resampling) -> AlternativeAnnotator | str:
    """Return the alternative annotator test of the judge whose verdicts these are, both orders together; or why there
    is none."""
    labels, verdict = data.labels, data.by_item(verdicts)
    return alternative_annotator(
        (labels.item, labels.rater, labels.value),
        np.where(verdict < INVALID, verdict, -1),
        data.prompt,
        [rater.name for rater in data.raters],
        level=draws.level,
    )


def label_groups(data: AuditData, draws: Resampling) -> tuple[LabelGroup, ...]:
    """Agreement with other people and each judge, by annotator if there are two, by confidence if it varies."""
    labels = data.labels
    parts = list(_parts(data, labels))
    if not parts:
        return ()
    others = data.people[labels.item] - np.eye(3, dtype=np.int64)[labels.value]
    judged = {judge.name: data.counted(data.verdicts.of(number))[labels.item] for number, judge in data.judges}
    return tuple(
        LabelGroup(
            by, name, judge, int(compared.sum()), _against_people(data, labels.where(compared), counts[compared], draws)
        )
        for by, name, own in parts
        for judge, counts in [(None, others), *judged.items()]
        if (compared := own & (counts.sum(1) > 0)).any()
    )


def _parts(data: AuditData, labels: Verdicts) -> Iterator[tuple[Literal["annotator", "confidence"], str, Flags]]:
    counts = np.bincount(labels.rater, minlength=len(data.persons))
    if (counts > 0).sum() > 1:
        most = np.argsort(-counts, kind="stable")[:MOST_PEOPLE]
        for number in sorted(most[counts[most] > 0].tolist()):
            yield "annotator", data.raters[number].name, labels.rater == number
    level = _confidence_levels(data, labels)
    if np.unique(level).size > 1:
        for number, name in (*enumerate(LEVELS), (-1, "not told")):
            if (level == number).any():
                yield "confidence", name, level == number


def _confidence_levels(data: AuditData, labels: Verdicts) -> Codes:
    """Return the level of each label, -1 where no confidence was given: that of the person's votes on the item on
    average."""
    items = len(data.items)
    votes = data.votes.where((data.votes.rater < len(data.persons)) & ~np.isnan(data.votes.confidence))
    keys, group = np.unique(votes.rater * items + votes.item, return_inverse=True)
    if not keys.size:
        return np.full(labels.item.size, -1)
    mean = np.bincount(group, votes.confidence) / np.bincount(group)
    wanted = labels.rater * items + labels.item
    place = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    level = np.ceil(len(LEVELS) * mean[place] - 1e-9).clip(1, len(LEVELS)).astype(np.int64) - 1
    return np.where(keys[place] == wanted, level, -1)


def _against_people(data: AuditData, labels: Verdicts, counts: Codes, draws: Resampling) -> dict[str, Estimate]:
    """Agreement of these labels with what others say of their items, counted by class; by rule of ties."""
    by_rule = {}
    for name, rule in RULES.items():
        score = rule.score[labels.value]
        weight = rule.weight[labels.value]
        agreed = quotient((score * weight * counts).sum(1), (weight * counts).sum(1))
        usable = ~np.isnan(agreed)
        by_rule[name] = share(np.clip(agreed[usable], 0, 1), data.prompts(labels.item[usable]), draws.level)
    return by_rule


def shown_again(data: AuditData, draws: Resampling) -> ShownAgain | None:
    """Return None where nobody said something readable twice of one item."""
    items = len(data.items)
    votes = data.all_votes.where((data.all_votes.rater < len(data.persons)) & (data.all_votes.value < INVALID))
    keys, value = combined((votes.rater * items + votes.item) * 2 + votes.again, votes.value, votes.p)
    group = keys // 2
    first = np.searchsorted(group, group)
    is_repeat = first != np.arange(group.size)
    rater = group[is_repeat] // items
    item = group[is_repeat] % items
    same = (value == value[first])[is_repeat]
    if not rater.size:
        return None
    people = tuple(
        PersonAgain(person.name, share(same[own], data.prompts(item[own]), draws.level))
        for number, person in data.persons
        if (own := rater == number).any()
    )
    return ShownAgain(share(same, data.prompts(item), draws.level), people)
