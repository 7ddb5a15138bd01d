"""A spot check of two questions, one of them repeated, as files have it; and what comes back, in plain words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amendment.calibration.exchange import LabelFormat, question_file, question_items, read_labels
from amendment.calibration.label import Label
from amendment.calibration.samples import LabelQuestion, PrincipleText
from amendment.records import Candidate, Comparison, Message, Messages, Prompt, user
from amendment.tables import read_rows

NOW = "2026-05-01T10:00:00+00:00"
KIND = PrincipleText(id="house/kind", statement="Be kind.")
NAME_OF = {"Ada": "person-1", "Bo": "person-2"}.__getitem__


def question_of(messages: Messages, answers: Sequence[str], **further: Any) -> LabelQuestion:
    """A comparison of two answers; `further` are fields of the question."""
    prompt = Prompt(messages=messages)
    both = [
        Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=one),), kind="imported")
        for one in answers
    ]
    a, b = sorted(both, key=lambda one: one.id)
    return LabelQuestion(
        comparison_id=Comparison.between(a, b).id,
        prompt_id=prompt.id,
        prompt=prompt.messages,
        a_id=a.id,
        b_id=b.id,
        a=a.messages,
        b=b.messages,
        **further,
    )


def asked(text: str, *answers: str, is_repeated: bool = False) -> LabelQuestion:
    return question_of(user(text), answers, principles=(KIND,), is_repeated=is_repeated)


RAIN = asked("Why does it rain?", "Clouds.", "It does not.")
TEA = asked("Tea?", "Green.", "Black.", is_repeated=True)
QUESTIONS = [RAIN, TEA]


def blind(name: LabelFormat) -> Any:
    text = question_file(name, question_items(QUESTIONS, seed=0))
    if name == "csv":
        return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    return [json.loads(line) for line in text.splitlines()] if name == "jsonl" else json.loads(text)


def items() -> dict[str, str]:
    """The names of items: rain, tea and tea's repeat; in the file the repeat is the last."""
    rows = blind("csv")
    found = {row["prompt"]: row["item"] for row in rows[:2]}
    return {"rain": found["Why does it rain?"], "tea": found["Tea?"], "again": rows[2]["item"]}


def saved(path: Path, content: Any) -> Path:
    if isinstance(content, str):
        path.write_text(content)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, content[0])
            writer.writeheader()
            writer.writerows(content)
    else:
        path.write_text(json.dumps(content))
    return path


def taken(path: Path, *, raters: dict[str, str] | None = None) -> list[Label]:
    return read_labels(read_rows(path), QUESTIONS, at=NOW, raters=raters)


def said(labels: list[Label]) -> set[tuple[str, str, int, str, int | None, str | None]]:
    """What matters of each: question, annotator, showing, the preferred text or the choice, confidence, comment."""
    told = {RAIN.comparison_id: RAIN, TEA.comparison_id: TEA}
    found = set()
    for one in labels:
        question = told[one.comparison_id]
        texts = {question.a_id: question.a[0].content, question.b_id: question.b[0].content}
        word = {"A": texts[one.shown[0]], "B": texts[one.shown[1]]}.get(one.choice, one.choice)
        asked_for = str(question.prompt[0].content)
        found.add((asked_for, one.annotator, one.showing, str(word), one.confidence, one.comment))
    return found
