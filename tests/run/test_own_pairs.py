"""Pairs, votes, labels and candidates of one's own: what they come to in the dataset, and what is left out."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.records import Preference, last_text
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
    return {last_text(row.prompt): row for row in rows}


def test_judge_labelled_asks_about_own_pairs_of_the_first_prompts_alone(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(number) for number in range(5)])
    for most, judged in (("2", 2), ("true", 5)):
        text = f"{JUDGED[:-2]}, judge_labelled: {most}}}\npairs: [{{path: p.jsonl}}]\n{ALL}"
        rows, counts = preferences(tmp_path, text)
        assert counts["judging"].totals["comparisons"] == judged
        assert [row.decided_by for row in rows] == ["unknown"] * 5


@pytest.mark.parametrize("kind", FORMATS)
def test_pairs_of_any_kind_of_file_keep_their_order_their_probability_and_their_weight(
    kind: str, tmp_path: Path
) -> None:
    ps, weights = [0.93, 0.5000001, 1.0, None], [2.0, 0.0, 0.25, None]
    save(tmp_path / f"p.{kind}", [pair(i, p_chosen=ps[i], weight=weights[i]) for i in range(4)])
    found = by_prompt(preferences(tmp_path, f"pairs: [{{path: p.{kind}}}]\n{ALL}")[0])
    assert [(found[f"q{i}"].p_chosen, found[f"q{i}"].weight) for i in range(4)] == [
        *zip(ps[:3], weights[:3], strict=True),
        (1.0, 1.0),
    ]
    for row in found.values():
        assert last_text(row.chosen).startswith("good")
        assert (row.decided_by, row.raters) == ("unknown", (f"p.{kind}",))


def test_an_export_brought_back_keeps_p_chosen_and_weight(tmp_path: Path) -> None:
    def kept(rows: list[Preference]) -> dict[str, Any]:
        return {last_text(row.prompt): (row.p_chosen, row.p_chosen_raw, row.weight, row.chosen_id) for row in rows}

    save(tmp_path / "p.jsonl", [pair(i, p_chosen=0.51 + 0.04 * i, weight=0.5 + i) for i in range(12)])
    first, _ = preferences(tmp_path, "pairs: [{path: p.jsonl}]\ndataset: {test_share: 0.25}\n")
    back = shutil.copytree(tmp_path / "run/export", tmp_path / "back")
    files = "pairs: [{path: train.parquet, kind: model}, {path: test.parquet, kind: model}]\n"
    again, _ = preferences(back, files)
    assert kept(again) == kept(first)
    assert {row.decided_by for row in again} == {"judge"}


def test_columns_of_a_colleague_are_named_and_a_pair_below_one_half_is_turned_round(tmp_path: Path) -> None:
    cells = (("1", 0.8, 3), ("2", 0.3, 1), ("3", 0.5, 1))
    save(tmp_path / "p.jsonl", [{"q": q, "win": "x", "lose": "y", "conf": p, "w": w} for q, p, w in cells])
    named = "pairs: [{path: p.jsonl, columns: {prompt: q, chosen: win, rejected: lose, p: conf, weight: w}}]\n"
    found, counts = preferences(tmp_path, named + ALL)
    told = {name: (last_text(row.chosen), row.p_chosen, row.weight) for name, row in by_prompt(found).items()}
    assert told == {"1": ("x", 0.8, 3.0), "2": ("y", 0.7, 1.0)}  # P(x) = 0.3: y is better with 0.7
    assert counts["inputs"].count("read", what="pairs swapped because P(chosen) is below 0.5") == 1
    assert counts["dataset"].funnels[0].left_out == {"tie": 1}
    kept, _ = preferences(tmp_path, named + "dataset: {test_share: 0, ties: keep}\n")
    assert by_prompt(kept)["3"].p_chosen == 0.5


def test_what_is_no_probability_or_weight_is_a_bad_row(tmp_path: Path) -> None:
    bad = {"p_chosen": [1.2, "sure", True, "nan"], "weight": [-1, "much", True, "inf"]}
    expected = {"p_chosen": "a probability between 0 and 1", "weight": "a weight: a number that is 0 or more"}
    cells = [(column, value) for column, values in bad.items() for value in values]
    save(tmp_path / "p.jsonl", [pair(number, **{column: value}) for number, (column, value) in enumerate(cells)])
    with pytest.raises(ConfigError) as caught:
        preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")
    for number, (line, (column, _)) in enumerate(zip(str(caught.value).split("\n"), cells, strict=True), start=1):
        assert re.search(rf"line {number}: {column}: found .*, expected {expected[column]}", line)


def test_rows_about_the_same_answers_make_one_pair_of_their_mean_weight(tmp_path: Path) -> None:
    turned = {**pair(1), "chosen": "bad 1", "rejected": "good 1"}
    first = [pair(0, p_chosen=0.9, weight=3), pair(0, p_chosen=0.7, weight=1), pair(0, p_chosen=0.8)]
    save(tmp_path / "p.jsonl", [*first, pair(1), turned, pair(1)])
    found = by_prompt(preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")[0])
    assert found["q0"].p_chosen == pytest.approx(0.8)  # (0.9 + 0.7 + 0.8) / 3
    assert found["q0"].weight == 2.0  # (3 + 1) / 2: the third row says nothing of it
    assert last_text(found["q1"].chosen) == "good 1"
    assert found["q1"].p_chosen == pytest.approx(2 / 3)


VOTES: dict[str, tuple[list[Any], float | None, str | None]] = {
    "majority of two to one": ([1, 1, 2], 2 / 3, "one"),
    "a rater who did not vote": ([2, None, 2], 1.0, "two"),
    "most say tie": ([1, 0, 0], 0.5, None),
    "a tie counts half in the share": ([1, 0, 1], 5 / 6, "one"),
    "an even split": ([1, 2, None], 0.5, None),
    "nobody voted": ([None, None, None], None, None),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_votes_become_shares(kind: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for name, (votes, _, _) in VOTES.items():
        # data frames write columns with gaps as floats
        u, *others = (vote if vote is None else float(vote) for vote in votes)
        v, w = others if kind == "parquet" else votes[1:]
        rows.append({"q": name, "x": "", "one": "answer one", "two": "answer two", "u": u, "v": v, "w": w})
    save(tmp_path / f"p.{kind}", rows)
    found, counts = preferences(
        tmp_path,
        f"pairs: [{{path: p.{kind}, words: {{a: 1, b: 2, tie: 0}}, "
        "columns: {prompt: [q, x], a: one, b: two, votes: [u, v, w]}}]\ndataset: {test_share: 0, ties: keep}\n",
    )
    by_name = by_prompt(found)
    assert {name: row.p_chosen for name, row in by_name.items()} == {
        name: pytest.approx(p) for name, (_, p, _) in VOTES.items() if p is not None
    }
    assert all(last_text(by_name[name].chosen) == f"answer {better}" for name, (*_, better) in VOTES.items() if better)
    assert counts["inputs"].count("verdicts") == 13
    dropped = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run", overrides=["dataset.ties=drop"])()
    assert dropped.results["dataset"].funnels[0].left_out == {"tie": 2}
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
        pair(0),
        {**pair(3), "rejected": " "},
        {**pair(4), "rejected": "good 4"},
        {**pair(6), "chosen": [{"role": "user", "content": "q6"}, {"role": "assistant", "content": "good 6"}]},
    ]
    save(tmp_path / "p.jsonl", rows)
    found, counts = preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")
    told = {figure.of["what"]: figure.value for figure in counts["inputs"].where("read")}
    assert (told["pairs with an empty answer"], told["pairs of identical answers"], len(found)) == (1, 1, 2)
    assert counts["inputs"].notes == ("left out: 1 pairs with an empty answer, 1 pairs of identical answers",)
    assert [message.role for message in by_prompt(found)["q6"].chosen] == ["assistant"], "the prompt is not repeated"
    save(tmp_path / "p.jsonl", [{**pair(5), "chosen": [{"role": "user", "content": "x"}]}])
    with pytest.raises(ConfigError, match="chosen: expected the assistant's answer to the prompt, found turns of user"):
        preferences(tmp_path, "pairs: [{path: p.jsonl}]\n")


def test_candidates_of_ones_own_are_judged_and_what_people_decided_is_not(tmp_path: Path) -> None:
    asked = [f"please add {i} 3" for i in range(4)]
    save(tmp_path / "p.jsonl", [{"prompt": text, "chosen": f"no {text}", "rejected": f"yes {text}"} for text in asked])
    save(tmp_path / "c.csv", [{"q": text, "answer": f"a third {text}", "who": "ours"} for text in asked])
    found, counts = preferences(
        tmp_path,
        "candidates: [{path: c.csv, columns: {prompt: q, candidate: answer, model: who}, license: mit}]\n"
        f"pairs: [{{path: p.jsonl, kind: person}}]\n{JUDGED}",
    )
    assert counts["judging"].totals["comparisons"] == 8
    judged = [row for row in found if row.decided_by == "judge"]
    assert (len({row.comparison_id for row in found}), len(found), len(judged)) == (12, 12, 8)
    assert all("ours" in (row.chosen_model, row.rejected_model) for row in judged)


def test_labels_alone_become_a_dataset(tmp_path: Path) -> None:
    rows = [dict(row) for row in LABELS]
    rows[5] |= {"u": "x", "v": "y"}  # an even split
    rows[6] |= {"u": "n", "v": "n", "w": "x"}  # most say that both are bad
    rows[7] |= {"u": "", "v": ""}  # nobody voted
    save(tmp_path / "labels.csv", rows)
    found, counts = preferences(tmp_path, f"verdicts:\n{LABELLED}dataset: {{test_share: 0.2}}\n")
    assert counts["inputs"].count("comparisons") == 7
    assert counts["dataset"].funnels[0].left_out == {"tie": 2}
    assert {last_text(row.chosen) for row in found} == {f"good {number}" for number in range(5)}
    for row in found:
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
    found, _ = preferences(tmp_path, f"verdicts:\n{LABELLED}{judge}dataset: {{test_share: 0, ties: keep}}\n")
    told = {name: (row.p_chosen, row.decided_by, last_text(row.chosen)[:4]) for name, row in by_prompt(found).items()}
    assert [told[f"question {i}"] for i in (0, 1)] == [(1.0, "person", "bad ")] * 2
    assert [told[f"question {i}"] for i in (2, 4, 6)] == [(1.0, "judge", "good")] * 3
    assert [told[f"question {i}"][:2] for i in (3, 5, 7)] == [(0.5, "judge")] * 3


def test_an_evaluation_has_the_better_answer_of_a_turned_pair_as_chosen(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(0, p_chosen=0.25, decided_by="judge"), pair(1, p_chosen=0.75), pair(2)])
    rows = read_held_out(["p.jsonl"], tmp_path).rows
    told = [(row["chosen"][0]["content"], row.get("p_chosen"), row.get("decided_by")) for row in rows]
    assert told == [("bad 0", 0.75, "judge"), ("good 1", 0.75, None), ("good 2", None, None)]
