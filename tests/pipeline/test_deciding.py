"""What imported verdicts of one comparison come to: people first, both orders where both exist."""

from __future__ import annotations

from typing import Any

import pytest

from amendment.pipeline.deciding import decide
from amendment.records import Verdict


def verdict(value: str | None, *, first: str = "a", rater: str = "m", kind: str = "model", **more: Any) -> Verdict:
    """A verdict about a and b in displayed coordinates."""
    shown = ("a", "b") if first == "a" else ("b", "a")
    invalid = None if value else "unreadable"
    return Verdict.model_validate(
        {"scale": "pair", "prompt_id": "p", "shown": shown, "value": value, "invalid": invalid}
        | {"rater": rater, "rater_kind": kind, **more}
    )


def test_people_decide_where_both_people_and_models_spoke() -> None:
    people = [verdict("A", rater=name, kind="person") for name in ("u", "v")]
    people.append(verdict("B", rater="w", kind="person"))
    found = decide([verdict("B"), verdict("B", rater="n"), *people])
    assert found.p_a == pytest.approx(2 / 3)
    assert (found.rater_kind, found.raters) == ("person", ("u", "v", "w"))


def test_a_verifier_decides_before_a_model_and_after_people() -> None:
    verifier, model = verdict("A", rater="tests", kind="verifier"), verdict("B")
    assert decide([model, verifier]).p_a == 1.0
    assert decide([model, verifier, verdict("B", rater="u", kind="person")]).p_a == 0.0


def test_people_who_could_not_be_read_leave_it_to_models() -> None:
    found = decide([verdict(None, rater="u", kind="person"), verdict("A")])
    assert (found.p_a, found.raters) == (1.0, ("m",))


def test_both_orders_are_put_together_where_both_exist() -> None:
    # a first: A, so P(a) = 1; b first: A means b, so P(a) = 0; mean 1/2, and the orders disagree
    found = decide([verdict("A"), verdict("A", first="b")])
    assert (found.p_a, found.consistent) == (0.5, False)
    found = decide([verdict("A"), verdict("B", first="b")])
    assert (found.p_a, found.consistent) == (1.0, True)


def test_one_order_is_taken_as_it_is() -> None:
    found = decide([verdict("A"), verdict("tie", rater="n")])
    assert (found.p_a, found.consistent) == (0.75, None)


def test_models_that_each_saw_another_order_decide_by_majority() -> None:
    # a first: A is a; b first: B is a; b first: A is b: two of three for a
    found = decide([verdict("A"), verdict("B", first="b", rater="n"), verdict("A", first="b", rater="o")])
    assert found.p_a == pytest.approx(2 / 3)


def test_both_bad_is_no_better_side() -> None:
    assert verdict("both_bad").p_first() == 0.5
    assert decide([verdict("both_bad", rater=name, kind="person") for name in "uv"]).p_a == 0.5


def test_nothing_readable_is_no_probability() -> None:
    found = decide([verdict(None), verdict(None, first="b")])
    assert (found.p_a, found.n_invalid) == (None, 2)


def test_principles_of_files_stay_with_the_verdicts() -> None:
    found = decide([verdict("A", principle_id="helpfulness"), verdict("B", principle_id="honesty")])
    assert (found.p_a, found.principle_ids) == (0.5, ())
