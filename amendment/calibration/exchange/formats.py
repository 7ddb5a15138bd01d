"""The formats in which spot checks and labels are exchanged, by name, and which of them a file is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal, NamedTuple, Protocol

from amendment.calibration.exchange.annotated_pairs import read_annotated_pairs, write_annotated_pairs
from amendment.calibration.exchange.answers import Answers
from amendment.calibration.exchange.argilla import read_argilla, write_argilla
from amendment.calibration.exchange.csv_files import read_csv, write_csv
from amendment.calibration.exchange.items import Order
from amendment.calibration.exchange.jsonl_files import read_jsonl, write_jsonl
from amendment.calibration.exchange.label_studio import read_label_studio, write_label_studio
from amendment.calibration.exchange.leaving import Leaving
from amendment.calibration.labels import Label
from amendment.calibration.samples import LabelQuestion
from amendment.tables import Row

__all__ = [
    "LABEL_FORMATS",
    "LabelFormat",
    "LabelFormatName",
    "format_of_path",
    "format_of_row",
    "read_labels",
    "write_labels",
]

LabelFormatName = Literal["csv", "jsonl", "argilla", "label-studio", "annotated-pairs"]


class Writer(Protocol):
    """The text of a file: questions without labels where these are None."""

    def __call__(
        self, questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, *, leaving: Leaving, order: Order
    ) -> str: ...


class LabelFormat(NamedTuple):
    """How a format is written and read."""

    write: Writer
    read: Callable[[Iterable[Row], Answers], list[Label]]
    endings: tuple[str, ...]
    """Of files that can be written in it."""


LABEL_FORMATS: dict[LabelFormatName, LabelFormat] = {
    "csv": LabelFormat(write_csv, read_csv, (".csv",)),
    "jsonl": LabelFormat(write_jsonl, read_jsonl, (".jsonl",)),
    "argilla": LabelFormat(write_argilla, read_argilla, (".json",)),
    "label-studio": LabelFormat(write_label_studio, read_label_studio, (".json",)),
    "annotated-pairs": LabelFormat(write_annotated_pairs, read_annotated_pairs, (".json",)),
}


def format_of_path(path: PurePath) -> LabelFormatName | None:
    """The one format that is written with this ending; None where several or none are."""
    found = [name for name, one in LABEL_FORMATS.items() if path.suffix.lower() in one.endings]
    return found[0] if len(found) == 1 else None


def format_of_row(values: Mapping[str, Any], path: PurePath) -> LabelFormatName | None:
    """The format of a file by its first row; None where it is none of ours."""
    if "annotations" in values and "annotators" in values:
        return "annotated-pairs"
    if "annotations" in values and "data" in values:
        return "label-studio"
    if "id" in values and ("responses" in values or "preference.responses" in values or "fields" in values):
        return "argilla"
    is_table = any(ending.lower() in (".csv", ".tsv") for ending in path.suffixes[-2:])
    return ("csv" if is_table else "jsonl") if "item" in values else None


def write_labels(
    name: LabelFormatName,
    questions: Iterable[LabelQuestion],
    labels: Sequence[Label] | None,
    *,
    leaving: Leaving,
    order: Order,
) -> str:
    """The text of a file: the labels with what was displayed, or where `labels` is None the questions, for others to
    answer, their sides in `order`. Neither holds a verdict, a probability or a model's name.

    Raises DataError for labels of comparisons that are not asked.
    """
    return LABEL_FORMATS[name].write(questions, labels, leaving=leaving, order=order)


def read_labels(
    name: LabelFormatName,
    rows: Iterable[Row],
    questions: Iterable[LabelQuestion],
    *,
    at: str,
    raters: Mapping[str, str] | None = None,
) -> list[Label]:
    """The labels of a file's rows, as `amendment.tables.read_rows` gives them, by time.

    `at` is the time, in UTC, of labels whose file tells none. `raters` renames annotators; under "" it has whoever
    labelled where the file does not say. Raises DataError that names every mistake.
    """
    return LABEL_FORMATS[name].read(rows, Answers(questions, at=at, raters=raters))
