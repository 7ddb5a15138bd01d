"""What can be wrong with an answer, and the sentence in which a critic says so.

The sentences are the only channel between critic and reviser: a reviser reads them in whatever text
they stand, its own critic's or a user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from amendment.simulator.grammar import Reading
from amendment.simulator.truth import Attributes, assess, n_claims, n_right
from amendment.simulator.world import Task

__all__ = ["FLAWS", "NOTHING", "Flaw", "find_flaws", "name_flaws", "read_flaws", "speaks_to"]

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
