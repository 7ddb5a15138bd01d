"""Verdicts as files have them: layouts, coordinates, known shapes, files joined, every problem with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from amendment.audit.inputs import AuditInputs, read_votes, votes_of_run
from amendment.audit.votes import Vote
from amendment.data import source_rows
from amendment.data.inputs import Inputs
from amendment.data.sources import VerdictWords, word_of
from amendment.data.verdict_files import OrderWords, VerdictFile
from amendment.errors import DataError, Problem
from amendment.files import file_hash
from amendment.records import text_of
from amendment.run import RunFile
from amendment.tables import Row, iter_rows
from tests.rows import save
from tests.run.shaped import ask, audited, battle, inputs, rated, say

Rows = Sequence[dict[str, Any]]
Read = Callable[..., AuditInputs]
Refused = Callable[..., list[str]]
TEXTED = {"columns": {"item": "i", "prompt": "q", "a": "x", "b": "y", "votes": ["u"]}, "kind": "person"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads files of rows, each with its settings, under `verdicts`: pairs of both, or rows and settings by name."""

    def reading(*files: Any, pairs: tuple[Rows, dict[str, Any]] | None = None, **settings: Any) -> AuditInputs:
        config: dict[str, Any] = {"name": "t", "verdicts": []}
        for number, (rows, said) in enumerate([(files[0], settings)] if settings else files):
            config["verdicts"].append({"path": save(tmp_path / f"{number}.jsonl", rows).name, **said})
        if pairs:
            config["pairs"] = [{"path": save(tmp_path / "pairs.jsonl", pairs[0]).name, **pairs[1]}]
        return read_votes(RunFile.model_validate(config), tmp_path)

    return reading


@pytest.fixture
def refused(read: Read, tmp_path: Path) -> Refused:
    """The problems of these files, without the folder."""

    def reading(*files: Any, **settings: Any) -> list[str]:
        with pytest.raises(DataError) as told:
            read(*files, **settings)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in told.value.problems]

    return reading


@pytest.fixture
def read_csv(tmp_path: Path) -> Callable[..., AuditInputs]:
    """Reads CSV texts under `verdicts`, each with its settings as YAML."""

    def reading(*files: tuple[str, str]) -> AuditInputs:
        sources = []
        for number, (table, settings) in enumerate(files):
            (tmp_path / f"{number}.csv").write_text(table + "\n", encoding="utf-8")
            sources.append({"path": f"{number}.csv", **yaml.safe_load(f"{{{settings}}}")})
        return read_votes(RunFile.model_validate({"name": "t", "verdicts": sources}), tmp_path)

    return reading


LOG = "kind: model, rater: m, columns: {item: i, verdict: v}"
ORDERED = "kind: model, columns: {item: i, order: o, verdict: v}, orders: {ab: xy, ba: yx}, words: {a: 1, b: 2}"
SWAPPED = "kind: model, columns: {item: i, verdict: v, swapped: w}, words: {a: 1, b: 2}"
RAISED = "kind: model, columns: {item: i, order: o, p: p}"
TWO = "kind: model, columns: {item: i, votes: [u, v]}"
WORDS = "i,u,v\n0,a,a\n1,left,a\n2,left,a\n3,right,a\n4,left,a"
BESIDE = "kind: model, columns: {item: i, verdict: v, p: p}"
DOUBTED = "i,v,p\n0,a,0.9\n1,b,0.9\n2,b,0.2\n3,a,0.5\n4,b,0.5\n5,tie,0.7\n6,a,0.1\n7,a,"
TEXTS = "kind: model, columns: {prompt: q, a: x, b: y, verdict: v}"
TURNED = "kind: model, columns: {prompt: q, a: x, b: y, order: o, p: p}, coordinates: content"
FACTS = f"{LOG[:-1]}, model_a: k, model_b: l, category: c, prompt_id: n}}"
VOTES: dict[str, tuple[str, str, str]] = {
    "a column for each rater": (
        "i,u,v,w\n1,1,2.0,\n2,0,9,2",
        "kind: person, words: {a: 1, b: 2, tie: 0, both_bad: 9}, columns: {item: i, votes: [u, v, w]}",
        "u* A, v* B, u* tie, v* both_bad, w* B; empty cells without a vote 1",
    ),
    "a row for each rater": (
        "set,n,judge,how,v\nx,0,m,cot,a\nx,0,m,,b",
        "kind: model, columns: {item: [set, n], principle: how, verdict: v, rater: judge}",
        "m A cot, m B",
    ),
    "several columns for one name": (
        "set,n,judge,how,v\nx,0,m,cot,a\nx,0,m,,b",
        "kind: model, columns: {item: [set, n], principle: how, verdict: v, rater: [judge, set]}",
        "m/x A cot, m/x B",
    ),
    # the judge says "first" in both orders; displayed: the answer shown first, so x in the one order and y in the other
    "an order in displayed coordinates": (
        "i,o,v\n1,xy,1\n1,yx,1",
        f"{ORDERED}, coordinates: displayed",
        "0.csv A A-first, 0.csv B B-first",
    ),
    "an order in content coordinates": (
        "i,o,v\n1,xy,1\n1,yx,1",
        f"{ORDERED}, coordinates: content",
        "0.csv A A-first, 0.csv A B-first",
    ),
    "a column for the swapped order, displayed": (
        "i,v,w\n1,1,1",
        f"{SWAPPED}, coordinates: displayed",
        "0.csv A A-first, 0.csv B B-first",
    ),
    "a column for the swapped order, content": (
        "i,v,w\n1,1,1",
        f"{SWAPPED}, coordinates: content",
        "0.csv A A-first, 0.csv A B-first",
    ),
    # displayed, B first: P(first shown) = 0.75 is P(A) = 0.25, and the verdict is B
    "probabilities in displayed coordinates": (
        "i,o,p\n1,ab,0.75\n1,ba,0.75\n2,ba,0.5",
        f"{RAISED}, coordinates: displayed",
        "0.csv A A-first 0.75, 0.csv B B-first 0.25, 0.csv tie B-first 0.5",
    ),
    "probabilities in content coordinates": (
        "i,o,p\n1,ab,0.75\n1,ba,0.75\n2,ba,0.5",
        f"{RAISED}, coordinates: content",
        "0.csv A A-first 0.75, 0.csv A B-first 0.75, 0.csv tie B-first 0.5",
    ),
    "a word beside a probability, b first": (
        "i,v,p,o\n1,b,0.25,ba",
        f"{BESIDE[:-1]}, order: o}}, coordinates: displayed",
        "0.csv A B-first 0.75",
    ),
    "words and probabilities that contradict each other, skipped": (
        DOUBTED,
        f"{BESIDE}, bad_rows: skip",
        "0.csv A 0.9, 0.csv B 0.2, 0.csv A 0.5, 0.csv B 0.5, 0.csv tie 0.7, 0.csv A; bad rows left out 2",
    ),
    "an empty cell of a person": ("i,v\n1,a\n2, ", "kind: person, columns: {item: i, verdict: v}", "0.csv* A"),
    "an empty cell of a model": (
        "i,v\n1,a\n2, ",
        "kind: model, columns: {item: i, verdict: v}",
        "0.csv A, 0.csv invalid",
    ),
    "an empty cell with a meaning": (
        "i,v\n1,a\n2, ",
        "kind: person, words: {invalid: ''}, columns: {item: i, verdict: v}",
        "0.csv* A, 0.csv* invalid",
    ),
    "unknown words read as invalid": (
        WORDS,
        f"{TWO}, unreadable: invalid",
        "u A, v A, u invalid, v A, u invalid, v A, u invalid, v A, u invalid, v A; words read as invalid 4",
    ),
    "rows with unknown words skipped": (WORDS, f"{TWO}, bad_rows: skip", "u A, v A; bad rows left out 4"),
    "who is a person": (
        "i,r,v\n0,ann,a\n1,gpt,a\n2,bo,a",
        "people: [an*, bo], columns: {item: i, rater: r, verdict: v}",
        "ann* A, gpt A, bo* A",
    ),
    "answers the other way round": (
        "q,x,y,v\nq,good,bad,a\n q,bad,good,b",
        f"{TEXTS}, coordinates: content",
        "0.csv A; repeated verdicts 1",
    ),
    "answers the other way round, with order and probability": (
        "q,x,y,o,p\nq,good,bad,ab,0.75\nq,bad,good,ab,0.25",  # P(bad) = 0.25, bad was shown first
        TURNED,
        "0.csv A A-first 0.75, 0.csv A B-first 0.75",
    ),
    "answers exchanged before a person are no second order": (
        "q,x,y,v\nq,good,bad,a\nq,bad,good,b",
        TEXTS.replace("model", "person"),
        "0.csv* A; repeated verdicts 1",
    ),
    "repeated verdicts count once": ("i,v\n1,a\n1,a\n1,a", LOG, "m A; repeated verdicts 2"),
    "numbered draws": ("i,v,s\n1,a,0\n1,b,1", f"{LOG[:-1]}, sample: s}}", "m A, m B"),
    "rows that contradict each other about an item, skipped": (
        "i,k,l,c,n,v\n1,x,y,math,7,a\n1,x,y,law,7,a",
        f"{FACTS}, bad_rows: skip",
        "m A; bad rows left out 1",
    ),
}


def shown(vote: Vote) -> str:
    """A person has a star."""
    rater, first = vote.rater + "*" * (vote.kind == "person"), vote.first and f"{vote.first}-first"
    return " ".join(str(part) for part in (rater, vote.value, first, vote.p_a, vote.principle) if part is not None)


@pytest.mark.parametrize("case", VOTES)
def test_rows_come_to_votes(case: str, read_csv: Callable[..., AuditInputs]) -> None:
    table, settings, expected = VOTES[case]
    found = read_csv((table, settings))
    counts = "".join(f"; {name} {found.counts[name]}" for name in found.counts if expected.partition(f"; {name}")[1])
    assert ", ".join(map(shown, found.votes)) + counts == expected


REFUSED_ROWS: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "unknown words, each once with its count": (
        [(WORDS, TWO)],
        [
            "0.csv: row 3: u: found 'left' (and in 2 more rows), expected one of a, A, b, B, tie, both_bad, invalid; "
            "see `words`",
            "0.csv: row 5: u: found 'right', expected one of a, A, b, B, tie, both_bad, invalid; see `words`",
        ],
    ),
    "nobody said who the raters are": (
        [("i,r,v\n0,ann,a\n1,gpt,a\n2,ann,a", "columns: {item: i, rater: r, verdict: v}")],
        ["0.csv: who are the raters ann, gpt? Say kind: person, kind: model"],
    ),
    "a person who is none of the raters": (
        [("i,r,v\n0,ann,a\n1,gpt,a\n2,bo,a", "people: [an*, bob], columns: {item: i, rater: r, verdict: v}")],
        ["0.csv: no rater fits 'bob' under people (did you mean 'bo'?); there are ann, gpt, bo"],
    ),
    "words and probabilities that contradict each other": (
        [(DOUBTED, BESIDE)],
        ["0.csv: row 3: p: found 0.9 with the verdict 'b'; p is P(the first answer is better)"],
    ),
    "one name for two comparisons": (
        [("i,q,x,y,v\n1,q,x,y,a\n1,q,x,z,a", f"{TEXTS[:-1]}, item: i}}")],
        ["0.csv: row 3: item '1' has other texts here than at 0.csv: row 2; expected one name for one comparison"],
    ),
    "verdicts that contradict each other": (
        [("i,v\n1,a\n1,b", LOG)],
        ["0.csv: row 3: v: m says B of item '1' here, and A at 0.csv: row 2; "],
    ),
    "two categories of an item": (
        [("i,k,l,c,n,v\n1,x,y,math,7,a\n1,x,y,law,7,a", FACTS)],
        ["0.csv: row 3: c: found 'law' for item '1', which has 'math' at 0.csv: row 2; expected one category"],
    ),
    "two models of an item, in two files": (
        [
            ("i,k,l,c,n,v\n1,x,y,math,7,a", FACTS),
            ("i,k,l,c,n,v\n1,x,z,math,7,a", FACTS.replace("rater: m", "rater: n")),
        ],
        ["1.csv: row 2: l: found 'z' for item '1', which has 'y' at 0.csv: row 2; expected one model_b"],
    ),
    "all problems of all files": (
        [
            ("i,v,s\n,a,\n2,?,\n3,a,x", "kind: person, columns: {item: i, verdict: v, sample: s}"),
            (
                "i,v,o,r\n1,a,up,",
                "kind: model, columns: {item: i, verdict: v, order: o, rater: r}, coordinates: content",
            ),
            ("i,v\n1,a\n2\n3,what", "kind: person, columns: {item: i, verdict: v}"),
            ("i,v\n1,a", "kind: person, columns: {item: j, verdict: v}"),
        ],
        [
            "0.csv: row 2: s: found '', expected the number of a draw",
            "0.csv: row 2: i: names no comparison; fill it in",
            "0.csv: row 3: s: found '', expected the number of a draw",
            "0.csv: row 4: s: found 'x', expected the number of a draw",
            "0.csv: row 3: v: found '?', expected one of",
            "1.csv: row 2: r: names no rater",
            "1.csv: row 2: o: found 'up', expected one of ab, AB, ba, BA; see `orders`",
            "2.csv: row 3: expected 2 cells",
            "2.csv: row 4: v: found 'what'",
            "3.csv: j: no such column in any row; ",
        ],
    ),
}


@pytest.mark.parametrize("case", REFUSED_ROWS)
def test_rows_that_are_wrong_are_all_named_at_once(
    case: str, read_csv: Callable[..., AuditInputs], tmp_path: Path
) -> None:
    files, expected = REFUSED_ROWS[case]
    with pytest.raises(DataError) as refused:
        read_csv(*files)
    lines = [str(problem).replace(f"{tmp_path}/", "") for problem in refused.value.problems]
    assert len(lines) == len(expected), lines
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning), (line, beginning)


def test_prompts_are_what_intervals_are_clustered_by(read: Read) -> None:
    rows = [
        {"q": " one ", "c": "", "x": "1", "y": "2", "v": "a", "g": 7},
        {"q": "one", "c": "more", "x": "1", "y": "2", "v": "a", "g": 7},
    ]
    columns = {"prompt": ["q", "c"], "a": "x", "b": "y", "verdict": "v"}
    assert [item.prompt for item in read(rows, columns=columns, kind="person").items.values()] == ["one", "one\n\nmore"]
    columns["prompt_id"] = "g"
    assert [item.prompt for item in read(rows, columns=columns, kind="person").items.values()] == ["7", "7"]
    found = read([{"i": "x", "v": "a"}], columns={"item": "i", "verdict": "v"}, kind="person")
    assert found.items["x"].prompt is None, "a cluster by itself"
    asked = [{"i": name, "q": " one ", "v": "a"} for name in "xy"]
    found = read(asked, columns={"item": "i", "prompt": "q", "verdict": "v"}, kind="person")
    assert [item.prompt for item in found.items.values()] == ["one", "one"], "without any answer"


LOGGED = {"columns": {"item": "i", "verdict": "v"}, "kind": "model", "rater": "m"}
CONTENT = {"columns": {"prompt": "q", "a": "x", "b": "y", "verdict": "v"}, "kind": "model", "rater": "m"}


def test_texts_may_stand_in_one_file_only_and_names_are_the_same_in_any_kind_of_cell(read: Read) -> None:
    texts = [{"i": n, "q": f"question {n}", "x": "xx", "y": "yyy", "u": "a"} for n in range(3)]
    log = [{"i": f"{n}.0", "v": "b"} for n in range(3)]
    for files in (((texts, TEXTED), (log, LOGGED)), ((log, LOGGED), (texts, TEXTED))):
        found = read(*files)
        assert list(found.items) == ["0", "1", "2"]
        assert {(vote.item, vote.rater) for vote in found.votes} == {(str(n), r) for n in range(3) for r in "um"}
        assert [(item.prompt, item.length_a, item.length_b) for item in found.items.values()] == [
            (f"question {n}", 2, 3) for n in range(3)
        ]
        assert sorted((file.name, file.rows) for file in found.files) == [("0.jsonl", 3), ("1.jsonl", 3)]
        assert all(file.sha256 and len(file.sha256) == 64 for file in found.files)
    # a trial reads the first rows of each file, which need not be the same items
    assert len(read((texts, {**TEXTED, "take": 1}), (log, LOGGED)).items) == 3


def test_pairs_that_people_decided_meet_the_log_of_a_judge_by_their_texts(read: Read) -> None:
    log = [{"i": n, "q": f"q{n}", "x": "good", "y": "bad", "v": "b"} for n in range(20)]
    with_items = {**CONTENT, "columns": {"item": "i", **CONTENT["columns"]}}  # type: ignore[dict-item]
    pairs = [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(20)]
    found = read((log, with_items), pairs=(pairs, {"rater": "person"}))
    assert list(found.items) == [str(n) for n in range(20)], "pairs take the names of the log"
    people = {vote.item: vote for vote in found.votes if vote.kind == "person"}
    judge = {vote.item: vote for vote in found.votes if vote.kind == "model"}
    assert all({people[item].value, judge[item].value} == {"A", "B"} for item in found.items)


def test_of_pairs_the_better_answer_is_not_always_the_first(read: Read) -> None:
    pairs = [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(60)]
    found = read(pairs=(pairs, {"rater": "person"}))
    firsts = sum(vote.value == "A" for vote in found.votes)
    assert 15 < firsts < 45, "a rater who always says A would agree with nobody beyond chance"


EXCHANGED = [{"q": f"q{n}", "x": "good", "y": "bad", "v": "a"} for n in range(4)] + [
    {"q": f"q{n}", "x": "bad", "y": "good", "v": "b" if n < 3 else "a"} for n in range(4)
]
"""A judge asked about four comparisons in both orders; of the last it always takes the first shown."""


def test_a_judge_on_exchanged_answers_is_asked_about_and_the_file_says_what_they_are(
    read: Read, refused: Refused
) -> None:
    for skipping in ({}, {"bad_rows": "skip"}):
        (line,) = refused((EXCHANGED, {**CONTENT, **skipping}))
        assert line.startswith("0.jsonl: line 5: v: m has judged these two answers at 0.jsonl: line 1 already")
        assert "(and 3 more rows like this)" in line
        assert "coordinates: displayed" in line
        assert "coordinates: content" in line
    found = read((EXCHANGED, {**CONTENT, "coordinates": "displayed"}))  # two orders
    votes = {(vote.item, vote.first): vote.value for vote in found.votes}
    assert len(votes) == 8
    assert [votes[item, "A"] == votes[item, "B"] for item in found.items] == [True, True, True, False]
    content = {**CONTENT, "coordinates": "content"}  # repetitions
    found = read((EXCHANGED[:3] + EXCHANGED[4:7], content))
    assert (len(found.votes), found.counts["repeated verdicts"]) == (3, 3)
    (line,) = refused((EXCHANGED, content))
    assert "columns.sample" in line


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
    "means one thing, and '1' stands here twice": {"words": {"a": 1, "b": [2, "1"]}},
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
    assert [word_of(cell) for cell in cells] == ["1", "1", "1", "Tie", "", "", "true", "false", "0.5", "-1"]


def votes(found: AuditInputs) -> list[tuple[str, str, str | None]]:
    return [(vote.rater, vote.value, vote.principle) for vote in found.votes]


def answers(found: Inputs) -> list[tuple[str, str | None]]:
    return [(text_of(one.messages), one.origin.model) for one in found.candidates.values()]


# Arenas.


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_an_arena_of_conversations(kind: str, tmp_path: Path) -> None:
    rows = [
        battle("model_a", judge="expert_1", turn=1),
        battle("tie (bothbad)", judge="expert_2", turn=1),
        battle("two", judge="gpt4_pair", turn=1),
        battle("tie", judge="author_0", turn=1, question_id=8),
    ]
    path = save(tmp_path / f"arena.{kind}", rows)
    found = audited(path, people=["expert_*", "author_*"])
    assert votes(found) == [
        ("expert_1", "A", None),
        ("expert_2", "both_bad", None),
        ("gpt4_pair", "B", None),
        ("author_0", "tie", None),
    ]
    assert [vote.kind for vote in found.votes] == ["person", "person", "model", "person"]
    assert len(found.items) == 2
    assert {(item.model_a, item.length_a, item.length_b) for item in found.items.values()} == {("one", 3, 2)}
    assert answers(inputs(path, "candidates")) == [("yes", "one"), ("no", "two")]
    assert [text_of(prompt.messages) for prompt in inputs(path, "prompts").prompts.values()] == ["hi"]


def test_a_battle_with_the_models_the_other_way_round_is_the_same_comparison(tmp_path: Path) -> None:
    turned = {
        "question_id": 7,
        "model_a": "two",
        "model_b": "one",
        "winner": "model_b",
        "conversation_a": [ask("hi"), say("no")],
        "conversation_b": [ask("hi"), say("yes")],
        "judge": "v",
    }
    found = audited(save(tmp_path / "a.jsonl", [battle("model_a", judge="u"), turned]), kind="person")
    assert votes(found) == [("u", "A", None), ("v", "A", None)]
    both = (battle("one", judge="u"), {**turned, "winner": "one"})
    bare = [{key: cell for key, cell in row.items() if "conversation" not in key} for row in both]
    found = audited(save(tmp_path / "b.jsonl", bare), kind="person")
    assert votes(found) == [("u", "A", None), ("v", "A", None)]
    assert [item.prompt for item in found.items.values()] == ["7"]


def test_turns_after_the_one_that_was_judged_are_left_aside(tmp_path: Path) -> None:
    long = {
        "conversation_a": [ask("hi"), say("yes"), ask("sure?"), say("no")],
        "conversation_b": [ask("hi"), say("no"), ask("sure?"), say("yes")],
    }
    rows = [battle("model_a", turn=1, **long), battle("model_b", turn=2, **long)]
    found = inputs(save(tmp_path / "a.jsonl", rows), "pairs")
    turns = [[message.role for message in one.messages] for one in found.candidates.values()]
    assert turns == [["assistant"]] * 2 + [["assistant", "user", "assistant"]] * 2
    assert len(found.prompts) == 1


def test_an_arena_with_a_column_for_each_outcome_and_lists_of_turns(tmp_path: Path) -> None:
    flags = ("winner_model_a", "winner_model_b", "winner_tie")
    rows = [
        {"id": n, "model_a": "one", "model_b": "two", "prompt": '["p", "q"]', "response_a": '["a", "b"]'}
        | {"response_b": '["c", "d"]', **dict(zip(flags, won, strict=True))}
        for n, won in enumerate([(1, 0, 0), (0, 1, 0), (0, 0, 1)])
    ]
    path = save(tmp_path / "a.csv", rows)
    assert [vote.value for vote in audited(path, kind="person").votes] == ["A", "B", "tie"]
    (prompt,) = inputs(path, "pairs").prompts.values()
    assert text_of(prompt.messages) == "p"
    save(path, [{**rows[0], "winner_tie": 1}])
    with pytest.raises(DataError, match="row 2: winner: found '1/0/1', expected one of model_a"):
        audited(path, kind="person")


# UltraFeedback.


def test_ratings_of_completions_are_verdicts_by_each_aspect(tmp_path: Path) -> None:
    completions = [
        rated("x", 7.0, helpfulness="4", honesty="N/A"),
        rated("y", 7.0, helpfulness="5", honesty="3"),
        rated("z", 2.0, helpfulness="1", honesty="3"),
    ]
    path = save(tmp_path / "uf.jsonl", [{"instruction": "do", "completions": completions}])
    found = audited(path)
    # x and y: 4 < 5, 7 = 7; x and z: 4 > 1, 7 > 2; y and z: 5 > 1, 3 = 3, 7 > 2; honesty of x is not rated
    assert [(vote.value, vote.principle) for vote in found.votes] == [
        ("B", "helpfulness"),
        ("tie", None),
        ("A", "helpfulness"),
        ("A", None),
        ("A", "helpfulness"),
        ("tie", "honesty"),
        ("A", None),
    ]
    assert [(item.model_a, item.model_b) for item in found.items.values()] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert {(vote.rater, vote.kind) for vote in found.votes} == {("uf.jsonl", "model")}
    assert answers(inputs(path, "candidates")) == [("by x", "x"), ("by y", "y"), ("by z", "z")]
    assert [text_of(prompt.messages) for prompt in inputs(path, "prompts").prompts.values()] == ["do"]


def test_lists_of_generations_and_ratings(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"do {n}", "generations": ["p", "q"], "generation_models": ["x", "y"], "ratings": ratings}
        for n, ratings in enumerate([[3, 1], [None, 2], [2, 2]])
    ]
    path = save(tmp_path / "uf.parquet", rows)
    assert [vote.value for vote in audited(path).votes] == ["A", "tie"]
    assert len(inputs(path, "candidates").candidates) == 6


def test_scores_of_chosen_and_rejected_decide(tmp_path: Path) -> None:
    def row(n: int, chosen: float, rejected: float) -> dict[str, Any]:
        talk = {"chosen": [ask(f"q{n}"), say("good")], "rejected": [ask(f"q{n}"), say("bad")]}
        return {**talk, "score_chosen": chosen, "score_rejected": rejected}

    path = save(tmp_path / "uf.jsonl", [row(1, 8.0, 6.0), row(2, 5.0, 5.0)])
    for rows in ([row(1, 8.0, 6.0), row(2, 5.0, 5.0)], [{"prompt": f"q{n}", **row(n, 9 - n, 7.0)} for n in (1, 2)]):
        save(path, rows)
        found = inputs(path, "verdicts")
        won = [verdict.shown["AB".index(str(verdict.value))] for verdict in found.verdicts if verdict.value != "tie"]
        better = [text_of(found.candidates[one].messages) for one in won]
        assert better == ["good"]
        assert [verdict.value for verdict in found.verdicts].count("tie") == 1
        assert len(found.prompts) == 2


# Annotated pairs.


def test_a_table_of_annotated_pairs(tmp_path: Path) -> None:
    row = {"text_a": "cat", "text_b": "dog", "preferred_text": "text_a", "input": "Tell.", "model_a": "x"}
    row["second"] = "text_b"
    path = save(tmp_path / "ap.csv", [row, {**row, "input": "Say.", "second": ""}])
    found = audited(path, people=["preferred_text"])
    told = [("preferred_text", "A", None), ("second", "B", None), ("preferred_text", "A", None)]
    assert votes(found) == [*told, ("second", "invalid", None)]
    assert [item.prompt for item in found.items.values()] == ["Tell.", "Say."]
    assert answers(inputs(path, "candidates"))[:2] == [("cat", "x"), ("dog", None)]


TALKS = {f"conversation_{side}": [ask("hi"), say(f"from {side}")] for side in "ab"}
ANSWERED = {"response_a": "x", "response_b": "y", "model_a": "m", "model_b": "n", "winner": "model_a"}
RATED = [
    {"model": name, "response": f"by {name}", "annotations": {}, "overall_score": n} for n, name in enumerate("xy")
]
ANNOTATED = {"text_a": "cat", "text_b": "dog", "preferred_text": "text_a"}
LISTS = {"response_a": '["a", "b"]', "response_b": '["c", "d"]'}
JOINED = {"instruction": "Add.", "input": "1 and 2"}


@pytest.mark.parametrize(
    "row",
    [
        {**ANNOTATED, **JOINED},
        {**ANNOTATED, "prompt": "Sum up.", **JOINED},
        {**ANSWERED, "prompt": '["p", "q"]', **LISTS},
        {**ANSWERED, "prompt": "not asked", **TALKS},
        {**JOINED, "completions": RATED},
        {**JOINED, "chosen": "good", "rejected": "bad", "score_chosen": 2, "score_rejected": 1},
        {"question": "hey", "chosen": TALKS["conversation_a"], "rejected": TALKS["conversation_b"], "score_chosen": 2},
    ],
)
def test_the_prompts_of_a_file_are_the_same_whatever_it_is_read_for(row: dict[str, Any], tmp_path: Path) -> None:
    path = save(tmp_path / "x.jsonl", [row])
    parts: list[tuple[str, dict[str, str]]] = [("pairs", {}), ("candidates", {}), ("verdicts", {"kind": "model"})]
    (prompt,) = inputs(path, "prompts").prompts.values()
    for part, settings in parts:
        assert list(inputs(path, part, **settings).prompts) == [prompt.id], part


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
    votes = votes_of_run(found.verdicts, found.candidates.values(), found.prompts.values()).votes
    told = {("A", "A"), ("B", "B")}  # names of content are in no order
    assert {(vote.first, vote.value) for vote in votes} == (told if order else {(None, "A"), (None, "B")})
