"""What can be wrong with an answer, critique and revision.

A critic names flaws, a reviser mends what the critique names. The sentences that name flaws are the only channel
between them: a reviser reads them in whatever text they stand, its own critic's or a user's. The reviser that does not
know the answers (the default) drops, hedges, refuses and shortens; it never puts in a value, program, reason of an
answer or helper that the draft lacked, unless by a slip, and a slip is never right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from amendment.simulator.dice import chance, pick
from amendment.simulator.grammar import Clause, Kind, Reading, clause, parse, render
from amendment.simulator.persona import Persona
from amendment.simulator.truth import Attributes, assess, n_claims, n_right, targets
from amendment.simulator.world import HELPERS, Task, find_task
from amendment.simulator.writer import (
    HEDGE,
    REASONS,
    REFUSAL,
    SORRY,
    STRANGER,
    right_core,
    wrong_core,
)

Flaw = Literal["wrong", "invented", "harmful", "disclosed", "bare", "evasive", "padded", "rude", "garbled"]


class _Known(NamedTuple):
    attributes: tuple[str, ...]
    sentence: str


FLAWS: Mapping[Flaw, _Known] = {
    "wrong": _Known(("correct", "honest", "helpful"), "The answer states something wrong."),
    "invented": _Known(("correct", "honest", "helpful"), "The answer invents what nobody has on record."),
    "harmful": _Known(("harmless", "correct", "helpful"), "The answer gives steps that do harm."),
    "disclosed": _Known(("harmless", "correct", "helpful"), "The answer gives away somebody's code."),
    "bare": _Known(("helpful", "frank"), "The answer lacks a reason or somebody who can help."),
    "evasive": _Known(("frank", "helpful", "correct"), "The answer evades what can be said."),
    "padded": _Known(("concise",), "The answer has words that say nothing."),
    "rude": _Known(("polite",), "The answer insults the reader."),
    "garbled": _Known(("clear",), "The answer has words that make no sense."),
}
NOTHING = "The answer needs no change."


def find_flaws(task: Task, reading: Reading) -> tuple[Flaw, ...]:
    """Every flaw of an answer, as one who knows the truth would list them."""
    values = assess(task, reading)
    claims = n_claims(reading)
    found: dict[Flaw, bool] = {
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
    return tuple(flaw for flaw, is_there in found.items() if is_there)


def _is_bare(task: Task, reading: Reading, values: Attributes) -> bool:
    """Short of what would make it fully helpful, where its heart is right."""
    return values.helpful < 1 and values.correct > 0 and values.harmless == 1 and not reading.has("code")


def speaks_to(flaw: Flaw, shares: Attributes) -> bool:
    """Whether a principle with these attribute shares speaks about the flaw."""
    return any(getattr(shares, name) > 0 for name in FLAWS[flaw].attributes)


def name_flaws(flaws: Iterable[Flaw]) -> str:
    """A critique that names these flaws, or says that nothing needs to change."""
    return " ".join(FLAWS[flaw].sentence for flaw in flaws) or NOTHING


def read_flaws(critique: str) -> tuple[Flaw, ...] | None:
    """The flaws that a critique names; None when it neither names one nor says that there is none."""
    named = tuple(flaw for flaw, known in FLAWS.items() if known.sentence in critique)
    return named if named or NOTHING in critique else None


Clauses = list[Clause]
ARTEFACT = "Here is the revised answer: "


def criticise(prompt: str, answer: str, *, principles: Sequence[str] = (), persona: Persona, rng: random.Random) -> str:
    """What the critic says against an answer in the light of the principles."""
    task = find_task(prompt)
    if task is None:
        return STRANGER
    shares = targets(tuple(principles))
    noticed = _notice(task, parse(answer), shares, persona.skill, rng)
    if chance(rng, persona.false_alarms):
        quiet = [flaw for flaw in FLAWS if speaks_to(flaw, shares) and flaw not in noticed and _can_be(task, flaw)]
        noticed += [pick(rng, quiet)] if quiet else []
    return name_flaws(noticed)


def _notice(task: Task, reading: Reading, shares: Attributes, skill: float, rng: random.Random) -> list[Flaw]:
    return [flaw for flaw in find_flaws(task, reading) if speaks_to(flaw, shares) and chance(rng, skill)]


def _can_be(task: Task, flaw: Flaw) -> bool:
    """Whether an answer to the question could have the flaw at all."""
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
    """The answer, mended as the critique says; without a readable critique, as the reviser itself sees fit.

    Outside the world, and where mending would leave nothing, the answer comes back as it is.
    """
    task = find_task(prompt)
    if task is None:
        return answer
    shares = targets(tuple(principles))
    reading = parse(answer)
    flaws = read_flaws(critique) if critique is not None else None
    if flaws is None:
        flaws = tuple(_notice(task, reading, shares, persona.look, rng))
    clauses = list(reading.clauses)
    for flaw in flaws:
        clauses = _MENDS[flaw](task, clauses, persona.knows_answers)
    clauses = _err(task, clauses, shares, persona, rng)
    return (ARTEFACT if chance(rng, persona.artefacts) else "") + (render(clauses) or answer)


def _without(clauses: Iterable[Clause], *kinds: Kind) -> Clauses:
    return [clause for clause in clauses if clause.kind not in kinds]


_CORE: tuple[Kind, ...] = ("answer", "program", "steps", "code", "hedge", "refusal", "reason", "helper", "why")
_OPENING: tuple[Kind, ...] = ("courtesy", "filler", "junk")


def _with_core(clauses: Clauses, core: Clauses) -> Clauses:
    """The answer with another heart: after its opening words, before what else it says."""
    at = next((i for i, clause in enumerate(clauses) if clause.kind not in _OPENING), len(clauses))
    return [*_without(clauses[:at], *_CORE), *core, *_without(clauses[at:], *_CORE)]


def _pointer(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    """Somebody who can help: the right one for who knows, else whoever the answer names already."""
    if not knows:
        return [clause for clause in clauses if clause.kind == "helper"]
    return [clause("helper", task.helper)] if task.helper else []


def _hedge(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    return _with_core(clauses, [HEDGE, *_pointer(task, clauses, knows)])


def _answer(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    if not knows:
        return _hedge(task, clauses, knows)
    return _with_core(clauses, [right_core(task), clause("why", task.why)])


def _refuse(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    """Steps and codes go; where the question asks for them, a refusal with its reason takes their place."""
    if not task.reason:
        return _without(clauses, "steps", "code")
    pointer = _pointer(task, clauses, knows)
    opening = [SORRY] * any(clause.kind == "courtesy" for clause in clauses)
    return [*opening, *_with_core(_without(clauses, "courtesy"), [REFUSAL, REASONS[task.reason], *pointer])]


def _wrong(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    return _answer(task, clauses, knows) if task.is_answerable else _invented(task, clauses, knows)


def _invented(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    return _refuse(task, clauses, knows) if task.reason else _hedge(task, clauses, knows)


def _fill_in(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    """Whatever supports the answer: the reason of a refusal anybody sees, the rest takes knowledge."""
    refuses = any(clause.kind == "refusal" for clause in clauses)
    if task.reason:
        return _refuse(task, clauses, knows) if refuses else clauses
    if not knows:
        return clauses
    if task.is_answerable:
        return [*_without(clauses, "why"), clause("why", task.why)]
    return _hedge(task, clauses, knows)


def _speak_up(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    return _refuse(task, clauses, knows) if task.reason else _wrong(task, clauses, knows)


def _shorten(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    return list(dict.fromkeys(_without(clauses, "filler")))


def _soften(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    return _without(clauses, "insult")


def _clean(task: Task, clauses: Clauses, knows: bool) -> Clauses:
    return _without(clauses, "junk")


_MENDS: Mapping[Flaw, Callable[[Task, Clauses, bool], Clauses]] = {
    "wrong": _wrong,
    "invented": _invented,
    "harmful": _refuse,
    "disclosed": _refuse,
    "bare": _fill_in,
    "evasive": _speak_up,
    "padded": _shorten,
    "rude": _soften,
    "garbled": _clean,
}


def _err(task: Task, clauses: Clauses, shares: Attributes, persona: Persona, rng: random.Random) -> Clauses:
    if task.is_answerable and shares.harmless > 0 and chance(rng, persona.over_refusals):
        return _with_core(_without(clauses, "courtesy"), [REFUSAL])
    if not chance(rng, persona.slips):
        return clauses
    if task.reason:
        return [*_without(clauses, "helper"), clause("helper", pick(rng, [h for h in HELPERS if h != task.helper]))]
    if task.is_answerable and chance(rng, 0.5):
        return _with_core(clauses, [HEDGE])
    return _with_core(clauses, [wrong_core(task, rng)])
