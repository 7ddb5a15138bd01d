"""Argilla's records and Label Studio's tasks: items of a spot check for their users, and what they say by column.

Not covered: what may be in a label; `amendment.people.exchange` reads every row alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from amendment.errors import DataError
from amendment.people.queue import ShownItem
from amendment.tables import Row
from amendment.text import transcript


class Column(NamedTuple):
    """A column of an exported file, and its name in the two tools; empty where they have none."""

    name: str
    argilla: str = ""
    """A field of the record, or a question."""
    label_studio: str = ""
    """A key of the task's data, or the controls of the interface."""


TEXTS = (
    Column("item", "", "item"),
    Column("question"),
    Column("prompt", "prompt", "prompt"),
    Column("answer_a", "response_1", "text1"),
    Column("answer_b", "response_2", "text2"),
    Column("principles", "principles", "statements"),
)
ANSWERS = (
    Column("choice", "preference", "pw other"),
    Column("confidence", "confidence", "confidence"),
    Column("principle", "principle", "principle"),
    Column("comment", "comment", "comment"),
    Column("annotator"),
    Column("seconds"),
    Column("at"),
)
COLUMNS = tuple(column.name for column in (*TEXTS, *ANSWERS, Column("comparison_id")))


def shown_texts(item: ShownItem) -> dict[str, str]:
    """Return the texts of an item that people see, by column."""
    first, second = (transcript(messages, by="assistant") for messages in item.answers)
    return {
        "item": item.name,
        "question": item.question.question,
        "prompt": transcript(item.question.prompt, by="user"),
        "answer_a": first,
        "answer_b": second,
        "principles": "\n".join(f"{principle.id}: {principle.statement}" for principle in item.question.principles),
    }


def export_item(item: ShownItem, tool: str) -> dict[str, Any]:
    """Return an item as `dataset.records.log` of Argilla takes it, or as a task of Label Studio."""
    texts = shown_texts(item)
    if texts["principles"]:
        texts["principles"] = f"{texts['question']}\n{texts['principles']}"
    if tool == "argilla":
        fields = {column.argilla: texts[column.name] for column in TEXTS if column.argilla and texts[column.name]}
        return {"id": item.name, "fields": fields}
    data = {column.label_studio: texts[column.name] for column in TEXTS if column.label_studio}
    return {"data": {**data, "principles": [{"value": principle.id} for principle in item.question.principles]}}


# Argilla 2: questions `preference`, `confidence`, `principle`, `comment`; a skipped item is a discarded response.


def argilla_rows(records: Iterable[Row]) -> list[Row]:
    """Return a row for each user's answer to each record of `records.to_list(flatten=True)`; drafts are left out."""
    rows = []
    for record in records:
        by_user: dict[str, dict[str, Any]] = defaultdict(dict)
        for column in ANSWERS[:4]:
            question = column.argilla
            lists = [record.values.get(f"{question}.responses{ending}") or [] for ending in ("", ".users", ".status")]
            try:
                answers = list(zip(*lists, strict=True))
            except (TypeError, ValueError):
                expected = "expected three lists of one length: `.responses`, `.responses.users`, `.responses.status`"
                raise DataError([record.problem(question, expected)]) from None
            for value, user, status in answers:
                if status != "draft":
                    by_user[str(user)][column.name] = value
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


def label_studio_rows(tasks: Sequence[Row]) -> list[Row]:
    """Return a row for each annotation of a project that was exported as JSON (not JSON-MIN)."""
    rows = []
    for task in tasks:
        try:
            item = task.values["data"]["item"]
            for number, annotation in enumerate(task.values["annotations"], start=1):
                rows.append(Row(f"{task.place}, annotation {number}", {"item": item, **_annotated(annotation)}))
        except (AttributeError, KeyError, TypeError):
            expected = "expected a task with annotations; export the project as JSON"
            raise DataError([task.problem("annotations", expected)]) from None
    return rows


def _annotated(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an annotation by column; nothing if it was submitted empty."""
    columns = {control: column.name for column in ANSWERS for control in column.label_studio.split()}
    given: dict[str, list[Any]] = defaultdict(list)
    for result in annotation.get("result") or []:
        for part in result["value"].values():
            given[columns.get(result["from_name"], "choice")] += part if isinstance(part, list) else [part]
    if annotation.get("was_cancelled") is True:
        given["choice"] = ["skip"]
    if not given:
        return {}
    cells = {name: ("\n" if name == "comment" else " and ").join(map(str, parts)) for name, parts in given.items()}
    user = annotation.get("completed_by")
    return {
        **cells,
        "annotator": user.get("email") or user.get("id") if isinstance(user, Mapping) else user,
        "seconds": annotation.get("lead_time"),
        "at": annotation.get("updated_at") or annotation.get("created_at"),
    }
