"""Verdicts in whole replies of a judge: exactly one is found, and everything else is invalid, never a tie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from amendment.audit.inputs import AuditInputs, read_votes
from amendment.data.replies import FORMS, NO_VERDICT, find_forms, read_replies
from amendment.data.verdict_files import VerdictFile
from amendment.errors import DataError
from amendment.run import RunFile
from tests.command_line import amendment
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
    assert find_forms([reply for reply, word in READ[form].items() if word]) == (form,)
    assert read_replies(["", None, "  "], [form]) == ["", "", ""]


def test_texts_that_hold_no_verdicts_are_of_no_form() -> None:
    assert find_forms(["Paris.", "It is in France [[A]].", "The answer is 42.", '{"city": "Paris"}']) == ()


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


# From a log to a certificate, through the command line.


def logged(tmp_path: Path, replies: list[str]) -> list[str]:
    """The arguments of an audit: two people who choose B on every tenth item and A on the others, and a judge's
    replies, one an item."""
    labels = ["B" if n % 10 == 9 else "A" for n in range(len(replies))]
    people = [{"item": f"i{n}", "anna": label, "bert": label} for n, label in enumerate(labels)]
    log = [{"item": f"i{n}", "reply": f"Item {n}. {said}"} for n, said in enumerate(replies)]
    paths = save(tmp_path / "people.csv", people), save(tmp_path / "judge.jsonl", log)
    return ["audit", *map(str, paths), "--people", "anna", "--people", "bert"]


def described(tmp_path: Path) -> tuple[dict[str, Any], str]:
    """The judge's entry in the saved description, and the line with its pattern."""
    text = (tmp_path / "study.yaml").read_text(encoding="utf-8")
    [line] = [line.strip() for line in text.splitlines() if line.strip().startswith("pattern:")]
    entry: dict[str, Any] = yaml.safe_load(text)["verdicts"][1]
    return entry, line


def certificate(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    return document


def test_patterns_that_find_different_verdicts_in_a_reply_find_none(tmp_path: Path) -> None:
    replies = ["[[A]]", "[[A]]\nVerdict: B", "[[A]] or [[B]]\nVerdict: A", "Verdict: [[A]]"]
    log = [{"id": number, "reply": reply} for number, reply in enumerate(replies)]
    settings = {"columns": {"item": "id", "verdict": "reply"}, "pattern": ["brackets", "verdict"]}
    assert [vote.value for vote in read(tmp_path, log, **settings).votes] == ["A", "invalid", "invalid", "A"]


def test_replies_that_no_pattern_reads_are_asked_about_and_shown_once_it_is_confirmed(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>" + " long" * 99 + ' "?" | ![x](http://x) *x* \x1b[31m\u202e\n# pattern: `x'
    replies = ["[[A]]", "[[A]]", "Verdict: A", "[[B]]", hostile] * 20
    ended = amendment(*logged(tmp_path, replies), "--write", tmp_path / "study.yaml")
    assert ended.code == 2
    entry, line = described(tmp_path)
    assert (entry["pattern"], "write [brackets, verdict] if" in line) == ("?", True)
    assert "20 of 100 replies stay unread" in ended.err
    assert "Item 4. " in line
    text = (tmp_path / "study.yaml").read_text(encoding="utf-8")
    (tmp_path / "study.yaml").write_text(text.replace('pattern: "?"', "pattern: [brackets, verdict]"), encoding="utf-8")
    ended = amendment("audit", tmp_path / "study.yaml", "--folder", tmp_path / "audit")
    assert ended.code == 0, ended.err
    found = certificate(tmp_path / "audit")
    assert (found["conclusions"][0]["form"], found["conclusions"][0]["because"]) == ("do not use", "invalid")
    shown = found["unread"]["judge.jsonl"]
    assert [reply.partition(".")[0] for reply in shown] == ["Item 4", "Item 9", "Item 14"]
    assert all(len(reply) < 130 and reply.endswith("# pattern: `x") for reply in shown)
    page = (tmp_path / "audit" / "certificate.md").read_text(encoding="utf-8")
    assert page.count("\\<script\\>alert(1)\\</sc") == page.count("!\\[x\\](http://x) \\*x\\* \\x1b\\[31m") == 3
    assert "\x1b" not in page + text + ended.out
    assert amendment("report", tmp_path / "audit", "--out", tmp_path / "report.html").code == 0
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.count("&lt;script&gt;alert(1)&lt;/sc") >= 3
    assert "<script>alert(1)" not in report


def test_a_guessed_pattern_that_reads_too_little_rejects_no_judge_until_it_is_confirmed(tmp_path: Path) -> None:
    # a description looks at the first 1000 rows; of all 1400 the pattern leaves 400 unread, 29 %
    arguments = logged(tmp_path, ["[[A]]"] * 1000 + ["I like A."] * 400)
    for more in ([], ["--write", tmp_path / "study.yaml"]):
        ended = amendment(*arguments, *more, "--folder", tmp_path / "audit")
        assert ended.code == 0, ended.err
        (found,) = certificate(tmp_path / "audit")["conclusions"]
        assert (found["form"], found["because"]) == ("no conclusion", "guessed pattern")
        assert "28.6 % of 1400 verdicts" in found["sentence"]
    assert amendment("audit", tmp_path / "study.yaml", "--folder", tmp_path / "again").code == 0
    (found,) = certificate(tmp_path / "again")["conclusions"]
    assert (found["form"], found["because"]) == ("do not use", "invalid")
