"""The reliability diagram: as lines of text, and as a small drawing for the readable certificate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from amendment.audit.figures import loss, percent
from amendment.statistics.calibration_errors import CalibrationReport, ReliabilityRow

__all__ = ["hard_line", "reliability_lines", "reliability_svg"]

SIDE, LEFT, TOP, FOOT = 220, 46, 12, 40
"""Of the drawing, in its own units: the square, and the room around it."""
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


def reliability_svg(report: CalibrationReport, *, title: str = "Reliability") -> str:
    """One `<svg>` element, without a script or an outside resource; its colour is that of the text around it.

    Across: the judge's confidence from one half to 1; up: the share of labels on its side. A dot per bin, its area by
    the number of labels, its line the interval; the dashed diagonal is a calibrated judge.
    """
    width, height = LEFT + SIDE + 14, TOP + SIDE + FOOT
    told = f"{title}: {' '.join(_in_words(report))}"
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" fill="none" stroke="currentColor" font-family="sans-serif" font-size="11">',
            f"<title>{escape(title)}</title><desc>{escape(told)}</desc>",
            *_axes(),
            *(_dot(row, report.n) for row in report.bins),
            "</svg>",
        )
    )


def _in_words(report: CalibrationReport) -> Iterator[str]:
    for row in report.bins:
        yield f"at confidence {row.confidence:.2f} right in {row.accuracy.value:.2f} of {row.n} labels;"


def _axes() -> Iterator[str]:
    yield f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" opacity="0.4"/>'
    yield f'<path d="M{_x(0.5):.1f} {_y(0.5):.1f}L{_x(1):.1f} {_y(1):.1f}" stroke-dasharray="4 4" opacity="0.6"/>'
    for mark in (0.5, 0.75, 1.0):
        yield _text(_x(mark), TOP + SIDE + 14, f"{mark:g}", "middle")
    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield _text(LEFT - 6, _y(mark) + 4, f"{mark:g}", "end")
    yield _text(LEFT + SIDE / 2, TOP + SIDE + 32, "how sure the judge is", "middle")
    x, y = 12, TOP + SIDE / 2
    yield _text(x, y, "how often it is right", "middle", f' transform="rotate(-90 {x} {y:.0f})"')


def _text(x: float, y: float, text: str, anchor: str, turned: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="currentColor" stroke="none"{turned}>{escape(text)}</text>'


def _dot(row: ReliabilityRow, n: int) -> str:
    x, radius = _x(row.confidence), 2 + 5 * math.sqrt(row.n / n)
    low, high = _y(row.accuracy.low), _y(row.accuracy.high)
    told = f"{row.confidence:.2f}: {row.accuracy.value:.2f} ({row.accuracy.low:.2f} to {row.accuracy.high:.2f})"
    return (
        f"<g><title>{escape(told)}, n {row.n}</title>"
        f'<path d="M{x:.1f} {low:.1f}L{x:.1f} {high:.1f}" opacity="0.6"/>'
        f'<circle cx="{x:.1f}" cy="{_y(row.accuracy.value):.1f}" r="{radius:.1f}" fill="currentColor" stroke="none"/>'
        "</g>"
    )


def _x(confidence: float) -> float:
    return LEFT + SIDE * (confidence - 0.5) * 2


def _y(accuracy: float) -> float:
    return TOP + SIDE * (1 - accuracy)
