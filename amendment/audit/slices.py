"""The same figures by principle, category and model: a good mean hides a bad corner.

By principle: a judge's votes by that principle beside people's votes by it or by none. By model: the items in which
the model takes part.

Bounded: a file may give every row a category of its own. Values with fewer than `FEWEST` items get no slice, since no
figure of theirs could have an interval; of the others the `MOST` with most items do, and how many do not is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from amendment.audit._panel import Calls, Panel, panel_of
from amendment.audit._rules import agreement, kappa
from amendment.audit._table import NONE, Codes, Flags, Numbers, Rater, Table
from amendment.audit.order import consistency
from amendment.statistics import Estimate, Resampling, cautioned, paired_difference, share
from amendment.statistics.intervals import FEWEST

__all__ = ["FEWEST", "FEW_ITEMS", "MOST", "Slice", "WinShare", "not_sliced", "sliced_models", "slices", "win_shares"]

FEW_ITEMS = 30
"""Below this many items a slice is told as small."""
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


@dataclass(frozen=True)
class WinShare:
    """How often a model's answer wins, ties counted half, by one judge and by people on the same items."""

    model: str
    judge: str | None
    """None: people alone, on all items that they voted on."""
    share: Estimate
    people: Estimate | None
    difference: Estimate | None
    """judge - people."""


class _Part(NamedTuple):
    by: By
    name: str
    panel: Panel
    items: Flags


def slices(panel: Panel, draws: Resampling) -> tuple[Slice, ...]:
    """Every judge on every part that is large enough; what has only one part is not sliced by it."""
    return tuple(
        found
        for part in _parts(panel)
        for number, judge in panel.judges
        if (found := _slice(part, judge, part.panel.calls.of(number), draws))
    )


def _parts(panel: Panel) -> Iterator[_Part]:
    table, everything = panel.table, np.ones(len(panel.table.items), np.bool_)
    is_person = np.array([rater.is_person for rater in table.raters])
    general = is_person[table.votes.rater] & (table.votes.principle < 0)
    for code in _sliced("principle", table):
        part = panel_of(table, (table.votes.principle == code) | general)
        yield _Part("principle", table.principles[code], part, everything)
    for code in _sliced("category", table):
        yield _Part("category", table.categories[code], panel, table.category == code)
    for code in _sliced("model", table):
        yield _Part("model", table.models[code], panel, (table.model_a == code) | (table.model_b == code))


def not_sliced(panel: Panel) -> dict[str, int]:
    """By sort, how many values have too few items for a slice, or fewer than those that are sliced."""
    sorts: tuple[By, ...] = get_args(By)
    left = {by: len(_values(by, panel.table)) - len(_sliced(by, panel.table)) for by in sorts}
    return {by: count for by, count in left.items() if count and len(_values(by, panel.table)) > 1}


def sliced_models(table: Table) -> list[int]:
    """The models that get a slice."""
    return _sliced("model", table)


def _values(by: By, table: Table) -> Sequence[str]:
    return {"principle": table.principles, "category": table.categories, "model": table.models}[by]


def _sliced(by: By, table: Table) -> list[int]:
    """The values that get a slice, in their own order; none where there is only one."""
    known = len(_values(by, table))
    if known < 2:
        return []
    count = _items_of(by, table, known)
    most = np.argsort(-count, kind="stable")[:MOST]
    return sorted(most[count[most] >= FEWEST].tolist())


def _items_of(by: By, table: Table, known: int) -> Codes:
    """How many items each value has."""
    if by == "category":
        return np.bincount(table.category[table.category >= 0], minlength=known)
    if by == "model":
        other = np.where(table.model_a == table.model_b, -1, table.model_b)
        both = np.concatenate([table.model_a, other])
        return np.bincount(both[both >= 0], minlength=known)
    named = table.votes.principle >= 0
    items = len(table.items)
    pairs = np.unique(table.votes.principle[named] * items + table.votes.item[named])
    return np.bincount(pairs // items, minlength=known)


def _slice(part: _Part, judge: Rater, calls: Calls, draws: Resampling) -> Slice | None:
    panel, rows = part.panel, calls.where(part.items[calls.item])
    majority = panel.majority[rows.item]
    beside = rows.readable & ((majority != NONE) if panel.persons else True)
    if not beside.any():
        return None
    items, by_rule = np.unique(rows.item[beside]).size, agreement(panel, rows.item, rows.value, majority, draws)
    same, order_kappa = consistency(panel, rows, draws)
    return Slice(
        by=part.by,
        name=part.name,
        judge=judge.name,
        items=items,
        is_small=items < FEW_ITEMS,
        no_ties=by_rule["no_ties"],
        half=by_rule["half"],
        kappa=kappa(panel, rows.item, rows.value, majority, draws),
        consistency=same,
        order_kappa=order_kappa,
    )


def win_shares(panel: Panel, draws: Resampling) -> tuple[WinShare, ...]:
    """Per model that gets a slice, by people and by each judge; items with two answers of one model take no part."""
    table = panel.table
    named = (table.model_a >= 0) & (table.model_b >= 0) & (table.model_a != table.model_b)
    found = []
    for code in sliced_models(table):
        name, items = table.models[code], named & ((table.model_a == code) | (table.model_b == code))
        voted = np.flatnonzero(items & (panel.majority != NONE))
        if voted.size:
            won = _wins(panel, code, voted, panel.majority[voted])
            found.append(WinShare(name, None, share(won, panel.prompts(voted), draws.level), None, None))
        for number, judge in panel.judges:
            calls = panel.calls.of(number)
            rows = calls.where(calls.readable & items[calls.item])
            if rows.item.size:
                found.append(_win_share(panel, code, judge.name, rows, draws))
    return tuple(found)


def _win_share(panel: Panel, model: int, judge: str, rows: Calls, draws: Resampling) -> WinShare:
    name, beside = panel.table.models[model], rows.where(panel.majority[rows.item] != NONE)
    if not beside.item.size:
        won = _wins(panel, model, rows.item, rows.value)
        return WinShare(name, judge, share(won, panel.prompts(rows.item), draws.level), None, None)
    prompts = panel.prompts(beside.item)
    own = _wins(panel, model, beside.item, beside.value)
    peoples = _wins(panel, model, beside.item, panel.majority[beside.item])
    difference = cautioned(paired_difference(own, peoples, prompts, draws.level)._replace(method="clustered t"))
    return WinShare(name, judge, share(own, prompts, draws.level), share(peoples, prompts, draws.level), difference)


def _wins(panel: Panel, model: int, item: Codes, value: Codes) -> Numbers:
    """1, 0.5 or 0 of each verdict for the model."""
    for_a = 1 - value / 2
    return np.where(panel.table.model_a[item] == model, for_a, 1 - for_a)
