"""Pairs, votes, labels and candidates of one's own: what they come to in the dataset, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.records import text_of
from amendment.run import Run
from tests.run.own_files import FORMATS, LABELLED, LABELS, Refused, preferences, run_rows, save


@pytest.mark.parametrize("kind", FORMATS)
def test_pairs_with_a_better_and_a_worse_answer(kind: str, tmp_path: Path) -> None:
    save(tmp_path / f"p.{kind}", [{"prompt": f"q{i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(6)])
    rows, counts = preferences(tmp_path, f"pairs: [{{path: p.{kind}}}]\n")
    assert counts["dataset"]["train pairs"] + counts["dataset"]["test pairs"] == 6
    for row in rows:
        assert text_of(row.chosen).startswith("good")
        assert text_of(row.rejected).startswith("bad")
        assert (row.p_chosen, row.decided_by, row.raters) == (1.0, "unknown", (f"p.{kind}",))


def test_answers_that_repeat_the_prompt_are_taken_without_it(tmp_path: Path) -> None:
    ask = [{"role": "user", "content": "q"}]
    rows = [
        {
            "prompt": f"q{i}",
            "chosen": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        }
        for i in range(3)
    ]
    save(tmp_path / "p.jsonl", rows)
    found, _ = preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")
    assert [[message.role for message in row.chosen] for row in found] == [["assistant"]] * 3
    save(tmp_path / "p.jsonl", [{**rows[0], "rejected": ask}])
    with pytest.raises(
        ConfigError, match="rejected: expected the assistant's answer to the prompt, found turns of user"
    ):
        preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")


VOTES: list[tuple[str, list[Any], float | None, str | None]] = [
    ("majority of two to one", [1, 1, 2], 2 / 3, "one"),
    ("all of one mind", [2, 2, 2], 1.0, "two"),
    ("a rater who did not vote", [2, None, 2], 1.0, "two"),
    ("most say tie", [1, 0, 0], 0.5, None),
    ("a tie counts half in the share", [1, 0, 1], 5 / 6, "one"),
    ("an even split", [1, 2, None], 0.5, None),
    ("nobody voted", [None, None, None], None, None),
]


@pytest.mark.parametrize("kind", FORMATS)
def test_votes_become_shares(kind: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for name, votes, _, _ in VOTES:
        # data frames write columns with gaps as floats
        u, v, w = (float(vote) if kind == "parquet" and vote is not None else vote for vote in votes)
        rows.append({"q": name, "x": "", "one": "answer one", "two": "answer two", "u": u, "v": v, "w": w})
    if kind == "csv":
        rows = [{**row, "u": "" if row["u"] is None else f"{row['u']}.0"} for row in rows]
    save(tmp_path / f"p.{kind}", rows)
    found, counts = preferences(
        tmp_path,
        f"pairs: [{{path: p.{kind}, votes: {{a: 1, b: 2, tie: 0}}, "
        "columns: {prompt: [q, x], a: one, b: two, votes: [u, v, w]}}]\ndataset: {test_share: 0, ties: keep}\n",
    )
    by_name = {text_of(row.prompt): row for row in found}
    expected = {name: (p, better) for name, _, p, better in VOTES if p is not None}
    assert set(by_name) == set(expected)
    for name, (p, better) in expected.items():
        assert by_name[name].p_chosen == pytest.approx(p)
        if better:
            assert text_of(by_name[name].chosen) == f"answer {better}"
    assert counts["inputs"]["verdicts"] == 16
    dropped = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run", overrides=["dataset.ties=drop"])()
    assert dropped.summary["stages"]["dataset"]["left out"] == {"tie": 2}
    assert dropped.ran == ("dataset",)


def test_an_unknown_vote_is_named_with_the_known_ones(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.csv", [{"prompt": "q", "a": "x", "b": "y", "v": vote} for vote in ("a", "tie", "left", " ")])
    columns = "columns: {a: a, b: b, votes: v}"
    (line,) = refused(f"pairs: [{{path: p.csv, {columns}}}]\n")
    assert line == "p.csv: row 4: v: found 'left', expected one of a, b, tie; see `votes`"
    lines = refused(f"pairs: [{{path: p.csv, {columns}, votes: {{tie: null, b: left}}}}]\n")
    assert lines == ["p.csv: row 3: v: found 'tie', expected one of a, left; see `votes`"]


def test_bad_rows_that_are_skipped_leave_nothing_behind(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "one": "x", "two": "y", "u": "a", "v": "b" if i else "left"} for i in range(4)]
    save(tmp_path / "p.jsonl", [*rows, {**rows[1], "one": [{"role": "user", "content": "x"}]}])
    columns = "columns: {a: one, b: two, votes: [u, v]}"
    found, counts = preferences(
        tmp_path, f"pairs: [{{path: p.jsonl, {columns}, bad_rows: skip}}]\ndataset: {{test_share: 0, ties: keep}}\n"
    )
    assert counts["inputs"]["bad rows left out"] == 2
    assert (counts["inputs"]["prompts"], counts["inputs"]["pair rows"], counts["inputs"]["verdicts"]) == (3, 3, 6)
    assert len(found) == 3


def test_pairs_with_an_empty_answer_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "good", "rejected": " " if i == 1 else "bad"} for i in range(4)]
    save(tmp_path / "p.csv", rows)
    found, counts = preferences(tmp_path, "pairs: [{path: p.csv}]\n")
    assert counts["inputs"]["pairs with an empty answer"] == 1
    assert len(found) == 3


def test_pairs_of_equal_answers_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "same" if i < 2 else "good", "rejected": "same"} for i in range(5)]
    save(tmp_path / "p.jsonl", rows)
    found, counts = preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")
    assert counts["inputs"]["pairs of identical answers"] == 2
    assert counts["inputs"]["pair rows"] == 5
    assert len(found) == 3


def test_the_same_comparison_in_several_rows_is_one_pair(tmp_path: Path) -> None:
    rows = [
        {"prompt": "q", "chosen": "x", "rejected": "y"},
        {"prompt": "q", "chosen": "y", "rejected": "x"},
        {"prompt": "q", "chosen": "x", "rejected": "y"},
    ]
    save(tmp_path / "p.jsonl", rows)
    (row,), _ = preferences(tmp_path, "pairs: [{path: p.jsonl}]\ndataset: {test_share: 0}\n")
    assert text_of(row.chosen) == "x"
    assert row.p_chosen == pytest.approx(2 / 3)


def test_many_rows_of_one_prompt_stay_on_one_side_of_the_split(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i % 4}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(40)]
    save(tmp_path / "p.jsonl", rows)
    preferences(tmp_path, "pairs: [{path: p.jsonl}]\ndataset: {test_share: 0.5}\n")
    sides = [{row.prompt_id for row in run_rows(tmp_path / "run", side)} for side in ("train", "test")]
    assert [len(side) for side in sides] == [2, 2]
    assert not sides[0] & sides[1]


def test_candidates_of_ones_own_are_judged(tmp_path: Path) -> None:
    rows = [
        {"q": f"please add {i} 3", "answer": answer, "who": who}
        for i in range(4)
        for answer, who in ((f"sum is {i + 3}", "ours"), (f"no idea of {i}", "theirs"), (f"no idea of {i}", "others"))
    ]
    save(tmp_path / "c.csv", rows)
    found, counts = preferences(
        tmp_path,
        "constitution: lilliput\nmodels: {j: {provider: simulated}}\n"
        "candidates: [{path: c.csv, columns: {prompt: q, candidate: answer, model: who}, license: mit}]\n"
        "judging: {judges: [{model: j, protocol: label-tokens}]}\n",
    )
    assert counts["inputs"]["candidate rows"] == 12
    assert counts["judging"]["comparisons"] == 4
    assert found
    for row in found:
        assert {row.chosen_model, row.rejected_model} == {"ours", "theirs"}
        assert (row.decided_by, row.source, row.license) == ("judge", "c.csv", "mit")


def test_what_people_decided_is_not_decided_again_by_a_judge(tmp_path: Path) -> None:
    pairs = [{"prompt": f"please add {i} 3", "chosen": f"no {i}", "rejected": f"yes {i}"} for i in range(4)]
    save(tmp_path / "p.jsonl", pairs)
    save(tmp_path / "c.jsonl", [{"prompt": f"please add {i} 3", "candidate": f"a third {i}"} for i in range(4)])
    found, counts = preferences(
        tmp_path,
        "constitution: lilliput\nmodels: {j: {provider: simulated}}\npairs: [{path: p.jsonl, rater: person}]\n"
        "candidates: [{path: c.jsonl}]\njudging: {judges: [{model: j, protocol: label-tokens}], ties: keep}\n",
    )
    assert counts["judging"]["comparisons"] == 8
    assert len({row.comparison_id for row in found}) == len(found) == 12
    assert sum(row.decided_by == "person" for row in found) == 4


def test_labels_alone_become_a_dataset(tmp_path: Path) -> None:
    rows = [dict(row) for row in LABELS]
    rows[5] |= {"u": "x", "v": "y"}  # an even split
    rows[6] |= {"u": "n", "v": "n", "w": "x"}  # most say that both are bad
    rows[7] |= {"u": "", "v": ""}  # nobody voted
    save(tmp_path / "labels.csv", rows)
    found, counts = preferences(tmp_path, f"verdicts:\n{LABELLED}dataset: {{test_share: 0.2}}\n")
    assert counts["inputs"]["comparisons"] == 7
    assert counts["dataset"]["left out"] == {"tie": 2}
    assert len(found) == 5
    for row in found:
        assert text_of(row.chosen).replace("good", "bad") == text_of(row.rejected)
        assert (row.p_chosen, row.decided_by, row.raters) == (1.0, "person", ("u", "v"))
        assert (row.source, row.license) == ("labels.csv", "mit")
    train = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")().dataset["train"]
    assert {"prompt", "chosen", "rejected"} <= set(train.column_names)


def test_a_judges_log_in_both_orders_becomes_a_dataset_and_people_decide_where_they_spoke(tmp_path: Path) -> None:
    save(tmp_path / "labels.csv", [{**row, "u": "y" if i < 2 else "", "v": ""} for i, row in enumerate(LABELS)])
    # displayed coordinates: "first" in both orders is no preference; the judge is consistent on even items only
    log = [
        {"id": f"i{i}", "shown": shown, "said": "first" if i % 2 or shown == "ab" else "second"}
        for i in range(8)
        for shown in ("ab", "ba")
    ]
    save(tmp_path / "log.jsonl", log)
    judge = (
        "  - {path: log.jsonl, rater: our-judge, kind: model, coordinates: displayed, words: {a: first, b: second},\n"
        "     columns: {item: id, order: shown, verdict: said}}\n"
    )
    found, counts = preferences(tmp_path, f"verdicts:\n{LABELLED}{judge}dataset: {{test_share: 0, ties: keep}}\n")
    assert counts["inputs"]["verdicts"] == 18
    told = {text_of(row.prompt): (row.p_chosen, row.decided_by, text_of(row.chosen)[:4]) for row in found}
    assert told["question 0"] == (1.0, "person", "bad ")
    assert told["question 1"] == (1.0, "person", "bad ")
    for i in (2, 4, 6):
        assert told[f"question {i}"] == (1.0, "judge", "good")
    for i in (3, 5, 7):
        assert told[f"question {i}"][:2] == (0.5, "judge")
