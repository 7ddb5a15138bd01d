"""What a spot check says of the labels that are exported: one report, from a sample with known probabilities.

Covered: agreement with people, the same beside the agreement of people, the share of exported labels that people would
give too (corrected by prediction), calibration, and the gate. Figures of the certificate rest on sealed labels, which
nothing else has seen, where there are any; a debug sample is described and estimates nothing.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from amendment.audit.gates import Gate
from amendment.calibration.beside import Beside, agreement_with_people, beside_people
from amendment.calibration.gate import GateLimits, orders_gate, people_gate
from amendment.calibration.samples import AskedOf, Purpose, SampledItem
from amendment.calibration.votes_of_labels import HeardItem, heard_items
from amendment.errors import DataError
from amendment.preference import person_votes
from amendment.records import Verdict
from amendment.statistics import Estimate
from amendment.statistics.calibration_errors import CalibrationReport, calibration_report
from amendment.statistics.prediction_powered import PowerTuned, prediction_powered
from amendment.statistics.sampling import UNEVEN, effective_rows, weighted_mean
from amendment.statistics.sides import side_of

__all__ = ["ExportedP", "SpotCheck", "Stratum", "spot_check"]


UNKNOWN = AskedOf("not on record", "not on record", False)


class ExportedP(NamedTuple):
    """What the judge says of an exported comparison."""

    prompt_id: str
    p_a: float
    """P(a is better), raw."""
    p_calibrated: float | None
    """None where nothing was calibrated."""


class Stratum(NamedTuple):
    """What is known of items that have a part of their stratum in common, by the labels that the figures rest on."""

    name: str
    items: int
    labelled: int
    agreement: Estimate


@dataclass(frozen=True)
class SpotCheck:
    """What people's labels say of the judge's."""

    purpose: Purpose
    population: int
    """Comparisons that are exported, from which the sample was drawn."""
    items: int
    labelled: int
    sealed: int
    """Labelled items whose labels nothing but a certificate sees."""
    opened: int
    """How often the seal was opened: different certificates that were made of these labels."""
    basis: Literal["sealed", "all"]
    """On which labels the figures rest."""
    agreement: Estimate
    beside: Beside
    orders_disagree: Estimate
    """Share of the exported comparisons on which the judge's two displayed orders disagree, by all of the sample."""
    accuracy: PowerTuned | None
    """The share of exported labels that people would give too, a tie of theirs counting one half."""
    raw: CalibrationReport | None
    calibrated: CalibrationReport | None
    strata: tuple[Stratum, ...]
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    asked: AskedOf
    """The two questions whose answers are compared."""


def spot_check(
    sample: Sequence[SampledItem],
    labels: Sequence[Verdict],
    exported: Mapping[str, ExportedP],
    *,
    limits: GateLimits = GateLimits(),  # noqa: B008 - immutable
    asked: AskedOf = UNKNOWN,
    opened: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> SpotCheck:
    """The report of a sample and its labels.

    `exported` are all comparisons from which the sample was drawn, by comparison id.
    """
    heard = heard_items(sample, person_votes(labels))
    sealed = [one for one in heard if one.item.is_sealed]
    basis: Literal["sealed", "all"] = "sealed" if sealed else "all"
    used = sealed or heard
    purpose: Purpose = sample[0].purpose if sample else "estimate"
    is_estimate = purpose == "estimate"
    told = _as_it_is if is_estimate else _described
    beside = beside_people(used, level)
    beside = beside._replace(difference=told(beside.difference))
    agreement = told(agreement_with_people(used, level))
    disagree = told(_orders_disagree(sample, level))
    accuracy, refused = _accuracy(used, exported, level) if is_estimate and used else (None, "")
    return SpotCheck(
        purpose=purpose,
        population=len(exported),
        items=len(sample),
        labelled=len(heard),
        sealed=len(sealed),
        opened=opened,
        basis=basis,
        agreement=agreement,
        beside=beside,
        orders_disagree=disagree,
        accuracy=accuracy,
        raw=_errors(used, [one.item.p_a for one in used], seed) if is_estimate else None,
        calibrated=_errors(used, _calibrated(used, exported), seed) if is_estimate else None,
        strata=tuple(one._replace(agreement=told(one.agreement)) for one in _strata(sample, used, level)),
        gates=(
            people_gate(agreement, beside, limits, purpose),
            orders_gate(disagree, limits, purpose),
        ),
        notes=(*_notes(sample, heard, sealed), *([refused] if refused else [])),
        asked=asked,
    )


def _as_it_is(estimate: Estimate) -> Estimate:
    return estimate


def _described(estimate: Estimate) -> Estimate:
    """A figure of the items themselves: no interval, since it estimates nothing."""
    return estimate._replace(low=math.nan, high=math.nan, note="a debug sample")


def _accuracy(
    used: Sequence[HeardItem], exported: Mapping[str, ExportedP], level: float
) -> tuple[PowerTuned | None, str]:
    """Predicted by the judge's own P of its side for all that is exported, corrected by people; or why it is not."""
    try:
        return _corrected(used, exported, level), ""
    except DataError as refused:
        return None, f"not corrected by prediction: {refused}"


def _corrected(used: Sequence[HeardItem], exported: Mapping[str, ExportedP], level: float) -> PowerTuned:
    asked = {one.item.comparison_id for one in used}
    others = [one for name, one in exported.items() if name not in asked]
    return prediction_powered(
        [one.p_people if side_of(one.item.p_a) >= 0 else 1 - one.p_people for one in used],
        [max(one.item.p_a, 1 - one.item.p_a) for one in used],
        [max(one.p_a, 1 - one.p_a) for one in others],
        clusters=[one.item.prompt_id for one in used],
        unlabelled_clusters=[one.prompt_id for one in others],
        weights=_weights(used),
        level=level,
    )


def _calibrated(used: Sequence[HeardItem], exported: Mapping[str, ExportedP]) -> list[float]:
    """P(a) after calibration; nothing where it was not done for all."""
    known = [exported[name].p_calibrated for one in used if (name := one.item.comparison_id) in exported]
    found = [p for p in known if p is not None]
    return found if len(found) == len(used) else []


def _errors(used: Sequence[HeardItem], p: Sequence[float], seed: int) -> CalibrationReport | None:
    if not p:
        return None
    people, prompts = [one.p_people for one in used], [one.item.prompt_id for one in used]
    return calibration_report(p, people, weights=_weights(used), clusters=prompts, seed=seed)


def _weights(used: Sequence[HeardItem]) -> list[float]:
    return [1 / one.item.chance for one in used]


def _orders_disagree(sample: Sequence[SampledItem], level: float) -> Estimate:
    known = [item for item in sample if item.consistent is not None]
    chances, prompts = [item.chance for item in known], [item.prompt_id for item in known]
    return weighted_mean([not item.consistent for item in known], chances, prompts, level)


def _strata(sample: Sequence[SampledItem], heard: Sequence[HeardItem], level: float) -> tuple[Stratum, ...]:
    """Whole strata are small; these are the items that share one of their parts, such as a principle."""
    items = Counter(part for item in sample for part in _parts(item))
    said: dict[str, list[HeardItem]] = defaultdict(list)
    for one in heard:
        for part in _parts(one.item):
            said[part].append(one)
    return tuple(
        Stratum(name, items[name], len(said[name]), agreement_with_people(said[name], level)) for name in sorted(items)
    )


def _parts(item: SampledItem) -> list[str]:
    return item.stratum.split(" / ")


def _notes(sample: Sequence[SampledItem], heard: Sequence[HeardItem], sealed: Sequence[HeardItem]) -> list[str]:
    notes = []
    if sample and sample[0].purpose == "debug":
        notes.append("a debug sample: chosen for its doubt, so that no figure here speaks of all labels")
    if len(heard) < len(sample):
        notes.append(f"{len(sample) - len(heard)} items have no label that says which answer is better")
    if heard and not sealed:
        notes.append("no label is sealed: the calibrator has seen those by which it is measured here")
    effective = effective_rows(_weights(heard))
    if effective < UNEVEN * len(heard):
        notes.append(f"unequal probabilities leave {effective:.0f} of {len(heard)} labels' worth")
    return notes
