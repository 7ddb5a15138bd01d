"""Systems that give one and the same answer to most prompts, as a null model does, and how often it wins.

Such an answer cannot answer them all, and yet some judges prefer it (Zheng et al. 2024, "Cheating Automatic LLM
Benchmarks"). If people prefer it too, it may be right: many questions can have the same short answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._table import NONE, Codes, Flags
from amendment.audit.rulings import Outcome
from amendment.statistics import Estimate, Resampling, bounds, share

__all__ = ["RULE", "ConstantAnswer", "ConstantWins", "constant_answers", "constant_gate"]

FEWEST_PROMPTS, OF_ALL, OF_SYSTEM = 3, 0.01, 0.5
"""A text is constant if it answers this many prompts, this share of all prompts, and this share of its system's
prompts."""
RULE = (
    f"how often a judge prefers an answer that its system gives to at least {100 * OF_SYSTEM:g} % of its prompts, "
    f"{FEWEST_PROMPTS} or more: PASS if the whole interval lies below one half, FAIL if it lies above, WARN if the "
    "data cannot tell or people prefer it too; not measured if no system repeats an answer"
)


@dataclass(frozen=True)
class ConstantWins:
    """How often one judge prefers a constant answer, ties counted half."""

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


def constant_answers(panel: Panel, draws: Resampling) -> tuple[ConstantAnswer, ...]:
    """Every such text, by system; the most repeated texts first."""
    table = panel.table
    sides = ((table.model_a, table.answer_a), (table.model_b, table.answer_b))
    given = [np.stack([model, answer, table.prompt], axis=1)[answer >= 0] for model, answer in sides]
    rows = np.unique(np.concatenate(given), axis=0)
    texts, same = np.unique(rows[:, :2], axis=0, return_counts=True)
    systems, prompts = np.unique(np.unique(rows[:, [0, 2]], axis=0)[:, 0], return_counts=True)
    of_system = prompts[np.searchsorted(systems, texts[:, 0])]
    every = np.unique(rows[:, 2]).size
    found = (same >= max(FEWEST_PROMPTS, OF_ALL * every)) & (same >= OF_SYSTEM * of_system)
    order = np.flatnonzero(found)[np.argsort(-same[found], kind="stable")]
    return tuple(
        ConstantAnswer(
            model=None if texts[row, 0] < 0 else table.models[texts[row, 0]],
            prompts=int(of_system[row]),
            same=int(same[row]),
            wins=tuple(_wins(panel, int(texts[row, 0]), int(texts[row, 1]), draws)),
        )
        for row in order.tolist()
    )


def _wins(panel: Panel, model: int, answer: int, draws: Resampling) -> list[ConstantWins]:
    table, found = panel.table, []
    is_a, is_b = (
        (models == model) & (answers == answer)
        for models, answers in ((table.model_a, table.answer_a), (table.model_b, table.answer_b))
    )
    for number, judge in panel.judges:
        verdicts = panel.verdicts.of(number)
        rows = verdicts.where(verdicts.readable & (is_a != is_b)[verdicts.item])
        beside = rows.where(panel.majority[rows.item] != NONE)
        people = _share(panel, beside, panel.majority[beside.item], is_a, draws) if beside.item.size else None
        if rows.item.size:
            found.append(ConstantWins(judge.name, _share(panel, rows, rows.value, is_a, draws), people))
    return found


def _share(panel: Panel, rows: Calls, value: Codes, is_a: Flags, draws: Resampling) -> Estimate:
    for_a = 1 - value / 2
    return share(np.where(is_a[rows.item], for_a, 1 - for_a), panel.prompts(rows.item), draws.level)


def constant_gate(judge: str, found: tuple[ConstantAnswer, ...]) -> tuple[Outcome, str]:
    """The worst of all constant answers that the judge compared with others."""
    outcomes = [
        (*_outcome(wins), f"the same text in {one.same} of {one.prompts} prompts wins {100 * wins.share.value:.1f} %")
        for one in found
        for wins in one.wins
        if wins.judge == judge
    ]
    if not outcomes:
        return "not measured", "no system repeats an answer, or the texts are not known"
    ranked: tuple[Outcome, ...] = ("FAIL", "WARN", "PASS", "not measured")
    outcome, more, told = min(outcomes, key=lambda one: ranked.index(one[0]))
    return outcome, told + more


def _outcome(wins: ConstantWins) -> tuple[Outcome, str]:
    known, people = bounds(wins.share), bounds(wins.people) if wins.people else None
    if known is None:
        return "not measured", f": {wins.share.note}"
    around = f" ({100 * known[0]:.1f} to {100 * known[1]:.1f})"
    if known[1] < 0.5:
        return "PASS", around
    if known[0] > 0.5 and not (people and people[0] > 0.5):
        return "FAIL", around
    return "WARN", f"{around}, and people prefer it too" if people and people[0] > 0.5 else around
