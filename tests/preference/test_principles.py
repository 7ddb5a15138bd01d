"""Relations of principles: agreement and coverage by counts done by hand, flags by their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from amendment.preference.principles import PrincipleTally
from amendment.records import Verdict
from tests.preference.verdicts import A, B, both, verdict

KIND, BRIEF = "c/kind", "c/brief"


def asked(number: int, **sides: float | None) -> list[Verdict]:
    """About one prompt, each principle in both orders; P(a) by the principle's name, None for what is not readable."""
    return [
        one
        for name, p in sides.items()
        for one in both(p, None if p is None else 1 - p, principle_id=f"c/{name}", prompt_id=f"p{number}")
    ]


def tallied(*prompts: Sequence[Verdict]) -> dict[str, Any]:
    tally = PrincipleTally()
    for verdicts in prompts:
        tally.add(verdicts)
    return tally.to_json()


def test_agreement_is_over_the_comparisons_that_both_decided() -> None:
    # kind and brief: agree, agree, disagree; in the fourth brief is tied, in the fifth kind cannot be read
    (one,) = tallied(
        asked(0, kind=0.9, brief=0.8),
        asked(1, kind=0.1, brief=0.4),
        asked(2, kind=0.9, brief=0.3),
        asked(3, kind=0.9, brief=0.5),
        asked(4, kind=None, brief=0.9),
    )["agreements"]
    assert (one["first"], one["second"]) == (BRIEF, KIND)
    assert one["agreement"]["value"] == pytest.approx(2 / 3)
    assert (one["agreement"]["n"], one["agreement"]["clusters"]) == (3, 3)
    assert not one["redundant"]
    assert not one["conflicting"]


@pytest.mark.parametrize(
    ("count", "disagree", "redundant", "conflicting"),
    [
        (100, 0, True, False),  # 100 of 100: Wilson over prompts from 0.963
        (29, 0, False, False),  # as clear as can be, and too few
        (400, 6, True, False),  # 0.985, half width 1.97 * sqrt(0.985 * 0.015 / 400) = 0.012
        (100, 65, False, True),  # 0.35, half width 1.98 * sqrt(0.35 * 0.65 / 100) = 0.095
        (100, 55, False, False),  # 0.45 + 0.099 is above one half
        (4, 4, False, False),  # four prompts have no interval
        (8, 8, False, True),  # none of eight: Wilson up to 0.324
    ],
)
def test_flags_are_raised_by_the_interval_and_not_by_the_value(
    count: int, disagree: int, redundant: bool, conflicting: bool
) -> None:
    (one,) = tallied(*(asked(i, kind=0.9, brief=0.1 if i < disagree else 0.9) for i in range(count)))["agreements"]
    assert (one["redundant"], one["conflicting"]) == (redundant, conflicting)


def test_coverage_counts_comparisons_and_what_could_not_be_read() -> None:
    found = tallied(
        asked(0, kind=0.9, brief=0.5),
        asked(1, kind=None),
        [*asked(2, kind=0.2), verdict((B, A), principle_id=KIND, prompt_id="p2", sample=1)],
    )
    assert found["coverage"] == [
        {"principle": BRIEF, "comparisons": 1, "decided": 0, "tied": 1, "verdicts": 2, "invalid": 0},
        {"principle": KIND, "comparisons": 3, "decided": 2, "tied": 0, "verdicts": 7, "invalid": 3},
    ]
