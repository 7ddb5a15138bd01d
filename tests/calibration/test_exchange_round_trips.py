"""What goes out in each format comes back as it was: export then import is the identity, for any text."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.calibration.exchange import (
    LABEL_FORMATS,
    LabelFormatName,
    Leaving,
    format_of_row,
    read_labels,
    write_labels,
)
from amendment.calibration.labels import CHOICES, Label
from amendment.calibration.samples import LabelQuestion, PrincipleText
from amendment.records import Message
from amendment.tables import read_rows
from tests.calibration.exchanged import question_of

NOW = "2026-05-01T10:00:00+00:00"
TIMELESS = ("argilla",)
"""Formats without time and seconds."""
HOSTILE = ["=1+1", "'=1", "+cmd|' /C calc'!A0", '"', "\n", "a\r\nb", "\x00", "\u202eabc", " @x", "text_a", "[1]", "{}"]
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(HOSTILE)
names = st.sampled_from(["Ada Lovelace", "bo@example.org", "=HYPERLINK(1)", "zoe"])
PSEUDONYMS = {"Ada Lovelace": "person-2", "bo@example.org": "person-1", "=HYPERLINK(1)": "person-4", "zoe": "person-3"}


class SpotCheck(NamedTuple):
    questions: list[LabelQuestion]
    labels: list[Label]


@st.composite
def asked(draw: st.DrawFn) -> LabelQuestion:
    turns = draw(st.lists(words, min_size=1, max_size=2))
    messages = tuple(Message(role="user" if i == 0 else "assistant", content=turn) for i, turn in enumerate(turns))
    texts = draw(st.lists(words, min_size=2, max_size=2, unique=True))
    principles = tuple(PrincipleText(id=f"house/{i}", statement=draw(words)) for i in range(draw(st.integers(0, 2))))
    return question_of(messages, texts, principles=principles, is_repeated=draw(st.booleans()))


@st.composite
def said(draw: st.DrawFn, question: LabelQuestion, annotator: str, showing: int, number: int) -> Label:
    ids = (question.a_id, question.b_id)
    return Label(
        uuid=f"browser-{number}",
        comparison_id=question.comparison_id,
        prompt_id=question.prompt_id,
        shown=ids if draw(st.booleans()) else ids[::-1],
        annotator=annotator,
        showing=showing,
        choice=draw(st.sampled_from(CHOICES)),
        confidence=draw(st.none() | st.integers(1, 3)),
        principle_id=draw(st.sampled_from([None, *(one.id for one in question.principles)])),
        comment=draw(st.none() | words),
        seconds=draw(st.none() | st.floats(0, 1e4)),
        at=draw(st.datetimes().map(lambda time: f"{time.isoformat()}+00:00")),
    )


@st.composite
def spot_checks(draw: st.DrawFn) -> SpotCheck:
    questions = draw(st.lists(asked(), min_size=1, max_size=3, unique_by=lambda one: one.comparison_id))
    keys = st.tuples(st.integers(0, len(questions) - 1), names, st.integers(0, 1))
    chosen = draw(st.lists(keys, min_size=1, max_size=6, unique=True))
    labels = [draw(said(questions[i], name, showing, n)) for n, (i, name, showing) in enumerate(chosen)]
    return SpotCheck(questions, labels)


def through_a_file(text: str, name: LabelFormatName) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{LABEL_FORMATS[name].endings[0]}"
        path.write_bytes(text.encode("utf-8"))
        rows = read_rows(path)
        assert format_of_row(rows[0].values, path) == name
    return rows


def facts(labels: list[Label], *left_out: str) -> list[dict[str, Any]]:
    plain = [{k: v for k, v in one.to_json().items() if k not in ("uuid", *left_out)} for one in labels]
    return sorted(plain, key=lambda one: (one["comparison_id"], one["annotator"], one["showing"]))


def without_control(comment: str | None) -> str | None:
    """By the letter: line ends are line feeds, nothing steers, nothing stands around it."""
    if comment is None:
        return None
    lines = comment.replace("\r\n", "\n").replace("\r", "\n")
    kept = [
        c
        for c in lines
        if c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u061c\u200e\u200f")
    ]
    return "".join(c for c in kept if c not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069").strip() or None


@pytest.mark.parametrize("name", LABEL_FORMATS)
@settings(max_examples=60)
@given(check=spot_checks())
def test_labels_come_back_as_they_went(name: LabelFormatName, check: SpotCheck) -> None:
    leaving = Leaving(name_of=PSEUDONYMS.__getitem__, comments=str)
    text = write_labels(name, check.questions, check.labels, leaving=leaving, order=as_stored)
    found = read_labels(name, through_a_file(text, name), check.questions, at=NOW)
    expected = [
        one.model_copy(update={"annotator": PSEUDONYMS[one.annotator], "comment": without_control(one.comment)})
        for one in check.labels
    ]
    left_out = ("at", "seconds") if name in TIMELESS else ()
    assert facts(found, *left_out) == facts(expected, *left_out)
    again = read_labels(name, through_a_file(text, name), check.questions, at="2027-01-01T00:00:00+00:00")
    assert [one.uuid for one in again] == [one.uuid for one in found]
    back = {pseudonym: name for name, pseudonym in PSEUDONYMS.items()}
    renamed = read_labels(name, through_a_file(text, name), check.questions, at=NOW, raters=back)
    assert facts(renamed, "comment", *left_out) == facts(check.labels, "comment", *left_out)


@pytest.mark.parametrize("name", LABEL_FORMATS)
@settings(max_examples=30)
@given(check=spot_checks())
def test_no_name_and_no_comment_leaves(name: LabelFormatName, check: SpotCheck) -> None:
    labels = [one.model_copy(update={"comment": "private words"}) for one in check.labels]
    leaving = Leaving(name_of=PSEUDONYMS.__getitem__)
    text = write_labels(name, check.questions, labels, leaving=leaving, order=as_stored)
    for word in ("private words", "browser-", "Lovelace", "bo@example", "HYPERLINK", "zoe"):
        assert word not in text
    assert all(PSEUDONYMS[one.annotator] in text for one in labels)


def as_stored(question: LabelQuestion, showing: int) -> tuple[str, str]:
    ids = (question.a_id, question.b_id)
    return ids if showing == 0 else ids[::-1]


@pytest.mark.parametrize("name", LABEL_FORMATS)
@settings(max_examples=30)
@given(check=spot_checks())
def test_questions_leave_without_labels_and_nothing_comes_back(name: LabelFormatName, check: SpotCheck) -> None:
    leaving = Leaving(name_of=PSEUDONYMS.__getitem__, comments=str)
    text = write_labels(name, check.questions, None, leaving=leaving, order=as_stored)
    rows = through_a_file(text, name)
    assert len(rows) == sum(2 if one.is_repeated else 1 for one in check.questions)
    assert read_labels(name, rows, check.questions, at=NOW) == []
    for question in check.questions:
        for told in (question.comparison_id, question.a_id, question.b_id, question.prompt_id):
            assert told not in text
