"""Spot checks as files: questions that people answer elsewhere, their answers, and labels for others.

Questions leave as CSV (every cell a text that no spreadsheet runs), JSONL, records of Argilla 2 or tasks of Label
Studio, and answers come back from all four; labels leave as CSV and JSONL. Not covered: whose names may leave; see
`amendment.calibration.label_files`.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from amendment.calibration.label import CHOICES, LONGEST_COMMENT, LONGEST_NAME, Choice, Label, tidy_name
from amendment.calibration.queue import Queue, Shown
from amendment.calibration.samples import LabelQuestion
from amendment.errors import ConfigError, DataError, Problem
from amendment.hashing import content_id
from amendment.records import Record
from amendment.tables import Row
from amendment.text import plain, safe_cell, text_of_cell, transcript

LabelFormat = Literal["csv", "jsonl", "argilla", "label-studio"]
FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)
FIELDS = ("choice", "confidence", "principle", "comment", "annotator", "seconds", "at")
"""The columns of an answer."""
COLUMNS = ("item", "question", "prompt", "answer_a", "answer_b", "principles", *FIELDS, "comparison_id")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_WORDS = {**{choice.casefold(): choice for choice in CHOICES}, "both bad": "both_bad"}


class Line(NamedTuple):
    """One row of a file: what was displayed, and the label by column."""

    item: Shown
    label: dict[str, Any]


def question_lines(questions: Sequence[LabelQuestion], *, seed: int) -> list[Line]:
    """What people are to answer: each question once, its sides by the page's hash of an annotator whom nobody knows;
    repeats at the end. In the order of the items' names, which says nothing of strata and prompts."""
    queue = Queue(questions, seed=seed, annotators=1, clock=lambda: 0.0)
    items = [
        queue.shown("", question.comparison_id, showing)
        for question in questions
        for showing in range(2 if question.is_repeated else 1)
    ]
    return [Line(item, {"choice": None}) for item in sorted(items, key=lambda item: (item.showing, item.name))]


def label_lines(
    questions: Iterable[LabelQuestion],
    labels: Iterable[Label],
    *,
    name_of: Callable[[str], str],
    comments: Callable[[str], str] | None = None,
) -> list[Line]:
    """The labels with what their annotators saw, by question, showing and pseudonym, since an order by names
    would give them away.

    `name_of` is the pseudonym of an annotator; `comments` what becomes of a comment (None: comments are left out).
    """
    by_id = {question.comparison_id: (place, question) for place, question in enumerate(questions)}
    ordered = sorted(labels, key=lambda row: (by_id[row.comparison_id][0], row.showing, name_of(row.annotator)))
    lines = []
    for label in ordered:
        comment = clean(comments(label.comment)) if comments and label.comment else ""
        cells = {
            "choice": label.choice,
            "confidence": label.confidence,
            "principle": label.principle_id,
            "comment": comment or None,
            "annotator": name_of(label.annotator),
            "seconds": label.seconds,
            "at": label.at,
            "comparison_id": label.comparison_id,
        }
        question = by_id[label.comparison_id][1]
        item = Shown(question, label.showing, is_turned=label.shown[0] == question.b_id)
        lines.append(Line(item, {name: value for name, value in cells.items() if value is not None}))
    return lines


def clean(text: str) -> str:
    """The text without control characters other than line feeds and tabs, and without turns of direction.

    >>> clean("two\\r\\nlines \\x1b[31m")
    'two\\nlines [31m'
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    hidden = ("Cc", "Cs", "Zl", "Zp")
    kept = (
        sign for sign in lines if sign in "\n\t" or not (sign in _DIRECTIONS or unicodedata.category(sign) in hidden)
    )
    return "".join(kept).strip()


def format_to_write(path: Path, name: str | None) -> LabelFormat:
    """The format of a file to write, by its ending or by name. Raises ConfigError where that is not clear."""
    endings: dict[LabelFormat, str] = {"csv": ".csv", "jsonl": ".jsonl", "argilla": ".json", "label-studio": ".json"}
    fitting = [form for form in FORMATS if endings[form] == path.suffix.lower() and name in (None, form)]
    if len(fitting) == 1:
        return fitting[0]
    expected = "expected .csv, .jsonl, or .json with --format argilla or --format label-studio"
    unclear = "its ending and --format do" if name else "its ending does"
    raise ConfigError(f"{path}: {unclear} not tell a format; {expected}")


def write_lines(form: LabelFormat, lines: Sequence[Line]) -> str:
    """The text of a file, without verdicts, probabilities and models; for Argilla and Label Studio questions only."""
    if form == "argilla":
        return _json_text([_argilla_record(line.item) for line in lines])
    if form == "label-studio":
        return _json_text([_label_studio_task(line.item) for line in lines])
    if form == "jsonl":
        return "".join(
            json.dumps(_row(line, is_text=False), ensure_ascii=False, allow_nan=False) + "\n" for line in lines
        )
    file = io.StringIO(newline="")
    file.write("\ufeff")  # by which Excel knows UTF-8
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for line in lines:
        cells = {name: str(value) for name, value in _row(line, is_text=True).items() if value is not None}
        writer.writerow([safe_cell(cells.get(name, "")) for name in COLUMNS])
    return file.getvalue()


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _row(line: Line, *, is_text: bool) -> dict[str, Any]:
    """A row by column: messages as JSON, or as texts for people."""
    question, answers = line.item.question, line.item.answers
    first, second = (transcript(messages, by="assistant") if is_text else _json(messages) for messages in answers)
    return {
        "item": line.item.name,
        "question": question.question,
        "prompt": transcript(question.prompt, by="user") if is_text else _json(question.prompt),
        "answer_a": first,
        "answer_b": second,
        "principles": "\n".join(_principles(line.item)) if is_text else _json(question.principles),
        **line.label,
    }


def _json(records: Iterable[Record]) -> list[Any]:
    return [record.to_json() for record in records]


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value == []


def _number(cell: Any) -> Any:
    """A cell as a number where it is one, with a decimal comma too."""
    return float(cell.replace(",", ".")) if isinstance(cell, str) and cell.replace(",", ".").strip() else cell


class _Answer(BaseModel):
    choice: Annotated[Choice, BeforeValidator(lambda cell: _WORDS.get(str(cell).strip().casefold(), cell))]
    annotator: str = Field(max_length=LONGEST_NAME)
    confidence: Annotated[Literal[1, 2, 3] | None, BeforeValidator(_number)] = None
    principle: str | None = None
    comment: Annotated[str | None, Field(max_length=LONGEST_COMMENT), AfterValidator(clean)] = None
    seconds: Annotated[float | None, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)] = None
    at: datetime | None = None


def read_labels(
    rows: Sequence[Row], questions: Iterable[LabelQuestion], *, at: str, raters: Mapping[str, str] | None = None
) -> list[Label]:
    """The labels of a file's rows, as `amendment.tables.read_rows` gives them, by time; drafts and empty rows are none.

    `at` is the time, in UTC, of labels whose file tells none. `raters` renames annotators; under "" it has whoever
    labelled where the file does not say. The uuid of a label is a hash of what it says: a file that is read twice gives
    the same labels twice, which a store takes once. Raises DataError that names every mistake.
    """
    first = rows[0].values
    if "annotations" in first:
        rows = _rows_of_label_studio(rows)
    elif "id" in first:
        rows = _rows_of_argilla(rows)
    elif not {"item", "choice"} <= first.keys():
        columns = ", ".join(plain(str(name)) for name in first)
        raise DataError([Problem(rows[0].place, f"expected the columns as they were exported, found {columns}")])
    items = {
        item.name: item
        for question in questions
        for showing in (0, 1)
        for item in (Shown(question, showing, False), Shown(question, showing, True))
    }
    renamed = {tidy_name(written): tidy_name(name) for written, name in (raters or {}).items()}
    mistakes: dict[tuple[str, str], list[Row]] = {}
    labels: dict[tuple[str, str, int], dict[datetime, Label]] = {}
    for row in rows:
        cells = {name: text_of_cell(cell) if isinstance(cell, str) else cell for name, cell in row.values.items()}
        cells = {name: cell for name, cell in cells.items() if not _is_blank(cell)}
        if not {"choice", "confidence", "principle", "comment"} & cells.keys():
            continue
        label, wrong = _label(cells, items, at, renamed)
        if label is not None:
            others = labels.setdefault((label.annotator, label.comparison_id, label.showing), {})
            if others.setdefault(label.instant, label).uuid != label.uuid:
                wrong["item"] = "a second answer of the same annotator; expected one answer, or times that differ"
        for column, message in wrong.items():
            mistakes.setdefault((column, message), []).append(row)
    if mistakes:
        raise DataError(
            Row(f"{places[0].place}{f' and {len(places) - 1:,} more' if places[1:] else ''}", {}).problem(
                column, message
            )
            for (column, message), places in mistakes.items()
        )
    return sorted((label for by_time in labels.values() for label in by_time.values()), key=lambda label: label.instant)


def _label(
    cells: dict[str, Any], items: Mapping[str, Shown], at: str, renamed: Mapping[str, str]
) -> tuple[Label | None, dict[str, str]]:
    """The label of a row, or what is wrong with it by column."""
    item = items.get(str(cells.get("item", "")).strip())
    name = tidy_name(str(cells.get("annotator", "")))
    cells["annotator"] = renamed.get(name, name)
    mistakes: dict[str, str] = {}
    answer = None
    try:
        answer = _Answer.model_validate(cells)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            shown = f"'{plain(str(each['input']), longest=60)}'" if each["type"] != "missing" else "nothing"
            mistakes[str(each["loc"][0])] = f"found {shown}; {each['msg'][:1].lower()}{each['msg'][1:]}"
    if item is None:
        expected = (
            "no item of this spot check; is the file of another run, of another --stage, or of an earlier sample?"
        )
        mistakes["item"] = f"found '{plain(str(cells.get('item', '')), longest=60)}', {expected}"
    if not cells["annotator"]:
        mistakes["annotator"] = (
            "missing; expected the name of the annotator, or give one for the whole file (--rater NAME)"
        )
    principles = [principle.id for principle in item.question.principles] if item else []
    if item and answer and answer.principle is not None and answer.principle.strip() not in principles:
        mistakes["principle"] = f"found '{plain(answer.principle)}', expected one of {', '.join(principles) or 'none'}"
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


# Argilla 2: questions `preference`, `confidence`, `principle`, `comment`; a skipped item is a discarded response.


def _argilla_record(item: Shown) -> dict[str, Any]:
    """As `dataset.records.log` takes it."""
    first, second = (transcript(answer, by="assistant") for answer in item.answers)
    turns = [
        {"role": turn.role, "content": transcript((turn.model_copy(update={"role": "user"}),), by="user")}
        for turn in item.question.prompt
    ]
    fields: dict[str, Any] = {"prompt": turns, "response_1": first, "response_2": second}
    fields |= {"principles": _statements(item)} if item.question.principles else {}
    return {"id": item.name, "fields": fields}


def _principles(item: Shown) -> list[str]:
    return [f"{principle.id}: {principle.statement}" for principle in item.question.principles]


def _statements(item: Shown) -> str:
    return "\n".join((item.question.question, *_principles(item)))


def _rows_of_argilla(records: Iterable[Row]) -> list[Row]:
    """A row for each user's answer to each record of `records.to_list(flatten=True)`; drafts are none."""
    columns = {"choice": "preference", "confidence": "confidence", "principle": "principle", "comment": "comment"}
    words = {"response_1": "A", "response_2": "B"}
    rows = []
    for record in records:
        by_user: dict[str, dict[str, Any]] = defaultdict(dict)
        for name, question in columns.items():
            lists = [record.values.get(f"{question}.responses{ending}") for ending in ("", ".users", ".status")]
            try:
                answers = list(zip(*(values or [] for values in lists), strict=True))
            except (TypeError, ValueError):
                expected = "expected three lists of one length: `.responses`, `.responses.users`, `.responses.status`"
                raise DataError([record.problem(question, expected)]) from None
            for value, user, status in answers if "preference.responses" in record.values else ():
                if status != "draft":
                    by_user[str(user)].setdefault(name, words.get(value, value) if name == "choice" else value)
                if status == "discarded":
                    by_user[str(user)]["choice"] = "skip"
        if "preference.responses" not in record.values:
            expected = "expected `preference.responses`; export the records with to_list(flatten=True)"
            raise DataError([record.problem("preference", expected)])
        head = {"item": record.values["id"]}
        rows += [Row(record.place, {**head, "annotator": user, **cells}) for user, cells in by_user.items()]
    return rows


# Label Studio: controls `pw`, `other`, `confidence`, `principle`, `comment`; a skipped task is a cancelled annotation.

LABEL_STUDIO_CONFIG = """\
<View>
  <Header value="Which answer is better?"/>
  <Text name="prompt" value="$prompt"/>
  <Pairwise name="pw" toName="text1,text2"/>
  <View style="display: flex; gap: 1em">
    <View style="flex: 1"><Text name="text1" value="$text1"/></View>
    <View style="flex: 1"><Text name="text2" value="$text2"/></View>
  </View>
  <Choices name="other" toName="prompt" choice="single-radio" showInline="true">
    <Choice value="tie" hint="Equally good"/>
    <Choice value="both_bad" hint="Neither is acceptable"/>
    <Choice value="flag" hint="Something is wrong with this item"/>
  </Choices>
  <Header value="How sure are you?" size="5"/>
  <Rating name="confidence" toName="prompt" maxRating="3"/>
  <Header value="Which principle decided it?" size="5"/>
  <Text name="statements" value="$statements"/>
  <Choices name="principle" toName="prompt" value="$principles" choice="single-radio"/>
  <Header value="Comment" size="5"/>
  <TextArea name="comment" toName="prompt" maxSubmissions="1"/>
</View>
"""
"""The labelling interface: paste it into the project's settings before the tasks are imported."""


def _label_studio_task(item: Shown) -> dict[str, Any]:
    first, second = (transcript(answer, by="assistant") for answer in item.answers)
    data = {
        "item": item.name,
        "prompt": transcript(item.question.prompt, by="user"),
        "text1": first,
        "text2": second,
        "principles": [{"value": principle.id} for principle in item.question.principles],
        "statements": _statements(item),
    }
    return {"data": data}


def _rows_of_label_studio(tasks: Sequence[Row]) -> list[Row]:
    """A row for each annotation of a project that was exported as JSON (not JSON-MIN)."""
    rows = []
    for task in tasks:
        data, annotations = task.values.get("data"), task.values.get("annotations")
        if not isinstance(data, Mapping) or not isinstance(annotations, list):
            raise DataError([task.problem("data", "expected a task with annotations; export the project as JSON")])
        for number, annotation in enumerate(annotations, start=1):
            place = Row(f"{task.place}, annotation {number}", {})
            if not isinstance(annotation, Mapping):
                raise DataError([place.problem("annotations", "expected an object")])
            rows.append(place._replace(values={"item": data.get("item"), **_said(annotation)}))
    return rows


def _said(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation by column; nothing where it was sent in empty."""
    given: dict[str, list[Any]] = defaultdict(list)
    for result in annotation.get("result") or []:
        value = result.get("value") if isinstance(result, Mapping) else None
        for part in value.values() if isinstance(value, Mapping) else ():
            given[str(result.get("from_name"))] += part if isinstance(part, list) else [part]
    is_skipped = annotation.get("was_cancelled") is True
    if not given and not is_skipped:
        return {}
    words = {"left": "A", "right": "B"}
    chosen = [words.get(word, str(word)) for word in (*given["pw"], *given["other"])]
    user = annotation.get("completed_by")
    return {
        "annotator": user.get("email") or user.get("id") if isinstance(user, Mapping) else user,
        "choice": "skip" if is_skipped else " and ".join(chosen) or ", ".join(given),
        "confidence": next(iter(given["confidence"]), None),
        "principle": next(iter(given["principle"]), None),
        "comment": "\n".join(map(str, given["comment"])) or None,
        "seconds": annotation.get("lead_time"),
        "at": annotation.get("updated_at") or annotation.get("created_at"),
    }
