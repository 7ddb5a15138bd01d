"""What sways one judge beside the answers' worth: everything that verdicts alone can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amendment.audit._panel import Calls, Panel
from amendment.audit.family import Family, family
from amendment.audit.favour import Favour, favours
from amendment.audit.own import Own, own
from amendment.audit.rationales import Rationales, rationales
from amendment.audit.repetition import Repetition, repetition
from amendment.statistics import Resampling

__all__ = ["Bias", "bias"]


@dataclass(frozen=True)
class Bias:
    """One judge's; displayed order and length stand beside it in the certificate."""

    repetition: Repetition | None
    """Absent where nothing was asked twice in one order."""
    marks: tuple[Favour, ...]
    """What its answers carry; empty where no texts are known."""
    own: Own | None
    """Absent where none of the answers is on record as its own."""
    rationales: Rationales | None
    """Absent where no reasoning could be compared with a verdict."""
    family: Family


def bias(panel: Panel, number: int, calls: Calls, models: Mapping[str, str], draws: Resampling) -> Bias:
    """Of the rater with this number; `models` names judges' models as the writers of answers are named."""
    name = panel.table.raters[number].name
    return Bias(
        repetition=repetition(panel, number, draws),
        marks=favours(panel, calls, draws),
        own=own(panel, calls, name, models, draws),
        rationales=rationales(panel, number, draws),
        family=family(panel, number, name, models=models, width=draws.level),
    )
