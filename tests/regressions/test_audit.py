"""Certificates by the command line: what they rest on, what they flag, and what they do not claim."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import amendment
from tests.regressions.conftest import Certificate
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
    assert "clustered by prompt: 40 clusters" in without.text
    assert interval(by_item)[2] == 400
    assert "clustered by prompt" not in by_item.text.split("\n## ")[0]
    assert "400 clusters" in by_item.text
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


def unreadable(count: int, of: int) -> list[dict[str, Any]]:
    return [{"id": n, "judge": "" if n < count else "ab"[n % 2]} for n in range(of)]


@pytest.mark.parametrize(
    ("count", "of", "outcome"),
    [
        (23, 24, "FAIL"),
        (4, 6, "FAIL"),
        (1, 6, "not measured"),
        (0, 24, "not measured"),
        (2, 3, "not measured"),
        (6, 40, "WARN"),  # 15 %, Wilson from 7.1 %: the data cannot tell whether it is above 10 %
        (12, 40, "FAIL"),  # 30 %, Wilson from 18.1 %
        (0, 100, "PASS"),
    ],
)
def test_the_gate_of_unreadable_verdicts_decides_by_the_lower_bound(
    audit: Audit, count: int, of: int, outcome: str
) -> None:
    found = audit([judged(unreadable(count, of))])
    assert found.gate("invalid")[0] == outcome
    assert ("PASS" in found.overview()) == (outcome == "PASS")


def test_a_certificate_whose_gates_were_not_measured_never_prints_pass(audit: Audit) -> None:
    few = audit([judged(unreadable(0, 24))])
    assert "not measured" in few.overview()
    assert "PASS" not in few.text
    assert {gate["outcome"] for gate in few.document["gates"]} == {"not measured"}
    some = audit([judged(unreadable(0, 60))])
    assert "PASS invalid; " in some.overview()
    assert "not measured" in some.overview()


def joined(agree: int, of: int = 300) -> list[dict[str, Any]]:
    """A person and a judge who use a and b about equally often: the person says a in one half of the items, the judge
    says the same in `agree` items of each half, and 0.057 of all more a than b."""
    half, more = of // 2, round(0.057 * of)
    rows = []
    for n in range(of):
        place, is_a = n % half, n < half
        same = place < (agree + more if is_a else agree)
        rows.append({"id": n, "ann": "a" if is_a else "b", "judge": "a" if is_a == same else "b"})
    return rows


@pytest.mark.parametrize(("agree", "outcome"), [(72, "WARN"), (95, "PASS")])
def test_labels_of_another_system_raise_the_alarm_of_wrongly_joined_rows(
    audit: Audit, agree: int, outcome: str
) -> None:
    # 72 of 150 and 89 of 150 the same: kappa 2 * 161 / 300 - 1 = 0.07, its interval holds 0; with 95 it is 0.38
    rows = joined(agree)
    found = audit([labelled(rows, "ann"), judged(rows)])
    kappa = found.judge["one_call"]["kappa"]
    assert kappa["value"] == pytest.approx(2 * (2 * agree + 17) / 300 - 1)
    assert (kappa["low"] <= 0) == (outcome == "WARN")
    assert found.gate("rows")[0] == outcome
    assert ("## Alarms" in found.text) == (outcome == "WARN")


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
    assert "- null is the same text in 100 of 100 prompts" in found.text
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


def of_three_people(of: int = 120) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Three people label every item; the judge is asked in both orders and on every fourth item picks the first shown.
    Two items belong to one prompt."""
    items, calls = [], []
    for n in range(of):
        truth = "ab"[n % 2]
        wrong = "ba"[n % 2]
        items.append(
            {
                "id": n,
                "question": n // 2,
                "ann": wrong if n % 10 == 3 else "tie" if n % 12 == 5 else truth,
                "bo": wrong if n % 15 == 7 else truth,
                "cy": truth,
            }
        )
        for shown, first in (("ab", "a"), ("ba", "b")):
            said = first if n % 4 == 0 else "" if n % 30 == 1 else wrong if n % 9 == 2 else truth
            calls.append({"id": n, "shown": shown, "judge": said})
    return items, calls


def test_the_headline_counts_items_on_which_judge_and_majority_both_choose_a_side(audit: Audit) -> None:
    items, calls = of_three_people()
    people, judge = labelled(items, "ann", "bo", "cy", prompt="question"), judged(calls, order="shown")
    found = audit([people, (judge[0], {**judge[1], "coordinates": "content"})])
    # every fourth of 120 items is a tie of the two orders (30); of the others 1, 31, 61 and 91 are unreadable (4);
    # the majority is always the truth. Of the other 86 the judge is wrong where n % 9 == 2 and n is no multiple of 4
    wrong = sum(n % 9 == 2 and n % 4 != 0 and n % 30 != 1 for n in range(120))
    headline = found.judge["label"]["by_rule"]["no_ties"]
    assert (headline["n"], headline["value"]) == (86, pytest.approx(1 - wrong / 86))
    assert found.judge["label"]["left_out"] == {"ties": 30, "unreadable": 4}
    cells = [cell.strip() for cell in found.overview().strip("|").split("|")]
    share = f"{100 * headline['value']:.1f} % ({100 * headline['low']:.1f} to {100 * headline['high']:.1f})"
    assert cells[1:4] == [share, "86", "34: 30 tied, 4 unreadable"]


def test_the_gap_to_the_ceiling_has_one_interval_everywhere(audit: Audit) -> None:
    items, calls = of_three_people()
    people, judge = labelled(items, "ann", "bo", "cy", prompt="question"), judged(calls, order="shown")
    found = audit([people, (judge[0], {**judge[1], "coordinates": "content"})])
    gap = found.document["conclusions"][0]["gap"]
    shown = f"{100 * gap['value']:+.1f} ({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f})"
    assert shown in found.overview()
    assert shown in found.gate("ceiling")[1]


def test_all_agreement_is_in_one_table(audit: Audit) -> None:
    items, calls = of_three_people()
    once = [row for row in calls if row["shown"] == "ab"]
    found = audit([labelled(items, "ann", "bo", "cy", prompt="question"), judged(once)])
    judges = found.text.split("\n## Agreement of judges and people\n")[1].split("\n## ")[0]
    rows = [line for line in judges.splitlines() if line.startswith("| judge |")]
    # what differs between two figures is named in their row
    assert len({tuple(row.split("|")[1:7]) for row in rows}) == len(rows) >= 7
