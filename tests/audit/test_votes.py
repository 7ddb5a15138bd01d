"""Votes put together, counted, and refused where they cannot be used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.audit.certificate import Certificate, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import INVALID, NONE, TIE, A, AuditData, B, ComparisonInfo, Vote, audit_data
from amendment.errors import ConfigError, DataError
from amendment.statistics.intervals import json_values
from tests.audit.letters import items, said, table_lines

NAMES = {A: "A", TIE: "tie", B: "B", INVALID: "invalid", NONE: "none"}


def judge(value: Any, first: Any = "A", **more: Any) -> Vote:
    return Vote("i0", "j", "model", value, first, **more)


def panel(votes: list[Vote], items: int = 1) -> AuditData:
    return audit_data({f"i{i}": ComparisonInfo(f"p{i}") for i in range(items)}, votes)


def reading(*votes: Vote) -> str:
    """What one order says."""
    (found,) = panel([*votes, Vote("i0", "ann", "person", "A")]).calls.of(1).value.tolist()
    return NAMES[found]


def verdict(*votes: Vote) -> str:
    """What the rater says over all orders."""
    (found,) = panel([*votes, Vote("i0", "ann", "person", "A")]).verdicts.of(1).value.tolist()
    return NAMES[found]


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([judge("A")], "A"),
        ([judge("both_bad")], "tie"),
        ([judge("A", p_a=0.4)], "A"),  # one vote stays what it says
        ([judge("A"), judge("A", sample=1), judge("B", sample=2)], "A"),  # (1 + 1 + 0) / 3
        ([judge("A"), judge("B", sample=1)], "tie"),  # 1/2
        ([judge("A", p_a=0.6), judge("B", p_a=0.1, sample=1)], "B"),  # 0.35
        ([judge("A", p_a=0.7), judge("B", p_a=0.3, sample=1)], "tie"),  # 0.5 but for rounding
        ([judge("tie"), judge("A", sample=1)], "A"),  # 0.75
        ([judge("A", principle="p"), judge("A", principle="q"), judge("tie", principle="r")], "A"),
        ([judge("invalid"), judge("B", sample=1)], "B"),  # what could be read stands
        ([judge("invalid"), judge("invalid", sample=1)], "invalid"),
    ],
)
def test_votes_of_one_order_are_put_together(votes: list[Vote], said: str) -> None:
    assert reading(*votes) == said


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([judge("A", "A"), judge("A", "B")], "A"),
        ([judge("A", "A"), judge("B", "B")], "tie"),
        ([judge("A", "A"), judge("tie", "B")], "tie"),
        ([judge("A", "A", p_a=0.99), judge("B", "B", p_a=0.4)], "tie"),  # disagreement is a tie, however sure one is
        ([judge("A", "A"), judge("invalid", "B")], "invalid"),  # one order alone carries the bias of its order
        ([judge("B", None)], "B"),
        ([judge("B", None), judge("B", "A")], "B"),
    ],
)
def test_orders_are_put_together(votes: list[Vote], said: str) -> None:
    assert verdict(*votes) == said


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("A", "A"),
        ("AAB", "A"),
        ("AB", "tie"),
        ("ABt", "tie"),
        ("AAtt", "tie"),
        ("ttA", "tie"),
        ("A?", "A"),
        ("?", "none"),
    ],
)
def test_the_majority_of_people_is_the_most_frequent_class_and_a_draw_is_a_tie(letters: str, said: str) -> None:
    values: dict[str, Any] = {"A": "A", "B": "B", "t": "tie", "?": "invalid"}
    votes = [Vote("i0", f"person {i}", "person", values[letter]) for i, letter in enumerate(letters)]
    found = panel([*votes, Vote("i1", "person 0", "person", "A")], items=2)
    assert NAMES[int(found.majority[0])] == said


def test_all_bad_votes_are_named_at_once() -> None:
    votes: list[Any] = [
        Vote("i0", "ann", "person", "A"),
        Vote("i9", "ann", "person", "A"),
        Vote("i0", "ann", "model", "A"),
        Vote("i0", "bob", "robot", "C", "left", 1.5),  # type: ignore[arg-type]
        Vote("i0", "eve", "person", "A", None, float("nan")),
    ]
    with pytest.raises(DataError) as caught:
        audit(items(1), votes)
    assert list(map(str, caught.value.problems)) == [
        "vote 2 of ann: its item 'i9' is not among the items",
        "vote 3 of ann: kind: model here and person in an earlier vote; give one of the two raters another name",
        "vote 4 of bob: kind: expected one of person, model, verifier, truth, unknown, found 'robot'",
        "vote 4 of bob: value: expected one of A, tie, both_bad, B, invalid, found 'C'",
        "vote 4 of bob: first: expected one of A, B, nothing, found 'left'",
        "vote 4 of bob: p_a: expected a number from 0 to 1, found 1.5",
        "vote 5 of eve: p_a: expected a number from 0 to 1, found nan",
    ]


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ([], "nothing to audit: there is no vote; at least one vote must say A, B, tie or both_bad"),
        ([Vote("i0", "m", "model", "invalid")] * 2, "nothing to audit: all 2 votes are invalid; at least one"),
    ],
)
def test_without_a_usable_vote_there_is_no_audit(votes: list[Vote], message: str) -> None:
    with pytest.raises(DataError, match=message):
        audit(items(1), votes)


@pytest.mark.parametrize("setting", [{"level": 95}, {"draws": 0}, {"seed": -1}])
def test_settings_without_sense_are_a_configuration_error(setting: dict[str, Any]) -> None:
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
    f"i{i}": ComparisonInfo(f"p{i // 2}", "xy"[i % 2], "m", "n", 10 * i, 20, {"bold": i % 3}, {"headers": i // 2})
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
    return vote._replace(value=MIRROR[vote.value], first=first, p_a=p_a)


@settings(deadline=None, max_examples=60)
@given(st.lists(VOTES, min_size=1, max_size=20), PEOPLE)
def test_which_answer_is_called_a_changes_nothing_that_is_measured(votes: list[Vote], people: list[Vote]) -> None:
    known = [Vote("i0", "j1", "model", "A"), *votes, *people]
    other = {
        name: ComparisonInfo(
            item.prompt, item.category, "n", "m", item.length_b, item.length_a, item.marks_b, item.marks_a
        )
        for name, item in FIVE.items()
    }
    one, two = audit(FIVE, known, draws=20), audit(other, list(map(mirrored, known)), draws=20)
    assert one.counts == two.counts
    for here, there in zip(one.judges, two.judges, strict=True):
        assert rounded(json_values(here)) == rounded(json_values(there))


def rounded(value: Any) -> Any:
    """As JSON with bounds left out: the draws are of the same prompts, but ties of rounding may fall otherwise."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items() if name not in ("low", "high", "note")}
    if isinstance(value, list):
        return list(map(rounded, value))
    return round(value, 9) + 0.0 if isinstance(value, float) else value


def test_a_small_table_by_hand() -> None:
    votes = [
        *said("ann", "AtxA?."),
        *said("bob", "A....."),
        *said("j", "ABt?..", "model", "A"),
        *said("j", "A?.A..", "model", "B"),
    ]
    counts = audit(items(6, per_prompt=2), votes).counts
    assert (counts.items, counts.prompts, counts.votes, counts.people, counts.judges) == (6, 3, 13, 2, 1)
    assert (counts.voted_items, counts.with_people, counts.with_two_people) == (4, 4, 1)
    ann, bob, judge = counts.raters
    assert (ann.votes, ann.items, ann.ties, ann.both_bad, ann.both_orders) == (5, 5, 1, 1, 0)
    assert ann.coverage == 5 / 6
    assert (ann.invalid.value, ann.invalid.n) == (0.2, 5)
    assert (ann.with_people, bob.with_people) == (1, 1)
    # j: seven votes on four items, three of them in both orders, one of these unread in one order and one in the other
    assert (judge.votes, judge.items, judge.both_orders) == (7, 4, 3)
    assert judge.invalid.value == 2 / 7
    assert judge.with_people == 2


def test_repeated_votes_and_contradictions_are_counted() -> None:
    # i0 three times the same: two beyond the first; i1 A and B: one beyond, a contradiction. Samples and principles
    # of their own are no repetition
    votes = [
        *said("ann", "AA"),
        *said("ann", "AB"),
        *said("ann", "A."),
        *said("j", "A", "model", sample=0),
        *said("j", "B", "model", sample=1),
        *said("j", "B", "model", principle="p"),
    ]
    counts = audit(items(2), votes).counts
    assert (counts.repeated_votes, counts.conflicting_votes) == (3, 1)


def again(found: Certificate) -> dict[str, tuple[float, int]]:
    assert found.people
    assert found.people.again
    together = {"all": (found.people.again.same.value, found.people.again.same.n)}
    return together | {one.person: (one.same.value, one.same.n) for one in found.people.again.people}


def test_self_consistency_by_hand() -> None:
    # ann says the same on 2 of 3 repeats, bob on 1 of 1; sides were exchanged, which content does not show
    votes = [
        *said("ann", "ABtA", first="A"),
        *said("ann", "AAt", first="B", again=True),
        *said("bob", "AB", first="B"),
        *said("bob", ".B", first="A", again=True),
        *said("eve", "AB"),
    ]
    found = audit(items(4), votes, draws=20)
    assert again(found) == {"all": (3 / 4, 4), "ann": (2 / 3, 3), "bob": (1, 1)}
    assert any("12 votes, 4 on repeated items" in line for line in certificate_lines(found))
    lines = table_lines(found)
    start = lines.index("## People shown an item once more") + 4
    assert [line.split("|")[1].strip() for line in lines[start : start + 3]] == ["all 2", "ann", "bob"]


def test_repeats_change_nothing_else() -> None:
    votes = [
        *said("ann", "AABB" * 10, first="A", confidence=1.0),
        *said("bob", "AABt" * 10, first="B", confidence=1 / 3),
        *said("j", "AAAB" * 10, "model", "A"),
    ]
    repeats = [*said("ann", "BBAA" * 10, first="B", again=True), *said("bob", "....ABt", first="A", again=True)]
    without, beside = (audit(items(40), some, draws=50) for some in (votes, [*repeats, *votes]))
    one, other = without.to_json(), beside.to_json()
    assert one["people"].pop("again") is None
    assert other["people"].pop("again")
    counted: dict[str, Any] = {"votes": 120, "shown_again": 0}
    assert {name: one["counts"].pop(name) for name in counted} == counted
    assert {name: other["counts"].pop(name) for name in counted} == {"votes": 163, "shown_again": 43}
    for document in (one, other):
        for rater in document["counts"]["raters"]:
            for name in ("votes", "ties", "invalid"):
                rater.pop(name)
    assert one == other


def test_a_repeat_counts_where_the_first_could_not_be_read() -> None:
    found = audit(items(1), [*said("ann", "?", first="A"), *said("ann", "B", first="B", again=True)], draws=20)
    assert found.people
    assert found.people.majority == {"A": 0, "tie": 0, "B": 1}
    assert found.people.again is None
    assert [(rater.votes, rater.invalid.value) for rater in found.counts.raters] == [(2, 0.5)]
