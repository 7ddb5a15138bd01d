"""What a spot check says of the labels that are exported: one report, from a sample with known probabilities.

Covered: agreement with people, the same beside the agreement of people, the share of exported labels that people would
give too (corrected by prediction), calibration, and the gate. Figures of the certificate rest on sealed labels, which
nothing else has seen, where there are any; a debug sample is described and estimates nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amendment.calibration.people.beside import Beside, agreement_with_people, beside_people
from amendment.calibration.people.samples import Purpose, SampledItem
from amendment.calibration.people.votes_of_labels import HeardItem, heard_items, person_votes
from amendment.calibration.rulings import Gate, Outcome
from amendment.records import Verdict
from amendment.statistics import Estimate, bounds
from amendment.statistics.calibration_errors import CalibrationReport, calibration_report
from amendment.statistics.intervals import NO_VARIATION
from amendment.statistics.prediction_powered import PowerTuned, prediction_powered
from amendment.statistics.sides import side_of

__all__ = ["FEWEST", "PEOPLE_RULE", "SpotCheck", "Stratum", "people_gate", "spot_check", "worst"]

FEWEST = 30
"""Items with two people, or with one where nobody saw an item twice, from which the gate decides."""
PEOPLE = "people"
"""The gate's name."""
PEOPLE_RULE = (
    "agreement of the labels with single people minus agreement of two people, ties dropped, items weighed by their "
    "probability: PASS where the whole interval lies above the margin, FAIL where all of it lies below, WARN where the "
    f"data cannot tell; needs two people on {FEWEST} items. With one person there is no ceiling: then FAIL where the "
    "whole interval of agreement lies below one half, and WARN otherwise"
)


@dataclass(frozen=True)
class Stratum:
    """A part of the sample."""

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
    accuracy: PowerTuned | None
    """The share of exported labels that people would give too, a tie of theirs counting one half."""
    raw: CalibrationReport | None
    calibrated: CalibrationReport | None
    strata: tuple[Stratum, ...]
    gate: Gate
    notes: tuple[str, ...]


def spot_check(
    sample: Sequence[SampledItem],
    labels: Sequence[Verdict],
    exported: Mapping[str, float],
    *,
    calibrated: Mapping[str, float] | None = None,
    below_ceiling: float = 0.05,
    opened: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> SpotCheck:
    """The report of a sample and its labels.

    `exported` is P(a is better), raw, of all comparisons from which the sample was drawn, by comparison id;
    `calibrated` the same after calibration, where it was done. `below_ceiling` is the gate's margin.
    """
    heard = heard_items(sample, person_votes(labels))
    sealed = [one for one in heard if one.item.is_sealed]
    basis: Literal["sealed", "all"] = "sealed" if sealed else "all"
    used = sealed or heard
    purpose: Purpose = sample[0].purpose if sample else "estimate"
    is_estimate = purpose == "estimate"
    beside = beside_people(used, level)
    agreement = agreement_with_people(used, level)
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
        accuracy=_accuracy(used, sample, exported, level) if is_estimate and used else None,
        raw=_errors(used, {}, seed) if is_estimate else None,
        calibrated=_errors(used, calibrated, seed) if is_estimate and calibrated else None,
        strata=_strata(sample, heard, level),
        gate=people_gate(agreement, beside, below_ceiling, purpose),
        notes=tuple(_notes(sample, heard, sealed)),
    )


def _accuracy(
    used: Sequence[HeardItem], sample: Sequence[SampledItem], exported: Mapping[str, float], level: float
) -> PowerTuned:
    """Predicted by the judge's own P of its side, corrected by people. Unlabelled are all that people were not asked
    about."""
    asked = {item.comparison_id for item in sample}
    others = [name for name in exported if name not in asked]
    return prediction_powered(
        [one.p_people if side_of(one.item.p_a) >= 0 else 1 - one.p_people for one in used],
        [max(one.item.p_a, 1 - one.item.p_a) for one in used],
        [max(exported[name], 1 - exported[name]) for name in others],
        clusters=[one.item.prompt_id for one in used],
        weights=[1 / (one.item.inclusion or 1.0) for one in used],
        level=level,
    )


def _errors(used: Sequence[HeardItem], calibrated: Mapping[str, float] | None, seed: int) -> CalibrationReport | None:
    if not used or calibrated is None:
        return None
    return calibration_report(
        np.array([calibrated.get(one.item.comparison_id, one.item.p_a) for one in used]),
        np.array([one.p_people for one in used]),
        weights=np.array([1 / (one.item.inclusion or 1.0) for one in used]),
        clusters=[one.item.prompt_id for one in used],
        seed=seed,
    )


def _strata(sample: Sequence[SampledItem], heard: Sequence[HeardItem], level: float) -> tuple[Stratum, ...]:
    items: dict[str, int] = defaultdict(int)
    said: dict[str, list[HeardItem]] = defaultdict(list)
    for item in sample:
        items[item.stratum] += 1
    for one in heard:
        said[one.item.stratum].append(one)
    return tuple(
        Stratum(name, items[name], len(said[name]), agreement_with_people(said[name], level)) for name in sorted(items)
    )


def people_gate(agreement: Estimate, beside: Beside, below_ceiling: float, purpose: Purpose = "estimate") -> Gate:
    """The gate of a spot check; see `PEOPLE_RULE`."""
    if purpose == "debug":
        return Gate("labels", PEOPLE, "not measured", "a debug sample: its items were chosen for their doubt")
    if beside.items >= FEWEST:
        return Gate("labels", PEOPLE, *_above(beside.difference, -below_ceiling))
    known = bounds(agreement)
    if agreement.n < FEWEST or known is None:
        found = f"{beside.items} items with two people, {agreement.n} with one"
        return Gate("labels", PEOPLE, "not measured", found)
    outcome: Outcome = "FAIL" if known[1] < 0.5 else "WARN"
    told = f"no ceiling from {beside.items} items with two people; agreement {agreement.value:.3f}"
    return Gate("labels", PEOPLE, outcome, f"{told} ({known[0]:.3f} to {known[1]:.3f})")


def _above(difference: Estimate, bound: float) -> tuple[Outcome, str]:
    known, found = bounds(difference), f"{difference.value:+.3f}"
    if known is None and difference.note == NO_VARIATION:
        return "WARN", f"{found} in each of only {difference.clusters} prompts: the data cannot tell"
    if known is None:
        return "not measured", difference.note
    low, high = known
    found += f" ({low:+.3f} to {high:+.3f})"
    if low > bound:
        return "PASS", found
    return ("FAIL", f"{found}: below {bound:+g}") if high < bound else ("WARN", f"{found}: the data cannot tell")


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """FAIL before WARN before not measured before PASS; of nothing: not measured."""
    ranked: tuple[Outcome, ...] = ("FAIL", "WARN", "not measured", "PASS")
    return next((one for one in ranked if one in outcomes), "not measured")


def _notes(sample: Sequence[SampledItem], heard: Sequence[HeardItem], sealed: Sequence[HeardItem]) -> list[str]:
    notes = []
    if sample and sample[0].purpose == "debug":
        notes.append("a debug sample: chosen for its doubt, so that no figure here speaks of all labels")
    if len(heard) < len(sample):
        notes.append(f"{len(sample) - len(heard)} items have no label that says which answer is better")
    if heard and not sealed:
        notes.append("no label is sealed: the calibrator has seen those by which it is measured here")
    weights = np.array([1 / (one.item.inclusion or 1.0) for one in heard])
    if weights.size and math.isfinite(weights.sum()):
        effective = float(weights.sum() ** 2 / (weights @ weights))
        if effective < 0.3 * weights.size:
            notes.append(f"unequal probabilities leave {effective:.0f} of {weights.size} labels' worth")
    return notes
