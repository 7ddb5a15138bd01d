"""Pairs of one's own with P(chosen is better) and a weight: they reach the dataset, or their rows are named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from amendment.errors import ConfigError
from amendment.records import Judgement, Preference, Verdict, text_of
from amendment.reward_model import RewardSettings
from amendment.run.scoring_evaluation import read_held_out
from amendment.stages.deciding import majorities
from amendment.training.labels import pair_labels
from tests.run.own_files import FORMATS, preferences, save

ALL = "dataset: {test_share: 0}\n"


def pair(number: int, **more: Any) -> dict[str, Any]:
    return {"prompt": f"q{number}", "chosen": f"good {number}", "rejected": f"bad {number}", **more}


def by_prompt(rows: list[Preference]) -> dict[str, Preference]:
    return {text_of(row.prompt): row for row in rows}


@pytest.mark.parametrize("kind", FORMATS)
def test_p_chosen_and_weight_are_read_by_their_names(kind: str, tmp_path: Path) -> None:
    ps, weights = [0.93, 0.5000001, 1.0, None], [2.0, 0.0, 0.25, None]
    rows = [pair(i, p_chosen=p, weight=w) for i, (p, w) in enumerate(zip(ps, weights, strict=True))]
    save(tmp_path / f"p.{kind}", rows)
    found, counts = preferences(tmp_path, f"pairs: [{{path: p.{kind}}}]\n{ALL}")
    told = [(row.p_chosen, row.p_chosen_raw, row.weight) for _, row in sorted(by_prompt(found).items())]
    assert told == [(0.93, 0.93, 2.0), (0.5000001, 0.5000001, 0.0), (1.0, 1.0, 0.25), (1.0, 1.0, 1.0)]
    assert all(text_of(row.chosen).startswith("good") and row.decided_by == "unknown" for row in found)
    assert not any("turned" in name for name in counts["inputs"])
    labels = pair_labels([row.to_json() for row in found], RewardSettings(labels="soft"))
    assert sorted(labels.targets.tolist()) == pytest.approx([0.5000001, 0.93, 1.0, 1.0])


def test_an_export_brought_back_keeps_p_chosen_and_weight(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(i, p_chosen=0.51 + 0.04 * i, weight=0.5 + i) for i in range(12)])
    first, _ = preferences(tmp_path, "pairs: [{path: p.jsonl}]\ndataset: {test_share: 0.25}\n")
    (tmp_path / "back").mkdir()
    for side in ("train", "test"):
        shutil.copy(tmp_path / "run" / "export" / f"{side}.parquet", tmp_path / "back")
    again, counts = preferences(
        tmp_path / "back", "pairs: [{path: train.parquet, rater: model}, {path: test.parquet, rater: model}]\n"
    )
    assert {
        name: (row.p_chosen, row.p_chosen_raw, row.weight, row.chosen_id) for name, row in by_prompt(again).items()
    } == {name: (row.p_chosen, row.p_chosen_raw, row.weight, row.chosen_id) for name, row in by_prompt(first).items()}
    assert {row.decided_by for row in again} == {"judge"}
    assert counts["dataset"]["train pairs"] + counts["dataset"]["test pairs"] == 12
    out = load_dataset("parquet", data_files=str(tmp_path / "back/run/export/train.parquet"), cache_dir=str(tmp_path))
    assert {row["p_chosen"] for row in out["train"]} <= {row.p_chosen for row in first}


def test_columns_of_a_colleague_are_named(tmp_path: Path) -> None:
    rows = [
        {"q": "one", "win": "x", "lose": "y", "conf": 0.8, "w": 3},
        {"q": "two", "win": "x", "lose": "y", "conf": 0.3, "w": 1},  # P(chosen) = 0.3: y is better with 0.7
        {"q": "three", "win": "x", "lose": "y", "conf": 0.5, "w": 1},
    ]
    save(tmp_path / "p.jsonl", rows)
    named = "pairs: [{path: p.jsonl, columns: {prompt: q, chosen: win, rejected: lose, p: conf, weight: w}}]\n"
    found, counts = preferences(tmp_path, named + ALL)
    told = by_prompt(found)
    assert set(told) == {"one", "two"}
    assert (told["one"].p_chosen, told["one"].weight, text_of(told["one"].chosen)) == (0.8, 3.0, "x")
    assert (told["two"].p_chosen, text_of(told["two"].chosen)) == (0.7, "y")
    assert counts["inputs"]["pairs turned round, P(chosen) being below 0.5"] == 1
    assert counts["dataset"]["left out"] == {"tie": 1}
    kept, _ = preferences(tmp_path, named + "dataset: {test_share: 0, ties: keep}\n")
    assert by_prompt(kept)["three"].p_chosen == 0.5


def test_two_answers_without_an_order_have_the_p_of_the_first(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{p}", "x": "one", "y": "two", "p": p, "weight": 1 + p} for p in (0.9, 0.2)]
    save(tmp_path / "p.jsonl", rows)
    found, counts = preferences(tmp_path, f"pairs: [{{path: p.jsonl, columns: {{a: x, b: y, p: p}}}}]\n{ALL}")
    told = {name: (text_of(row.chosen), row.p_chosen, row.weight) for name, row in by_prompt(found).items()}
    assert told == {"q0.9": ("one", 0.9, 1.9), "q0.2": ("two", 0.8, 1.2)}
    assert not any("turned" in name for name in counts["inputs"])


@pytest.mark.parametrize("value", [1.2, -0.1, "sure", True, "nan"])
def test_what_is_no_probability_is_a_bad_row(value: Any, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(0, p_chosen=0.9), pair(1, p_chosen=value)])
    with pytest.raises(ConfigError, match=r"line 2: p_chosen: found .*, expected a probability between 0 and 1"):
        preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")
    found, counts = preferences(tmp_path, f"pairs: [{{path: p.jsonl, bad_rows: skip}}]\n{ALL}")
    assert [row.p_chosen for row in found] == [0.9]
    assert counts["inputs"]["bad rows left out"] == 1


@pytest.mark.parametrize("value", [-1, "heavy", False, "inf", [1]])
def test_what_is_no_weight_is_a_bad_row(value: Any, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(0, weight=2), pair(1, weight=value)])
    with pytest.raises(ConfigError, match=r"line 2: weight: found .*, expected a weight: a number that is 0 or more"):
        preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")


def test_named_columns_that_no_row_has_are_told(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(0)])
    for part in ("p", "weight"):
        columns = f"{{chosen: chosen, rejected: rejected, {part}: surety}}"
        with pytest.raises(ConfigError, match="surety: no such column"):
            preferences(tmp_path, f"pairs: [{{path: p.jsonl, columns: {columns}}}]\n{ALL}")


def test_rows_about_the_same_answers_make_one_pair_of_their_mean_weight(tmp_path: Path) -> None:
    rows = [pair(0, p_chosen=0.9, weight=3), pair(0, p_chosen=0.7, weight=1), pair(0, p_chosen=0.8)]
    save(tmp_path / "p.jsonl", rows)
    [row], _ = preferences(tmp_path, f"pairs: [{{path: p.jsonl}}]\n{ALL}")
    assert row.p_chosen == pytest.approx(0.8)  # (0.9 + 0.7 + 0.8) / 3
    assert row.weight == 2.0  # (3 + 1) / 2: the third row says nothing of it


def test_votes_decide_and_a_p_chosen_beside_them_is_counted(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "x": "one", "y": "two", "kim": "a", "lee": "a", "p_chosen": 0.6, "weight": 4}]
    save(tmp_path / "p.jsonl", rows)
    columns = "{a: x, b: y, votes: [kim, lee]}"
    [row], counts = preferences(tmp_path, f"pairs: [{{path: p.jsonl, columns: {columns}}}]\n{ALL}")
    assert (row.p_chosen, row.weight) == (1.0, 4.0)
    assert counts["inputs"]["pairs whose p_chosen is not read, since other columns decide"] == 1
    with pytest.raises(ConfigError, match="or the columns a, b and p"):
        preferences(tmp_path, f"pairs: [{{path: p.jsonl, columns: {columns[:-1]}, p: p_chosen}}}}]\n")


def test_files_of_a_mix_bring_them_too(tmp_path: Path) -> None:
    save(tmp_path / "own.jsonl", [pair(i) for i in range(8)])
    save(tmp_path / "other.jsonl", [pair(100 + i, p_chosen=0.75, weight=0.5) for i in range(8)])
    mix = "mix: [{source: run, share: 0.5}, {path: other.jsonl, share: 0.5, license: mit}]"
    rows, _ = preferences(tmp_path, f"pairs: [{{path: own.jsonl}}]\ndataset: {{test_share: 0, {mix}}}\n")
    told = {(row.p_chosen, row.weight, len(text_of(row.prompt))) for row in rows}
    assert told == {(1.0, 1.0, 2), (0.75, 0.5, 4)}


def test_a_judgement_without_a_weight_is_written_as_before() -> None:
    verdict = Verdict(scale="pair", prompt_id="p", shown=("a", "b"), value="A", rater="r", rater_kind="person")
    [plain], [weighed] = (
        majorities([verdict], {}, {}),
        majorities([verdict], {Judgement(prompt_id="p", a="a", b="b").comparison_id: [0.0]}, {}),
    )
    assert "weight" not in plain.to_json()
    assert weighed == plain.model_copy(update={"weight": 0.0})


def test_an_evaluation_has_the_better_answer_of_a_turned_pair_as_chosen(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [pair(0, p_chosen=0.25, decided_by="judge"), pair(1, p_chosen=0.75), pair(2)])
    rows = read_held_out(["p.jsonl"], tmp_path).rows
    told = [(row["chosen"][0]["content"], row.get("p_chosen"), row.get("decided_by")) for row in rows]
    assert told == [("bad 0", 0.75, "judge"), ("good 1", 0.75, None), ("good 2", None, None)]


TRAINED = """\
base: {on: nothing, steps: 1, tiny: {hidden: 16, layers: 1, heads: 2, intermediate: 32, vocab: 400, context: 512}}
reward_model: {base: base, labels: LABELS, steps: 40, batch_size: 8, learning_rate: 0.03, max_length: 64}
"""


def test_soft_training_sees_them(tmp_path: Path) -> None:
    """Soft labels of 0.6 pull the margin to ln(0.6 / 0.4) = 0.405, hard ones on and on."""
    save(tmp_path / "p.jsonl", [pair(i, p_chosen=0.6) for i in range(8)])
    margins = {}
    for labels in ("hard", "soft"):
        text = f"pairs: [{{path: p.jsonl}}]\n{ALL}{TRAINED}".replace("LABELS", labels)
        _, counts = preferences(tmp_path, text)
        margins[labels] = counts["reward_model"]["last"]["margin"]
    assert margins["soft"] == pytest.approx(0.405, abs=0.05)
    assert margins["hard"] > 1
