"""Best of n, the style grid and both RewardBenches, on small sets whose figures are worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import yaml

from amendment.errors import DataError
from amendment.reward_model import Benchmark, evaluate_reward
from amendment.reward_model.benchmarks import (
    Best,
    best_of_n,
    reward_bench,
    reward_bench_2,
    style_grid,
)


def arrays(*rows: list[float]) -> list[Any]:
    return [np.array(row, dtype=float) for row in rows]


def figures(benchmark: Benchmark) -> dict[str, float]:
    return {name: value if isinstance(value, float) else value.value for name, value in benchmark.figures.items()}


def by_number(rows: Any) -> list[float]:
    """A model whose score is the number that the answer spells; `long` has none."""
    texts = [row["completion"][0]["content"] for row in rows]
    return [math.nan if text == "long" else float(text) for text in texts]


def test_two_pools_by_hand() -> None:
    # p: scores 3, 1, 2 with qualities 5, 1, 9: the first has 5, the best 9, the mean is 5
    # q: scores 1, 2 with qualities 0, 4: the first has 4, which is the best, the mean is 2
    measured = figures(best_of_n(arrays([3, 1, 2], [1, 2]), arrays([5, 1, 9], [0, 4]), ["p", "q"]))
    assert measured["first is a best one"] == 0.5
    assert measured["a random one is"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert [measured[name] for name in ("quality of the pick", "- of a random one", "- of the best")] == [4.5, 3.5, 6.5]
    assert measured["- gained over a random one"] == pytest.approx(1.0)
    # of one: the means, 5 and 2; of two: p's pairs (3, 1), (3, 2), (1, 2) pick 5, 5, 9; q picks 4
    assert [measured["- best of 1"], measured["- best of 2"]] == pytest.approx([3.5, (19 / 3 + 4) / 2])


def test_equal_scores_share_their_place() -> None:
    # two of three are first, one of them is best: half a hit, and the mean of 1 and 3 as the pick
    measured = figures(best_of_n(arrays([2, 2, 0]), arrays([1, 3, 2]), ["p"]))
    assert (measured["first is a best one"], measured["quality of the pick"]) == (0.5, 2.0)
    # of two: (a, b) gives 2 on average; (a, c) gives 1; (b, c) gives 3
    assert measured["- best of 2"] == pytest.approx((2 + 1 + 3) / 3)


def test_a_grid_by_hand() -> None:
    # right answers 1, 3, 5 in three styles, wrong ones 2, 2, 4: 1 beats none; 3 beats 2, 2; 5 beats all
    measured = figures(style_grid(arrays([1, 3, 5]), arrays([2, 2, 4]), ["p"]))
    # hard: cells (0,1) 0, (0,2) 0, (1,2) 0; normal: 0, 1, 1; easy: (1,0) 1, (2,0) 1, (2,1) 1
    expected = {"easy": 1, "normal": 2 / 3, "hard": 0, "average": (0 + 2 / 3 + 1) / 3}
    assert measured == pytest.approx(expected)
    # a score that is the style alone: equal on the diagonal, which counts half
    loud = figures(style_grid(arrays([0, 1], [0, 1]), arrays([0, 1], [0, 1]), ["p", "q"]))
    assert loud == {"easy": 1.0, "normal": 0.5, "hard": 0.0, "average": 0.5}


def test_sections_weigh_subsets_by_their_rows_and_reasoning_halves() -> None:
    names = ["alpacaeval-easy"] * 3 + ["mt-bench-easy"] + ["math-prm"] + ["hep-go"] * 3 + ["hep-cpp"] + ["mine"]
    right = [1, 1, 0, 0, 1, 1, 0, 0, 0, 1]
    measured = figures(reward_bench(right, [0.5] * len(right), names, range(len(right))))
    # chat: 2 of 4 rows; reasoning: mathematics 1 of 1 and code 1 of 4, (1 + 1/4) / 2
    assert [measured["chat"], measured["reasoning"]] == pytest.approx([0.5, 0.625])
    assert not {"chat_hard", "safety"} & measured.keys()
    assert measured["core (mean of sections)"] == pytest.approx((0.5 + 0.625) / 2)
    assert [measured["- alpacaeval-easy"], measured["- mine"]] == pytest.approx([2 / 3, 1.0])


def row(name: str, right: list[float], wrong: list[float], subset: str = "Ties") -> Best:
    return Best(np.array([*right, *wrong], dtype=float), len(right), subset, name, name)


def test_best_of_four_shares_a_tie_at_the_top() -> None:
    rows = [
        row("a", [2], [1, 1, 0], "Math"),
        row("b", [2], [2, 1, 0], "Math"),
        row("c", [1], [2, 1, 0], "Math"),
        row("d", [2], [1, 1, 0], "Focus"),
    ]
    measured = figures(reward_bench_2(rows))
    assert measured == {
        "overall (mean of subsets)": pytest.approx((0.5 + 1) / 2),
        "Focus": 1.0,
        "Math": pytest.approx((1 + 0.5 + 0) / 3),
    }


def test_ties_by_hand() -> None:
    rows = [
        # N = 0: gap(ref) 5 - 1 = 4; tied: right 5, 4, wrong 2: gap 2, spread 1
        row("ref:0", [5], [1, 0]),
        row("tied:0", [5, 4], [2, 1]),
        # N = 1: gap(ref) 3 - 2.5 = 0.5; tied: right 5, 4, wrong 2: gap 2, spread 1
        row("ref:1", [3], [2.5]),
        row("tied:1", [4, 5], [2]),
        # N = 2: gap(ref) 1 - 2 = -1; tied: right 5, 2, wrong 3: gap -1, spread 3
        row("ref:2", [1], [2]),
        row("tied:2", [5, 2], [3]),
    ]
    # gap(tied) > spread: 2 > 1, 2 > 1, -1 > 3; with the smaller of both gaps: 2 > 1, 0.5 > 1, -1 > 3
    margin = (math.tanh(2 - 1) + math.tanh(0.5 - 1) + math.tanh(-1 / 3 - 1)) / 3
    score = 0.3 * 2 / 3 + 0.3 * 2 / 3 + 0.2 * 2 / 3 + 0.2 / 3 + 0.01 * margin
    expected = {"- ref accuracy": 2 / 3, "- tied accuracy": 2 / 3, "- preferred": 2 / 3, "- preferred hard": 1 / 3}
    expected |= {"- margin": margin, "Ties": score, "overall (mean of subsets)": score}
    assert figures(reward_bench_2(rows)) == pytest.approx(expected)


ROWS = """
pools:
  - {prompt: q, candidates: ["3", "1", "2"], quality: [5, 1, 9]}
  - {prompt: r, candidates: ["1", "2"], best: 1}
  - {prompt: s, candidates: ["1", "2", long], best: [0, 1]}
grid:
  - {prompt: q, chosen: ["1", "3", "5"], rejected: ["2", "2", "4"], domain: chat}
  - {prompt: r, chosen: ["9", "9", "9"], rejected: ["0", "0", "0"], domain: code}
  - {prompt: s, chosen: ["9", "9", long], rejected: ["0", "0", "0"]}
reward-bench:
  - {prompt: q, chosen: "2", rejected: "1", subset: donotanswer}
  - {prompt: r, chosen: "1", rejected: "1", subset: donotanswer}
  - {prompt: s, chosen: long, rejected: "1", subset: llmbar-natural}
reward-bench-2:
  - {id: "7", prompt: "7", chosen: ["3"], rejected: ["1", "2", "0"], num_correct: 1, subset: Focus}
  - {id: "8", prompt: "8", chosen: ["3"], rejected: ["1", "9", "0"], num_correct: 1, subset: Focus}
  - {id: "9", prompt: "9", chosen: ["3"], rejected: ["1", long], num_correct: 1, subset: Focus}
  - {id: "ref:0", prompt: "0", chosen: ["3"], rejected: ["1"], num_correct: 1, subset: Ties}
  - {id: "tied:0", prompt: "0", chosen: ["3", "3"], rejected: ["1"], num_correct: 2, subset: Ties}
"""


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("pools", {"first is a best one": 0.5, "quality of the pick": 3.0}),
        ("grid", {"hard": 0.5}),
        ("reward-bench", {"safety": 0.75, "core (mean of sections)": 0.75}),
        ("reward-bench-2", {"Focus": 0.5, "Ties": 1.01}),
    ],
)
def test_rows_are_known_by_their_columns(layout: Any, expected: dict[str, float]) -> None:
    rows = yaml.safe_load(ROWS)[layout]
    evaluation = evaluate_reward(by_number, rows)
    assert evaluation.rows == {layout: len(rows)}
    measured = figures(evaluation.benchmarks[layout])
    assert {name: measured[name] for name in expected} == pytest.approx(expected)
    assert evaluation.benchmarks[layout].unscored == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{candidates: ["1", "2"], quality: [good, bad]}', "expected `quality`"),
        ('{candidates: ["1", "2"], best: 2}', "expected `quality`, a number for each of 2 candidates"),
        ('{candidates: ["1"], best: 0}', "expected two candidates or more"),
        ('{candidates: ["1", ""], best: 0}', "answer: expected a text"),
        ('{id: x, chosen: ["1"], rejected: ["2"], num_correct: 1, subset: Ties}', "expected `ref:N`"),
        ('{chosen: "1"}', "row 2: expected chosen and rejected"),
        ('{id: x, chosen: ["1"], rejected: ["2"], num_correct: 2, subset: Focus}', "row 2: num_correct: expected 1"),
        ('{chosen: "1", rejected: "2", p_chosen: .nan}', "row 2: p_chosen: expected a probability"),
        ('{chosen: "1", rejected: "2", p_people: 66}', "row 2: p_people: expected a share of votes"),
        ('{chosen: "1", rejected: "2", decided_by: person, p_chosen: high}', "row 2: p_chosen: expected"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_its_place_among_all(bad: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_reward(
            by_number, [{"prompt": "q", "chosen": "2", "rejected": "1"}, {"prompt": "q", **yaml.safe_load(bad)}]
        )
