"""A report as one HTML file: no outside resources, a policy that allows its own style and script and nothing else.

Covered: a run, an audit, or two of either next to each other; samples of prompts with their stories; a limit on its
size. Texts of models and files are data: the template escapes them, shows control and bidi characters as escapes, and
puts a mark in place of what looks like a key, since reports are passed on.
Not covered: what is in it; see `document`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.keys import masked
from amendment.report.document import APPENDIX, ORDER, ReportDocument, read_document
from amendment.report.plots import svg
from amendment.report.reading import RunReader
from amendment.report.show import (
    describe_confirmation,
    describe_generation,
    describe_label,
    describe_outcome,
    describe_pair,
    describe_verdict,
    describe_view,
    describe_writing,
    list_flags,
)
from amendment.text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

FILES = Path(__file__).with_name("templates")
REPORT = "report.html"
"""The file's name in a run's folder."""
MOST_SAMPLES = 200
MOST_BYTES = 1_400_000
"""Of all samples together: a report stays below 2 MB."""
LONGEST_TEXT = 6_000
"""Characters of a prompt, an answer or a reason; the rest is in the run's tables."""
MOST_ROWS = 400
"""Rows of a table."""


class Samples(NamedTuple):
    """Prompts of a run with their stories, as HTML."""

    name: str
    folder: Path
    stories: Sequence[str]
    prompts: int
    """Of the whole run."""
    count_shown: str
    """The same in words."""
    filters: Sequence[str]
    """What stories can be filtered by."""
    pair: str
    """The first pair of a story, as HTML; empty where no story has one."""


def write_report(folders: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """Write the report of a run's or an audit's folder, or of two, and return its path: `out`, or `report.html` in the
    folder, or for two a file here with their names. Raises ConfigError where a folder is neither, or a file in it is
    damaged."""
    if not 1 <= len(folders) <= 2:
        raise ConfigError(f"report: expected one folder or two, found {len(folders)}")
    names = "-and-".join(Path(folder).resolve().name for folder in folders)
    path = Path(out) if out else Path(folders[0]) / REPORT if len(folders) == 1 else Path(f"{names}.html")
    write_text(path, report_html(folders))
    return path


def report_html(folders: Sequence[str | Path]) -> str:
    """Return the page on these folders."""
    documents = [read_document(folder) for folder in folders]
    if len({document.name for document in documents}) < len(documents):
        documents = [replace(document, name=f"{document.name} ({document.folder})") for document in documents]
    samples = [
        _samples(document, MOST_SAMPLES // len(documents), MOST_BYTES // len(documents))
        for document in documents
        if document.kind == "run"
    ]
    there = {chapter.id for document in documents for chapter in document.chapters}
    ids = sorted(there, key=lambda name: (name != documents[0].leading, ORDER.index(name)))
    rows = [
        [next((chapter for chapter in document.chapters if chapter.id == name), None) for document in documents]
        for name in ids
    ]
    style, script = ((FILES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            documents=documents,
            rows=[row for row, name in zip(rows, ids, strict=True) if name not in APPENDIX],
            appendix=[row for row, name in zip(rows, ids, strict=True) if name in APPENDIX],
            samples=[sample for sample in samples if sample.stories],
            style=_markup(style),
            script=_markup(script),
            hashes={"style": _hash(style), "script": _hash(script)},
            most_rows=MOST_ROWS,
        )
    )


def _samples(document: ReportDocument, most: int, most_bytes: int) -> Samples:
    """At most so many prompts, drawn with the run's seed, as long as there is room."""
    reader = RunReader(document.folder)
    stories = reader.prompts(reader.drawn(reader.prompt_ids, most))
    template, pair_template = (_environment().get_template(f"{name}.html.jinja") for name in ("story", "pair"))
    prefix = hashlib.sha256(str(document.folder).encode()).hexdigest()[:6]  # of the ids of its stories
    shown: list[str] = []
    pair = ""
    flags: dict[str, None] = {}
    for story in stories:
        # next to a pair that code or people decided, "flipped" would read as a fault of the pair
        decided = [comparison for comparison in story.comparisons if comparison.decided_by in (None, "judge")]
        flags_shown = [flag for flag in list_flags(story) if flag != "flipped" or any(row.flipped for row in decided)]
        names = [*flags_shown, *(["has a pair"] if story.pairs else ["no pair"])]
        html = template.render(story=story, flags=names, prefix=prefix)
        most_bytes -= len(html.encode())
        if most_bytes < 0:
            break
        shown.append(_markup(html))
        pair = pair or (_markup(pair_template.render(pair=story.pairs[0])) if story.pairs else "")
        flags |= dict.fromkeys(names)
    filters = list(flags) if len(flags) > 1 else []
    return Samples(document.name, document.folder, shown, len(reader.prompt_ids), reader.count_shown, filters, pair)


def _cut(text: str) -> str:
    text = masked(text)
    return (
        text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text) - LONGEST_TEXT:,} more characters)"
    )


def _hash(text: str) -> str:
    """Return a source as a Content-Security-Policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - the package's own files, and what its templates have escaped


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(masked(value)) if type(value) is str else value,
    )
    environment.globals.update(
        svg=lambda plot: _markup(svg(plot)), saw=describe_view, says=describe_verdict, label=describe_label
    )
    environment.globals.update(
        generated=describe_generation,
        describe=describe_pair,
        confirmed=describe_confirmation,
        written=describe_writing,
        outcome=describe_outcome,
        is_number=_is_number,
    )
    environment.filters["cut"] = _cut
    return environment


def _is_number(text: str) -> bool:
    """Return a cell that is aligned to the right."""
    return text[:1] in "0123456789+-−." and len(text) < 60
