"""Votes that cannot be used are all named, and nothing else changes a certificate."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote
from amendment.errors import ConfigError, DataError


def problems(items: dict[str, Item], votes: list[Any]) -> list[str]:
    with pytest.raises(DataError) as caught:
        audit(items, votes)
    return [str(problem) for problem in caught.value.problems]


def test_all_bad_votes_are_named_at_once(items: Callable[..., dict[str, Item]]) -> None:
    votes: list[Any] = [
        Vote("i0", "ann", "person", "A"),
        Vote("i9", "ann", "person", "A"),
        Vote("i0", "ann", "model", "A"),
        Vote("i0", "bob", "robot", "C", "left", 1.5),  # type: ignore[arg-type]
        Vote("i0", "eve", "person", "A", None, float("nan")),
    ]
    assert problems(items(1), votes) == [
        "vote 2 of ann: its item 'i9' is not among the items",
        "vote 3 of ann: kind: model here and person in an earlier vote; give one of the two raters another name",
        "vote 4 of bob: kind: expected one of person, model, verifier, unknown, found 'robot'",
        "vote 4 of bob: value: expected one of A, tie, both_bad, B, invalid, found 'C'",
        "vote 4 of bob: first: expected one of A, B, nothing, found 'left'",
        "vote 4 of bob: p_a: expected a number from 0 to 1, found 1.5",
        "vote 5 of eve: p_a: expected a number from 0 to 1, found nan",
    ]


def test_very_many_problems_are_counted(items: Callable[..., dict[str, Item]]) -> None:
    found = problems(items(1), [Vote("nowhere", "ann", "person", "A")] * 50)
    assert len(found) == 21
    assert found[-1] == "and 30 problems more"


def test_a_hostile_name_does_not_steer_the_message(items: Callable[..., dict[str, Item]]) -> None:
    (found,) = problems(items(1), [Vote("\x1b[2J", "x\ny", "person", "A")])
    assert found == r"vote 1 of x\ny: its item '\\x1b[2J' is not among the items"


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ([], "nothing to audit: there is no vote; at least one vote must say A, B, tie or both_bad"),
        ([Vote("i0", "m", "model", "invalid")] * 2, "nothing to audit: all 2 votes are invalid; at least one"),
    ],
)
def test_without_a_usable_vote_there_is_no_audit(
    items: Callable[..., dict[str, Item]], votes: list[Vote], message: str
) -> None:
    assert problems(items(1), votes)[0].startswith(message)


@pytest.mark.parametrize("setting", [{"level": 95}, {"draws": 0}, {"seed": -1}])
def test_settings_without_sense_are_a_configuration_error(
    items: Callable[..., dict[str, Item]], setting: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="level between 0 and 1"):
        audit(items(1), [Vote("i0", "ann", "person", "A")], **setting)


VOTES = st.builds(
    Vote,
    item=st.sampled_from(["i0", "i1", "i2", "i3", "i4"]),
    rater=st.sampled_from(["j1", "j2"]),
    kind=st.just("model"),
    value=st.sampled_from(["A", "B", "tie", "both_bad", "invalid"]),
    first=st.sampled_from(["A", "B", None]),
    p_a=st.sampled_from([None, 0.1, 0.5, 0.9]),
    principle=st.sampled_from([None, "p", "q"]),
    sample=st.sampled_from([0, 1, 2**70]),
    argues=st.sampled_from([None, "A", "B"]),
    confidence=st.sampled_from([None, 0.2, 1.0]),
)
PEOPLE = st.lists(
    st.builds(
        Vote,
        item=st.sampled_from(["i0", "i1", "i2", "i3", "i4"]),
        rater=st.sampled_from(["ann", "bob", "eve"]),
        kind=st.just("person"),
        value=st.sampled_from(["A", "B", "tie", "invalid"]),
        first=st.none(),
        p_a=st.none(),
        principle=st.none(),
        sample=st.sampled_from([0, 1]),
        confidence=st.sampled_from([None, 1 / 3, 2 / 3, 1.0]),
    ),
    max_size=12,
)
FIVE = {
    f"i{i}": Item(f"p{i // 2}", "xy"[i % 2], "m", "n", 10 * i, 20, {"bold": i % 3}, {"headers": i // 2})
    for i in range(5)
}


@settings(deadline=None, max_examples=60)
@given(st.lists(VOTES, min_size=1, max_size=20), PEOPLE, st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_nothing(votes: list[Vote], people: list[Vote], random: Any) -> None:
    known = [Vote("i0", "j1", "model", "A"), *votes, *people]
    shuffled = random.sample(known, len(known))
    first, second = (audit(FIVE, some, draws=20).to_json() for some in (known, shuffled))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


MIRROR: dict[str | None, Any] = {"A": "B", "B": "A", "tie": "tie", "both_bad": "both_bad", "invalid": "invalid"}


def mirrored(vote: Vote) -> Vote:
    first = None if vote.first is None else MIRROR[vote.first]
    p_a = None if vote.p_a is None else 1 - vote.p_a
    argues = None if vote.argues is None else MIRROR[vote.argues]
    return vote._replace(value=MIRROR[vote.value], first=first, p_a=p_a, argues=argues)


@settings(deadline=None, max_examples=60)
@given(st.lists(VOTES, min_size=1, max_size=20), PEOPLE)
def test_which_answer_is_called_a_changes_nothing_that_is_measured(votes: list[Vote], people: list[Vote]) -> None:
    known = [Vote("i0", "j1", "model", "A"), *votes, *people]
    other = {
        name: Item(item.prompt, item.category, "n", "m", item.length_b, item.length_a, item.marks_b, item.marks_a)
        for name, item in FIVE.items()
    }
    one, two = audit(FIVE, known, draws=20), audit(other, list(map(mirrored, known)), draws=20)
    assert one.counts == two.counts
    for here, there in zip(one.judges, two.judges, strict=True):
        assert json.dumps(rounded(here)) == json.dumps(rounded(there))


def rounded(value: Any) -> Any:
    """As JSON with bounds left out: the draws are of the same prompts, but ties of rounding may fall otherwise."""
    from amendment.audit.certificate import _json

    def walk(found: Any) -> Any:
        if isinstance(found, dict):
            return {name: walk(one) for name, one in found.items() if name not in ("low", "high", "note")}
        if isinstance(found, list):
            return [walk(one) for one in found]
        return round(found, 9) + 0.0 if isinstance(found, float) else found

    return walk(_json(value))
