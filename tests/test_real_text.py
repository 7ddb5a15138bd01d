"""The benchmark of real text: splits that share no group, a signal that was planted is found, cells that resume."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The scripts by the last word of their names."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("data", "heads", "features", "calibration", "cells", "dpo")
    yield {name: import_module(f"real_text_{name}") for name in names}
    for name in names:
        sys.modules.pop(f"real_text_{name}")


def test_no_first_human_turn_is_in_two_sets_and_every_pair_is_in_one(bench: dict[str, ModuleType]) -> None:
    groups = [f"turn {i % 40}" for i in range(100)]
    for seed in range(20):
        sets = bench["data"].split_by_group(groups, (30, 20), seed)
        assert sorted(row for rows in sets for row in rows) == list(range(100))
        assert [len(rows) <= size for rows, size in zip(sets[:2], (30, 20), strict=True)] == [True, True]
        first, second, rest = ({groups[row] for row in rows} for rows in sets)
        assert first.isdisjoint(second)
        assert rest.isdisjoint(first | second)
    assert sets != bench["data"].split_by_group(groups, (30, 20), 0)


def test_a_dialogue_is_cut_before_its_last_answer(bench: dict[str, ModuleType]) -> None:
    start = "\n\nHuman: Hello\n\nAssistant: Hi there\n\nHuman: A joke?\n\nAssistant:"
    pair = bench["data"]._dialogues(f"{start} No.", f"{start} Knock knock.")
    assert [message["content"] for message in pair.prompt] == ["Hello", "Hi there", "A joke?"]
    assert (pair.chosen, pair.rejected, pair.group) == ("No.", "Knock knock.", "Hello")
    assert bench["data"]._dialogues(f"{start} No.", "\n\nHuman: Bye\n\nAssistant: No.") is None


def test_a_head_finds_the_direction_that_was_planted_and_none_in_noise(bench: dict[str, ModuleType]) -> None:
    heads, rng = bench["heads"], np.random.default_rng(0)
    x = rng.normal(size=(1200, 60))
    y = (x[:, 0] + rng.logistic(size=1200) / 4 > 0).astype(float)
    noise = rng.integers(0, 2, 1200).astype(float)
    for labels, low, high in ((y, 0.8, 1.0), (noise, 0.45, 0.55)):
        head = heads.fit_head(None, heads.Labelled.of(x[:400], labels[:400]), range(400), 0).head
        assert low < np.mean((head.p(x[400:]) > 0.5) == (labels[400:] > 0.5)) < high


def test_the_newton_fit_is_the_least_penalised_loss(bench: dict[str, ModuleType]) -> None:
    """One feature, one pair with target 1: the slope of log(1 + e^-w) + w^2 / 2 is 0 where w = 1 / (1 + e^w)."""
    (head,) = bench["heads"].fit_path(bench["heads"].Labelled.of(np.ones((1, 1)), np.ones(1)), (1.0,))
    assert head.weights[0] == pytest.approx(1 / (1 + np.exp(head.weights[0])), abs=1e-6)


def test_a_judge_that_is_right_helps_and_one_that_tosses_a_coin_does_not(bench: dict[str, ModuleType]) -> None:
    """A planted direction in all kinds of features; the likelihood judge is right in 95 %, or by chance."""
    rng = np.random.default_rng(1)
    pairs = [bench["data"].TextPair(({"role": "user", "content": str(i)},), "a", "b", str(i)) for i in range(1500)]
    states = rng.normal(size=(1500, 2, len(bench["features"].KINDS), 40)).astype(np.float32)
    states[:, 0, :, 0] += 2.0  # the first side is the better one
    knows = np.where(rng.random(1500) < 0.95, 4.0, -4.0)
    right = bench["calibration"].measure_seed(pairs, states, knows, 0, "likelihood")
    coin = bench["calibration"].measure_seed(pairs, states, rng.normal(size=1500) * 4, 0, "likelihood")
    assert right["judge"]["accuracy"] == pytest.approx(0.95, abs=0.03)
    assert right["arms"]["soft"]["accuracy"] > 0.8
    assert coin["arms"]["soft, judge alone"]["accuracy"] < 0.6
    assert coin["arms"]["calibrated (temperature)"]["log_loss"] < coin["arms"]["soft, judge alone"]["log_loss"]
    assert coin["judge"]["temperature"] > 10


def test_a_cell_is_measured_once_and_a_line_cut_by_a_kill_is_measured_again(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    cells, calls = bench["cells"].Cells(tmp_path / "cells.jsonl"), []

    def measure() -> dict[str, int]:
        calls.append(1)
        return {"value": len(calls)}

    assert cells.do({"part": "x", "seed": 0}, measure) == cells.do({"part": "x", "seed": 0}, measure) == {"value": 1}
    cells.do({"part": "x", "seed": 1}, measure)
    cells.file.write_text(cells.file.read_text()[:-9])
    assert cells.do({"part": "x", "seed": 1}, measure) == {"value": 3}
    assert [cell["seed"] for cell, _ in cells.results("x")] == [0, 1]


def test_the_runs_of_the_dpo_part_pass_the_check_and_their_prompts_are_enough(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    dpo = bench["dpo"]
    prompts = list(dpo.prompts())
    assert len(set(prompts)) == len(prompts) >= 2 * dpo.UNSEEN
    for setting in dpo.SETTINGS:
        dpo.Run.from_file(dpo.run_file(tmp_path, "smollm2-135m-instruct", 1, setting), folder=tmp_path / "run").check()
