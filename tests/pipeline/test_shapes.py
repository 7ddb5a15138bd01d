"""Shapes that are known by their columns: prompts, candidates, pairs and verdicts out of the same file."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amendment.errors import DataError
from amendment.pipeline import RunFile, load_run_file
from amendment.pipeline.reading.audit_inputs import AuditInputs, read_votes, source_of
from amendment.pipeline.reading.inputs import Inputs, read_inputs
from amendment.records import text_of

Rows = Sequence[dict[str, Any]]


def ask(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def say(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def save(path: Path, rows: Rows) -> Path:
    """Rows as a file of the kind that its ending says; nested cells of a CSV as JSON texts."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                {key: json.dumps(cell) if isinstance(cell, list) else cell for key, cell in row.items()} for row in rows
            )
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def audited(path: Path, **who: Any) -> AuditInputs:
    return read_votes(RunFile(name="t", verdicts=(source_of(path, **who),)), Path())


def inputs(path: Path, part: str, **settings: Any) -> Inputs:
    return read_inputs(RunFile.model_validate({"name": "t", part: [{"path": str(path), **settings}]}), Path())


def votes(found: AuditInputs) -> list[tuple[str, str, str | None]]:
    return [(vote.rater, vote.value, vote.principle) for vote in found.votes]


def answers(found: Inputs) -> list[tuple[str, str | None]]:
    return [(text_of(one.messages), one.origin.model) for one in found.candidates.values()]


# Arenas.


def battle(winner: str, **more: Any) -> dict[str, Any]:
    talk = {"conversation_a": [ask("hi"), say("yes")], "conversation_b": [ask("hi"), say("no")]}
    return {"question_id": 7, "model_a": "one", "model_b": "two", "winner": winner, **talk, **more}


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
    with pytest.raises(DataError, match="row 1: winner: found '1/0/1', expected one of model_a"):
        audited(path, kind="person")


def test_content_in_parts_of_one_text_is_that_text(tmp_path: Path) -> None:
    talk = {
        f"conversation_{side}": [
            {"role": role, "content": [{"type": "text", "text": text, "image": None}]}
            for role, text in (("user", "hi"), ("assistant", f"from {side}"))
        ]
        for side in "ab"
    }
    found = inputs(save(tmp_path / "a.parquet", [battle("model_a", **talk)]), "candidates")
    assert answers(found) == [("from a", "one"), ("from b", "two")]


# UltraFeedback.


def rated(model: str, whole: float, **aspects: Any) -> dict[str, Any]:
    told = {name: {"Rating": rating, "Rationale": "..."} for name, rating in aspects.items()}
    return {"model": model, "response": f"by {model}", "annotations": told, "overall_score": whole}


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


def test_the_score_of_all_aspects_stands_in_for_an_overall_one(tmp_path: Path) -> None:
    completions = [{"model": "x", "response": n, "annotations": {}, "fine-grained_score": n} for n in (3.5, 4.25)]
    rows = [{"instruction": "do", "completions": [{**one, "response": f"r{one['response']}"} for one in completions]}]
    assert votes(audited(save(tmp_path / "uf.jsonl", rows))) == [("uf.jsonl", "B", None)]


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


DOCUMENT = {
    "metadata": {"version": "2.0", "default_annotator": "d"},
    "annotators": {
        "d": {"name": "preferred_text", "type": "unknown", "description": "the default"},
        "h": {"name": "jo", "type": "human", "description": "a person"},
        "p": {"description": "Select the kinder response", "type": "principle"},
    },
    "comparisons": [
        {
            "id": "c1",
            "prompt": "Tell.",
            "response_a": {"text": "cat", "model": "x"},
            "response_b": {"text": "dog", "model": "y"},
            "annotations": {"d": {"pref": "a"}, "h": {"pref": "b"}, "p": {"pref": "a"}},
            "metadata": {"category": "pets"},
        },
        {
            "id": "c2",
            "prompt": "Say.",
            "response_a": {"text": "ant"},
            "response_b": {"text": "bee"},
            "annotations": {
                "d": {"pref": "b"},
                "h": {"pref": None, "no_pref_reason": "not_applicable"},
                "p": {"pref": None, "no_pref_reason": "invalid"},
            },
        },
    ],
}


def test_a_document_of_annotated_pairs(tmp_path: Path) -> None:
    path = tmp_path / "ap.json"
    path.write_text(json.dumps(DOCUMENT))
    found = audited(path, kind="person")
    kinder = "Select the kinder response"
    assert [(vote.item, vote.rater, vote.kind, vote.value, vote.principle) for vote in found.votes] == [
        ("c1", "preferred_text", "person", "A", None),
        ("c1", "jo", "person", "B", None),
        ("c1", "principles", "model", "A", kinder),
        ("c2", "preferred_text", "person", "B", None),
        ("c2", "principles", "model", "invalid", kinder),
    ]
    assert found.items["c1"].category == "pets"
    assert (found.items["c1"].model_a, found.items["c1"].model_b) == ("x", "y")
    assert answers(inputs(path, "candidates")) == [("cat", "x"), ("dog", "y"), ("ant", None), ("bee", None)]
    assert len(inputs(path, "prompts").prompts) == 2
    with pytest.raises(DataError, match="who are the raters preferred_text\\?"):
        audited(path)


def test_a_document_of_the_first_version(tmp_path: Path) -> None:
    one = {"id": "c1", "prompt": None, "text_a": "cat", "text_b": "dog", "annotations": {"d": {"pref": "text_b"}}}
    path = tmp_path / "ap.json"
    path.write_text(json.dumps({**DOCUMENT, "metadata": {"version": "1.0"}, "comparisons": [one]}))
    assert votes(audited(path, kind="person")) == [("preferred_text", "B", None)]


# What is said of a file decides before what is recognised.


def test_a_shape_that_is_said_and_not_there_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "x.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    with pytest.raises(DataError, match="text_a: no such column in any row"):
        inputs(path, "pairs", shape="annotated-pairs")


def test_a_file_of_completions_of_which_no_two_are_rated_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "x.jsonl", [{"instruction": "q", "completions": [rated("x", 1.0)]}])
    with pytest.raises(DataError, match=r"x\.jsonl: no two answers of a row can be compared"):
        inputs(path, "verdicts")
    path = save(tmp_path / "y.jsonl", [{"instruction": "q", "completions": []}])
    with pytest.raises(DataError, match=r"y\.jsonl: holds nothing of what its shape holds"):
        inputs(path, "candidates")


def test_words_of_ones_own_hold_in_a_known_shape(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", [battle("left"), battle("right", question_id=8)])
    found = inputs(path, "verdicts", kind="person", words={"a": "left", "b": "right"})
    assert len(found.verdicts) == 2
    with pytest.raises(DataError, match=r"winner: found 'left'"):
        inputs(path, "verdicts", kind="person")


# What is no shape.


def test_an_unknown_shape_shows_its_columns_and_lines_to_paste(tmp_path: Path) -> None:
    rows = [
        {"qid": n, "instruction": f"do {n}", "input": "", "response1": "yes | no", "response2": "x" * 200}
        | {"annotator1": n % 3, "annotator2": 2, "topic": "sums"}
        for n in range(9)
    ]
    path = save(tmp_path / "odd.csv", rows)
    with pytest.raises(DataError) as told:
        source_of(path)
    text = str(told.value)
    assert text.startswith(f"{path}: the columns are no shape that is known for verdicts; they hold\n")
    assert "\n  qid: 0 / 1 / 2 (9 different)\n" in text
    assert "\n  input: (empty)\n" in text
    assert "\n  response1: yes \\| no (in all rows)\n" in text
    assert "x" * 60 not in text
    pasted = [line.strip() for line in text.split("\n")[-5:]]
    assert pasted[:2] == [
        "columns: {item: qid, prompt: [instruction, input], a: response1, b: response2, "
        "votes: [annotator1, annotator2],",
        "category: topic}",
    ]
    assert pasted[3] == "words: {a: 1, b: 2, tie: 0}"
    run = tmp_path / "run.yaml"
    run.write_text("name: t\nverdicts:\n  - path: odd.csv\n" + "".join(f"    {line}\n" for line in pasted))
    loaded = load_run_file(run)
    assert len(read_votes(loaded.config, loaded.base).votes) == 18, "what is pasted works"


def test_a_guess_for_pairs_has_the_keys_of_pairs(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer_1": "x", "answer_2": "y", "label": label} for label in "121"]
    with pytest.raises(DataError) as told:
        inputs(save(tmp_path / "p.csv", rows), "pairs")
    assert str(told.value).endswith(
        "    columns: {prompt: question, a: answer_1, b: answer_2, votes: [label]}\n"
        "    # words found: 1 (2), 2 (1)\n    votes: {a: 1, b: 2}"
    )


def test_prompts_without_a_column_of_that_name_get_a_guess_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as told:
        inputs(save(tmp_path / "p.jsonl", [{"n": 1, "Question": "Why?"}]), "prompts")
    assert str(told.value).endswith(
        "p.jsonl: prompt: no such column in any row; there are n (1), Question (Why?). Name it in the run file, such "
        "as column: Question"
    )


def test_an_arena_asked_in_both_orders_is_asked_about_and_then_both_orders_count(tmp_path: Path) -> None:
    talks = battle("model_a", judge="j")
    turned = {
        **talks,
        "model_a": "two",
        "model_b": "one",
        "conversation_a": talks["conversation_b"],
        "conversation_b": talks["conversation_a"],
    }
    for texts in (True, False):
        for winner, other in (("model_b", "A"), ("model_a", "B")):  # consistent, and always the first shown
            rows = [
                {key: cell for key, cell in row.items() if texts or "conversation" not in key}
                for row in (talks, {**turned, "winner": winner})
            ]
            path = save(tmp_path / "a.jsonl", rows)
            with pytest.raises(DataError, match=r"line 2: winner: j has judged .* looks like a second displayed order"):
                audited(path, kind="model")
            source = {"path": str(path), "kind": "model", "coordinates": "displayed"}
            found = read_votes(RunFile.model_validate({"name": "t", "verdicts": [source]}), Path())
            assert [(vote.value, vote.first) for vote in found.votes] == [("A", "A"), (other, "B")]


# The same file has the same prompts, whatever it is read for.

TALKS = {f"conversation_{side}": [ask("hi"), say(f"from {side}")] for side in "ab"}
SIDES = {"response_a": "x", "response_b": "y", "model_a": "m", "model_b": "n", "winner": "model_a"}
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
        {**ANNOTATED, "question": "Why?", "input": "rain"},
        {**ANNOTATED, "prompt": "Sum up.", **JOINED},
        {**ANNOTATED, "instruction": " Add. ", "input": ""},
        {**SIDES, **JOINED},
        {**SIDES, "prompt": '["p", "q"]', **LISTS},
        {**SIDES, "prompt": "not asked", **TALKS},
        {**JOINED, "completions": RATED},
        {"prompt": "Say.", "instruction": "Do.", "completions": RATED},
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


def test_columns_of_ones_own_may_be_several_for_prompts_and_candidates_too(tmp_path: Path) -> None:
    path = save(tmp_path / "x.jsonl", [{**JOINED, "reply": "3", "other": "4"}, {"instruction": "Go.", "reply": "no"}])
    asked = ["instruction", "input"]
    found = [
        inputs(path, "prompts", column=asked),
        inputs(path, "candidates", columns={"prompt": asked, "candidate": "reply"}),
        inputs(path, "pairs", columns={"prompt": asked, "chosen": "reply", "rejected": "other"}),
    ]
    texts = [[text_of(prompt.messages) for prompt in one.prompts.values()] for one in found]
    assert texts == [["Add.\n\n1 and 2", "Go."]] * 2 + [["Add.\n\n1 and 2"]]
    with pytest.raises(DataError, match=r"such as column: \[instruction, input\]"):
        inputs(path, "prompts")


def test_chosen_and_rejected_that_change_places_are_no_second_order(tmp_path: Path) -> None:
    row = {"prompt": "q", "chosen": "x", "rejected": "y", "score_chosen": 2, "score_rejected": 1}
    path = save(tmp_path / "uf.jsonl", [row, {**row, "chosen": "y", "rejected": "x"}])
    with pytest.raises(DataError, match=r"uf\.jsonl says . of item"):
        inputs(path, "verdicts")
    with pytest.raises(DataError, match="the better answer stands first in each row, so displayed coordinates say"):
        inputs(path, "verdicts", coordinates="displayed")


def test_a_rating_too_large_for_any_machine_is_no_rating(tmp_path: Path) -> None:
    rated = [{"response": text, "model": text, "overall_score": score} for text, score in (("x", 10**400), ("y", 2))]
    with pytest.raises(DataError, match="no two answers of a row can be compared"):
        audited(save(tmp_path / "u.jsonl", [{"instruction": "q", "completions": rated}]))
    one_hot = {"question_id": 1, "model_a": "x", "model_b": "y", "winner_model_a": 10**400}
    arena = {**one_hot, "winner_model_b": 0, "winner_tie": 0}
    with pytest.raises(DataError, match=r"line 1: winner: found '1000"):
        audited(save(tmp_path / "b.jsonl", [arena]), kind="person")
