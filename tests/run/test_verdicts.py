"""Verdicts as files have them: settings that could mean two things, turns, and files that change; what a file comes to
is in `foreign_files.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from amendment.audit.inputs import AuditInputs, read_votes, votes_from_verdicts
from amendment.data import source_rows
from amendment.data.inputs import Inputs, read_inputs
from amendment.data.sources import VerdictWords, parse_word
from amendment.data.verdict_files import OrderWords, VerdictFile
from amendment.errors import DataError, Problem
from amendment.files import file_hash
from amendment.run import RunFile
from amendment.tables import Row, iter_rows
from tests.rows import save


def audited(path: Path, part: str = "verdicts", **settings: Any) -> AuditInputs:
    return read_votes(RunFile.model_validate({"name": "t", part: [{"path": str(path), **settings}]}), Path())


def inputs(path: Path, part: str, **settings: Any) -> Inputs:
    return read_inputs(RunFile.model_validate({"name": "t", part: [{"path": str(path), **settings}]}), Path())


def test_of_pairs_the_better_answer_is_not_always_the_first(tmp_path: Path) -> None:
    pairs = [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(60)]
    found = audited(save(tmp_path / "pairs.jsonl", pairs), "pairs", kind="person")
    firsts = sum(vote.value == "A" for vote in found.votes)
    assert 15 < firsts < 45, "a rater who always says A would agree with nobody beyond chance"


SIDES = {"prompt": "q", "a": "x", "b": "y"}
REFUSED: dict[str, dict[str, Any]] = {
    "name both answers, a and b": {"columns": {"item": "i", "a": "x", "verdict": "v"}},
    "nothing names the comparison": {"columns": {"prompt": "q", "verdict": "v"}},
    "either verdict (one rater a row) or votes": {"columns": {**SIDES, "verdict": "v", "votes": ["v", "w"]}},
    "no column holds a verdict": {"columns": SIDES},
    "named after their raters": {"columns": {**SIDES, "votes": ["v"], "rater": "w"}},
    "swapped goes with verdict and without order": {
        "columns": {"item": "i", "verdict": "v", "swapped": "w", "order": "o"},
        "coordinates": "content",
    },
    "say coordinates: displayed": {"columns": {"item": "i", "verdict": "v", "swapped": "w"}},
    "column 'o' brings a second order": {"columns": {"item": "i", "verdict": "v", "order": "o"}},
    "displayed coordinates need the order": {"columns": {"item": "i", "verdict": "v"}, "coordinates": "displayed"},
    "either kind (of all raters) or people": {"kind": "person", "people": "x*"},
    "the columns name raters already": {"columns": {"item": "i", "votes": ["v"]}, "rater": "me"},
    "has one meaning, and '1' is here twice": {"words": {"a": 1, "b": [2, "1"]}},
    "ab and ba need different words": {"orders": {"ab": 0, "ba": "0"}},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_could_mean_two_things_is_refused(words: str) -> None:
    with pytest.raises(ValidationError) as told:
        VerdictFile.model_validate({"path": "v.csv", **REFUSED[words]})
    assert words in str(told.value)


def test_a_word_or_a_list_of_words_may_stand_for_a_meaning_whatever_wrote_the_cell() -> None:
    words = VerdictWords.model_validate({"a": 1, "b": [2, "two"], "tie": None, "invalid": ["garbage", True]})
    expected = {"1": "A", "2": "B", "two": "B", "garbage": "invalid", "true": "invalid"}
    assert words.meanings().items() >= expected.items()
    assert "tie" not in words.meanings()
    assert OrderWords.model_validate({"ab": False, "ba": True}).meanings() == {"false": "A", "true": "B"}
    cells = (1, 1.0, "1.0", " Tie ", None, float("nan"), True, "FALSE", 0.5, -1.0)
    assert [parse_word(cell) for cell in cells] == ["1", "1", "1", "Tie", "", "", "true", "false", "0.5", "-1"]


def test_turns_after_the_one_that_was_judged_are_left_aside(tmp_path: Path) -> None:
    turns = [[("user", "hi"), ("assistant", said), ("user", "sure?"), ("assistant", "so")] for said in ("yes", "no")]
    talks = [[{"role": role, "content": text} for role, text in talk] for talk in turns]
    row = {"question_id": 7, "model_a": "one", "model_b": "two", "conversation_a": talks[0], "conversation_b": talks[1]}
    rows = [{**row, "winner": "model_a", "turn": 1}, {**row, "winner": "model_b", "turn": 2}]
    found = inputs(save(tmp_path / "a.jsonl", rows), "pairs")
    roles = [[message.role for message in answer.messages] for answer in found.candidates.values()]
    assert roles == [["assistant"]] * 2 + [["assistant", "user", "assistant"]] * 2
    assert len(found.prompts) == 1


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text('{"item": 1, "verdict": "a"}\n')

    def growing(path: Path, problems: list[Problem]) -> Iterator[Row]:
        yield from iter_rows(path, problems)
        with path.open("a") as file:
            file.write('{"item": 2, "verdict": "b"}\n')

    with monkeypatch.context() as patched:
        patched.setattr(source_rows, "iter_rows", growing)
        with pytest.raises(DataError, match=r"v\.jsonl: changed while it was read; run again"):
            audited(path, kind="model")
    (facts,) = audited(path, kind="model").files
    assert (facts.rows, facts.sha256) == (2, file_hash(path))


@pytest.mark.parametrize("order", [None, "o"])
def test_an_order_that_no_file_told_is_not_made_up_by_the_records(order: str | None, tmp_path: Path) -> None:
    rows = [{"q": f"q{n}", "x": f"x{n}", "y": f"y{n}", "o": "ab", "v": "a"} for n in range(20)]
    columns = {"prompt": "q", "a": "x", "b": "y", "verdict": "v", **({"order": order} if order else {})}
    settings = {"columns": columns, "kind": "person", **({"coordinates": "displayed"} if order else {})}
    found = inputs(save(tmp_path / "v.jsonl", rows), "verdicts", **settings)
    votes = votes_from_verdicts(found.verdicts, found.candidates.values(), found.prompts.values()).votes
    told = {("A", "A"), ("B", "B")}  # names of content are in no order
    assert {(vote.first, vote.value) for vote in votes} == (told if order else {(None, "A"), (None, "B")})
