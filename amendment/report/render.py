"""Results in words: Markdown for summaries and cards, tables for the page, a line for the terminal. JSON is `to_json`.

All three are made of the same lines and tables, so that a figure reads alike everywhere. Nothing here knows a stage.
Promised: no text of a user or a model is Markdown, HTML or a terminal's command.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from amendment.report.document import DataTable
from amendment.results import Estimate, Figure, Funnel, Result, Table, Value
from amendment.text import SPECIAL, cell, plain, table

LONGEST_LINE = 2000
"""Characters of a line; what to do is at the end of a note."""
MOST_ROWS = 50
"""Rows of a table in Markdown."""
FORMS = {"share": (100, ".1f", " %"), "points": (100, "+.1f", " points"), "change": (1, "+.3f", "")}
"""By unit the factor, the format and what follows the number."""


def markdown(result: Result) -> list[str]:
    """Return the result as the lines of a section, which read well in a terminal too."""
    lines = [f"- {_escaped(name)}: {_escaped(value)}" for name, value in make_lines(result)]
    lines += [f"- note: {_escaped(note)}" for note in result.notes]
    for shown in make_tables(result):
        rows = [shown.head, *shown.rows[:MOST_ROWS]]
        lines += ["", f"{_escaped(shown.title)}:", "", *table([[cell(text) for text in row] for row in rows])]
        if len(shown.rows) > MOST_ROWS:
            lines += ["", f"{len(shown.rows) - MOST_ROWS:,} more rows are in summary.json."]
        lines += [line for note in shown.notes for line in ("", _escaped(note))]
    return lines


def page_tables(result: Result, title: str) -> list[DataTable]:
    """Return the result as tables of the page, whose template escapes them."""
    rows = [*make_lines(result), *(("note", note) for note in result.notes)]
    first = [DataTable(("figure", "value"), rows, title)] if rows else []
    return first + make_tables(result)


def terminal_line(totals: Mapping[str, Value]) -> str:
    """Counts and outcomes by name, in a line."""
    return ", ".join(f"{plain(words(name))} {plain(value_shown(value))}" for name, value in totals.items())


def make_lines(result: Result) -> list[tuple[str, str]]:
    """Return what needs a line and no table, by its name: figures without a label, figures of one label, whole
    funnels."""
    lines = [(funnel.what, f"{funnel.remained:,}") for funnel in result.funnels if not funnel.left_out]
    for labels, figures in _by_labels(result.figures).items():
        if not labels:
            lines += [(words(figure.name), value_shown(figure.value, figure.unit)) for figure in figures]
        elif _is_line(labels, figures):
            shown = (f"{figure.of[labels[0]]} {value_shown(figure.value, figure.unit)}" for figure in figures)
            lines.append((words(figures[0].name), ", ".join(shown)))
    return lines


def make_tables(result: Result) -> list[DataTable]:
    """Return what needs a table: funnels, figures with several labels or names, tables, samples."""
    tables = [funnel_table(funnel) for funnel in result.funnels if funnel.left_out]
    for labels, figures in _by_labels(result.figures).items():
        if labels and not _is_line(labels, figures):
            tables.append(_figures_table(labels, figures))
    return tables + [_as_shown(table) for table in (*result.tables, *result.samples)]


def funnel_table(funnel: Funnel) -> DataTable:
    """After each reason how many are left."""
    left = funnel.came_in
    rows = [("before", "", f"{left:,}")]
    for reason, count in funnel.left_out.items():
        left -= count
        rows.append((reason, f"{count:,}", f"{left:,}"))
    return DataTable((funnel.what, "left out", "left"), rows, f"What became of the {funnel.what}")


def words(name: str) -> str:
    """Return a name of a figure as a reader sees it."""
    return name.replace("_", " ")


def value_shown(value: Value | None, unit: str = "") -> str:
    """Return a value with as many digits as matter, and its interval: 81.0 % (76.0 to 85.0; n = 412)."""
    factor, form, suffix = FORMS.get(unit, (1, ".3f", f" {unit}" if unit else ""))
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if not isinstance(value, Estimate):
        form = form if unit in FORMS else ",d" if isinstance(value, int) else ".4g"
        return f"{factor * value:{form}}{suffix}"
    if math.isnan(value.value):
        return "not measured" + (f": {value.note}" if value.note else "")
    bounds = f"{factor * value.low:{form}} to {factor * value.high:{form}}"
    if math.isnan(value.low):
        bounds = "no interval"
    return f"{factor * value.value:{form}}{suffix} ({bounds}; n = {value.n:,})"


def _by_labels(figures: Sequence[Figure]) -> dict[tuple[str, ...], list[Figure]]:
    """Figures that are about the same kind of thing, in the order of the first of each kind."""
    groups: dict[tuple[str, ...], list[Figure]] = {}
    for figure in figures:
        groups.setdefault(tuple(figure.of), []).append(figure)
    return groups


def _is_line(labels: Sequence[str], figures: Sequence[Figure]) -> bool:
    is_one_name = len({figure.name for figure in figures}) == 1
    return len(labels) == 1 and is_one_name and not any(isinstance(figure.value, Estimate) for figure in figures)


def _figures_table(labels: Sequence[str], figures: Sequence[Figure]) -> DataTable:
    """Return a row for each thing that figures are about, a column for each name; the other way round where the names
    are more. Figures of one name and several labels have a column for each value of the last label."""
    names = list(dict.fromkeys(figure.name for figure in figures))
    things = dict.fromkeys(tuple(figure.of.values()) for figure in figures)
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    head = tuple(map(words, labels))
    for figure in figures:
        row = tuple(figure.of.values())
        column = words(figure.name)
        if len(names) > len(things):
            row, column, head = (column,), ", ".join(row), ("figure",)
        elif len(names) == 1 and len(labels) > 1:
            row, column, head = row[:-1], row[-1], tuple(map(words, labels[:-1]))
        cells.setdefault(row, {})[column] = value_shown(figure.value, figure.unit)
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    rows = [(*row, *(values.get(column, "-") for column in columns)) for row, values in cells.items()]
    about = f"{', '.join(map(words, names))}, by {' and '.join(map(words, labels))}"
    return DataTable((*head, *columns), rows, about)


def _as_shown(given: Table) -> DataTable:
    rows = [tuple(map(value_shown, row)) for row in given.rows]
    return DataTable(given.head, rows, given.title, (given.note,) if given.note else ())


def _escaped(text: str) -> str:
    """Return a line in which nothing is Markdown but code, nor HTML."""
    return plain(text.translate({**SPECIAL, ord("`"): "`"}), longest=LONGEST_LINE)
