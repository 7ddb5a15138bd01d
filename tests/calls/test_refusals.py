"""What refusals teach: pauses that grow and end, a pace that is found, trusted, tried again and given up."""

from __future__ import annotations

from math import inf
from random import Random

import pytest

from amendment.calls.refusals import Ceiling, Crush, Pause


def refuse(ceiling: Ceiling, now: float, times: int = 1) -> None:
    """So many calls that left together are refused."""
    for i in range(times):
        ceiling.refused(now, 0.1, is_first=i == 0)


def learned() -> Ceiling:
    """A server took 600 calls in the first ten seconds, then none until the minute was over."""
    ceiling = Ceiling()
    ceiling.depart(0.0)
    for _ in range(600):
        ceiling.accepted()
    refuse(ceiling, 10.0, times=20)
    ceiling.resumed(60.0)
    return ceiling


def pace(ceiling: Ceiling, now: float) -> float:
    """Calls per second at a time."""
    ceiling.depart(now)
    return ceiling.rate


def test_refusals_among_many_accepted_calls_teach_no_pace() -> None:
    ceiling = Ceiling()
    ceiling.depart(0.0)
    for _ in range(100):
        ceiling.accepted()
    refuse(ceiling, 5.0, times=4)
    for _ in range(20):  # out at the same time, and more than three times as many
        ceiling.accepted()
    ceiling.resumed(6.0)
    assert ceiling.rate == inf
    assert ceiling.delay(6.0) == 0


@pytest.mark.parametrize(("every", "together"), [(10, False), (6, False), (3, True), (2, True)])
def test_up_to_one_refusal_in_five_is_thin(every: int, together: bool) -> None:
    crush = Crush()
    for call in range(300):
        crush.depart(1)
        if call % every == 0:
            crush.refused(is_wary=False)
    assert crush.is_on is together


def test_refusals_that_are_back_before_the_answers_of_the_same_burst_are_thin_all_the_same() -> None:
    crush = Crush()
    for flying in range(1, 201):
        crush.depart(flying)
    for _ in range(20):
        crush.refused(is_wary=False)
    assert not crush.is_on


def test_three_refusals_in_a_row_of_a_lone_caller_come_together() -> None:
    crush = Crush()
    for _ in range(3):
        assert not crush.is_on
        crush.depart(1)
        crush.refused(is_wary=False)
    assert crush.is_on


def test_a_minute_that_was_used_up_gives_the_pace_and_a_twentieth_stays_unused() -> None:
    # 600 calls over the 60 s until calls were accepted again are 10 a second
    assert pace(learned(), 75.0) == pytest.approx(9.5)


def test_calls_go_again_slowly_at_first() -> None:
    ceiling = learned()
    paces = [pace(ceiling, 60.0 + seconds) for seconds in (0, 2, 4, 6, 20)]
    assert paces == sorted(paces)
    assert paces[0] == pytest.approx(9.0)
    assert paces[-1] == pytest.approx(9.5)


def test_what_was_accepted_between_two_refusals_corrects_the_pace() -> None:
    ceiling = Ceiling()
    ceiling.depart(0.0)
    for _ in range(600):
        ceiling.accepted()
    refuse(ceiling, 1.0, times=20)
    ceiling.resumed(2.0)  # 600 in 2 s would be 300 a second, but most of them came from a full bucket
    for _ in range(48):
        ceiling.accepted()
    refuse(ceiling, 11.0)  # 48 calls, and two for what may be missing, in 10 s
    ceiling.resumed(11.5)
    assert pace(ceiling, 30.0) == pytest.approx(0.95 * 5)


def test_a_pace_that_is_no_longer_trusted_is_exceeded_and_in_the_end_forgotten() -> None:
    ceiling = learned()
    after_one_minute, after_five, after_ten = (pace(ceiling, 60.0 + seconds) for seconds in (60, 300, 600))
    # trusted for 30 s, then 1.1 times 9.5 = 10.45, growing e-fold in 120 s: 10.45 * e ** 0.25 = 13.4
    assert after_one_minute == pytest.approx(13.4, abs=0.1)
    assert after_five > 3 * after_one_minute
    assert after_ten == inf  # it has nothing to do with what was learned any more


def test_a_pace_at_which_calls_are_refused_as_before_is_given_up() -> None:
    """Every tenth call is refused, whatever the pace; after a bad moment that taught one."""
    ceiling = Ceiling()
    now = 0.0
    ceiling.depart(now)
    for _ in range(30):
        ceiling.accepted()
    refuse(ceiling, 1.0, times=8)
    ceiling.resumed(1.5)
    assert ceiling.rate < inf
    now = 1.5
    for _ in range(25):
        for _ in range(9):
            now += max(0.0, ceiling.delay(now))
            ceiling.depart(now)
            ceiling.accepted()
        refuse(ceiling, now)
        ceiling.resumed(now + 0.5)
    assert ceiling.rate == inf


def test_the_server_s_wish_is_the_least_pause_and_the_longest_wish_counts() -> None:
    pause = Pause(Random(0))
    pause.refused(0.0, 10.0, 0.1, is_late=False, begins=True)
    assert 10 <= pause.delay(0.0) <= 11
    pause.refused(1.0, 30.0, 0.1, is_late=True, begins=False)
    assert 30 <= pause.delay(1.0) <= 31
    pause.refused(2.0, 5.0, 0.1, is_late=True, begins=False)
    assert 29 <= pause.delay(2.0) <= 30


def test_a_lone_refusal_pauses_for_as_long_as_the_server_asks_and_not_at_all_otherwise() -> None:
    pause = Pause(Random(0))
    pause.refused(0.0, None, 0.1, is_late=False, begins=False)
    assert pause.since is None
    pause.refused(1.0, 10.0, 0.1, is_late=False, begins=False)
    pause.accepted()  # one that was out already ends nothing
    assert pause.delay(1.0) == 10
    pause.depart(11.0)
    assert pause.since is None


def test_back_off_begins_anew_after_five_accepted_calls() -> None:
    pause = Pause(Random(0))
    for now in range(4):
        pause.refused(float(now * 100), None, 0.1, is_late=False, begins=now == 0)
    assert pause.delay(300.0) >= 1
    for _ in range(5):
        pause.accepted()
    assert pause.since is None
    pause.refused(400.0, None, 0.1, is_late=False, begins=True)
    assert pause.delay(400.0) <= 0.25
