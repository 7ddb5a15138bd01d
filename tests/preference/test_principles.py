"""The matrix of principles: agreement and coverage by counts done by hand, flags by their intervals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.preference import matrix_lines, principle_matrix
from amendment.preference.principles import PrincipleCoverage
from amendment.records import Prompt, Verdict, user
from tests.preference.verdicts import A, B, both, verdict

KIND, BRIEF, SAFE = "c/kind", "c/brief", "c/safe"


def prompt(number: int, category: str | None = None) -> Prompt:
    return Prompt(messages=user(f"Question {number}?"), category=category)


def asked(number: int, **sides: float | None) -> list[Verdict]:
    """About one prompt, each principle in both orders; P(a) by the principle's name, None for what is not readable."""
    return [
        one
        for name, p in sides.items()
        for one in both(p, None if p is None else 1 - p, principle_id=f"c/{name}", prompt_id=prompt(number).id)
    ]


def over(count: int, sides: Callable[[int], dict[str, float | None]]) -> list[Verdict]:
    return [one for number in range(count) for one in asked(number, **sides(number))]


def test_agreement_is_over_the_comparisons_that_both_decided() -> None:
    # kind and brief: agree, agree, disagree; in the fourth brief is tied, in the fifth kind cannot be read
    found = [
        *asked(0, kind=0.9, brief=0.8),
        *asked(1, kind=0.1, brief=0.4),
        *asked(2, kind=0.9, brief=0.3),
        *asked(3, kind=0.9, brief=0.5),
        *asked(4, kind=None, brief=0.9),
    ]
    (one,) = principle_matrix(found, []).agreements
    assert (one.first, one.second) == (BRIEF, KIND)
    assert one.agreement.value == pytest.approx(2 / 3)
    assert (one.agreement.n, one.agreement.clusters) == (3, 3)
    assert not one.is_redundant
    assert not one.is_conflicting


@pytest.mark.parametrize(
    ("count", "disagree", "redundant", "conflicting"),
    [
        (100, 0, True, False),  # 100 of 100: Wilson over prompts from 0.963
        (29, 0, False, False),  # as clear as can be, and too few
        (60, 0, False, False),  # 60 of 60: Wilson from 0.940
        (400, 6, True, False),  # 0.985, half width 1.97 * sqrt(0.985 * 0.015 / 400) = 0.012
        (100, 40, False, False),  # 0.6
        (100, 65, False, True),  # 0.35, half width 1.98 * sqrt(0.35 * 0.65 / 100) = 0.095
        (100, 55, False, False),  # 0.45 + 0.099 is above one half
        (4, 4, False, False),  # four prompts have no interval
        (8, 8, False, True),  # none of eight: Wilson up to 0.324
    ],
)
def test_flags_are_raised_by_the_interval_and_not_by_the_value(
    count: int, disagree: int, redundant: bool, conflicting: bool
) -> None:
    found = over(count, lambda number: {"kind": 0.9, "brief": 0.1 if number < disagree else 0.9})
    (one,) = principle_matrix(found, []).agreements
    assert (one.is_redundant, one.is_conflicting) == (redundant, conflicting)


def test_coverage_counts_comparisons_and_what_could_not_be_read_by_category() -> None:
    found = [
        *asked(0, kind=0.9, brief=0.5),
        *asked(1, kind=None),
        *asked(2, kind=0.2),
        verdict((B, A), principle_id=KIND, prompt_id=prompt(2).id, sample=1),
    ]
    matrix = principle_matrix(found, [prompt(0, "harm"), prompt(1, "harm"), prompt(2)])
    assert matrix.principles == (BRIEF, KIND)
    assert matrix.coverage == (
        PrincipleCoverage(principle=BRIEF, category="harm", comparisons=1, decided=0, tied=1, verdicts=2, invalid=0),
        PrincipleCoverage(principle=KIND, category=None, comparisons=1, decided=1, tied=0, verdicts=3, invalid=1),
        PrincipleCoverage(principle=KIND, category="harm", comparisons=2, decided=1, tied=0, verdicts=4, invalid=2),
    )
    assert [one.decided_share for one in matrix.coverage] == [0.0, 1.0, 0.5]


def test_the_matrix_as_text() -> None:
    same = over(100, lambda number: {"kind": 0.9, "brief": 0.9, "safe": 0.1 if number % 10 else 0.9})
    assert matrix_lines(principle_matrix(same, [prompt(number, "people") for number in range(100)])) == [
        "| agreement | 1           | 2           | 3          |",
        "|-----------|-------------|-------------|------------|",
        "| 1 c/brief |             | 100% of 100 | 10% of 100 |",
        "| 2 c/kind  | 100% of 100 |             | 10% of 100 |",
        "| 3 c/safe  | 10% of 100  | 10% of 100  |            |",
        "",
        "c/brief and c/kind say the same, one may do: they agree in 100% (96% to 100%) of 100 comparisons.",
        "",
        "c/brief and c/safe pull against each other: they agree in 10% (5% to 18%) of 100 comparisons.",
        "",
        "c/kind and c/safe pull against each other: they agree in 10% (5% to 18%) of 100 comparisons.",
        "",
        "| principle | category | comparisons | decided | invalid verdicts |",
        "|-----------|----------|-------------|---------|------------------|",
        "| c/brief   | people   | 100         | 100%    | 0 of 200         |",
        "| c/kind    | people   | 100         | 100%    | 0 of 200         |",
        "| c/safe    | people   | 100         | 100%    | 0 of 200         |",
    ]
