"""The report of a spot check on the exported labels, from a sample with known probabilities.

Covered: agreement with people, compared with the agreement among people, the share of exported labels that people would
give too (corrected by prediction), calibration, and the gate; as values, as JSON and as lines of Markdown. Figures of
the certificate rest on sealed labels, which nothing else has seen, where there are any.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from amendment.audit.figures import Section, loss, number, percent, points
from amendment.audit.gates import Gate
from amendment.errors import DataError
from amendment.people.calibrating import FittedCalibration
from amendment.people.people_gate import (
    GATE_RULES,
    agreement_with_people,
    judge_against_people,
    orders_gate,
    people_gate,
    worst,
)
from amendment.people.samples import AskedOf, ExportedProbability, LabelledItem, SampledItem, labelled_items
from amendment.preference.aggregate import person_votes
from amendment.records import Verdict
from amendment.statistics import Estimate
from amendment.statistics.beside import Beside
from amendment.statistics.calibration_errors import CalibrationReport, calibration_report
from amendment.statistics.intervals import json_values
from amendment.statistics.sampling import UNEVEN, PowerTuned, effective_rows, prediction_powered, weighted_mean
from amendment.statistics.sides import read_side
from amendment.text import table

KEY = "spot_check"
"""Under which a certificate has the report."""
UNKNOWN = AskedOf("not on record", "not on record", None)
FEWEST_IN_ROW = 10
"""Labels that a row of the table of strata needs."""


class Stratum(NamedTuple):
    """Agreement on the items that share a part of their stratum, by the labels that the figures rest on."""

    name: str
    items: int
    labelled: int
    agreement: Estimate


@dataclass(frozen=True)
class PeopleReport:
    """The judge's labels measured against people's."""

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


def orders_disagree(sample: Sequence[SampledItem]) -> Estimate:
    """Return the share of the exported comparisons on which the judge's two displayed orders disagree."""
    in_both_orders = [item for item in sample if item.consistent is not None]
    return weighted_mean(
        [not item.consistent for item in in_both_orders],
        [item.inclusion for item in in_both_orders],
        [item.prompt_id for item in in_both_orders],
    )


def spot_check_report(
    sample: Sequence[SampledItem],
    labels: Sequence[Verdict],
    exported: Mapping[str, ExportedProbability],
    *,
    max_gap: float = 0.05,
    asked: AskedOf = UNKNOWN,
    opened: int = 0,
    seed: int = 0,
) -> PeopleReport:
    """Build the report of a sample and its labels.

    `exported` are all comparisons from which the sample was drawn, by comparison id; `max_gap` is how far agreement
    with people may lie below that of two people.
    """
    labelled = labelled_items(sample, person_votes(labels))
    sealed = [item for item in labelled if item.item.is_sealed]
    used = sealed or labelled
    agreement = agreement_with_people(used)
    beside = judge_against_people(used)
    disagree = orders_disagree(sample)
    notes, accuracy, raw, calibrated = list(_notes(sample, labelled, sealed)), None, None, None
    if used:
        try:
            accuracy = _accuracy(used, exported)
        except DataError as refused:
            notes.append(f"not corrected by prediction: {refused}")
        raw = _errors(used, [item.item.p_a for item in used], seed)
        probabilities = [row.p_a_calibrated for item in used if (row := exported.get(item.item.comparison_id))]
        p_calibrated = [p for p in probabilities if p is not None]
        calibrated = _errors(used, p_calibrated, seed) if len(p_calibrated) == len(used) else None
    return PeopleReport(
        population=len(exported),
        items=len(sample),
        labelled=len(labelled),
        sealed=len(sealed),
        opened=opened,
        basis="sealed" if sealed else "all",
        agreement=agreement,
        beside=beside,
        orders_disagree=disagree,
        accuracy=accuracy,
        raw=raw,
        calibrated=calibrated,
        strata=tuple(_strata(sample, used)),
        gates=(people_gate(agreement, beside, max_gap), orders_gate(disagree)),
        notes=tuple(notes),
        asked=asked,
    )


def _accuracy(used: Sequence[LabelledItem], exported: Mapping[str, ExportedProbability]) -> PowerTuned:
    """Estimate accuracy: the judge's own P of its side over all that is exported, corrected by people."""
    asked = {labelled.item.comparison_id for labelled in used}
    others = [row for name, row in exported.items() if name not in asked]
    return prediction_powered(
        [labelled.p_people if read_side(labelled.item.p_a) >= 0 else 1 - labelled.p_people for labelled in used],
        [max(labelled.item.p_a, 1 - labelled.item.p_a) for labelled in used],
        [max(row.p_a_raw, 1 - row.p_a_raw) for row in others],
        clusters=[labelled.item.prompt_id for labelled in used],
        unlabelled_clusters=[row.prompt_id for row in others],
        weights=_weights(used),
    )


def _errors(used: Sequence[LabelledItem], p: Sequence[float], seed: int) -> CalibrationReport:
    people = [labelled.p_people for labelled in used]
    prompts = [labelled.item.prompt_id for labelled in used]
    return calibration_report(p, people, weights=_weights(used), clusters=prompts, seed=seed)


def _weights(used: Sequence[LabelledItem]) -> list[float]:
    return [1 / labelled.item.inclusion for labelled in used]


def _strata(sample: Sequence[SampledItem], used: Sequence[LabelledItem]) -> Iterator[Stratum]:
    """Report the items that share one part of their stratum, such as a principle: whole strata are small."""
    sizes = Counter(part for item in sample for part in item.stratum.split(" / "))
    by_part: dict[str, list[LabelledItem]] = defaultdict(list)
    for labelled in used:
        for part in labelled.item.stratum.split(" / "):
            by_part[part].append(labelled)
    for name in sorted(sizes):
        yield Stratum(name, sizes[name], len(by_part[name]), agreement_with_people(by_part[name]))


def _notes(
    sample: Sequence[SampledItem], labelled: Sequence[LabelledItem], sealed: Sequence[LabelledItem]
) -> Iterator[str]:
    if len(labelled) < len(sample):
        yield f"{len(sample) - len(labelled)} items have no label that says which answer is better"
    if labelled and not sealed:
        yield "no label is sealed: the calibrator has seen those by which it is measured here"
    effective = effective_rows(_weights(labelled))
    if effective < UNEVEN * len(labelled):
        yield f"with unequal probabilities, {len(labelled)} labels are worth {effective:.0f}"


# As JSON.


def report_json(report: PeopleReport) -> dict[str, Any]:
    """Return JSON values; numbers that are not finite become null."""
    values: dict[str, Any] = json_values(report)
    return values


def certificate_part(report: PeopleReport, gates: Sequence[Gate]) -> dict[str, Any]:
    """Return the report and the gate as a certificate's document has them."""
    checks = [{"judge": gate.judge, "check": gate.check, "outcome": gate.outcome} for gate in gates]
    return {KEY: report_json(report), "gate": {"outcome": worst([gate.outcome for gate in gates]), "checks": checks}}


def certified_part(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report and gate of a certificate's document. Raises KeyError and TypeError where it has none."""
    return dict(document[KEY]), dict(document["gate"])


# As tables, and as lines of Markdown without line ends.

HEADING = "P(label is right)", "Brier", "log loss", "ECE", "ECE of a perfect judge"


def gate_section(gates: Sequence[Gate]) -> Section:
    """Describe the gate between judge and training."""
    rows = tuple((gate.judge, gate.check, gate.outcome, gate.found) for gate in gates)
    rules = tuple(f"{check}: {GATE_RULES[check]}" for check in dict.fromkeys(gate.check for gate in gates))
    return Section("Gate before training", rules, ("of", "check", "outcome", "found"), rows)


def people_sections(report: PeopleReport) -> list[Section]:
    """Describe the spot check, what judge and people were asked, and agreement by stratum."""
    times = "once" if report.opened == 1 else f"{report.opened} times"
    basis = (
        "the figures rest on all of these labels"
        if report.basis == "all"
        else f"the figures rest on {report.sealed} sealed items, whose labels no calibrator, jury or amendment has "
        f"seen; the seal was opened {times} so far: each different certificate and each export of sealed labels counts "
        "as an opening"
    )
    notes = [
        f"{report.items} of {report.population} exported comparisons were drawn with known probability; people gave a "
        f"verdict on {report.labelled}; {basis}",
        *report.notes,
    ]
    if report.asked.same is False:
        notes.append("judge and people were asked different questions: the figures also measure how far these differ")
    elif report.asked.same is None:
        notes.append("nobody knows whether judge and people were asked the same: the judge's question is not on record")
    if report.raw:
        notes.append(hard_line(report.raw) if report.raw.is_hard else reliability_line(report.calibrated or report.raw))
    asked = (("the judge", report.asked.judge), ("people", report.asked.people))
    sections = [
        Section("Spot check", tuple(notes), ("figure", "value"), tuple(_figures(report))),
        Section("Spot check: what was asked", (), ("of", "question"), asked),
    ]
    strata = [row for row in report.strata if row.labelled >= FEWEST_IN_ROW]
    if len(strata) > 1:
        about = (
            "items of each principle, of how sure the judge is (|2P - 1| below 0.5, below 0.8, above), of its two "
            "orders, and of thirds of the length ratio; `any` where strata were too small to be kept apart"
        )
        rows = tuple((row.name, str(row.items), str(row.labelled), percent(row.agreement)) for row in strata)
        head = ("items", "in the sample", "labelled", "the judge's labels agree")
        sections.append(Section("Spot check: strata", (about,), head, rows))
    return sections


def _figures(report: PeopleReport) -> Iterator[tuple[str, str]]:
    yield "the judge's labels agree with a person", percent(report.agreement)
    yield "the judge's two orders disagree", percent(report.orders_disagree)
    judge, people, gap = (shown.estimate(0.95) for shown in report.beside[:3])
    if gap.n:
        yield f"the same on {gap.n} items with two people", percent(judge)
        yield "two people with each other", percent(people)
        yield "gap between the two, points", points(gap)
    if accuracy := report.accuracy:
        yield "exported labels that people would give too, by PPI++", percent(accuracy.estimate)
        yield "the same from people alone", percent(accuracy.people_alone)
        yield "lambda: how much the judge's own P helps", number(accuracy.lam)
        yield "labels needed without the judge, as a multiple of those given", number(accuracy.labels_saved)


def preview_lines(agreement: Estimate, calibration: FittedCalibration | None, refused: str) -> list[str]:
    """Describe the open labels while others are missing or sealed; `refused` says why they cannot be calibrated."""
    figures = [["figure", "value"], ["the judge's labels agree with a person", percent(agreement)]]
    lines = ["# Preview", "", "By open labels alone: sealed ones wait for the certificate.", "", *table(figures), ""]
    if not calibration:
        return [*lines, f"No calibration: {refused}."]
    rows = [("raw", calibration.before), ("calibrated, cross-fitted", calibration.after)]
    errors = [hard_line(calibration.before)] if calibration.before.is_hard else table([HEADING, *map(_row, rows)])
    return [*lines, *errors, "", *map("- {}.".format, calibration.warnings)]


def _row(named: tuple[str, CalibrationReport]) -> tuple[str, ...]:
    name, report = named
    null = report.ece_if_perfect
    perfect = number(null.mean, ".3f", f" (5 to 95 %: {null.low:.3f} to {null.high:.3f})")
    return name, loss(report.brier), loss(report.log_loss), loss(report.ece), perfect


def hard_line(raw: CalibrationReport) -> str:
    """Describe a judge without probabilities, instead of a table of bins. `raw` is the report of its verdicts."""
    return (
        f"The judge gives verdicts without probabilities: it is right in {percent(raw.accuracy)} of {raw.n} labels. "
        "There is no table of reliability."
    )


def reliability_line(report: CalibrationReport) -> str:
    """Return whether the judge is as often right as it is sure."""
    confidence = report.confidence.value
    right = report.accuracy.value
    if not report.shows_miscalibration:
        return "These labels show no miscalibration: the ECE is what chance alone explains."
    return (
        f"{'Over' if confidence > right else 'Under'}confident: mean confidence {confidence:.2f}, right in {right:.2f}."
    )
