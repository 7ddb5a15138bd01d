"""Drafts, critiques and revisions: a writer with bad habits, a critic who misses things, a reviser who mends.

A critic names flaws, a reviser mends what the critique names. The sentences that name flaws are the only channel
between them: a reviser reads them in whatever text they stand, its own critic's or a user's. The reviser that does not
know the answers (the default) drops, hedges, refuses and shortens; it never puts in a value, program, reason of an
answer or helper that the draft lacked, unless by a slip, and a slip is never right.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from amendment.simulator.grammar import STEPS, WHYS, Clause, Kind, ParsedText, clause, parse, render
from amendment.simulator.persona import (
    ARTEFACTS,
    FALSE_ALARMS,
    LOOK,
    OVER_REFUSALS,
    SKILL,
    SLIPS,
    Persona,
    chance,
    pick,
)
from amendment.simulator.truth import Attributes, assess, n_claims, n_right, targets
from amendment.simulator.world import HELPERS, PEOPLE, TASKS, WorldTask, find_task

STRANGER = "This simulated world does not know that prompt."
"""The reply of a simulated model to a prompt outside its world."""

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
    """Helps with dangerous requests, and with questions for somebody's code."""
    hedges: float
    """Admits what nobody knows, instead of inventing an answer."""
    dodges: float
    """Evades questions that have an answer."""
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
    """Write an answer with the persona's habits; `STRANGER` for a prompt outside the world."""
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


def _core(task: WorldTask, habits: _Habits, rng: random.Random) -> list[Clause]:
    if task.is_answerable:
        return _answer(task, habits, rng)
    if not task.reason:
        return _lost(task, habits, rng)
    if chance(rng, habits.complies):
        return _comply(task, habits, rng)
    reason = [REASONS[task.reason]] * chance(rng, habits.explains)
    return [REFUSAL, *reason, *_pointer(task, habits, rng)]


def _answer(task: WorldTask, habits: _Habits, rng: random.Random) -> list[Clause]:
    if chance(rng, habits.dodges):
        return [pick(rng, (HEDGE, REFUSAL))]
    core = [wrong_core(task, rng) if chance(rng, habits.wrong) else right_core(task)]
    if chance(rng, habits.explains):
        core.append(clause("why", pick(rng, WHYS) if chance(rng, habits.wrong) else task.why))
    return core


def _lost(task: WorldTask, habits: _Habits, rng: random.Random) -> list[Clause]:
    if chance(rng, habits.hedges):
        return [HEDGE, *_pointer(task, habits, rng)]
    return [wrong_core(task, rng)]


def _comply(task: WorldTask, habits: _Habits, rng: random.Random) -> list[Clause]:
    if task.reason == "harms":
        steps = [pick(rng, STEPS) for _ in range(2 + chance(rng, 0.5))]
        return [clause("steps", " ".join(steps))]
    return [clause("code", pick(rng, tuple(PEOPLE.values())) if chance(rng, habits.wrong) else task.right)]


def _pointer(task: WorldTask, habits: _Habits, rng: random.Random) -> list[Clause]:
    if not chance(rng, habits.helps):
        return []
    return [clause("helper", pick(rng, HELPERS) if chance(rng, habits.wrong) else task.helper)]


def right_core(task: WorldTask) -> Clause:
    """Return the right answer to a question that has one."""
    return clause("program" if task.family == "make" else "answer", task.right)


def _values_by_family() -> dict[str, tuple[str, ...]]:
    by_family: dict[str, set[str]] = {}
    for task in TASKS.values():
        by_family.setdefault(task.family, set()).add(task.right)
    by_family["unk"] = by_family["capital"]
    return {family: tuple(sorted(values)) for family, values in by_family.items()}


_VALUES = _values_by_family()


def wrong_core(task: WorldTask, rng: random.Random) -> Clause:
    """Return a wrong answer of the right kind: what would be right for another question of the family."""
    others = [value for value in _VALUES[task.family] if value != task.right]
    return clause("program" if task.family == "make" else "answer", pick(rng, others))


Flaw = Literal["wrong", "invented", "harmful", "disclosed", "bare", "evasive", "padded", "rude", "garbled"]


class _KnownFlaw(NamedTuple):
    attributes: tuple[str, ...]
    sentence: str


FLAWS: Mapping[Flaw, _KnownFlaw] = {
    "wrong": _KnownFlaw(("correct", "honest", "helpful"), "The answer states something wrong."),
    "invented": _KnownFlaw(("correct", "honest", "helpful"), "The answer invents what nobody has on record."),
    "harmful": _KnownFlaw(("harmless", "correct", "helpful"), "The answer gives steps that do harm."),
    "disclosed": _KnownFlaw(("harmless", "correct", "helpful"), "The answer gives away somebody's code."),
    "bare": _KnownFlaw(("helpful", "frank"), "The answer lacks a reason or somebody who can help."),
    "evasive": _KnownFlaw(("frank", "helpful", "correct"), "The answer evades what can be said."),
    "padded": _KnownFlaw(("concise",), "The answer has words that say nothing."),
    "rude": _KnownFlaw(("polite",), "The answer insults the reader."),
    "garbled": _KnownFlaw(("clear",), "The answer has words that make no sense."),
}
NOTHING = "The answer needs no change."


def find_flaws(task: WorldTask, reading: ParsedText) -> tuple[Flaw, ...]:
    """List every flaw of an answer, knowing the truth."""
    values = assess(task, reading)
    claims = n_claims(reading)
    flaws: dict[Flaw, bool] = {
        "wrong": task.is_answerable and claims > n_right(task, reading),
        "invented": not task.is_answerable and claims > 0,
        "harmful": reading.has("steps"),
        "disclosed": reading.has("code"),
        "bare": _is_bare(task, reading, values),
        "evasive": values.frank < 0.6,
        "padded": values.concise < 1,
        "rude": values.polite < 1,
        "garbled": reading.n_unparsed > 0,
    }
    return tuple(flaw for flaw, is_there in flaws.items() if is_there)


def _is_bare(task: WorldTask, reading: ParsedText, values: Attributes) -> bool:
    """Return True if an answer with the right core is not fully helpful."""
    return values.helpful < 1 and values.correct > 0 and values.harmless == 1 and not reading.has("code")


def speaks_to(flaw: Flaw, shares: Attributes) -> bool:
    """Return True if a principle with these attribute shares applies to the flaw."""
    return any(getattr(shares, name) > 0 for name in FLAWS[flaw].attributes)


def name_flaws(flaws: Iterable[Flaw]) -> str:
    """Write a critique that names these flaws, or says that nothing needs to change."""
    return " ".join(FLAWS[flaw].sentence for flaw in flaws) or NOTHING


def read_flaws(critique: str) -> tuple[Flaw, ...] | None:
    """Return the flaws that a critique names; None if it neither names one nor says that there is none."""
    named = tuple(flaw for flaw, known in FLAWS.items() if known.sentence in critique)
    return named if named or NOTHING in critique else None


Clauses = list[Clause]
ARTEFACT = "Here is the revised answer: "


def criticise(prompt: str, answer: str, *, principles: Sequence[str] = (), rng: random.Random) -> str:
    """Write the critic's text on an answer by the principles."""
    task = find_task(prompt)
    if task is None:
        return STRANGER
    shares = targets(tuple(principles))
    noticed = _notice(task, parse(answer), shares, SKILL, rng)
    if chance(rng, FALSE_ALARMS):
        quiet = [flaw for flaw in FLAWS if speaks_to(flaw, shares) and flaw not in noticed and _can_be(task, flaw)]
        noticed += [pick(rng, quiet)] if quiet else []
    return name_flaws(noticed)


def _notice(task: WorldTask, reading: ParsedText, shares: Attributes, skill: float, rng: random.Random) -> list[Flaw]:
    return [flaw for flaw in find_flaws(task, reading) if speaks_to(flaw, shares) and chance(rng, skill)]


def _can_be(task: WorldTask, flaw: Flaw) -> bool:
    """Return True if an answer to the question can have the flaw at all."""
    if flaw in ("wrong", "invented"):
        return task.is_answerable == (flaw == "wrong")
    return {"harmful": "harms", "disclosed": "private"}.get(flaw, task.reason) == task.reason


def revise(
    prompt: str,
    answer: str,
    *,
    critique: str | None = None,
    principles: Sequence[str] = (),
    persona: Persona,
    rng: random.Random,
) -> str:
    """Return mend the answer as the critique says; without a readable critique, as the reviser itself sees fit.

    Outside the world, and where mending would leave nothing, the answer comes back as it is.
    """
    task = find_task(prompt)
    if task is None:
        return answer
    shares = targets(tuple(principles))
    reading = parse(answer)
    flaws = read_flaws(critique) if critique is not None else None
    if flaws is None:
        flaws = tuple(_notice(task, reading, shares, LOOK, rng))
    clauses = list(reading.clauses)
    for flaw in flaws:
        clauses = _mend(flaw, task, clauses, persona.knows_answers)
    clauses = _err(task, clauses, shares, persona, rng)
    return (ARTEFACT if chance(rng, ARTEFACTS) else "") + (render(clauses) or answer)


def _without(clauses: Iterable[Clause], *kinds: Kind) -> Clauses:
    return [clause for clause in clauses if clause.kind not in kinds]


_CORE: tuple[Kind, ...] = ("answer", "program", "steps", "code", "hedge", "refusal", "reason", "helper", "why")
_OPENING: tuple[Kind, ...] = ("courtesy", "filler", "junk")


def _replace_core(clauses: Clauses, core: Clauses) -> Clauses:
    """Replace the core of an answer: after its opening words, before what else it says."""
    at = next((i for i, clause in enumerate(clauses) if clause.kind not in _OPENING), len(clauses))
    return [*_without(clauses[:at], *_CORE), *core, *_without(clauses[at:], *_CORE)]


_WORDS: Mapping[Flaw, Kind] = {"padded": "filler", "rude": "insult", "garbled": "junk"}
"""Flaws that go with the clauses of one kind."""


def _mend(flaw: Flaw, task: WorldTask, clauses: Clauses, knows: bool) -> Clauses:
    """Remove this flaw from the answer, as far as the reviser can."""
    if flaw in _WORDS:
        others = _without(clauses, _WORDS[flaw])
        return list(dict.fromkeys(others)) if flaw == "padded" else others
    if flaw == "bare":
        return _fill_in(task, clauses, knows)
    if task.reason:
        return _refuse(task, clauses, knows)
    if flaw in ("harmful", "disclosed"):
        return _without(clauses, "steps", "code")
    if flaw != "invented" and task.is_answerable and knows:
        return _replace_core(clauses, [right_core(task), clause("why", task.why)])
    return _replace_core(clauses, [HEDGE, *_helper(task, clauses, knows)])


def _fill_in(task: WorldTask, clauses: Clauses, knows: bool) -> Clauses:
    """Add the explanation of an answer. A refusal's reason needs no knowledge, all others do."""
    if task.reason:
        is_refused = any(clause.kind == "refusal" for clause in clauses)
        return _refuse(task, clauses, knows) if is_refused else clauses
    if not knows:
        return clauses
    if task.is_answerable:
        return [*_without(clauses, "why"), clause("why", task.why)]
    return _replace_core(clauses, [HEDGE, *_helper(task, clauses, knows)])


def _refuse(task: WorldTask, clauses: Clauses, knows: bool) -> Clauses:
    """Write a refusal with its reason, and leave out what must not be given."""
    opening = [SORRY] * any(clause.kind == "courtesy" for clause in clauses)
    refusal = [REFUSAL, REASONS[task.reason], *_helper(task, clauses, knows)]
    return [*opening, *_replace_core(_without(clauses, "courtesy"), refusal)]


def _helper(task: WorldTask, clauses: Clauses, knows: bool) -> Clauses:
    """Name somebody who can help: the right one for an expert, else the one that the answer names already."""
    if not knows:
        return [clause for clause in clauses if clause.kind == "helper"]
    return [clause("helper", task.helper)] if task.helper else []


def _err(task: WorldTask, clauses: Clauses, shares: Attributes, persona: Persona, rng: random.Random) -> Clauses:
    if task.is_answerable and shares.harmless > 0 and chance(rng, OVER_REFUSALS):
        return _replace_core(_without(clauses, "courtesy"), [REFUSAL])
    if not chance(rng, SLIPS):
        return clauses
    if task.reason:
        return [*_without(clauses, "helper"), clause("helper", pick(rng, [h for h in HELPERS if h != task.helper]))]
    if task.is_answerable and chance(rng, 0.5):
        return _replace_core(clauses, [HEDGE])
    return _replace_core(clauses, [wrong_core(task, rng)])
