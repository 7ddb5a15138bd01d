"""How many labels a conclusion needs, and what a sample will do, before anybody labels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from amendment.audit.ceiling import LEAST_KAPPA, MARGIN
from amendment.statistics.beside import ItemSides, beside
from amendment.statistics.planning import Bar
from tests.command_line import amendment

BAR = Bar(MARGIN, LEAST_KAPPA, 0.01)
USE, BELOW, WIDTH = '"Use"', "a judge 5 points below", "its agreement within ± 3"


def planned(*options: object) -> dict[str, list[int]]:
    """Items by the beginning of a row and who labels, for people who are right in 95, 90, 85, 80 and 75 %."""
    ended = amendment("audit", "--plan", *options)
    assert ended.code == 0, ended.err
    rows = re.findall(r"^(.+?)  +(one|two|three) (?:person|people) +([\d, ]+)$", ended.out, re.MULTILINE)
    return {f"{words} {who}": [int(cell.replace(",", "")) for cell in cells.split()] for words, who, cells in rows}


def needed(plan: dict[str, list[int]], words: str, who: str) -> list[int]:
    return next(items for row, items in plan.items() if row.startswith(words) and row.endswith(who))


@pytest.fixture(scope="module")
def plan() -> dict[str, list[int]]:
    return planned()


def test_an_interval_of_three_points_each_way_needs_what_the_formula_says(plan: dict[str, list[int]]) -> None:
    # 80 % right: agreement 0.8**2 + 0.2**2 = 0.68; 1.96**2 * 0.68 * 0.32 / 0.03**2 = 929; the cluster that is added
    # and rounding up make it a little more
    assert 929 <= needed(plan, WIDTH, "one")[3] <= 1.08 * 929


def test_people_who_are_right_more_often_and_more_of_them_need_fewer_items(plan: dict[str, list[int]]) -> None:
    assert len(plan) == 8
    assert all(items == sorted(items) for items in plan.values())
    assert needed(plan, USE, "three")[1] < needed(plan, USE, "two")[1]


def test_forty_judges_need_about_twice_the_labels_and_looks_count_like_judges(tmp_path: Path) -> None:
    one, forty = (needed(planned("--looks", number), USE, "two")[1] for number in (1, 40))
    assert 1.6 < forty / one < 2.1
    (tmp_path / "log.csv").write_text("item,ann,mild,stern\n" + "".join(f"{n},a,a,b\n" for n in range(3)))
    (tmp_path / "study.yaml").write_text(
        "name: study\nverdicts: [{path: log.csv, people: [ann], columns: {item: item, votes: [ann, mild, stern]}}]\n"
    )
    assert planned(tmp_path / "study.yaml") == planned("--looks", 2)


@pytest.mark.parametrize(("annotators", "people", "judge", "items"), [(2, 0.9, 0.9, 590), (3, 0.85, 0.85, 560)])
def test_samples_give_use_as_often_as_planned(annotators: int, people: float, judge: float, items: int) -> None:
    used = np.mean([not BAR.missing(beside(drawn(seed, annotators, people, judge, items))) for seed in range(300)])
    assert used == pytest.approx(0.8, abs=0.08)  # three standard errors of a share of 300


def drawn(seed: int, annotators: int, people: float, judge: float, items: int) -> ItemSides:
    dice = np.random.default_rng(seed)
    truth = dice.choice([-1.0, 1.0], items)
    said = truth * np.where(dice.random((annotators, items)) < people, 1, -1)
    count = np.full(items, float(annotators))
    own = truth * np.where(dice.random(items) < judge, 1, -1)
    return ItemSides(own, said.sum(0), count, count, np.ones(items), np.arange(items))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "audit: name the files to audit, or add --plan"),
        (["--looks", "2", "votes.csv"], "--looks is only for --plan"),
        (["--plan", "votes.csv"], "audit --plan: found votes.csv, expected a run file (.yaml)"),
        (["--plan", "absent.yaml"], "absent.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_planned_is_refused(arguments: list[str], said: str) -> None:
    ended = amendment("audit", *arguments)
    assert ended.code == 2
    assert said in ended.err
