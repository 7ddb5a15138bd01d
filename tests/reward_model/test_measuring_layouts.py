"""The style grid and both RewardBench layouts, on small sets whose figures are worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from amendment.errors import DataError
from amendment.reward_model import evaluate_reward, reward_bench, style_grid
from amendment.reward_model.measuring.benchmarks import Best, reward_bench_2


def by_number(rows: Any) -> list[float]:
    """A model whose score is the number that the answer spells; `long` has none."""
    texts = [row["completion"][0]["content"] for row in rows]
    return [math.nan if text == "long" else float(text) for text in texts]


# The style grid.


def test_a_grid_by_hand() -> None:
    # right answers 1, 3, 5 in three styles, wrong ones 2, 2, 4:
    #   1 beats none; 3 beats 2, 2; 5 beats all
    found = style_grid([[1, 3, 5]], [[2, 2, 4]], ["p"])
    assert [list(row) for row in found.matrix] == [[0, 0, 0], [1, 1, 0], [1, 1, 1]]
    # hard: cells (0,1) 0, (0,2) 0, (1,2) 0; normal: 0, 1, 1; easy: (1,0) 1, (2,0) 1, (2,1) 1
    assert [found.hard.value, found.normal.value, found.easy.value] == pytest.approx([0, 2 / 3, 1])
    assert found.average.value == pytest.approx((0 + 2 / 3 + 1) / 3)
    assert found.styles == ("concise", "detailed", "markdown")


def test_a_model_that_likes_style_alone_is_all_easy_and_never_hard() -> None:
    # the score is the style: equal on the diagonal, which counts half
    found = style_grid(
        [[0, 1]] * 3, [[0, 1]] * 3, ["p", "q", "r"], categories=["a", "a", "b"], styles=["plain", "loud"]
    )
    assert (found.hard.value, found.normal.value, found.easy.value) == (0.0, 0.5, 1.0)
    assert found.by_category["b"]["hard"].value == 0.0
    assert found.by_category["a"]["normal"].n == 2


def test_a_prompt_without_a_score_is_counted_and_a_ragged_grid_refused() -> None:
    assert style_grid([[1, math.nan], [1, 2]], [[0, 0], [0, 0]], ["p", "q"]).unscored == 1
    with pytest.raises(DataError, match="the same two styles or more"):
        style_grid([[1]], [[1]], ["p"])
    with pytest.raises(DataError, match="the same two styles or more"):
        style_grid([[1, 2], [1, 2, 3]], [[1, 2], [1, 2, 3]], ["p", "q"])
    with pytest.raises(DataError, match="a name for each of 2 styles"):
        style_grid([[1, 2]], [[1, 2]], ["p"], styles=["one"])


def test_rows_of_rm_bench_are_known_by_their_columns() -> None:
    rows = [
        {"id": 1, "prompt": "q", "chosen": ["1", "3", "5"], "rejected": ["2", "2", "4"], "domain": "chat"},
        {"id": 2, "prompt": "r", "chosen": ["9", "9", "9"], "rejected": ["0", "0", "0"], "domain": "code"},
    ]
    found = evaluate_reward(by_number, rows)
    assert found.rows == {"grid": 2}
    assert found.grid
    assert found.grid.hard.value == 0.5
    assert found.grid.by_category["code"]["hard"].value == 1.0


# RewardBench.


def test_sections_weigh_subsets_by_their_rows_and_reasoning_halves() -> None:
    names = ["alpacaeval-easy"] * 3 + ["mt-bench-easy"] + ["math-prm"] + ["hep-go"] * 3 + ["hep-cpp"] + ["mine"]
    right = [1, 1, 0, 0, 1, 1, 0, 0, 0, 1]
    found = reward_bench(right, [0.5] * len(right), names, range(len(right)))
    # chat: 2 of 4 rows; reasoning: mathematics 1 of 1 and code 1 of 4, (1 + 1/4) / 2
    assert found.sections["chat"].value == 0.5
    assert found.sections["reasoning"].value == pytest.approx(0.625)
    assert found.sections.keys() == {"chat", "reasoning"}
    assert found.core == pytest.approx((0.5 + 0.625) / 2)
    assert found.subsets["alpacaeval-easy"].value == pytest.approx(2 / 3)
    assert found.subsets["mine"].n == 1


def test_rows_of_reward_bench_are_known_by_their_columns() -> None:
    rows = [
        {"prompt": "q", "chosen": "2", "rejected": "1", "subset": "donotanswer", "chosen_model": "x", "id": 1},
        {"prompt": "r", "chosen": "1", "rejected": "1", "subset": "donotanswer", "chosen_model": "x", "id": 2},
        {"prompt": "s", "chosen": "long", "rejected": "1", "subset": "llmbar-natural", "chosen_model": "x", "id": 3},
    ]
    found = evaluate_reward(by_number, rows)
    assert found.rows == {"reward-bench": 3}
    assert found.reward_bench
    assert found.reward_bench.sections["safety"].value == 0.75
    assert (found.reward_bench.unscored, list(found.reward_bench.sections)) == (1, ["safety"])


# RewardBench 2.


def row(name: str, right: list[float], wrong: list[float], subset: str = "Ties") -> Best:
    return Best(np.array([*right, *wrong], dtype=float), len(right), subset, name, name)


def test_best_of_four_shares_a_tie_at_the_top() -> None:
    rows = [
        row("a", [2], [1, 1, 0], "Math"),
        row("b", [2], [2, 1, 0], "Math"),
        row("c", [1], [2, 1, 0], "Math"),
        row("d", [2], [1, 1, 0], "Focus"),
    ]
    found = reward_bench_2(rows)
    assert found.subsets["Math"].value == pytest.approx((1 + 0.5 + 0) / 3)
    assert found.overall == pytest.approx((0.5 + 1) / 2)
    assert found.ties is None


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
    found = reward_bench_2(rows).ties
    assert found
    assert [found.ref_accuracy.value, found.tied_accuracy.value] == pytest.approx([2 / 3, 2 / 3])
    # gap(tied) > spread: 2 > 1, 2 > 1, -1 > 3; with the smaller of both gaps: 2 > 1, 0.5 > 1, -1 > 3
    assert [found.preferred, found.preferred_hard] == pytest.approx([2 / 3, 1 / 3])
    margin = (math.tanh(2 - 1) + math.tanh(0.5 - 1) + math.tanh(-1 / 3 - 1)) / 3
    assert found.margin == pytest.approx(margin)
    assert found.score == pytest.approx(0.3 * 2 / 3 + 0.3 * 2 / 3 + 0.2 * 2 / 3 + 0.2 / 3 + 0.01 * margin)
    assert found.pairs == 3


def test_ties_without_a_spread() -> None:
    # spread 0: a gap above 0 gives tanh(inf) = 1, a gap of 0 gives 0 / 0, which counts as 0
    found = reward_bench_2([row("ref:0", [5], [1]), row("tied:0", [2, 2], [1])]).ties
    assert found
    assert [found.margin, found.score] == pytest.approx([1.0, 1.01])
    even = reward_bench_2([row("ref:0", [1], [1]), row("tied:0", [2, 2], [1])]).ties
    assert even
    assert even.margin == 0.0


def test_ties_without_a_partner_have_no_score() -> None:
    found = reward_bench_2([row("ref:0", [5], [1]), row("a", [2], [1], "Math")])
    assert found.ties
    assert math.isnan(found.ties.score)
    assert found.to_json()["overall"] is None
    assert found.to_json()["ties"]["ref_accuracy"]["value"] == 1.0


def test_rows_of_reward_bench_2_are_known_by_their_columns() -> None:
    rows = [
        {"id": "7", "prompt": "q", "chosen": ["3"], "rejected": ["1", "2", "0"], "num_correct": 1, "subset": "Focus"},
        {"id": "8", "prompt": "r", "chosen": ["3"], "rejected": ["1", "9", "0"], "num_correct": 1, "subset": "Focus"},
        {"id": "9", "prompt": "r", "chosen": ["3"], "rejected": ["1", "long"], "num_correct": 1, "subset": "Focus"},
        {"id": "ref:0", "prompt": "c", "chosen": ["3"], "rejected": ["1"], "num_correct": 1, "subset": "Ties"},
        {"id": "tied:0", "prompt": "d", "chosen": ["3", "3"], "rejected": ["1"], "num_correct": 2, "subset": "Ties"},
    ]
    found = evaluate_reward(by_number, rows).reward_bench_2
    assert found
    assert (found.subsets["Focus"].value, found.unscored) == (0.5, 1)
    assert found.ties
    assert found.ties.score == pytest.approx(1.01)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"chosen": ["1"], "rejected": ["2"], "num_correct": 1, "subset": "Ties", "id": "4"}, "expected `ref:N`"),
        ({"chosen": ["1", ""], "rejected": ["2", "3"], "subset": "Ties", "id": "4"}, "row 1: answer: expected a text"),
        ({"chosen": "1", "id": "4"}, "row 1: expected chosen and rejected"),
        (
            {"chosen": ["1"], "rejected": ["2", "3"], "num_correct": 2, "num_incorrect": 3, "subset": "Focus"},
            "row 1: num_correct: expected 1, as many as chosen holds, found 2\n"
            "row 1: num_incorrect: expected 2, as many as rejected holds, found 3",
        ),
        ({"chosen": ["1"], "rejected": ["2"], "num_correct": 1, "subset": None}, "row 1: subset: expected a name"),
        ({"chosen": "1", "rejected": "2", "p_chosen": "0.9"}, "row 1: p_chosen: expected a probability, found '0.9'"),
        ({"chosen": "1", "rejected": "2", "p_chosen": math.nan}, "row 1: p_chosen: expected a probability, found nan"),
    ],
)
def test_a_row_that_is_wrong_is_told(bad: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        evaluate_reward(by_number, [{"prompt": "q", **bad}])
