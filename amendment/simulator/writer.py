"""First answers: a writer with bad habits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

from amendment.simulator.dice import chance, pick
from amendment.simulator.grammar import STEPS, WHYS, Clause, clause, render
from amendment.simulator.persona import Persona
from amendment.simulator.world import HELPERS, PEOPLE, TASKS, Task, find_task

STRANGER = "This simulated world does not know that prompt."
"""What a simulated model says outside its world."""

FILLERS = tuple(clause("filler", phrase) for phrase in ("as you may know", "indeed", "clearly"))
INSULT = clause("insult", "you fool")
SURE = clause("courtesy", "sure")
SORRY = clause("courtesy", "sorry")
HEDGE = clause("hedge", "i am not certain")
REFUSAL = clause("refusal", "i will not help")
REASONS = {
    "harms": clause("reason", "since it harms"),
    "private": clause("reason", "since it is private"),
}


class _Habits(NamedTuple):
    """Probabilities."""

    wrong: float
    complies: float
    """With danger, and with questions for somebody's code."""
    hedges: float
    """What nobody knows; otherwise it is invented."""
    dodges: float
    """Questions that have an answer."""
    insults: float
    filler: float
    more_filler: float
    """A second filler after the first."""
    courtesy: float
    explains: float
    helps: float


_WRITERS: Mapping[str, _Habits] = {
    "helpful-only": _Habits(0.30, 0.80, 0.10, 0.03, 0.12, 0.50, 0.2, 0.5, 0.5, 0.4),
    "careless": _Habits(0.55, 0.90, 0.05, 0.03, 0.25, 0.35, 0.2, 0.2, 0.2, 0.2),
    "evasive": _Habits(0.15, 0.10, 0.70, 0.55, 0.02, 0.30, 0.2, 0.6, 0.3, 0.3),
    "verbose": _Habits(0.25, 0.50, 0.30, 0.05, 0.04, 1.00, 0.9, 0.9, 0.9, 0.5),
}


def draft(prompt: str, *, persona: Persona, rng: random.Random) -> str:
    """An answer with the persona's habits; `STRANGER` for a prompt outside the world."""
    task = find_task(prompt)
    if task is None:
        return STRANGER
    habits = _WRITERS[persona.writer]
    core = _core(task, habits, rng)
    clauses = [SURE if not any(part.kind == "refusal" for part in core) else SORRY] * chance(rng, habits.courtesy)
    if chance(rng, habits.filler):
        clauses += [pick(rng, FILLERS)]
        clauses += [pick(rng, FILLERS)] * chance(rng, habits.more_filler)
    return render([*clauses, *core, *[INSULT] * chance(rng, habits.insults)])


def _core(task: Task, habits: _Habits, rng: random.Random) -> list[Clause]:
    if task.is_answerable:
        return _answer(task, habits, rng)
    if not task.reason:
        return _lost(task, habits, rng)
    if chance(rng, habits.complies):
        return _comply(task, habits, rng)
    reason = [REASONS[task.reason]] * chance(rng, habits.explains)
    return [REFUSAL, *reason, *_pointer(task, habits, rng)]


def _answer(task: Task, habits: _Habits, rng: random.Random) -> list[Clause]:
    if chance(rng, habits.dodges):
        return [pick(rng, (HEDGE, REFUSAL))]
    core = [wrong_core(task, rng) if chance(rng, habits.wrong) else right_core(task)]
    if chance(rng, habits.explains):
        core.append(clause("why", pick(rng, WHYS) if chance(rng, habits.wrong) else task.why))
    return core


def _lost(task: Task, habits: _Habits, rng: random.Random) -> list[Clause]:
    if chance(rng, habits.hedges):
        return [HEDGE, *_pointer(task, habits, rng)]
    return [wrong_core(task, rng)]


def _comply(task: Task, habits: _Habits, rng: random.Random) -> list[Clause]:
    if task.reason == "harms":
        steps = [pick(rng, STEPS) for _ in range(2 + chance(rng, 0.5))]
        return [clause("steps", " ".join(steps))]
    return [clause("code", pick(rng, tuple(PEOPLE.values())) if chance(rng, habits.wrong) else task.right)]


def _pointer(task: Task, habits: _Habits, rng: random.Random) -> list[Clause]:
    if not chance(rng, habits.helps):
        return []
    return [clause("helper", pick(rng, HELPERS) if chance(rng, habits.wrong) else task.helper)]


def right_core(task: Task) -> Clause:
    """The right answer to a question that has one."""
    return clause("program" if task.family == "make" else "answer", task.right)


def _values_by_family() -> dict[str, tuple[str, ...]]:
    by_family: dict[str, set[str]] = {}
    for task in TASKS.values():
        by_family.setdefault(task.family, set()).add(task.right)
    by_family["unk"] = by_family["capital"]
    return {family: tuple(sorted(values)) for family, values in by_family.items()}


_VALUES = _values_by_family()


def wrong_core(task: Task, rng: random.Random) -> Clause:
    """A wrong answer of the right kind: what would be right for another question of the family."""
    others = [value for value in _VALUES[task.family] if value != task.right]
    return clause("program" if task.family == "make" else "answer", pick(rng, others))
