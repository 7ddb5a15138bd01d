"""Records of Argilla 2, as `dataset.records.log` takes them and its exports give them; argilla itself is not needed.

Questions are `preference` (response_1, response_2, tie, both_bad, flag), `confidence` (1 to 3), `principle` and
`comment`; a skipped item is a discarded response. Two forms are read: nested (`records.to_list()`), and flat
(`records.to_list(flatten=True)`), in which alone Argilla says which responses were discarded or are drafts. Neither
holds times. Fields of the dataset: a chat `prompt`, the texts `response_1`, `response_2`, and `principles`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amendment.calibration.exchange.answers import Answers, is_blank
from amendment.calibration.exchange.items import Item, Order, blind_items, grouped
from amendment.calibration.exchange.leaving import Leaving, chat, told
from amendment.calibration.labels import Choice, Label
from amendment.calibration.samples import LabelQuestion
from amendment.tables import Row

__all__ = ["read_argilla", "write_argilla"]

WORDS: dict[str, Choice] = {
    "response_1": "A",
    "response_2": "B",
    "tie": "tie",
    "both_bad": "both_bad",
    "flag": "flag",
    "skip": "skip",
}
QUESTIONS = {"choice": "preference", "confidence": "confidence", "principle_id": "principle", "comment": "comment"}
COLUMNS = {**QUESTIONS, "annotator": "user_id"}


def write_argilla(
    questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, *, leaving: Leaving, order: Order
) -> str:
    """A JSON list of records, without responses or with those of all labels; neither times nor seconds.

    The users of responses are pseudonyms: a server wants its own users' ids in their place.
    """
    if labels is None:
        records = [_record(item, {}, "pending") for item in blind_items(questions, order)]
    else:
        found = grouped(questions, labels, leaving)
        records = [_record(item, _responses(said, leaving), "completed") for item, said in found]
    return json.dumps(records, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _record(item: Item, responses: Mapping[str, Any], status: str) -> dict[str, Any]:
    first, second = map(told, item.answers)
    fields: dict[str, Any] = {"prompt": chat(item.question.prompt), "response_1": first, "response_2": second}
    if item.question.principles:
        lines = (item.question.question, *(f"{one.id}: {one.statement}" for one in item.question.principles))
        fields["principles"] = "\n".join(lines)
    return {
        "id": item.name,
        "fields": fields,
        "metadata": {},
        "suggestions": {},
        "responses": responses,
        "vectors": {},
        "status": status,
    }


def _responses(labels: Sequence[Label], leaving: Leaving) -> dict[str, list[dict[str, Any]]]:
    word = {choice: word for word, choice in WORDS.items()}
    responses: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for label in labels:
        said = leaving.of(label)
        is_skipped = label.choice == "skip"
        said["choice"] = None if is_skipped else word[label.choice]
        for name, question in QUESTIONS.items():
            if name in said:
                response = {"value": said[name], "user_id": said["annotator"]}
                responses[question].append({**response, "status": "discarded" if is_skipped else "submitted"})
    return dict(responses)


def read_argilla(rows: Iterable[Row], answers: Answers) -> list[Label]:
    """The labels of records; drafts are none. Raises DataError that names every mistake."""
    for row in rows:
        item = answers.find(row, row.values.get("id"), column="id")
        if item:
            for user, said in _by_user(row, answers).items():
                answers.add(row, item, {**said, "annotator": user}, words=WORDS, columns=COLUMNS)
    return answers.done()


def _by_user(row: Row, answers: Answers) -> dict[str, dict[str, Any]]:
    """What each user said, by field of a label."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, question in QUESTIONS.items():
        for response in _nested(row, question, answers) if "responses" in row.values else _flat(row, question, answers):
            status, value = response.get("status"), response.get("value")
            user = "" if response.get("user_id") in (None, "None") else str(response["user_id"])
            if status == "draft":
                continue
            if name == "choice" and (status == "discarded" or (status is None and is_blank(value))):
                value = "skip"
            found[user].setdefault(name, value)
            if status == "discarded":
                found[user]["choice"] = "skip"
    return found


def _nested(row: Row, question: str, answers: Answers) -> list[Mapping[str, Any]]:
    responses = row.values["responses"]
    found = responses.get(question) if isinstance(responses, Mapping) else responses
    if is_blank(found):
        return []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        answers.wrong(row, f"responses.{question}", "expected a list of objects with `value` and `user_id`")
        return []
    return found


def _flat(row: Row, question: str, answers: Answers) -> list[Mapping[str, Any]]:
    column = f"{question}.responses"
    values, users, states = (row.values.get(f"{column}{ending}") for ending in ("", ".users", ".status"))
    if is_blank(values) and is_blank(users):
        return []
    states = states or [None] * len(values if isinstance(values, list) else [])
    if not all(isinstance(one, list) and len(one) == len(states) for one in (values, users, states)):
        answers.wrong(row, column, f"expected lists of one length in it, `{column}.users` and `{column}.status`")
        return []
    return [
        {"value": value, "user_id": user, "status": state}
        for value, user, state in zip(values, users, states, strict=True)  # type: ignore[arg-type]
    ]
