"""Agreement and position by principle, category and model: a good mean hides a bad corner.

By principle: a judge's votes by that principle against people's votes by it or by none. By model: the items in which
the model takes part.

Bounded: a file may give every row a category of its own. Values with fewer than `FEWEST` items get no slice, since no
figure of theirs could have an interval; of the others the `MOST` with most items do, and the others are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amendment.audit.agreement import agreement, kappa
from amendment.audit.position import consistency
from amendment.audit.votes import NONE, AuditData, Codes, Rater, Verdicts
from amendment.statistics import Estimate, Resampling
from amendment.statistics.intervals import FEWEST, FEWEST_ITEMS

MOST = 50
"""Values of one sort that are sliced: bounds time and size, and is more than anybody reads."""
By = Literal["principle", "category", "model"]


@dataclass(frozen=True)
class Slice:
    """One judge on one part of the items, each displayed order counted by itself."""

    by: By
    name: str
    judge: str
    items: int
    """Read, and with a majority of people where there are people."""
    is_small: bool
    no_ties: Estimate
    half: Estimate
    """Agreement with the majority of people, by two rules of ties."""
    kappa: Estimate
    consistency: Estimate
    order_kappa: Estimate
    """Of the two displayed orders with each other."""


def slices(data: AuditData, draws: Resampling) -> tuple[tuple[Slice, ...], dict[str, int]]:
    """Return every judge on every part that is large enough, what has only one part not being sliced by it; and by sort
    how many values have no slice."""
    parts: list[Slice] = []
    left: dict[str, int] = {}
    everything = np.ones(len(data.items), np.bool_)
    votes = data.votes
    general = np.array([rater.is_person for rater in data.raters])[votes.rater] & (votes.principle < 0)
    for by, names, count in _sorts(data):
        most = np.argsort(-count, kind="stable")[:MOST]
        chosen = sorted(most[count[most] >= FEWEST].tolist())
        if len(names) < 2:
            continue
        if len(names) > len(chosen):
            left[by] = len(names) - len(chosen)
        for code in chosen:
            part, items = data, everything
            if by == "principle":
                part = data.only((votes.principle == code) | general)
            elif by == "category":
                items = data.category == code
            else:
                items = (data.model_a == code) | (data.model_b == code)
            for number, judge in data.judges:
                calls = part.calls.of(number)
                if row := _slice(part, (by, names[code]), judge, calls.where(items[calls.item]), draws):
                    parts.append(row)
    return tuple(parts), left


def _sorts(data: AuditData) -> Iterator[tuple[By, Sequence[str], Codes]]:
    """Yield the columns to slice by, with their values and the number of items of each."""
    known = data.votes.where(data.votes.principle >= 0)
    items = len(data.items)
    pairs = np.unique(known.principle * items + known.item)
    yield "principle", data.principles, np.bincount(pairs // items, minlength=len(data.principles))
    yield "category", data.categories, np.bincount(data.category[data.category >= 0], minlength=len(data.categories))
    both = np.concatenate([data.model_a, np.where(data.model_a == data.model_b, -1, data.model_b)])
    yield "model", data.models, np.bincount(both[both >= 0], minlength=len(data.models))


def _slice(data: AuditData, part: tuple[By, str], judge: Rater, rows: Verdicts, draws: Resampling) -> Slice | None:
    """Return None where nothing could be read, or, where there are people, no call has a majority of them."""
    majority = data.majority[rows.item]
    compared = rows.readable & ((majority != NONE) if data.persons else True)
    if not compared.any():
        return None
    items = np.unique(rows.item[compared]).size
    by_rule = agreement(data, rows.item, rows.value, majority, draws)
    same, order_kappa = consistency(data, rows, draws)
    return Slice(
        by=part[0],
        name=part[1],
        judge=judge.name,
        items=items,
        is_small=items < FEWEST_ITEMS,
        no_ties=by_rule["no_ties"],
        half=by_rule["half"],
        kappa=kappa(data, rows.item, rows.value, majority, draws),
        consistency=same,
        order_kappa=order_kappa,
    )
