"""Verdicts in whole replies of a judge: exactly one is found, and everything else is invalid, never a tie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from amendment.audit.inputs import AuditInputs, read_votes
from amendment.data.replies import FORMS, NO_VERDICT, forms_of, read_replies
from amendment.data.verdict_files import VerdictFile
from amendment.errors import DataError
from amendment.run import RunFile
from tests.rows import save

READ: dict[str, dict[Any, str]] = {
    "brackets": {
        "B is longer, but A is right. [[A]]": "a",
        "[[C]]\nbecause both are right": "c",
        "[[A]] at first sight, but no: [[B]]": "",
        "A is better.": "",
        "My final verdict is [[B>>A]]": "b>>a",
    },
    "verdict": {
        "Both are kind.\n\n**Verdict:** A": "a",
        "The final verdict is: Response B.": "b",
        "short\r\nWinner: tie\r\nthanks": "tie",
        "Verdict: A better answer would name the source.": "",
        "Verdict: A\nVerdict: B": "",
    },
    "answer": {"Reasons. Answer: B": "b", "The better answer is (A)": "a", "The answer is a\nmatter of taste": ""},
    "response": {"So, the final decision is Response 2. Really": "b", "the final decision is Tie": "tie"},
    "json": {
        '```json\n{"reasoning": "{ B?", "verdict": "A"}\n```': "a",
        '{"winner": "model_b"}': "b",
        '{"verdict": "A"} or {"verdict": "B"}': "",
        '{"verdict": "perhaps"}': "",
    },
    "scores": {
        "8 7\nThe first is clearer.": "a",
        "9.5, 9.5": "tie",
        "Score A: 3/10\nScore B: 7/10": "b",
        "Assistant 1: 8\nAssistant 2: 2": "a",
        "I give 7/10": "",
        "11 2": "",
        "8 7\n2 9": "",
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_finds_the_one_verdict_of_a_reply(form: str) -> None:
    replies = list(READ[form])
    assert read_replies(replies, [form]) == [word or NO_VERDICT for word in READ[form].values()]
    assert forms_of([reply for reply, word in READ[form].items() if word]) == (form,)
    assert read_replies(["", None, "  "], [form]) == ["", "", ""]


def test_texts_that_hold_no_verdicts_are_of_no_form() -> None:
    assert forms_of(["Paris.", "It is in France [[A]].", "The answer is 42.", '{"city": "Paris"}']) == ()


@pytest.mark.parametrize("pattern", ["x", "(A", "(?=A)(B)", "(a)" * 1000])
def test_a_pattern_that_finds_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="whose first group is the verdict"):
        VerdictFile.model_validate({"path": "v.csv", "pattern": pattern})


def read(tmp_path: Path, rows: list[dict[str, Any]], **settings: Any) -> AuditInputs:
    source = {"path": save(tmp_path / "log.jsonl", rows).name, "kind": "model", "rater": "m", **settings}
    return read_votes(RunFile.model_validate({"name": "t", "verdicts": [source]}), tmp_path)


def test_a_judges_log_in_both_orders_with_the_reason_before_the_verdict(tmp_path: Path) -> None:
    log = [
        {"id": 1, "shown": "ab", "reply": "The first names a source. [[A]]"},
        {"id": 1, "shown": "ba", "reply": "The second names a source. [[B]]"},
        {"id": 2, "shown": "ab", "reply": "Equal. [[C]]"},
        {"id": 2, "shown": "ba", "reply": "[[A]] or [[B]]"},
    ]
    settings = {"columns": {"item": "id", "order": "shown", "verdict": "reply"}, "coordinates": "displayed"}
    for pattern in ("brackets", r"\[\[(A|B|C)\]\]"):
        found = read(tmp_path, log, **settings, pattern=pattern)
        # item 1: the same answer both times; item 2: a tie, and two verdicts, which are none
        assert [(vote.item, vote.value) for vote in found.votes] == [
            ("1", "A"),
            ("1", "A"),
            ("2", "tie"),
            ("2", "invalid"),
        ]
        assert [count for name, count in found.counts.items() if name.startswith("replies without")] == [1]
    with pytest.raises(DataError, match="see `words`, and `pattern` for a verdict in a reply"):
        read(tmp_path, [{**log[0], "reply": "The first names a source, and the other does not. [[A]]"}], **settings)


def test_words_of_ones_own_go_with_a_pattern_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    log = [{"id": n, "reply": f"I take {word}!"} for n, word in enumerate(("left", "right", "neither"))]
    settings = {"columns": {"item": "id", "verdict": "reply"}, "pattern": "take ([a-z]+)"}
    words = {"a": "left", "b": "right", "both_bad": "neither"}
    assert [vote.value for vote in read(tmp_path, log, **settings, words=words).votes] == ["A", "B", "both_bad"]
    with pytest.raises(DataError, match=r"line 1: reply: found 'left', expected one of a, "):
        read(tmp_path, log, **settings)
