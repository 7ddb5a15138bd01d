"""Agreement label by label: with each annotator, and with labels of which people were more or less sure.

A judge that agrees with one person and not with another has learnt that person; a judge that is wrong where people were
sure is worse than one that is wrong where they hesitated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._rules import RULES
from amendment.audit._table import Codes, Flags, Numbers
from amendment.statistics import Estimate, Resampling, quotient, share

__all__ = ["LEVELS", "MOST_PEOPLE", "LabelsApart", "labels_apart"]

LEVELS = ("unsure", "fairly sure", "sure")
"""Confidence up to 1/3, up to 2/3, above."""
UNTOLD = "not told"
MOST_PEOPLE = 50
"""Annotators told one by one, those with most labels."""
By = Literal["annotator", "confidence"]


@dataclass(frozen=True)
class LabelsApart:
    """Some of people's labels beside what else was said of their items; each label counts once."""

    by: By
    name: str
    """Of the annotator, or the level of confidence."""
    judge: str | None
    """None: the other people of the item."""
    labels: int
    """With something to compare them with."""
    agreement: dict[str, Estimate]
    """By rule of ties; with several others on an item, the mean over them."""


def labels_apart(panel: Panel, draws: Resampling) -> tuple[LabelsApart, ...]:
    """By annotator where there are two, by confidence where people differ in it."""
    labels = panel.labels
    parts = [*_annotators(panel, labels), *_confidences(panel, labels)]
    if not parts:
        return ()
    others = panel.people[labels.item] - np.eye(3, dtype=np.int64)[labels.value]
    beside = {None: others} | {judge.name: _judged(panel, number)[labels.item] for number, judge in panel.judges}
    return tuple(
        LabelsApart(by, name, judge, int(known.sum()), _agreement(panel, labels.where(known), said[known], draws))
        for by, name, own in parts
        for judge, said in beside.items()
        if (known := own & (said.sum(1) > 0)).any()
    )


def _annotators(panel: Panel, labels: Calls) -> Iterator[tuple[By, str, Flags]]:
    counts = np.bincount(labels.rater, minlength=len(panel.persons))
    most = np.argsort(-counts, kind="stable")[:MOST_PEOPLE]
    if (counts > 0).sum() > 1:
        for number in sorted(most[counts[most] > 0].tolist()):
            yield "annotator", panel.table.raters[number].name, labels.rater == number


def _confidences(panel: Panel, labels: Calls) -> Iterator[tuple[By, str, Flags]]:
    level = _levels(panel, labels)
    if np.unique(level).size > 1:
        for number, name in (*enumerate(LEVELS), (-1, UNTOLD)):
            if (level == number).any():
                yield "confidence", name, level == number


def _levels(panel: Panel, labels: Calls) -> Codes:
    """The level of each label, -1 where no confidence was given: that of the person's votes on the item on average."""
    votes, items = panel.table.votes, len(panel.table.items)
    known = (votes.rater < len(panel.persons)) & ~np.isnan(votes.confidence)  # people stand first among raters
    keys, code = np.unique(votes.rater[known] * items + votes.item[known], return_inverse=True)
    if not keys.size:
        return np.full(labels.item.size, -1)
    mean = np.bincount(code, votes.confidence[known]) / np.bincount(code)
    wanted = labels.rater * items + labels.item
    place = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    level = np.ceil(len(LEVELS) * mean[place] - 1e-9).clip(1, len(LEVELS)).astype(np.int64) - 1
    return np.where(keys[place] == wanted, level, -1)


def _judged(panel: Panel, number: int) -> Codes:
    """What a judge says of each item by all its verdicts: one among A, tie and B, or nothing."""
    verdicts = panel.verdicts.of(number)
    heard = verdicts.where(verdicts.readable)
    return np.bincount(heard.item * 3 + heard.value, minlength=panel.people.size).reshape(-1, 3)


def _agreement(panel: Panel, labels: Calls, said: Codes, draws: Resampling) -> dict[str, Estimate]:
    return {rule: _share(panel, labels, said, rule, draws) for rule in RULES}


def _share(panel: Panel, labels: Calls, said: Codes, rule: str, draws: Resampling) -> Estimate:
    score, weight = RULES[rule].score[labels.value], RULES[rule].weight[labels.value]
    found: Numbers = quotient((score * weight * said).sum(1), (weight * said).sum(1))
    known = ~np.isnan(found)
    return share(np.clip(found[known], 0, 1), panel.prompts(labels.item[known]), draws.level)
