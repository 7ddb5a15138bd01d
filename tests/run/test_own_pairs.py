"""Pairs, votes, labels and candidates of one's own: what they come to in the dataset, and what is left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.records import Preference, text_of
from amendment.run import Run
from amendment.run.scoring_evaluation import read_held_out
from tests.rows import FORMATS, save
from tests.run.small_runs import LABELLED, LABELS, preferences

ALL = "dataset: {test_share: 0}\n"
JUDGED = "constitution: lilliput\nmodels: {j: {provider: simulated}}\njudging: {judges: [{model: j, protocol: "
JUDGED += "label-tokens}], ties: keep}\n"


def pair(number: int, **more: Any) -> dict[str, Any]:
    return {"prompt": f"q{number}", "chosen": f"good {number}", "rejected": f"bad {number}", **more}


def by_prompt(rows: list[Preference]) -> dict[str, Preference]:
    return {text_of(row.prompt): row for row in rows}


def test_judge_labelled_asks_about_own_pairs_of_the_first_prompts_alone(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(number) for number in range(5)])
    for most, judged in (("2", 2), ("true", 5)):
        folder = tmp_path / most
        folder.mkdir()
        shutil.copy(tmp_path / "p.jsonl", folder)
        text = f"{JUDGED[:-2]}, judge_labelled: {most}}}\npairs: [{{path: p.jsonl}}]\n{ALL}"
        rows, counts = preferences(folder, text)
        assert counts["judging"]["comparisons"] == judged
        assert {row.decided_by for row in rows} == {"unknown"}
        assert len(rows) == 5


@pytest.mark.parametrize("kind", FORMATS)
def test_pairs_of_any_kind_of_file_keep_their_order_their_probability_and_their_weight(
    kind: str, tmp_path: Path
) -> None:
    ps, weights = [0.93, 0.5000001, 1.0, None], [2.0, 0.0, 0.25, None]
    save(tmp_path / f"p.{kind}", [pair(i, p_chosen=ps[i], weight=weights[i]) for i in range(4)])
    rows, counts = preferences(tmp_path, f"pairs: [{{path: p.{kind}}}]\n{ALL}")
    told = [(row.p_chosen, row.p_chosen_raw, row.weight) for _, row in sorted(by_prompt(rows).items())]
    assert told == [(0.93, 0.93, 2.0), (0.5000001, 0.5000001, 0.0), (1.0, 1.0, 0.25), (1.0, 1.0, 1.0)]
    for row in rows:
        assert (text_of(row.chosen)[:4], text_of(row.rejected)[:3]) == ("good", "bad")
        assert (row.decided_by, row.raters) == ("unknown", (f"p.{kind}",))
    assert not any("turned" in figure.of["what"] for figure in counts["inputs"].where("read"))


def test_an_export_brought_back_keeps_p_chosen_and_weight(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(i, p_chosen=0.51 + 0.04 * i, weight=0.5 + i) for i in range(12)])
    first, _ = preferences(tmp_path, "pairs: [{path: p.jsonl}]\ndataset: {test_share: 0.25}\n")
    (tmp_path / "back").mkdir()
    for side in ("train", "test"):
        shutil.copy(tmp_path / "run" / "export" / f"{side}.parquet", tmp_path / "back")
    files = "pairs: [{path: train.parquet, kind: model}, {path: test.parquet, kind: model}]\n"
    again, _ = preferences(tmp_path / "back", files)
    kept: Callable[[Preference], Any] = lambda row: (row.p_chosen, row.p_chosen_raw, row.weight, row.chosen_id)  # noqa: E731
    assert {name: kept(row) for name, row in by_prompt(again).items()} == {
        name: kept(row) for name, row in by_prompt(first).items()
    }
    assert {row.decided_by for row in again} == {"judge"}


def test_columns_of_a_colleague_are_named_and_a_pair_below_one_half_is_turned_round(tmp_path: Path) -> None:
    rows = [
        {"q": q, "win": "x", "lose": "y", "conf": p, "w": w}
        for q, p, w in (("1", 0.8, 3), ("2", 0.3, 1), ("3", 0.5, 1))
    ]
    save(tmp_path / "p.jsonl", rows)
    named = "pairs: [{path: p.jsonl, columns: {prompt: q, chosen: win, rejected: lose, p: conf, weight: w}}]\n"
    found, counts = preferences(tmp_path, named + ALL)
    told = {name: (text_of(row.chosen), row.p_chosen, row.weight) for name, row in by_prompt(found).items()}
    assert told == {"1": ("x", 0.8, 3.0), "2": ("y", 0.7, 1.0)}  # P(x) = 0.3: y is better with 0.7
    assert counts["inputs"].count("read", what="pairs turned round, P(chosen) being below 0.5") == 1
    assert counts["dataset"]["left out"] == {"tie": 1}
    kept, _ = preferences(tmp_path, named + "dataset: {test_share: 0, ties: keep}\n")
    assert by_prompt(kept)["3"].p_chosen == 0.5
    unordered, counts = preferences(
        tmp_path, f"pairs: [{{path: p.jsonl, columns: {{prompt: q, a: win, b: lose, p: conf}}}}]\n{ALL}"
    )
    assert {name: text_of(row.chosen) for name, row in by_prompt(unordered).items()} == {"1": "x", "2": "y"}
    assert not any("turned" in figure.of["what"] for figure in counts["inputs"].where("read"))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        *(("p_chosen", value, "a probability between 0 and 1") for value in (1.2, "sure", True, "nan")),
        *(("weight", value, "a weight: a number that is 0 or more") for value in (-1, "much", True, "inf")),
    ],
)
def test_what_is_no_probability_or_weight_is_a_bad_row(column: str, value: Any, expected: str, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(0, **{column: 0.9}), pair(1, **{column: value})])
    with pytest.raises(ConfigError, match=rf"line 2: {column}: found .*, expected {expected}"):
        preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")


def test_rows_about_the_same_answers_make_one_pair_of_their_mean_weight(tmp_path: Path) -> None:
    turned = {**pair(1), "chosen": "bad 1", "rejected": "good 1"}
    rows = [
        pair(0, p_chosen=0.9, weight=3),
        pair(0, p_chosen=0.7, weight=1),
        pair(0, p_chosen=0.8),
        pair(1),
        turned,
        pair(1),
    ]
    save(tmp_path / "p.jsonl", rows)
    found = by_prompt(preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")[0])
    assert found["q0"].p_chosen == pytest.approx(0.8)  # (0.9 + 0.7 + 0.8) / 3
    assert found["q0"].weight == 2.0  # (3 + 1) / 2: the third row says nothing of it
    assert text_of(found["q1"].chosen) == "good 1"
    assert found["q1"].p_chosen == pytest.approx(2 / 3)


VOTES: list[tuple[str, list[Any], float | None, str | None]] = [
    ("majority of two to one", [1, 1, 2], 2 / 3, "one"),
    ("all of one mind", [2, 2, 2], 1.0, "two"),
    ("a rater who did not vote", [2, None, 2], 1.0, "two"),
    ("most say tie", [1, 0, 0], 0.5, None),
    ("a tie counts half in the share", [1, 0, 1], 5 / 6, "one"),
    ("an even split", [1, 2, None], 0.5, None),
    ("nobody voted", [None, None, None], None, None),
]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
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
        f"pairs: [{{path: p.{kind}, words: {{a: 1, b: 2, tie: 0}}, "
        "columns: {prompt: [q, x], a: one, b: two, votes: [u, v, w]}}]\ndataset: {test_share: 0, ties: keep}\n",
    )
    by_name = by_prompt(found)
    expected = {name: (p, better) for name, _, p, better in VOTES if p is not None}
    assert set(by_name) == set(expected)
    for name, (p, better) in expected.items():
        assert by_name[name].p_chosen == pytest.approx(p)
        assert better is None or text_of(by_name[name].chosen) == f"answer {better}"
    assert counts["inputs"].count("verdicts") == 16
    dropped = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run", overrides=["dataset.ties=drop"])()
    assert dropped.summary["stages"]["dataset"]["left out"] == {"tie": 2}
    assert dropped.ran == ("dataset",)


def test_votes_decide_and_a_p_chosen_beside_them_is_counted(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "q", "x": "one", "y": "two", "kim": "a", "lee": "a", "p_chosen": 0.6}])
    columns = "{a: x, b: y, votes: [kim, lee]}"
    [row], counts = preferences(tmp_path, f"pairs: [{{path: p.jsonl, columns: {columns}}}]\n{ALL}")
    assert row.p_chosen == 1.0
    assert counts["inputs"].count("read", what="pairs whose p_chosen is not read, since other columns decide") == 1
    with pytest.raises(ConfigError, match="or the columns a, b and p"):
        preferences(tmp_path, f"pairs: [{{path: p.jsonl, columns: {columns[:-1]}, p: p_chosen}}}}]\n")


def test_what_cannot_be_a_pair_is_counted_and_leaves_nothing_behind(tmp_path: Path) -> None:
    rows = [
        *(pair(i) for i in range(3)),
        {**pair(3), "rejected": " "},
        {**pair(4), "rejected": "good 4"},
        {**pair(6), "chosen": [{"role": "user", "content": "q6"}, {"role": "assistant", "content": "good 6"}]},
    ]
    save(tmp_path / "p.jsonl", rows)
    found, counts = preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")
    told = {figure.of["what"]: figure.value for figure in counts["inputs"].where("read")}
    assert (told["pairs with an empty answer"], told["pairs of identical answers"]) == (1, 1)
    assert [message.role for message in by_prompt(found)["q6"].chosen] == ["assistant"], "the prompt is not repeated"
    assert len(found) == 4
    save(tmp_path / "p.jsonl", [*rows, {**pair(5), "chosen": [{"role": "user", "content": "x"}]}])
    with pytest.raises(ConfigError, match="chosen: expected the assistant's answer to the prompt, found turns of user"):
        preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")


def test_candidates_of_ones_own_are_judged_and_what_people_decided_is_not(tmp_path: Path) -> None:
    save(
        tmp_path / "p.jsonl",
        [{"prompt": f"please add {i} 3", "chosen": f"no {i}", "rejected": f"yes {i}"} for i in range(4)],
    )
    rows = [{"q": f"please add {i} 3", "answer": f"a third {i}", "who": "ours"} for i in range(4)]
    save(tmp_path / "c.csv", rows)
    found, counts = preferences(
        tmp_path,
        "candidates: [{path: c.csv, columns: {prompt: q, candidate: answer, model: who}, license: mit}]\n"
        f"pairs: [{{path: p.jsonl, kind: person}}]\n{JUDGED}",
    )
    assert counts["inputs"].count("read", what="candidate rows") == 4
    assert counts["judging"]["comparisons"] == 8
    assert len({row.comparison_id for row in found}) == len(found) == 12
    assert sum(row.decided_by == "person" for row in found) == 4
    for row in found:
        if row.decided_by == "judge":
            assert "ours" in {row.chosen_model, row.rejected_model}


def test_labels_alone_become_a_dataset(tmp_path: Path) -> None:
    rows = [dict(row) for row in LABELS]
    rows[5] |= {"u": "x", "v": "y"}  # an even split
    rows[6] |= {"u": "n", "v": "n", "w": "x"}  # most say that both are bad
    rows[7] |= {"u": "", "v": ""}  # nobody voted
    save(tmp_path / "labels.csv", rows)
    found, counts = preferences(tmp_path, f"verdicts:\n{LABELLED}dataset: {{test_share: 0.2}}\n")
    assert (counts["inputs"].count("comparisons"), counts["dataset"]["left out"], len(found)) == (7, {"tie": 2}, 5)
    for row in found:
        assert text_of(row.chosen).replace("good", "bad") == text_of(row.rejected)
        assert (row.p_chosen, row.decided_by, row.raters) == (1.0, "person", ("u", "v"))
        assert (row.source, row.license) == ("labels.csv", "mit")


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
    assert counts["inputs"].count("verdicts") == 18
    told = {name: (row.p_chosen, row.decided_by, text_of(row.chosen)[:4]) for name, row in by_prompt(found).items()}
    assert [told[f"question {i}"] for i in (0, 1)] == [(1.0, "person", "bad ")] * 2
    assert [told[f"question {i}"] for i in (2, 4, 6)] == [(1.0, "judge", "good")] * 3
    assert [told[f"question {i}"][:2] for i in (3, 5, 7)] == [(0.5, "judge")] * 3


def test_an_evaluation_has_the_better_answer_of_a_turned_pair_as_chosen(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(0, p_chosen=0.25, decided_by="judge"), pair(1, p_chosen=0.75), pair(2)])
    rows = read_held_out(["p.jsonl"], tmp_path).rows
    told = [(row["chosen"][0]["content"], row.get("p_chosen"), row.get("decided_by")) for row in rows]
    assert told == [("bad 0", 0.75, "judge"), ("good 1", 0.75, None), ("good 2", None, None)]


def test_soft_training_sees_their_probabilities(tmp_path: Path) -> None:
    """Soft labels of 0.6 pull the margin to ln(0.6 / 0.4) = 0.405; hard ones, which go on and on, are over 1."""
    save(tmp_path / "p.jsonl", [pair(i, p_chosen=0.6) for i in range(8)])
    trained = """\
base: {on: nothing, steps: 1, hidden: 16, vocab: 400}
reward_model: {base: base, steps: 40, batch_size: 8, learning_rate: 0.03, max_length: 64}
"""
    _, counts = preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}{trained}")
    assert counts["reward_model"]["last"]["margin"] == pytest.approx(0.405, abs=0.05)
