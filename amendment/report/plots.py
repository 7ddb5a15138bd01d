"""Four kinds of plots as data, each drawn as inline SVG by matplotlib: intervals, bars, curves, reliability.

A plot is 400 units wide, which a phone shows nearly as it is, and labels stand above their marks, so that long names
need no margin. The SVG has no style attributes, which the page's policy forbids: colours are classes of its style
sheet, and texts take the page's font. Not covered: what is plotted; see `judge_sections` and `run_sections`.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree

from amendment.hashing import content_id
from amendment.statistics import Estimate, estimate
from amendment.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 400
"""Units of a plot from left to right; a font of 12 is 12 of them."""
FONT, SMALL = 12, 11
INK, MUTED, GRID = "#010101", "#020202", "#030303"
SERIES = ("#0a0000", "#0b0000", "#0c0000", "#0d0000", "#0e0000")
"""Colours that only the style sheet knows: each becomes a class."""
CLASSES = {INK: "ink", MUTED: "muted", GRID: "grid", **{colour: f"s{place}" for place, colour in enumerate(SERIES)}}
MARKERS = ("o", "s", "D", "^", "v")
FEWEST_JOINED = 4
"""Points from which a line may join them: fewer show no course."""
LONGEST_LABEL = 54
"""Characters of a label that fit above its marks."""


def svg(plot: Plot) -> str:
    """Return the plot as an SVG element to put into a page."""
    import matplotlib

    buffer = io.StringIO()
    salt = content_id([plot.title, *map(list, plot.table[1])])
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "text.parse_math": False,
        "font.size": FONT,
        "text.color": INK,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "grid.color": GRID,
    }
    with matplotlib.rc_context(settings):
        plot.draw().savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(buffer.getvalue(), visible(plot.title))


@dataclass(frozen=True)
class IntervalRow:
    """A figure with its interval."""

    label: str
    estimate: Estimate
    series: str = ""


def interval_rows(figures: Iterable[tuple[str, Any]], series: str = "") -> list[IntervalRow]:
    """Return a row for each figure, by its label, that was measured, as the files hold them."""
    return [IntervalRow(label, figure, series) for label, value in figures if (figure := estimate(value))]


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Figures with their intervals below each other; rows of one label stand together."""

    title: str
    rows: Sequence[IntervalRow]
    reference: tuple[float, str] | None = None
    """A value to compare with, and what it is."""
    scale: float = 100
    """Units of the axis in one unit of the estimates; 100 for shares in percent."""
    limits: tuple[float, float] | None = None
    """Of the axis, in its units."""
    form: str = ".1f"
    unit: str = " %"

    @property
    def series(self) -> list[str]:
        return list(dict.fromkeys(row.series for row in self.rows))

    @property
    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        named = len(self.series) > 1 or self.series != [""]
        head = ("figure", *(["of"] if named else []), "value", "95 % interval", "n")
        rows = [
            (row.label, *([row.series] if named else []), self._value(row), self._interval(row), f"{row.estimate.n:,}")
            for row in self.rows
        ]
        return head, rows

    def _value(self, row: IntervalRow) -> str:
        value = row.estimate.value
        return "-" if math.isnan(value) else f"{self.scale * value:{self.form}}{self.unit}"

    def _interval(self, row: IntervalRow) -> str:
        low, high = self._bounds(row.estimate)
        return "none" if math.isnan(low) else f"{low:{self.form}} to {high:{self.form}}"

    def _bounds(self, estimate: Estimate) -> tuple[float, float]:
        """Return the interval in units of the axis, cut where the axis of a share or a difference ends by its
        nature."""
        low = self.scale * estimate.low
        high = self.scale * estimate.high
        return (
            (max(low, self.limits[0]), min(high, self.limits[1]))
            if self.limits and not math.isnan(low)
            else (low, high)
        )

    def draw(self) -> Figure:
        """Labels above, figures on the right of each row."""
        is_legend = len(self.series) > 1
        places: list[tuple[float, IntervalRow | None, str]] = []
        y, label = 30.0 if is_legend else 12.0, None
        for row in self.rows:
            if row.label != label:
                y += 8 if label is not None else 0
                places.append((y, None, row.label))
                y, label = y + 16, row.label
            places.append((y, row, ""))
            y += 18
        figure, axes = _rows(y + 2, right=262)
        for place, shown, text in places:
            if shown is None:
                axes.annotate(_short(text), (0, place), **_LEFT, va="center")
                continue
            colour = SERIES[self.series.index(shown.series) % len(SERIES)]
            low, high = self._bounds(shown.estimate)
            axes.plot([0, 1], [place, place], color=GRID, linewidth=2.5, transform=axes.get_yaxis_transform())
            if self.reference:
                axes.plot([self.scale * self.reference[0]] * 2, [place - 7, place + 7], color=INK, linewidth=1)
            if not math.isnan(low):
                axes.plot([low, high], [place, place], color=colour, linewidth=3, clip_on=False)
            marker = MARKERS[self.series.index(shown.series) % len(MARKERS)]
            axes.plot([self.scale * shown.estimate.value], [place], marker, color=colour, markersize=7, clip_on=False)
            interval = (
                ""
                if math.isnan(low)
                else f" ({self._interval(shown).replace(' to ', ' to ' if '+' in self.form else '–')})"
            )
            axes.annotate(
                f"{self._value(shown)}{interval}", (1, place), **_RIGHT, va="center", fontsize=SMALL, color=INK
            )
        if self.limits:
            axes.set_xlim(*self.limits)
        axes.grid(False)
        if is_legend:
            _legend(axes, [(name, place) for place, name in enumerate(self.series)], 8)
        axes.set_xlabel(f"line: {self.reference[1]}" if self.reference else "", fontsize=SMALL)
        return figure


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Amounts, each a bar with one part for each series."""

    title: str
    rows: Sequence[tuple[str, Mapping[str, float]]]
    what: str = "count"
    form: str = ",.0f"
    unit: str = ""

    @property
    def series(self) -> list[str]:
        return list(dict.fromkeys(name for _, parts in self.rows for name in parts))

    @property
    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        names = self.series
        rows = [
            (label, *(f"{parts[name]:{self.form}}{self.unit}" if name in parts else "-" for name in names))
            for label, parts in self.rows
        ]
        return (self.what, *(name or "count" for name in names)), rows

    def draw(self) -> Figure:
        """Labels above the bars, amounts at their ends."""
        names, is_legend = self.series, len(self.series) > 1
        top = 30.0 if is_legend else 12.0
        figure, axes = _rows(top + 38 * len(self.rows) - 4, right=300, has_axis=False)
        for number, (label, parts) in enumerate(self.rows):
            y, left = top + 38 * number, 0.0
            axes.annotate(_short(label), (0, y), **_LEFT, va="center")
            for name, value in parts.items():
                axes.barh(y + 15, value, left=left, height=11, color=SERIES[names.index(name) % len(SERIES)])
                left += value
            shown = " + ".join(
                f"{value:{self.form}}{self.unit}" for value in parts.values() if value or len(parts) == 1
            )
            axes.annotate(shown or "0", (left, y + 15), (5, 0), textcoords="offset points", va="center", fontsize=SMALL)
        axes.set_xlim(0, max((sum(parts.values()) for _, parts in self.rows), default=0) or 1)
        if is_legend:
            _legend(axes, [(name, place) for place, name in enumerate(names)], 8, marker="s")
        return figure


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure over the steps of a training, with its interval where it has one."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]
    bounds: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Panels of curves below each other over the same steps."""

    title: str
    panels: Sequence[tuple[str, Sequence[Curve]]]
    limits: Mapping[str, float] = field(default_factory=dict)
    """By panel the value that a guard allows."""

    @property
    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        rows = [
            (title if curve.name == title else f"{title}: {curve.name}", f"{step:g}", f"{value:.4g}")
            for title, curves in self.panels
            for curve in curves
            for step, value in zip(curve.steps, curve.values, strict=True)
        ]
        return ("figure", "step", "value"), rows

    def draw(self) -> Figure:
        """Return a panel for each figure."""
        from matplotlib.ticker import MaxNLocator

        height = 118 * len(self.panels) + 18
        figure = _figure(height)
        shared: Any = None
        for number, (title, curves) in enumerate(self.panels):
            bottom = height - 118 * (number + 1) + 14
            axes = figure.add_axes((44 / WIDTH, bottom / height, (WIDTH - 54) / WIDTH, 78 / height), sharex=shared)
            shared = shared or axes
            _plain_axes(axes, both=True)
            for place, curve in enumerate(curves):
                colour = SERIES[place % len(SERIES)]
                if curve.bounds:
                    lows, highs = zip(*curve.bounds, strict=True)
                    axes.fill_between(curve.steps, lows, highs, color=colour, alpha=0.2, linewidth=0)
                few = len(curve.steps) <= 25
                axes.plot(
                    curve.steps,
                    curve.values,
                    color=colour,
                    linewidth=1.8,
                    linestyle="-" if len(curve.steps) >= FEWEST_JOINED else "",
                    marker=MARKERS[place] if few else None,
                    markersize=4,
                )
            if title in self.limits:
                axes.axhline(self.limits[title], color=INK, linewidth=1, linestyle=(0, (3, 3)))
            named = [(curve.name, place) for place, curve in enumerate(curves)] if len(curves) > 1 else []
            limit = "  (dashed: limit)" if title in self.limits else ""
            axes.annotate(f"{title}{limit}", (0, 1), (-36, 11), xycoords="axes fraction", textcoords="offset points")
            if named:
                _legend(axes, named, None)
            axes.locator_params(axis="y", nbins=4)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
            axes.tick_params(labelbottom=number == len(self.panels) - 1)
        axes.set_xlabel("step", fontsize=SMALL)
        return figure


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Labels of about the same confidence."""

    confidence: float
    accuracy: Estimate
    n: int


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How often a judge is right, by how sure it is, above a histogram of its labels."""

    title: str
    series: Mapping[str, Sequence[ReliabilityBin]]
    HEAD: ClassVar = ("probabilities", "confidence", "right", "95 % interval", "labels")

    @property
    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        rows = []
        for name, bins in self.series.items():
            for row in bins:
                right = row.accuracy
                interval = "none" if math.isnan(right.low) else f"{100 * right.low:.1f} to {100 * right.high:.1f}"
                rows.append((name, f"{row.confidence:.2f}", f"{100 * right.value:.1f} %", interval, f"{row.n:,}"))
        return self.HEAD, rows

    def draw(self) -> Figure:
        """Return the diagram and the histogram share their axis."""
        height = 330
        figure = _figure(height)
        axes = figure.add_axes((48 / WIDTH, 108 / height, (WIDTH - 60) / WIDTH, 196 / height))
        below = figure.add_axes((48 / WIDTH, 38 / height, (WIDTH - 60) / WIDTH, 52 / height), sharex=axes)
        for part in (axes, below):
            _plain_axes(part, both=True)
        axes.plot([50, 100], [50, 100], color=INK, linewidth=1, linestyle=(0, (3, 3)))
        for place, (name, bins) in enumerate(self.series.items()):
            colour = SERIES[place]
            for row in bins:
                x = 100 * row.confidence
                if not math.isnan(row.accuracy.low):
                    axes.plot([x, x], [100 * row.accuracy.low, 100 * row.accuracy.high], color=colour, linewidth=1.5)
            axes.plot(
                [100 * row.confidence for row in bins],
                [100 * row.accuracy.value for row in bins],
                color=colour,
                marker=MARKERS[place],
                markersize=5.5,
                linewidth=1,
            )
            below.plot(
                [100 * row.confidence for row in bins],
                [row.n for row in bins],
                MARKERS[place],
                color=colour,
                markersize=4,
            )
            below.vlines([100 * row.confidence for row in bins], 0, [row.n for row in bins], color=colour, linewidth=3)
            del name
        axes.set_xlim(48, 102)
        below.set_ylim(0, None)
        below.locator_params(axis="y", nbins=3)
        axes.tick_params(labelbottom=False)
        axes.annotate("right, %", (0, 1), (-40, 12), xycoords="axes fraction", textcoords="offset points")
        below.annotate("labels", (0, 1), (-40, 5), xycoords="axes fraction", textcoords="offset points", fontsize=SMALL)
        below.set_xlabel("confidence of the judge, % (dashed: right as often as sure)", fontsize=SMALL)
        if len(self.series) > 1:
            _legend(axes, [(name, place) for place, name in enumerate(self.series)], None)
        return figure


Plot = Intervals | Bars | Curves | Reliability
"""Something to draw, with its data as a table: head and rows."""

# Shared by all.

_IN_AXES: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
_LEFT: dict[str, Any] = {**_IN_AXES, "xytext": (-4, 0), "textcoords": "offset points"}
_RIGHT: dict[str, Any] = {**_IN_AXES, "xytext": (10, 0), "textcoords": "offset points"}


def _figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH / 72, height / 72))


def _rows(height: float, *, right: float, has_axis: bool = True) -> tuple[Figure, Axes]:
    """Axes whose y counts units from the top down, up to `right` units wide."""
    axis = 30 if has_axis else 2
    figure = _figure(height + axis)
    axes = figure.add_axes((4 / WIDTH, axis / (height + axis), (right - 4) / WIDTH, height / (height + axis)))
    axes.set_ylim(height, 0)
    _plain_axes(axes)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    if not has_axis:
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    return figure, axes


def _plain_axes(axes: Axes, *, both: bool = False) -> None:
    """No frame but the axis, and a light grid."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, pad=4)
    axes.grid(True, axis="both" if both else "x", linewidth=0.8)
    axes.set_axisbelow(True)


def _legend(axes: Axes, names: Sequence[tuple[str, int]], y: float | None, *, marker: str | None = None) -> None:
    """Names with their marks, side by side at y, or above axes of their own where y is None; matplotlib's own legend
    measures its font, and the page has another."""
    from matplotlib.lines import Line2D

    x = 4.0 if y is not None else 150.0
    figure = axes.get_figure(root=True)
    assert figure is not None
    height = figure.get_figheight() * 72
    top = (height - y) if y is not None else axes.get_position().y1 * height + 15
    for name, place in names:
        figure.add_artist(
            Line2D([x / WIDTH], [top / height], marker=marker or MARKERS[place], color=SERIES[place], markersize=6)
        )
        text = _short(name, 24)
        figure.text((x + 8) / WIDTH, top / height, text, va="center", fontsize=SMALL)
        x += 24 + 6.2 * len(text)


def _short(text: str, longest: int = LONGEST_LABEL) -> str:
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


# From matplotlib's SVG to a page's.

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_KEPT = (
    *("stroke-width", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-opacity"),
    *("opacity", "fill-opacity", "fill-rule", "text-anchor", "font-size"),
)


def _for_page(text: str, title: str) -> str:
    """Return the SVG with classes for colours, attributes for style, and no ids but those that it refers to."""
    root = ElementTree.fromstring(text)  # noqa: S314 - written by matplotlib a moment ago
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    for element in root.iter():
        _restyle(element)
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        if (href := element.attrib.pop(f"{{{_XLINK}}}href", None)) is not None:
            element.set("href", href)
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": title})
    return ElementTree.tostring(root, encoding="unicode")


def _restyle(element: ElementTree.Element) -> None:
    """Turns a style attribute into classes and attributes."""
    classes = []
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if not value:
            continue
        if name in ("fill", "stroke"):
            if value in CLASSES:
                classes.append(f"{'f' if name == 'fill' else 'k'}-{CLASSES[value]}")
            else:
                element.set(name, value)
        elif name == "font":
            if size := re.search(r"([\d.]{1,20})px", value):
                element.set("font-size", size[1])
        elif name in _KEPT:
            element.set(name, value)
    if classes:
        element.set("class", " ".join(classes))
