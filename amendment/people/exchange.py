"""Spot checks as files: questions that people answer in other tools, their answers, and labels for others.

Questions leave as CSV (every cell a text that no spreadsheet runs), JSONL, records of Argilla 2 or tasks of Label
Studio, and answers come back from all four; labels leave as CSV and JSONL. People leave under pseudonyms; their
comments only when asked for, with the names of all who labelled hidden in them.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from amendment.data.pseudonyms import Pseudonyms, certificate_people
from amendment.data.store import Workspace
from amendment.errors import ConfigError, DataError, Problem
from amendment.files import json_text, write_text
from amendment.hashing import content_id
from amendment.people.label_tools import (
    COLUMNS,
    LABEL_STUDIO_CONFIG,
    argilla_rows,
    export_item,
    label_studio_rows,
    shown_texts,
)
from amendment.people.labelling import SAMPLE, SAMPLES, SPOT_CHECK, LabelledSample, open_sample
from amendment.people.queue import Queue, ShownItem, labels_missing
from amendment.people.samples import (
    CHOICES,
    LONGEST_COMMENT,
    LONGEST_NAME,
    SOMETHING_ELSE,
    Choice,
    Label,
    LabelQuestion,
    PrincipleText,
    SampledItem,
    is_kept_name,
)
from amendment.people.store import Labels
from amendment.tables import Row, read_rows
from amendment.text import alike_names, plain, read_cell, safe_cell, tidy_name

LabelFormat = Literal["csv", "jsonl", "argilla", "label-studio"]
ENDINGS: dict[LabelFormat, str] = {"csv": ".csv", "jsonl": ".jsonl", "argilla": ".json", "label-studio": ".json"}
_FEWEST_TWINS = 20
"""Items on which two people who say the same are taken for one."""
_COMPARED = 10_000
"""Characters of a text that are compared with the item's."""
_KEPT = "is a name reserved for simulated people"
_PSEUDONYM = re.compile(r"person-\d+")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CHOICES = {
    **{choice.casefold(): choice for choice in CHOICES},
    **{"both bad": "both_bad", "response_1": "A", "response_2": "B", "left": "A", "right": "B"},
}
"""How choices are written, in all four formats."""


class ExportedLabels(NamedTuple):
    """A summary of an exported file."""

    lines: int
    """Labels, or items without labels, each time that one is to be shown."""
    people: int = 0
    left_out: int = 0
    """Labels of comparisons that the present sample does not ask."""
    with_sealed: bool = False
    """Whether sealed labels are among them; the certificate counts that as opening the seal."""
    sealed_left_out: int = 0
    interface: Path | None = None
    """Where the labelling interface lies, which Label Studio needs."""


class ImportedLabels(NamedTuple):
    """A summary of an import."""

    new: int
    people: int
    """Whose labels are new."""
    known: int
    """Here already, or answered again since by their annotators: the later answer stays."""
    missing: int
    """Labels that are to come."""


def export_questions(
    folder: Path, path: Path, *, form: str | None = None, sample: LabelledSample = SPOT_CHECK
) -> ExportedLabels:
    """Write what a run's sample asks, for another tool: without labels, sides by a hash as on the page.

    Raises ConfigError where the run asks nothing yet, or the format is not clear.
    """
    asked = open_sample(folder, sample)
    fitting = [name for name, ending in ENDINGS.items() if ending == path.suffix.lower() and form in (None, name)]
    if len(fitting) != 1:
        expected = "expected .csv, .jsonl, or .json with --format argilla or --format label-studio"
        raise ConfigError(
            f"{path}: {f'not a file for --format {form}' if form else 'no format has this file ending'}; {expected}"
        )
    items = question_items(asked.questions, seed=asked.seed)
    _write(path, question_file(fitting[0], items))
    interface = path.with_name(f"{path.stem}-interface.xml") if fitting[0] == "label-studio" else None
    if interface:
        _write(interface, LABEL_STUDIO_CONFIG)
    return ExportedLabels(len(items), interface=interface)


def export_labels(
    folder: Path, path: Path, *, comments: bool = False, sealed: bool = False, sample: LabelledSample = SPOT_CHECK
) -> ExportedLabels:
    """Write the labels of a run's sample as they count now, as CSV or JSONL; `sealed` writes sealed ones too, which
    opens the seal. Raises ConfigError as `export_questions`, and where there is nothing to write."""
    asked = open_sample(folder, sample)
    form = path.suffix.lower().removeprefix(".")
    if form not in ("csv", "jsonl"):
        raise ConfigError(f"{path}: labels are written as CSV or JSONL; name it .csv or .jsonl")
    comparisons = {question.comparison_id for question in asked.questions}
    certifying = set()
    if sample is SPOT_CHECK and (workspace := Workspace(folder)).path(SAMPLE).is_file():
        certifying = {item.comparison_id for item in workspace.read(SAMPLE, SampledItem) if item.is_sealed}
    with Labels(asked.labels, read_only=True) as store:
        current = store.current()
        every = [label for label in current if label.comparison_id in comparisons]
        if not every:
            raise ConfigError(f"{folder}: no labels yet; to export the questions, add --questions")
        labels = [label for label in every if sealed or label.comparison_id not in certifying]
        if not labels:
            raise ConfigError(f"{folder}: all labels are sealed; add --sealed to export them, which opens the seal")
        with_sealed = any(label.comparison_id in certifying for label in labels)
        if with_sealed:
            store.open_seal(content_id(["export", store.state()]))
    people = _pseudonyms(folder)
    hide = people.hiding() if comments else None
    _write(path, label_file(form, asked.questions, labels, name_of=people.by_name.__getitem__, comments=hide))
    return ExportedLabels(
        lines=len(labels),
        people=len({label.annotator for label in labels}),
        left_out=len(current) - len(every),
        with_sealed=with_sealed,
        sealed_left_out=len(every) - len(labels),
    )


def import_labels(
    folder: Path, path: Path, *, raters: Sequence[str] = (), sample: LabelledSample = SPOT_CHECK
) -> ImportedLabels:
    """Take the labels of a file into a run's folder; a second time changes nothing.

    `raters` has `NAME`, for labels whose file does not say who gave them, and `WRITTEN=NAME` for each annotator whose
    labels are to be kept under another name. Raises DataError that names every mistake of the file, ConfigError where
    the run asks nothing yet, and LedgerError while a page collects labels. With a mistake nothing is imported.
    """
    asked = open_sample(folder, sample)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    renamed = _renamed(raters)
    labels = read_labels(read_rows(path), asked.questions, at=now, raters=renamed, constitution=asked.constitution)
    names = {label.annotator for label in labels}
    if absent := [f"{written}={name}" for written, name in renamed.items() if written and name not in names]:
        raise ConfigError(
            f"--rater {absent[0]}: {path} has no labels of that annotator; annotators: {', '.join(sorted(names))}"
        )
    with Labels(asked.labels) as store:
        _check_names(path, labels, store)
        current = {(label.annotator, label.comparison_id, label.showing): label for label in store.current()}
        new = []
        for label in labels:
            before = current.get((label.annotator, label.comparison_id, label.showing))
            is_older = before and (_says_the_same(label, before) or label.instant < before.instant)
            if not is_older and not store.knows(label.uuid):
                new.append(label)
        _refuse_pseudonyms(path, new, current.values())
        _refuse_twins(path, labels, list(current.values()))
        for label in new:
            store.add(label)
        missing = labels_missing(asked.questions, store.current(), annotators=asked.annotators)
    return ImportedLabels(len(new), len({label.annotator for label in new}), len(labels) - len(new), missing)


# Who labelled.


def _pseudonyms(folder: Path) -> Pseudonyms:
    """Number the annotators as the run's certificate does, if it names them, and over all samples, so that each has one
    number."""
    certificate = folder / "certificate.json"
    annotators: set[str] = set()
    for sample in SAMPLES.values():
        with Labels(sample.labels_in(folder), read_only=True) as store:
            annotators |= {label.annotator for label in store.history()}
    return Pseudonyms(certificate_people(certificate) if certificate.is_file() else [], annotators)


def _renamed(raters: Iterable[str]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for rater in raters:
        written, equals, name = rater.partition("=")
        written, name = (tidy_name(written), tidy_name(name)) if equals else ("", tidy_name(rater))
        if not name or written in renamed:
            raise ConfigError(f"--rater {rater!r}: expected NAME at most once, and WRITTEN=NAME once for each WRITTEN")
        if is_kept_name(name):
            raise ConfigError(f"--rater {rater!r}: {name} {_KEPT}; expected another name")
        renamed[written] = name
    return renamed


def _check_names(path: Path, labels: Sequence[Label], store: Labels) -> None:
    """Refuse a name of simulated people, and one that differs from another only in case or white space. Raises
    DataError."""
    reserved = sorted({label.annotator for label in labels if is_kept_name(label.annotator)})
    problems = [f"{name} {_KEPT}; say who it is (--rater {name!r}=NAME)" for name in reserved]
    problems += [
        f"{' and '.join(map(repr, group))} differ only in case or white space, and would count as {len(group)} people; "
        f"if they are one person, pass --rater {f'{group[1]}={group[0]}'!r}, otherwise rename one"
        for group in alike_names([label.annotator for label in (*labels, *store.history())])
    ]
    if problems:
        raise DataError([Problem(str(path), problem) for problem in problems])


def _refuse_pseudonyms(path: Path, new: Iterable[Label], current: Iterable[Label]) -> None:
    """Refuse labels under a pseudonym where labels under names exist. Raises DataError."""
    unclear = sorted({label.annotator for label in new if _PSEUDONYM.fullmatch(label.annotator)})
    if unclear and not all(_PSEUDONYM.fullmatch(label.annotator) for label in current):
        who = "a pseudonym, perhaps of somebody whose labels are already here under their name; say who it is"
        raise DataError([Problem(str(path), f"{name}: {who} (--rater {name}=NAME)") for name in unclear])


def _refuse_twins(path: Path, labels: Sequence[Label], current: Sequence[Label]) -> None:
    """Refuse the labels of one person under a second name: the two would agree on everything, and raise the ceiling
    that a judge is compared with. Raises DataError."""
    answers: dict[str, dict[tuple[str, int], Label]] = {}
    here = {label.annotator for label in current}
    for label in (*current, *labels):
        answers.setdefault(label.annotator, {})[label.comparison_id, label.showing] = label
    for name in dict.fromkeys(label.annotator for label in labels if label.annotator not in here):
        for other in answers.keys() - {name}:
            if _are_twins(answers[name], answers[other]):
                same = f"the same answers as {other}, who would count as two people; if they are one person, import the"
                remedy = f"file as {other} (--rater {f'{name}={other}'!r}); if they are two, {name} can use the page"
                raise DataError([Problem(str(path), f"{name} gives {same} {remedy}")])


def _are_twins(mine: Mapping[tuple[str, int], Label], other: Mapping[tuple[str, int], Label]) -> bool:
    """Return whether all that both answered is answered alike, and that is no accident: many items, or the same
    seconds."""
    both = [(mine[item], other[item]) for item in mine.keys() & other.keys()]
    is_timed = len(both) > 1 and all(a.seconds is not None and a.seconds == b.seconds for a, b in both)
    is_whole = len(both) == min(len(mine), len(other))
    return is_whole and (is_timed or len(both) >= _FEWEST_TWINS) and all(a.chosen == b.chosen for a, b in both)


def _says_the_same(label: Label, before: Label) -> bool:
    """Return whether a file's label is the one that counts here; one without its comment is it too."""
    fields = ("choice", "shown", "confidence", "principle_id")
    is_same = all(getattr(label, name) == getattr(before, name) for name in fields)
    return is_same and label.comment in (None, before.comment)


# What leaves.


def question_items(questions: Sequence[LabelQuestion], *, seed: int) -> list[ShownItem]:
    """Return the items for people to label, sorted by name, which says nothing of strata and prompts. The page's hash
    of an unknown annotator decides the sides; repeats come last."""
    queue = Queue(questions, seed=seed, annotators=1, clock=lambda: 0.0)
    items = [
        queue.shown("", question.comparison_id, showing)
        for question in questions
        for showing in range(2 if question.is_repeated else 1)
    ]
    return sorted(items, key=lambda item: (item.showing, item.name))


def question_file(form: LabelFormat, items: Sequence[ShownItem]) -> str:
    """Write a file without labels, verdicts, probabilities and models."""
    if form in ("csv", "jsonl"):
        return _table(form, [{**shown_texts(item), "choice": None} for item in items])
    return json_text([export_item(item, form) for item in items])


def label_file(
    form: str,
    questions: Iterable[LabelQuestion],
    labels: Iterable[Label],
    *,
    name_of: Callable[[str], str],
    comments: Callable[[str], str] | None = None,
) -> str:
    """Write a file of labels with what their annotators saw. It is sorted by question, showing and pseudonym, since an
    order by names would give them away.

    `name_of` is the pseudonym of an annotator; `comments` what becomes of a comment (None: comments are left out).
    """
    by_id = {question.comparison_id: (place, question) for place, question in enumerate(questions)}
    rows = []
    for label in sorted(labels, key=lambda row: (by_id[row.comparison_id][0], row.showing, name_of(row.annotator))):
        question = by_id[label.comparison_id][1]
        cells = {
            **shown_texts(ShownItem(question, label.showing, is_turned=label.shown[0] == question.b_id)),
            **label.model_dump(include={"choice", "confidence", "seconds", "at", "comparison_id"}),
            "principle": label.principle_id,
            "comment": (clean(comments(label.comment)) if comments and label.comment else "") or None,
            "annotator": name_of(label.annotator),
        }
        rows.append({name: value for name, value in cells.items() if value is not None})
    return _table(form, rows)


def clean(text: str) -> str:
    """Remove control characters other than line feeds and tabs, and changes of text direction.

    >>> clean("two\\r\\nlines \\x1b[31m")
    'two\\nlines [31m'
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    hidden = ("Cc", "Cs", "Zl", "Zp")
    allowed = (
        sign for sign in lines if sign in "\n\t" or not (sign in _DIRECTIONS or unicodedata.category(sign) in hidden)
    )
    return "".join(allowed).strip()


def _table(form: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    file = io.StringIO(newline="")
    file.write("\ufeff")  # by which Excel knows UTF-8
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for row in rows:
        cells = {name: str(value) for name, value in row.items() if value is not None}
        writer.writerow([safe_cell(cells.get(name, "")) for name in COLUMNS])
    return file.getvalue()


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be written ({fault.strerror or fault}); name another file") from fault


# What comes back.


def _number(cell: Any) -> Any:
    """Read a cell as a number if it is one, with a decimal comma too."""
    return float(cell.replace(",", ".")) if isinstance(cell, str) else cell


class _Answer(BaseModel):
    choice: Annotated[Choice, BeforeValidator(lambda cell: _CHOICES.get(str(cell).strip().casefold(), cell))]
    annotator: str = Field(max_length=LONGEST_NAME)
    confidence: Annotated[Literal[1, 2, 3] | None, BeforeValidator(_number)] = None
    principle: str | None = None
    comment: Annotated[str | None, Field(max_length=LONGEST_COMMENT), AfterValidator(clean)] = None
    seconds: Annotated[float | None, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)] = None
    at: datetime | None = None


def read_labels(
    rows: Sequence[Row],
    questions: Iterable[LabelQuestion],
    *,
    at: str,
    raters: Mapping[str, str] | None = None,
    constitution: Iterable[PrincipleText] = (),
) -> list[Label]:
    """Return the labels of a file's rows, as `amendment.tables.read_rows` gives them, sorted by time. Drafts and empty
    rows give no label.

    `at` is the time, in UTC, of labels whose file tells none. `raters` renames annotators; under "" it has the
    annotator of a file that names none. A label may name any principle of `constitution`. The uuid of a label is a
    hash of what it says: a file that is read twice gives the same labels twice, which a store takes once. Raises
    DataError that names every mistake.
    """
    first = rows[0].values
    if "annotations" in first:
        rows = label_studio_rows(rows)
    elif "id" in first:
        rows = argilla_rows(rows)
    elif not {"item", "choice"} <= first.keys():
        columns = ", ".join(plain(str(name)) for name in first)
        raise DataError([Problem(rows[0].place, f"expected the columns as they were exported, found {columns}")])
    items = {
        item.name: item
        for question in questions
        for showing in (0, 1)
        for item in (ShownItem(question, showing, False), ShownItem(question, showing, True))
    }
    others = [*(principle.id for principle in constitution), SOMETHING_ELSE]
    renamed = {tidy_name(written): tidy_name(name) for written, name in (raters or {}).items()}
    mistakes: dict[tuple[str, str], list[Row]] = {}
    labels: dict[tuple[str, str, int], dict[datetime, Label]] = {}
    for row in rows:
        cells = {name: read_cell(cell) if isinstance(cell, str) else cell for name, cell in row.values.items()}
        cells = {name: cell for name, cell in cells.items() if cell not in (None, []) and str(cell).strip()}
        if not {"choice", "confidence", "principle", "comment"} & cells.keys():
            continue
        label, wrong = _label(cells, items, at, renamed, others)
        if label is not None:
            earlier = labels.setdefault((label.annotator, label.comparison_id, label.showing), {})
            if earlier.setdefault(label.instant, label).uuid != label.uuid:
                wrong["item"] = "a second answer of the same annotator; expected one answer, or times that differ"
        for column, message in wrong.items():
            mistakes.setdefault((column, message), []).append(row)
    if mistakes:
        raise DataError(
            Problem(f"{places[0].place}{f' and {len(places) - 1:,} more' if places[1:] else ''}: {column}", message)
            for (column, message), places in mistakes.items()
        )
    return sorted((label for by_time in labels.values() for label in by_time.values()), key=lambda label: label.instant)


def _compared(text: str) -> str:
    """Return what of a text is compared: a spreadsheet changes white space, and cuts what is very long."""
    return "".join(text.replace("\x00", "\ufffd").split())[:_COMPARED]


def _label(
    cells: dict[str, Any], items: Mapping[str, ShownItem], at: str, renamed: Mapping[str, str], others: Sequence[str]
) -> tuple[Label | None, dict[str, str]]:
    """Return the label of a row, or its problems by column."""
    item = items.get(str(cells.get("item", "")).strip())
    name = tidy_name(str(cells.get("annotator", "")))
    cells["annotator"] = renamed.get(name, name)
    mistakes: dict[str, str] = {}
    answer = None
    try:
        answer = _Answer.model_validate(cells)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            shown = f"'{plain(str(error['input']), longest=60)}'" if error["type"] != "missing" else "nothing"
            mistakes[str(error["loc"][0])] = f"found {shown}; {error['msg'][:1].lower()}{error['msg'][1:]}"
    if item is None:
        name = plain(str(cells.get("item", "")), longest=60)
        expected = "is the file from another run, another --stage, or an earlier sample?"
        mistakes["item"] = f"found '{name}', no item of this spot check; {expected}"
    texts = shown_texts(item) if item else {}
    for column in ("answer_a", "answer_b"):
        expected = texts.get(column, "")
        found = _compared(str(cells.get(column, expected)))
        if item and found not in (_compared(expected), _compared(read_cell(expected))):
            mistakes[column] = "another text than this item has here; expected the row as it was exported"
    if not cells["annotator"]:
        mistakes["annotator"] = "missing; expected a name, or give one for the whole file (--rater NAME)"
    principles = list(dict.fromkeys([*(rule.id for rule in item.question.principles), *others])) if item else []
    if item and answer and answer.principle is not None and answer.principle.strip() not in principles:
        mistakes["principle"] = f"found '{plain(answer.principle)}', expected one of {', '.join(principles)}"
    if mistakes or item is None or answer is None:
        return None, mistakes
    zoned = answer.at and (answer.at.astimezone(UTC) if answer.at.tzinfo else answer.at.replace(tzinfo=UTC))
    fields = {
        "comparison_id": item.question.comparison_id,
        "prompt_id": item.question.prompt_id,
        "shown": list(item.ids),
        "annotator": answer.annotator,
        "showing": item.showing,
        "choice": answer.choice,
        "confidence": answer.confidence,
        "principle_id": answer.principle and answer.principle.strip(),
        "comment": answer.comment or None,
        "seconds": answer.seconds,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    uuid = content_id(["label", fields, zoned.isoformat() if zoned else None])
    return Label.from_json({"uuid": uuid, "at": zoned.isoformat() if zoned else at, **fields}), {}
