"""Tasks and annotations of Label Studio, and the labelling interface that goes with them.

`pw` is left or right; `other` is tie, both_bad or flag; `confidence` is a rating of 1 to 3; `principle` and `comment`
are optional. A skipped task is an annotation that was cancelled; lead_time is seconds; the time of a label is that of
the annotation's last update. Predictions and drafts are not read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amendment.calibration.exchange.answers import Answers
from amendment.calibration.exchange.items import Item, Order, blind_items, grouped
from amendment.calibration.exchange.leaving import Leaving, told
from amendment.calibration.labels import Choice, Label
from amendment.calibration.samples import LabelQuestion
from amendment.hashing import content_id
from amendment.tables import Row

__all__ = ["LABEL_STUDIO_CONFIG", "read_label_studio", "write_label_studio"]

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
WORDS: dict[str, Choice] = {
    "left": "A",
    "right": "B",
    "tie": "tie",
    "both_bad": "both_bad",
    "flag": "flag",
    "skip": "skip",
}
COLUMNS = {
    "annotator": "completed_by",
    "choice": "pw or other",
    "principle_id": "principle",
    "seconds": "lead_time",
    "at": "updated_at",
}


def write_label_studio(
    questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, *, leaving: Leaving, order: Order
) -> str:
    """A JSON list of tasks, without annotations or with those of all labels; of annotators the address is a
    pseudonym."""
    if labels is None:
        tasks = [_task(item, []) for item in blind_items(questions, order)]
    else:
        found = grouped(questions, labels, leaving)
        tasks = [_task(item, [_annotation(leaving.of(label)) for label in said]) for item, said in found]
    return json.dumps(tasks, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _task(item: Item, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    first, second = map(told, item.answers)
    principles = item.question.principles
    data = {
        "item": item.name,
        "prompt": told(item.question.prompt, is_prompt=True),
        "text1": first,
        "text2": second,
        "principles": [{"value": one.id} for one in principles],
        "statements": "\n".join((item.question.question, *(f"{one.id}: {one.statement}" for one in principles))),
    }
    return {"data": data, "annotations": annotations, "predictions": []}


def _annotation(said: Mapping[str, Any]) -> dict[str, Any]:
    word = next(word for word, choice in WORDS.items() if choice == said["choice"])
    results = []
    if word in ("left", "right"):
        results.append(_result("pw", "text1,text2", "pairwise", {"selected": word}))
    elif word != "skip":
        results.append(_result("other", "prompt", "choices", {"choices": [word]}))
    if "confidence" in said:
        results.append(_result("confidence", "prompt", "rating", {"rating": said["confidence"]}))
    if "principle_id" in said:
        results.append(_result("principle", "prompt", "choices", {"choices": [said["principle_id"]]}))
    if "comment" in said:
        results.append(_result("comment", "prompt", "textarea", {"text": [said["comment"]]}))
    return {
        "completed_by": {"email": said["annotator"]},
        "result": results,
        "was_cancelled": word == "skip",
        "ground_truth": False,
        "created_at": said["at"],
        "updated_at": said["at"],
        "lead_time": said.get("seconds"),
    }


def _result(name: str, to: str, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """One control's answer; Label Studio tells the answers of an annotation apart by an id of ten characters."""
    return {"id": content_id([name, value])[-10:], "from_name": name, "to_name": to, "type": kind, "value": value}


def read_label_studio(rows: Iterable[Row], answers: Answers) -> list[Label]:
    """The labels of tasks as Label Studio exports them (JSON, not JSON-MIN). Raises DataError that names every
    mistake."""
    for row in rows:
        data, annotations = row.values.get("data"), row.values.get("annotations")
        if not isinstance(data, Mapping) or not isinstance(annotations, list):
            answers.wrong(row, "data", "expected a task with `data` and `annotations`; export the project as JSON")
            continue
        item = answers.find(row, data.get("item"), column="data.item")
        if item:
            for number, annotation in enumerate(annotations, start=1):
                place = Row(f"{row.place}, annotation {number}", row.values)
                if not isinstance(annotation, Mapping):
                    answers.wrong(place, "annotations", f"expected an object, found {type(annotation).__name__}")
                    continue
                said = _said(annotation)
                if said:
                    answers.add(place, item, said, words=WORDS, columns=COLUMNS)
    return answers.done()


def _said(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation as the fields of a label; nothing where it was sent in empty."""
    results = annotation.get("result")
    given: dict[str, list[Any]] = defaultdict(list)
    for result in results if isinstance(results, list) else []:
        if isinstance(result, Mapping):
            given[str(result.get("from_name"))] += _values(result.get("value"))
    is_skipped = annotation.get("was_cancelled") is True
    if not given and not is_skipped:
        return {}
    unknown = [name for name in given if name not in ("pw", "other", "confidence", "principle", "comment")]
    chosen = " and ".join(map(str, [*given["pw"], *given["other"]])) or ", ".join(unknown) or "no choice"
    return {
        "annotator": _user(annotation.get("completed_by")),
        "choice": "skip" if is_skipped else chosen,
        "confidence": _joined(given["confidence"]),
        "principle_id": _joined(given["principle"]),
        "comment": _joined(given["comment"]),
        "seconds": annotation.get("lead_time"),
        "at": annotation.get("updated_at") or annotation.get("created_at"),
    }


def _values(value: Any) -> list[Any]:
    """What a control's value holds, whatever the control."""
    found: list[Any] = []
    for one in value.values() if isinstance(value, Mapping) else ():
        found += one if isinstance(one, list) else [one]
    return found


def _joined(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else "\n".join(map(str, values)) or None


def _user(completed_by: Any) -> Any:
    """An annotator's address, or the number where the export has nothing else."""
    if isinstance(completed_by, Mapping):
        return completed_by.get("email") or completed_by.get("id")
    return completed_by
