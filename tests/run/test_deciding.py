"""What imported verdicts of one comparison come to: people first, both orders where both exist."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.audit.certificate import audit
from amendment.data.audit_inputs import votes_of_run
from amendment.records import Verdict
from amendment.stages.deciding import decide


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


def test_one_judge_in_both_orders_does_not_silence_those_that_saw_one() -> None:
    # m: a, then A of the other order, which is b: mean 1/2; n and o: a. (1/2 + 1 + 1) / 3
    found = decide([verdict("A"), verdict("A", first="b"), verdict("A", rater="n"), verdict("B", first="b", rater="o")])
    assert found.p_a == pytest.approx(5 / 6)
    assert (found.raters, found.consistent) == (("m", "n", "o"), False)


def test_a_judge_that_could_not_be_read_in_an_order_does_not_count_and_is_not_named() -> None:
    half = [verdict("A", rater="n"), verdict(None, first="b", rater="n")]
    found = decide([verdict("B"), *half, verdict(None, rater="o")])
    assert (found.p_a, found.raters) == (0.0, ("m",))
    assert (found.n_valid, found.n_invalid) == (2, 2)
    assert decide(half).p_a is None


def test_principles_of_a_judge_weigh_alike_and_one_without_both_orders_is_left_out() -> None:
    kind = [verdict("A", principle_id="kind", sample=n) for n in range(3)]
    true = [verdict("B", principle_id="true")]
    assert decide([*kind, *true]).p_a == 0.5
    assert decide([*kind, *true, verdict(None, first="b", principle_id="true")]).p_a == 1.0


def test_a_person_who_voted_in_both_orders_is_one_person() -> None:
    # u says a twice, v and w say b: two people of three
    votes = [verdict("A", rater="u", kind="person"), verdict("B", first="b", rater="u", kind="person")]
    votes += [verdict("B", rater=name, kind="person") for name in "vw"]
    assert decide(votes).p_a == pytest.approx(1 / 3)
    # u takes what was shown first both times, which is a tie
    torn = [verdict("A", first=first, rater="u", kind="person") for first in "ab"]
    assert decide(torn).p_a == 0.5


def test_a_few_sure_votes_do_not_turn_a_majority() -> None:
    def sure(rater: str, p: float) -> Verdict:
        told = {"value": "A" if p > 0.5 else "B", "distribution": {"A": p, "B": 1 - p}}
        return verdict("A", rater=rater, kind="person").model_copy(update=told)

    # the mean of 0.6, 0.6 and 0 is 0.4, and yet two of three say a
    assert decide([sure("u", 0.6), sure("v", 0.6), sure("w", 0.0)]).p_a == pytest.approx(2 / 3)
    assert decide([sure("u", 0.6), sure("v", 0.8)]).p_a == pytest.approx(0.7)


VALUES = st.sampled_from(["A", "B", "tie", "both_bad", "invalid"])
SAID = st.tuples(st.sampled_from("uvw"), VALUES, st.sampled_from(["a", "b", None]), st.none() | st.floats(0, 1))


@settings(deadline=None, max_examples=300)
@given(st.lists(SAID, min_size=1, max_size=8))
def test_a_run_decides_by_the_majority_that_the_certificate_counts(
    said: list[Any],
) -> None:
    verdicts = [_recorded(n, *one) for n, one in enumerate(said)]
    inputs = votes_of_run(verdicts, (), ())
    found = decide(verdicts).p_a
    if all(value == "invalid" for _, value, _, _ in said):
        assert found is None
        return
    people = audit(inputs.items, inputs.votes, draws=1).people
    assert people
    majority = {name for name, count in people.majority.items() if count}
    assert majority == (set() if found is None else {"A" if found > 0.5 else "B" if found < 0.5 else "tie"})


def _recorded(number: int, rater: str, value: str, first: str | None, p: float | None) -> Verdict:
    order: dict[str, Any] = {"order": "unknown"} if first is None else {}
    if value == "invalid":
        return verdict(None, first=first or "a", rater=rater, kind="person", sample=number, **order)
    if p is not None and value in "AB":  # a probability on the side of the word
        p = max(p, 1 - p) if value == "A" else min(p, 1 - p)
        order["distribution"] = {"A": p, "B": 1 - p}
    return verdict(value, first=first or "a", rater=rater, kind="person", sample=number, **order)
