"""The breaker: when it opens, when it lets a probe out, and when it closes."""

from __future__ import annotations

from random import Random

from amendment.calls.breaker import Breaker


def opened(faults: int = 10) -> Breaker:
    breaker = Breaker(Random(0))
    for _ in range(faults):
        breaker.failed(0.0)
    return breaker


def test_it_opens_at_the_tenth_fault_in_a_row() -> None:
    assert not opened(9).is_open
    assert opened(10).is_open


def test_one_answer_begins_the_count_anew() -> None:
    breaker = opened(9)
    breaker.succeeded()
    for _ in range(9):
        breaker.failed(0.0)
    assert not breaker.is_open


def test_it_opens_when_half_of_the_last_forty_calls_failed() -> None:
    breaker = Breaker(Random(0))
    for _ in range(19):  # 38 calls, 19 faults, never two in a row
        breaker.succeeded()
        breaker.failed(1.0)
    breaker.succeeded()
    assert not breaker.is_open
    breaker.failed(1.0)  # the fortieth call, the twentieth fault
    assert breaker.is_open


def test_faults_of_long_ago_do_not_count() -> None:
    breaker = Breaker(Random(0))
    for _ in range(9):
        breaker.failed(0.0)
    for _ in range(31):
        breaker.succeeded()
    for _ in range(500):  # 2 of 5 fail from here on
        for fails in (True, False, True, False, False):
            if fails:
                breaker.failed(0.0)
            else:
                breaker.succeeded()
    assert not breaker.is_open


def test_the_time_between_probes_doubles_from_five_seconds_to_five_minutes_and_is_never_shorter() -> None:
    breaker = opened()
    now = 0.0
    gaps = []
    for _ in range(9):
        gap = breaker.delay(now)
        gaps.append(gap)
        now += gap
        breaker.depart(now)
        breaker.failed(now)
    wanted = [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert all(want <= gap <= 1.1 * want for want, gap in zip(wanted, gaps, strict=True))


def test_a_probe_that_never_comes_back_costs_one_interval() -> None:
    breaker = opened()
    now = breaker.delay(0.0)
    breaker.depart(now)
    assert 5.0 <= breaker.delay(now) <= 5.5


def test_an_answered_probe_closes_it_and_the_next_outage_begins_with_five_seconds() -> None:
    breaker = opened()
    breaker.depart(5.5)
    breaker.failed(5.5)
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.delay(6.0) == 0
    for _ in range(10):
        breaker.failed(7.0)
    assert 5.0 <= breaker.delay(7.0) <= 5.5
