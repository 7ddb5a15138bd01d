from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.people.queue import APART, LEASE_SECONDS, Queue, ShownItem, labels_missing
from amendment.people.samples import Choice, Label, LabelQuestion
from tests.people.label_pages import label, questions


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def queue(
    asked: list[LabelQuestion], *, annotators: int = 2, labels: list[Label] | None = None, clock: Clock | None = None
) -> Queue:
    return Queue(asked, labels or [], seed=5, annotators=annotators, clock=clock or Clock())


def say(
    queue: Queue, annotator: str, shown: ShownItem | None, choice: Choice = "A", seconds: float | None = None
) -> Label:
    assert shown is not None
    said = label(shown.question, annotator, choice, showing=shown.showing, seconds=seconds)
    queue.add(said)
    return said


def run_through(queue: Queue, annotator: str) -> list[ShownItem]:
    """All that one annotator is shown, answered one after another."""
    seen = []
    while (shown := queue.next(annotator)) is not None:
        say(queue, annotator, shown)
        seen.append(shown)
    return seen


def test_sides_are_about_even_and_exchanged_for_the_repeat() -> None:
    asked = queue(questions(400, repeated=range(0, 400, 4)), annotators=1)
    seen = run_through(asked, "ann")
    first = {shown.question.prompt_id: shown for shown in seen if shown.showing == 0}
    assert 160 < sum(shown.is_turned for shown in first.values()) < 240  # 200 expected, 4 standard deviations are 40
    again = [shown for shown in seen if shown.showing == 1]
    assert len(again) == 100
    assert all(shown.ids == first[shown.question.prompt_id].ids[::-1] for shown in again)


def test_repeats_come_at_a_distance_and_between_other_items() -> None:
    seen = run_through(queue(questions(200, repeated=range(0, 200, 10)), annotators=1), "ann")
    place = {(shown.question.prompt_id, shown.showing): at for at, shown in enumerate(seen)}
    distances = [at - place[prompt, 0] for (prompt, showing), at in place.items() if showing == 1]
    assert len(distances) == 20
    assert sum(distance > APART for distance in distances) >= 16  # those of the last items have less room
    tail = [shown.showing for shown in seen[-10:]]
    assert sum(tail) < 10


def test_a_lease_keeps_an_item_for_ten_minutes_and_then_lets_it_go() -> None:
    clock = Clock()
    asked = queue(questions(1), clock=clock)
    assert asked.next("ann") is not None
    clock.now = LEASE_SECONDS - 1
    assert asked.next("bob") is None
    assert asked.next("ann") is not None  # looked at once more: ten minutes from here
    clock.now = 2 * LEASE_SECONDS - 2
    assert asked.next("bob") is None
    clock.now = 2 * LEASE_SECONDS
    assert asked.next("bob") is not None
    assert asked.next("ann") is None


def test_what_is_missing_by_hand() -> None:
    one, two, three, four = questions(4, overlap=2, repeated=[0])
    # overlap: `one` has both annotators, `two` one of them (a skip is heard). single: `three` skipped by one of two,
    # `four` has a verdict beside a skip. Missing: 0 + 1 + 1 + 0; the repeat of `one` is waited for by nobody.
    current = [
        label(one, "ann"),
        label(one, "bob"),
        label(two, "ann", "skip"),
        label(three, "ann", "skip"),
        label(four, "ann", "skip"),
        label(four, "bob"),
    ]
    assert labels_missing([one, two, three, four], current, annotators=2) == 2
    assert labels_missing([one, two, three, four], [], annotators=2) == 6
    assert labels_missing([one, two, three, four], [label(q, "ann") for q in questions(9)], annotators=1) == 0


def test_a_share_is_a_part_of_the_items_and_then_what_others_left() -> None:
    asked = queue(questions(10, overlap=4))
    assert asked.progress("ann").total == 7  # 4 of the overlap, 3 of 6
    for _ in range(7):
        say(asked, "ann", asked.next("ann"))
    assert asked.progress("ann")[:2] == (7, 10)  # nobody else has come


def test_the_time_left_is_the_median_of_ones_own_times_the_rest() -> None:
    asked = queue(questions(10), annotators=1)
    for seconds in (5.0, 100.0):
        say(asked, "ann", asked.next("ann"), seconds=seconds)
    assert asked.progress("ann").seconds_left is None
    say(asked, "ann", asked.next("ann"), seconds=7.0)
    assert asked.progress("ann").seconds_left == pytest.approx(7 * 7.0)  # median of 5, 7, 100; 7 of 10 are left
    assert asked.progress("bob").seconds_left is None


def test_labels_of_items_that_are_no_longer_asked_do_no_harm() -> None:
    old, *asked = questions(5, repeated=range(5))
    again = queue(asked, labels=[label(old, "ann")], annotators=1)
    assert again.progress("ann")[:2] == (0, 8)
    assert len(run_through(again, "ann")) == 8


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["say", "say", "say", "skip", "undo", "wait", "look", "resume"])),
    max_size=80,
)


@given(
    n=st.integers(1, 14),
    overlap=st.integers(0, 5),
    repeated=st.sets(st.integers(0, 13)),
    annotators=st.integers(1, 3),
    steps=STEPS,
)
@settings(max_examples=150)
def test_any_interleaving_ends_with_every_item_labelled_as_planned(
    n: int, overlap: int, repeated: set[int], annotators: int, steps: list[tuple[str, str]]
) -> None:
    asked, clock = questions(n, overlap=overlap, repeated=repeated), Clock()
    going = queue(asked, annotators=annotators, clock=clock)
    said: dict[tuple[str, str, int], Label] = {}

    def answer(who: str, choice: Choice) -> bool:
        shown = going.next(who)
        if shown is None:
            return False
        key = (who, shown.question.comparison_id, shown.showing)
        assert key not in said, "shown twice"
        assert shown.showing == 0 or (shown.question.is_repeated and (*key[:2], 0) in said)
        new = say(going, who, shown, choice)
        said[key] = new.model_copy(update={"at": f"2026-01-01T00:00:00.{len(said) + clock.now:012.0f}"})
        clock.now += 1
        return True

    for who, step in steps:
        match step:
            case "say" | "skip":
                answer(who, "A" if step == "say" else "skip")
            case "undo":
                mine = [key for key in said if key[0] == who]
                if mine:
                    going.take_back(said.pop(mine[-1]))
            case "wait":
                clock.now += LEASE_SECONDS
            case "look":
                going.next(who)
            case "resume":
                going = queue(asked, annotators=annotators, clock=clock, labels=list(said.values()))
    clock.now += LEASE_SECONDS  # whoever only looked has left
    while any(answer(who, "A") for who in "abc"):
        pass
    assert going.missing() == labels_missing(asked, said.values(), annotators=annotators) == 0
    for question in asked:
        heard = {who for who in "abc" if (who, question.comparison_id, 0) in said}
        again = {who for who in "abc" if (who, question.comparison_id, 1) in said}
        verdicts = {who for who in heard if said[who, question.comparison_id, 0].choice == "A"}
        assert heard == set("abc") if question.in_overlap else verdicts or heard == set("abc")
        assert again == (verdicts if question.is_repeated else set())
