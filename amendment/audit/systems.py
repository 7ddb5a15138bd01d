"""The systems that wrote the answers: who wins, as answers are and at equal lengths, and who answers nothing.

At equal lengths: by each judge, over the comparisons of the system with others; a comparison counts once, by the
judge's P(better) over all its votes. The difficulty of each prompt is fitted where one opponent takes part in every
comparison, where `FEWEST_SYSTEMS` or more were compared with it, and where a prompt has half as many of them on
average; the opponent gets no line then. See `statistics.length_control` for the model.

A system that gives one and the same answer to most prompts, as a null model does, cannot answer them all, and yet some
judges prefer it (Zheng et al. 2024, "Cheating Automatic LLM Benchmarks"). If people prefer it too, it may be right:
many questions can have the same short answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amendment.audit.votes import INVALID, NONE, AuditData, Codes, Flags, Numbers, Verdicts
from amendment.statistics import Estimate, Resampling, quotient, share
from amendment.statistics.intervals import FEWEST_ITEMS
from amendment.statistics.length_control import FEWEST_SYSTEMS, length_controlled, length_difficulty

MOST = 200
"""Systems of one judge of which a line is made, those with most comparisons."""
FEWEST_PROMPTS, OF_ALL, OF_SYSTEM = 3, 0.01, 0.5
"""A text is constant if it answers this many prompts, this share of all prompts, and this share of its system's
prompts."""


@dataclass(frozen=True)
class Controlled:
    """One system's win rate by one judge, raw and length-controlled."""

    model: str
    judge: str
    raw: Estimate
    """Mean of P(the system's answer is better), ties one half."""
    people: Estimate | None
    """By the majority of people, on the items that the judge and people both voted on."""
    controlled: Estimate
    """The same with equal lengths."""
    slope: float
    """Log-odds that being much longer adds."""
    warning: str
    """Why the two cannot be told apart here; empty where nothing speaks against it."""


@dataclass(frozen=True)
class ControlledBy:
    """The method behind the figures of one judge."""

    judge: str
    systems: int
    """Compared with others, `opponent` left out."""
    not_listed: int
    """Of these, with fewer than `FEWEST_ITEMS` comparisons, or beyond the `MOST` with most."""
    opponent: str | None
    """The system that all others were compared with, where the difficulty of prompts was fitted; otherwise None."""
    is_soft: bool
    """Whether the judge gives probabilities; otherwise its verdicts are counted."""


@dataclass(frozen=True)
class ConstantWins:
    """One judge's win rate of a constant answer, ties counted half."""

    judge: str
    share: Estimate
    people: Estimate | None
    """By the majority of people, on the items that the judge and people both voted on."""


@dataclass(frozen=True)
class ConstantAnswer:
    """One text that a system gives to most of its prompts."""

    model: str | None
    """None: no column names the writers of answers."""
    prompts: int
    """That the system answers."""
    same: int
    """That it answers with this text."""
    wins: tuple[ConstantWins, ...]


def controlled(data: AuditData, draws: Resampling) -> tuple[tuple[ControlledBy, ...], tuple[Controlled, ...]]:
    """Return the method by judge, and the win rates of every system by every judge that compared it with others."""
    made, systems_of_judges = [], []
    named = (
        (data.model_a >= 0) & (data.model_b >= 0) & (data.model_a != data.model_b) & ~np.isnan(data.length_difference)
    )
    for number, judge in data.judges:
        p = _mean_p(data, number)
        item = np.flatnonzero(named & ~np.isnan(p))
        if item.size:
            by, systems = _by_judge(data, (number, judge.name), item, p[item], draws)
            made.append(by)
            systems_of_judges += systems
    return tuple(made), tuple(systems_of_judges)


def _mean_p(data: AuditData, number: int) -> Numbers:
    """A rater's mean P(A is better) on each item over its votes; nan where nothing was read."""
    votes, items = data.votes.of(number), len(data.items)
    votes = votes.where(votes.value < INVALID)
    n = np.bincount(votes.item, minlength=items)
    return quotient(np.bincount(votes.item, votes.p, items).astype(np.float64), n.astype(np.float64))


def _by_judge(
    data: AuditData, judge: tuple[int, str], item: Codes, p: Numbers, draws: Resampling
) -> tuple[ControlledBy, list[Controlled]]:
    number, name = judge
    first, second, longer_by = data.model_a[item], data.model_b[item], data.length_difference[item]
    counts = np.bincount(np.concatenate([first, second]), minlength=len(data.models))
    systems = np.flatnonzero(counts)
    common = np.flatnonzero(counts == item.size)
    is_shared = 2 * item.size >= FEWEST_SYSTEMS * np.unique(data.prompt[item]).size
    opponent, fitted = None, None
    if common.size == 1 and systems.size > FEWEST_SYSTEMS and is_shared:
        opponent, systems = data.models[common[0]], systems[systems != common[0]]
        is_a = second == common[0]
        wins = np.where(is_a, p, 1 - p)
        longer = np.where(is_a, longer_by, -longer_by)
        fitted = length_difficulty(wins, longer, np.where(is_a, first, second), data.prompt[item])
    many = systems[counts[systems] >= FEWEST_ITEMS]
    listed = np.sort(many[np.argsort(-counts[many], kind="stable")][:MOST])
    given = data.votes.of(number).p
    is_soft = bool((~np.isin(given[~np.isnan(given)], (0, 0.5, 1))).any())
    rates_of_systems = []
    for_a = np.where(data.majority[item] == NONE, np.nan, 1 - data.majority[item] / 2)
    for system in listed.tolist():
        own = (first == system) | (second == system)
        is_a = first == system
        voted = own & ~np.isnan(for_a)
        by_people = np.where(is_a, for_a, 1 - for_a)[voted]
        people = share(by_people, data.prompts(item[voted]), draws.level) if voted.any() else None
        rates = length_controlled(
            np.where(is_a, p, 1 - p)[own],
            np.where(is_a, longer_by, -longer_by)[own],
            np.zeros(int(own.sum())),
            data.prompts(item[own]),
            difficulty=fitted.difficulty[own] if fitted else None,
            slope=fitted.slope if fitted else 0.0,
            resampling=draws,
        )
        rates_of_systems.append(
            Controlled(data.models[system], name, rates.raw, people, rates.controlled, rates.phi, rates.warning)
        )
    return ControlledBy(name, systems.size, systems.size - listed.size, opponent, is_soft), rates_of_systems


def constant_answers(data: AuditData, draws: Resampling) -> tuple[ConstantAnswer, ...]:
    """Return every such text, by system; the most repeated texts first."""
    sides = ((data.model_a, data.answer_a), (data.model_b, data.answer_b))
    given = [np.stack([model, answer, data.prompt], axis=1)[answer >= 0] for model, answer in sides]
    rows = np.unique(np.concatenate(given), axis=0)
    texts, same = np.unique(rows[:, :2], axis=0, return_counts=True)
    systems, prompts = np.unique(np.unique(rows[:, [0, 2]], axis=0)[:, 0], return_counts=True)
    of_system = prompts[np.searchsorted(systems, texts[:, 0])]
    every = np.unique(rows[:, 2]).size
    is_constant = (same >= max(FEWEST_PROMPTS, OF_ALL * every)) & (same >= OF_SYSTEM * of_system)
    order = np.flatnonzero(is_constant)[np.argsort(-same[is_constant], kind="stable")]
    return tuple(
        ConstantAnswer(
            model=None if texts[row, 0] < 0 else data.models[texts[row, 0]],
            prompts=int(of_system[row]),
            same=int(same[row]),
            wins=tuple(_wins(data, _is_text(sides[0], texts[row]), _is_text(sides[1], texts[row]), draws)),
        )
        for row in order.tolist()
    )


def _is_text(side: tuple[Codes, Codes], text: Codes) -> Flags:
    """Flag the items whose answer on this side is that model's text."""
    is_text: Flags = (side[0] == text[0]) & (side[1] == text[1])
    return is_text


def _wins(data: AuditData, is_a: Flags, is_b: Flags, draws: Resampling) -> Iterator[ConstantWins]:
    def won(rows: Verdicts, value: Codes) -> Estimate:
        for_a = 1 - value / 2
        return share(np.where(is_a[rows.item], for_a, 1 - for_a), data.prompts(rows.item), draws.level)

    for number, judge in data.judges:
        verdicts = data.verdicts.of(number)
        rows = verdicts.where(verdicts.readable & (is_a != is_b)[verdicts.item])
        with_people = rows.where(data.majority[rows.item] != NONE)
        if rows.item.size:
            people = won(with_people, data.majority[with_people.item]) if with_people.item.size else None
            yield ConstantWins(judge.name, won(rows, rows.value), people)
