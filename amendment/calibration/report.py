"""What a spot check says of the labels that are exported: one report, from a sample with known probabilities.

Covered: agreement with people, the same beside the agreement of people, the share of exported labels that people would
give too (corrected by prediction), calibration, and the gate. Figures of the certificate rest on sealed labels, which
nothing else has seen, where there are any; a debug sample is described and estimates nothing.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, NamedTuple

from amendment.audit.figures import loss, number, percent, points
from amendment.audit.gates import Gate
from amendment.calibration.calibrating import Calibration
from amendment.calibration.gate import (
    GATE_RULES,
    Beside,
    agreement_with_people,
    beside_people,
    orders_gate,
    people_gate,
    worst,
)
from amendment.calibration.samples import AskedOf, HeardItem, Purpose, SampledItem, heard_items
from amendment.errors import DataError
from amendment.markdown import cell, table
from amendment.preference import person_votes
from amendment.records import Verdict
from amendment.statistics import Estimate
from amendment.statistics.calibration_errors import CalibrationReport, ReliabilityRow, calibration_report
from amendment.statistics.prediction_powered import PowerTuned, prediction_powered
from amendment.statistics.sampling import UNEVEN, effective_rows, weighted_mean
from amendment.statistics.sides import side_of

__all__ = [
    "ExportedP",
    "SpotCheck",
    "Stratum",
    "certificate_part",
    "certified_lines",
    "certified_part",
    "hard_line",
    "preview_lines",
    "report_json",
    "report_lines",
    "spot_check_report",
]

KEY = "spot_check"
"""Under which a certificate has the report."""

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


def spot_check_report(
    sample: Sequence[SampledItem],
    labels: Sequence[Verdict],
    exported: Mapping[str, ExportedP],
    *,
    max_gap: float = 0.05,
    asked: AskedOf = UNKNOWN,
    opened: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> SpotCheck:
    """The report of a sample and its labels.

    `exported` are all comparisons from which the sample was drawn, by comparison id; `max_gap` is how far agreement
    with people may lie below that of two people.
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
            people_gate(agreement, beside, max_gap, purpose),
            orders_gate(disagree, purpose),
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


HEADING = ["P(label is right)", "Brier", "log loss", "ECE", "ECE of a perfect judge"]
GATE = "Only these checks of the certificate can stop training."
MERGED = (
    "Items of each principle, of how sure the judge is (|2P - 1| below 0.5, below 0.8, above), of its two orders, and "
    "of thirds of the length ratio; `any` stands where strata were too small to be kept apart."
)
FEWEST_IN_ROW = 10
"""Labels that a row of the table of strata needs."""


def report_lines(found: SpotCheck) -> list[str]:
    """The section, a line each, without line ends."""
    return [
        "## Spot check",
        "",
        _opening(found),
        "",
        *_asked(found),
        "",
        *table([["figure", "value"], *_figures(found)]),
        "",
        *_intervals(found),
        *_errors_lines(found),
        *_strata_lines(found),
        *(f"- {note}." for note in found.notes),
        *([""] if found.notes else []),
    ]


def certified_lines(report: SpotCheck, gates: Sequence[Gate]) -> list[str]:
    """The report and the gate between judge and training, a line each, without line ends."""
    rows = [[cell(gate.judge), gate.check, gate.outcome, gate.found] for gate in gates]
    rules = [f"- {check}: {GATE_RULES[check]}." for check in dict.fromkeys(gate.check for gate in gates)]
    checks = [GATE, "", *table([["of", "check", "outcome", "found"], *rows]), "", *rules]
    return [*report_lines(report), "", "## Gate before training", "", *checks]


def preview_lines(agreement: Estimate, found: Calibration | None, refused: str) -> list[str]:
    """What open labels say while others are missing or sealed; `refused` says why they carry no calibration."""
    lines = ["# Preview", "", "By open labels alone: sealed ones wait for the certificate.", ""]
    figures = [["figure", "value"], ["the judge's labels agree with a person", percent(agreement)]]
    if not found:
        return [*lines, *table(figures), "", f"No calibration: {refused}."]
    if found.before.is_hard:
        return [*lines, *table(figures), "", hard_line(found.before), "", *map("- {}.".format, found.warnings)]
    rows = [("raw", found.before), ("calibrated, cross-fitted", found.after)]
    return [*lines, *table(figures), "", *table([HEADING, *map(_row, rows)]), "", *map("- {}.".format, found.warnings)]


def _opening(found: SpotCheck) -> str:
    drawn = (
        f"{found.items} of {found.population} exported comparisons were drawn with known probability"
        if found.purpose == "estimate"
        else f"The {found.items} most doubtful of {found.population} exported comparisons were chosen"
    )
    said = f"{drawn}; people could say something about {found.labelled}."
    if found.basis == "all":
        return f"{said} The figures rest on all of these labels."
    times = "once" if found.opened == 1 else f"{found.opened} times"
    return (
        f"{said} The figures rest on {found.sealed} sealed items, whose labels no calibrator, jury or amendment has "
        f"seen; the seal was opened {times} so far: it counts different certificates, and exports of the labels."
    )


def _asked(found: SpotCheck) -> Iterator[str]:
    yield f"- The judge was asked: {found.asked.judge}."
    yield f"- People were asked: {found.asked.people}."
    if not found.asked.same:
        yield "- These questions differ: the figures below also measure how far their answers differ."


def _figures(found: SpotCheck) -> Iterator[list[str]]:
    yield ["the judge's labels agree with a person", percent(found.agreement)]
    yield ["the judge's two orders disagree", percent(found.orders_disagree)]
    beside = found.beside
    if beside.items:
        yield [f"the same on {beside.items} items with two people", f"{100 * beside.judge:.1f} %"]
        yield ["two people with each other", percent(beside.people)]
        yield ["gap between the two, points", points(beside.difference)]
    if found.accuracy:
        told = found.accuracy
        yield ["exported labels that people would give too, by PPI++", percent(told.estimate)]
        yield ["the same from people alone", percent(told.people_alone)]
        yield ["lambda: how much the judge's own P helps", number(told.lam)]
        yield ["people alone would need so many times as many labels of theirs", number(told.labels_saved)]


def _intervals(found: SpotCheck) -> Iterator[str]:
    if found.purpose == "estimate":
        yield (
            "Items weigh 1 / their probability of being drawn, and intervals are clustered by prompt (shares: Wilson's "
            "with the clustered error; the difference: Student's t; Brier, log loss and ECE: a bootstrap). A star "
            "marks a figure with a note in the JSON, such as few prompts. The table of agreement above counts every "
            "labelled item once, for each judge separately."
        )
        yield ""


def _errors_lines(found: SpotCheck) -> Iterator[str]:
    if found.raw and found.raw.is_hard:
        yield from (hard_line(found.raw), "")
        return
    reports = [(name, one) for name, one in (("raw", found.raw), ("calibrated", found.calibrated)) if one]
    if not reports:
        return
    yield from table([HEADING, *map(_row, reports)])
    yield ""
    yield from ("```text", *reliability_lines(reports[-1][1]), "```", "")


def _row(named: tuple[str, CalibrationReport]) -> list[str]:
    name, one = named
    null = one.ece_if_perfect
    perfect = number(null.mean, ".3f", f" (5 to 95 %: {null.low:.3f} to {null.high:.3f})")
    return [name, loss(one.brier), loss(one.log_loss), loss(one.ece), perfect]


def _strata_lines(found: SpotCheck) -> Iterator[str]:
    shown = [one for one in found.strata if one.labelled >= FEWEST_IN_ROW]
    if len(shown) > 1:
        rows = [[cell(one.name), str(one.items), str(one.labelled), percent(one.agreement)] for one in shown]
        yield from table([["items", "in the sample", "labelled", "the judge's labels agree"], *rows])
        yield from ("", MERGED, "")


def certificate_part(report: SpotCheck, gates: Sequence[Gate]) -> dict[str, Any]:
    """The report and the gate as a certificate's document has them."""
    checks = [{"judge": gate.judge, "check": gate.check, "outcome": gate.outcome} for gate in gates]
    return {KEY: report_json(report), "gate": {"outcome": worst([gate.outcome for gate in gates]), "checks": checks}}


def certified_part(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report and gate of a certificate's document. Raises KeyError and TypeError where it has none."""
    return dict(document[KEY]), dict(document["gate"])


def report_json(found: SpotCheck) -> dict[str, Any]:
    """As JSON values; what is not finite becomes null."""
    told = _json(found)
    assert isinstance(told, dict)
    return told


def _json(value: Any) -> Any:
    if isinstance(value, Estimate):
        return value.to_json()
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _json(one) for name, one in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


BAR = 20
"""Characters for accuracies from 0 to 1."""


def hard_line(raw: CalibrationReport) -> str:
    """What is said of a judge without probabilities in place of a diagram. `raw` is the report of its own verdicts."""
    return (
        f"The judge gives verdicts without probabilities: it is right in {percent(raw.accuracy)} of {raw.n} labels. "
        "There is no reliability diagram."
    )


def reliability_lines(report: CalibrationReport) -> list[str]:
    """A table in plain text: of each bin how sure the judge is, how often it is right, and the interval."""
    head = f"{'confidence':>10}  {'right':>6}  {'95 %':>13}  {'n':>5}  0{' ' * (BAR - 2)}1"
    if not report.bins:
        return [head]
    return [head, *(_line(row) for row in report.bins), *_feet(report)]


def _line(row: ReliabilityRow) -> str:
    accuracy = row.accuracy
    between = f"{accuracy.low:.2f} to {accuracy.high:.2f}"
    return f"{row.confidence:>10.2f}  {accuracy.value:>6.2f}  {between:>13}  {row.n:>5}  {_bar(row)}"


def _bar(row: ReliabilityRow) -> str:
    """The accuracy as `#`, and `|` where it would be of a calibrated judge."""
    marks = ["#" if place < round(row.accuracy.value * BAR) else "." for place in range(BAR)]
    marks[min(BAR - 1, round(row.confidence * BAR))] = "|"
    return "".join(marks)


def _feet(report: CalibrationReport) -> Iterator[str]:
    perfect = report.ece_if_perfect
    yield (
        f"ECE {loss(report.ece)}; a perfectly calibrated judge would show {perfect.mean:.3f} "
        f"({perfect.low:.3f} to {perfect.high:.3f} in nine of ten) on {report.n} labels"
    )
    if not report.shows_miscalibration:
        yield "These labels show no miscalibration: the ECE is what chance alone explains."
    elif report.confidence.value > report.accuracy.value:
        yield f"Surer than right: confidence {report.confidence.value:.2f}, right {report.accuracy.value:.2f}."
    else:
        yield f"Less sure than right: confidence {report.confidence.value:.2f}, right {report.accuracy.value:.2f}."
