"""Certificates by the command line: what they rest on, what they flag, and what they do not claim."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.audit.conftest import Certificate
from tests.command_line import amendment
from tests.rows import save

Row = Mapping[str, Any]
Audit = Callable[..., Certificate]


def judged(rows: Sequence[Row], **columns: Any) -> tuple[Sequence[Row], dict[str, Any]]:
    return rows, {"kind": "model", "rater": "judge", "columns": {"item": "id", "verdict": "judge", **columns}}


def labelled(rows: Sequence[Row], *people: str, **columns: Any) -> tuple[Sequence[Row], dict[str, Any]]:
    return rows, {"kind": "person", "columns": {"item": "id", "votes": list(people), **columns}}


def test_the_prompt_column_defines_the_clusters_without_any_answer_text(audit: Audit) -> None:
    # 40 questions with 10 items each; the judge is wrong on all items of every fifth question
    rows = [
        {
            "id": f"{question}-{item}",
            "question": f"Who wrote book {question}?",
            "left": f"left {question} {item}",
            "right": f"right {question} {item}",
            "ann": "ab"[item % 2],
            "judge": "ab"[(item + (question % 5 == 0)) % 2],
        }
        for question in range(40)
        for item in range(10)
    ]
    with_texts = audit([labelled(rows, "ann", prompt="question", a="left", b="right"), judged(rows)])
    without = audit([labelled(rows, "ann", prompt="question"), judged(rows)])
    by_item = audit([labelled(rows, "ann"), judged(rows)])

    def interval(found: Certificate) -> tuple[float, float, int]:
        share = found.judge["one_call"]["by_rule"]["no_ties"]
        return share["low"], share["high"], share["clusters"]

    assert interval(without) == interval(with_texts)
    assert interval(without)[2] == 40
    assert interval(by_item)[2] == 400
    assert "clustered by prompt" not in by_item.text.split("\n## ")[0]
    wide, narrow = (high - low for low, high, _ in (interval(without), interval(by_item)))
    assert wide > 2.5 * narrow  # 10 items that all say the same count as one: sqrt(10) = 3.2 times the width


def test_an_item_with_two_prompts_is_refused_by_its_row(tmp_path: Path) -> None:
    save(
        tmp_path / "v.csv", [{"id": 1, "q": "Why?", "ann": "a", "bo": ""}, {"id": 1, "q": "Who?", "ann": "", "bo": "b"}]
    )
    columns = {"item": "id", "prompt": "q", "votes": ["ann", "bo"]}
    source = {"path": "v.csv", "kind": "person", "columns": columns}
    (tmp_path / "audit.yaml").write_text(json.dumps({"name": "audit", "verdicts": [source]}), encoding="utf-8")
    ended = amendment("audit", tmp_path / "audit.yaml", "--folder", tmp_path / "out")
    assert ended.code == 2
    assert "row 3: q" in ended.err


def ordered(share_first: float, first: Callable[[int], bool], items: int = 200) -> list[dict[str, Any]]:
    """One order an item: `first` says of which items the system `new` is shown first; the judge picks what is shown
    first in `share_first` of the items, evenly over both orders."""
    seen = {True: 0, False: 0}
    rows = []
    for n in range(items):
        is_new = first(n)
        seen[is_new] += 1
        picks_first = int(seen[is_new] * share_first) > int((seen[is_new] - 1) * share_first)
        judge = "new" if picks_first == is_new else "old"
        rows.append({"id": n, "x": "new", "y": "old", "shown": "ab" if is_new else "ba", "judge": judge})
    return rows


ONE_ORDER = {"order": "shown", "model_a": "x", "model_b": "y"}


def one_order(audit: Audit, rows: list[dict[str, Any]], **columns: str) -> Certificate:
    source, settings = judged(rows, **{**ONE_ORDER, **columns})
    return audit([(source, {**settings, "coordinates": "content", "words": {"a": "new", "b": "old"}})])


@pytest.mark.parametrize(
    ("share", "outcome"), [(1.0, "FAIL"), (0.0, "FAIL"), (0.62, "WARN"), (0.5, "PASS"), (0.52, "PASS")]
)
def test_a_judge_asked_in_one_order_is_tested_for_picking_the_first_shown(
    audit: Audit, share: float, outcome: str
) -> None:
    found = one_order(audit, ordered(share, lambda n: n % 2 == 0))
    assert found.gate("order")[0] == outcome
    assert found.judge["position"]["one_order"]["value"] == pytest.approx(share)


def test_one_system_that_always_stands_first_leaves_position_unmeasured(audit: Audit) -> None:
    found = one_order(audit, ordered(1.0, lambda _: True))
    assert found.gate("order") == ("not measured", "order and system cannot be told apart")
    assert "not measured: order and system cannot be told apart" in found.text


def test_the_merit_of_a_system_is_not_taken_for_a_bias_of_position(audit: Audit) -> None:
    # `new` wins every item and stands first in 120 of 200: the first shown wins 60 %, each order weighed the same 50 %
    rows = [{**row, "judge": "new"} for row in ordered(1.0, lambda n: n % 5 < 3)]
    found = one_order(audit, rows)
    assert found.judge["position"]["prefers_first"]["value"] == pytest.approx(0.6)
    assert found.judge["position"]["one_order"]["value"] == pytest.approx(0.5)
    assert found.gate("order")[0] == "PASS"


def null_model(wins: int, *, people: int = 0, of: int = 100) -> list[dict[str, Any]]:
    """A system that says the same to everything, with a zero-width character or a space more in some rows, against one
    that answers."""
    return [
        {
            "id": n,
            "question": f"question {n}",
            "left": "As you wish." + ("", " ", "\u200b")[n % 3],
            "right": f"answer number {n}",
            "x": "null",
            "y": "honest",
            "judge": "a" if n * 37 % of < wins else "b",
            "ann": "a" if n * 37 % of < people else "b",
        }
        for n in range(of)
    ]


TEXTS = {"prompt": "question", "a": "left", "b": "right", "model_a": "x", "model_b": "y"}


def test_a_system_with_one_answer_to_all_prompts_is_flagged_with_its_wins(audit: Audit) -> None:
    found = audit([judged(null_model(84), **TEXTS)])
    (constant,) = found.document["constant_answers"]
    assert (constant["model"], constant["prompts"], constant["same"]) == ("null", 100, 100)
    assert constant["wins"][0]["share"]["value"] == pytest.approx(0.84)
    assert found.gate("constant")[0] == "FAIL"
    assert "FAIL constant" in found.overview()


@pytest.mark.parametrize(("wins", "people", "outcome"), [(10, 0, "PASS"), (50, 0, "WARN"), (84, 90, "WARN")])
def test_a_constant_answer_passes_where_it_loses_and_is_open_where_people_prefer_it(
    audit: Audit, wins: int, people: int, outcome: str
) -> None:
    rows = null_model(wins, people=people)
    found = audit([judged(rows, **TEXTS), labelled(rows, "ann")])
    assert found.gate("constant")[0] == outcome


def test_a_constant_answer_is_found_where_no_column_names_the_systems(audit: Audit) -> None:
    found = audit([judged(null_model(84), prompt="question", a="left", b="right")])
    assert found.document["constant_answers"][0]["model"] is None
    assert found.gate("constant")[0] == "FAIL"


def test_an_answer_that_is_right_twice_is_no_constant_answer(audit: Audit) -> None:
    rows = [{**row, "left": f"answer {n // 2}"} for n, row in enumerate(null_model(50))]
    found = audit([judged(rows, **TEXTS)])
    assert found.document["constant_answers"] == []
    assert found.gate("constant")[0] == "not measured"


def of_texts(copies: int, *, is_turned: bool = False) -> list[Row]:
    """40 comparisons with a name of its own for each copy; the judge is wrong on every eighth, and two people agree.
    Where `is_turned`, every second copy has the answers the other way round."""
    rows: list[Row] = []
    for question in range(40):
        for copy in range(copies):
            texts, right = (f"So {question}.", f"Or not {question}."), question % 2
            if is_turned and copy % 2:
                texts, right = (texts[1], texts[0]), 1 - right
            said = {"ann": "ab"[right], "bo": "ab"[right], "judge": "ab"[1 - right if question % 8 == 0 else right]}
            name = f"{question}-{copy}"
            rows.append({"id": name, "question": f"Why {question}?", "left": texts[0], "right": texts[1], **said})
    return rows


@pytest.mark.parametrize(
    ("columns", "is_turned"),
    [
        ({"a": "left", "b": "right"}, False),
        ({"a": "left", "b": "right"}, True),
        ({"prompt": "question", "a": "left", "b": "right", "prompt_id": "id"}, False),
    ],
)
def test_copies_of_an_item_under_other_names_count_once(
    audit: Audit, columns: dict[str, str], *, is_turned: bool
) -> None:
    gaps = []
    for copies in (1, 10):
        rows = of_texts(copies, is_turned=is_turned)
        found = audit([labelled(rows, "ann", "bo", **columns), judged(rows)])
        counts, [concluded] = found.document["counts"], found.document["conclusions"]
        assert (counts["items"], counts["copies"], counts["prompts"]) == (40 * copies, 40 * (copies - 1), 40)
        gaps.append([concluded["gap"][bound] for bound in ("value", "low", "high", "clusters")])
    assert gaps[0][0] == pytest.approx(-5 / 40)  # wrong on questions 0, 8, 16, 24 and 32
    assert gaps[1] == pytest.approx(gaps[0])
    assert "360 items are copies" in found.text


def test_items_with_equal_votes_or_equal_answers_to_other_prompts_are_no_copies(audit: Audit) -> None:
    rows = [{**row, "left": "Yes.", "right": "No."} for row in of_texts(1)]
    for columns in (
        {},
        {"a": "left", "b": "right", "prompt_id": "id"},
        {"prompt": "question", "a": "left", "b": "right"},
    ):
        counts = audit([labelled(rows, "ann", "bo", **columns), judged(rows)]).document["counts"]
        assert (counts["copies"], counts["prompts"]) == (0, 40)
