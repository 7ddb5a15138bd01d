"""A spot check in words and tables: a section of the certificate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from amendment.audit.figures import loss, number, percent, points
from amendment.audit.gates import Gate
from amendment.calibration.calibrating import Calibration
from amendment.calibration.gate import GATE_RULES
from amendment.calibration.reliability import hard_line, reliability_lines
from amendment.calibration.spot_check import SpotCheck
from amendment.markdown import cell, table
from amendment.statistics import Estimate
from amendment.statistics.calibration_errors import CalibrationReport

__all__ = ["gate_lines", "preview_lines", "spot_check_json", "spot_check_lines"]

HEADING = ["P(label is right)", "Brier", "log loss", "ECE", "ECE of a perfect judge"]
GATE = "Only these checks of the certificate can stop training."
MERGED = (
    "Items of each principle, of how sure the judge is (|2P - 1| below 0.5, below 0.8, above), of its two orders, and "
    "of thirds of the length ratio; `any` stands where strata were too small to be kept apart."
)
FEWEST = 10
"""Labels that a row of the table of strata needs."""


def spot_check_lines(found: SpotCheck) -> list[str]:
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
        *_errors(found),
        *_strata(found),
        *(f"- {note}." for note in found.notes),
        *([""] if found.notes else []),
    ]


def gate_lines(gates: Sequence[Gate]) -> list[str]:
    """The gate between judge and training, a line each, without line ends."""
    rows = [[cell(gate.judge), gate.check, gate.outcome, gate.found] for gate in gates]
    rules = [f"- {check}: {GATE_RULES[check]}." for check in dict.fromkeys(gate.check for gate in gates)]
    return ["## Gate before training", "", GATE, "", *table([["of", "check", "outcome", "found"], *rows]), "", *rules]


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


def _errors(found: SpotCheck) -> Iterator[str]:
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


def _strata(found: SpotCheck) -> Iterator[str]:
    shown = [one for one in found.strata if one.labelled >= FEWEST]
    if len(shown) > 1:
        rows = [[cell(one.name), str(one.items), str(one.labelled), percent(one.agreement)] for one in shown]
        yield from table([["items", "in the sample", "labelled", "the judge's labels agree"], *rows])
        yield from ("", MERGED, "")


def spot_check_json(found: SpotCheck) -> dict[str, Any]:
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
