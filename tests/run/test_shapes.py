"""Shapes that are known by their columns: prompts, candidates, pairs and verdicts out of the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.audit.inputs import AuditInputs
from amendment.data.inputs import Inputs
from amendment.errors import DataError
from amendment.records import text_of
from tests.run.shaped import ask, audited, battle, inputs, rated, save, say


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
