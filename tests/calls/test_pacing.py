"""The pace that a user names, the size of calls, and what headers allow."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.calls.pacing import TOKEN_SHARE, Estimates, Quota, Rhythm


def most_in_a_minute(sent: list[tuple[float, float]]) -> float:
    """The most units within any sixty seconds."""
    most = units = 0.0
    first = 0
    for at, weight in sent:
        units += weight
        while sent[first][0] <= at - 60:
            units -= sent[first][1]
            first += 1
        most = max(most, units)
    return most


def send(rhythm: Rhythm, asked: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Calls of so many units, each asked for some time after the one before went, sent as soon as they may."""
    now, sent = 0.0, []
    for gap, units in asked:
        now += gap
        now += max(0.0, rhythm.delay(now, units))
        rhythm.spend(now, units)
        sent.append((now, units))
    return sent


@given(st.integers(1, 900), st.lists(st.one_of(st.just(0.0), st.floats(0, 90)), min_size=1, max_size=50))
def test_no_minute_has_more_calls_than_named_however_they_come(per_minute: int, pauses: list[float]) -> None:
    asked = [(gap, 1.0) for pause in pauses for gap in (pause, *[0.0] * 40)]
    assert most_in_a_minute(send(Rhythm(per_minute), asked)) <= per_minute


@given(
    st.integers(1000, 100_000),
    st.lists(st.tuples(st.one_of(st.just(0.0), st.floats(0, 70)), st.floats(0, 1.2)), min_size=1, max_size=300),
)
def test_no_minute_has_more_tokens_than_named_whatever_their_sizes(
    per_minute: int, asked: list[tuple[float, float]]
) -> None:
    sent = send(Rhythm(per_minute), [(gap, 1 + int(share * share * per_minute)) for gap, share in asked])
    counted = [(at, min(units, per_minute)) for at, units in sent]
    assert most_in_a_minute(counted) <= per_minute * (1 + 1e-9) + 1


def test_a_pace_in_use_all_the_time_costs_a_hundredth_of_it() -> None:
    sent = send(Rhythm(600), [(0.0, 1.0)] * 6000)
    # 6,000 calls at 600 a minute take 600 s; an interval of 60.6/600 s instead of 60/600 s makes it 606 s
    assert 600 <= sent[-1][0] <= 606.1


def test_calls_come_evenly_from_the_start() -> None:
    sent = send(Rhythm(600), [(0.0, 1.0)] * 600)
    by_second = [sum(second <= at < second + 1 for at, _ in sent) for second in range(59)]
    assert by_second[0] <= 17  # what is due, and six tenths of a second's more
    assert set(by_second[1:]) <= {9, 10, 11}


def test_a_call_larger_than_a_whole_minute_still_goes() -> None:
    rhythm = Rhythm(1000)
    rhythm.spend(0.0, 500)
    assert 0 < rhythm.delay(0.0, 5000) < 120


def test_tokens_that_were_not_used_may_be_used_by_others() -> None:
    rhythm = Rhythm(6000)
    rhythm.spend(0.0, 6000)
    before = rhythm.delay(0.0, 100)
    rhythm.settle(6000, 3000)
    assert rhythm.delay(0.0, 100) == pytest.approx(before - 3000 * 60.6 / 6000, abs=0.01)


def test_a_call_larger_than_a_whole_minute_costs_a_whole_minute_whatever_it_was_thought_to_take() -> None:
    rhythm = Rhythm(400)
    for _ in range(3):
        rhythm.spend(0.0, 4000)
        rhythm.settle(4000, 885)
    assert rhythm.delay(0.0, 400) > 3 * 60 - 1  # three minutes' worth went: 885 is more than a minute's too


def test_the_first_calls_are_charged_the_most_that_they_can_take() -> None:
    estimates = Estimates()
    for _ in range(9):
        assert estimates.charge(400) == 400
        estimates.learn(400, 100)


def test_charges_follow_what_calls_take_with_a_margin_of_a_twentieth() -> None:
    estimates = Estimates()
    for _ in range(10):
        estimates.learn(400, 100)
    assert estimates.charge(400) == pytest.approx(105)  # a quarter of 400, and 5 %
    assert estimates.charge(4000) == pytest.approx(1050)


def test_no_call_is_charged_more_than_it_can_take() -> None:
    estimates = Estimates()
    for _ in range(20):
        estimates.learn(400, 600)
    assert estimates.charge(400) == 400


def test_with_estimates_four_times_too_large_the_token_limit_is_used_and_kept() -> None:
    """Calls of 400 tokens at the most that take 40 to 160, answered after 5 s, at 12,000 tokens a minute."""
    rng, estimates, rhythm = Random(5), Estimates(), Rhythm(TOKEN_SHARE * 12_000)
    now = 0.0
    used: list[tuple[float, float]] = []
    flying: list[tuple[float, float, int]] = []
    while now < 1200:
        while flying and flying[0][0] <= now:
            _, charge, took = flying.pop(0)
            estimates.learn(400, took)
            rhythm.settle(charge, took)
        charge = estimates.charge(400)
        delay = rhythm.delay(now, charge)
        if delay > 0:
            now = min([now + delay, *[ends for ends, _, _ in flying[:1]]])
            continue
        took = rng.randint(40, 160)
        rhythm.spend(now, charge)
        flying.append((now + 5, charge, took))
        used.append((now, float(took)))
    assert most_in_a_minute(used) <= 12_000
    assert sum(took for at, took in used if at > 60) / 19 >= 0.9 * 12_000


def test_a_fixed_window_s_header_lets_out_what_is_left_and_then_waits_for_the_next_window() -> None:
    quota = Quota()
    quota.told(10.0, 1, 1, 2, 50.0)  # the first call is back, and two more are left for fifty seconds
    assert quota.delay(10.0, 1) == 0
    assert quota.delay(10.0, 2) == 0
    assert quota.delay(10.0, 3) == 50
    assert quota.delay(60.0, 3) <= 0


def test_a_filling_bucket_s_header_lets_out_one_unit_after_another() -> None:
    quota = Quota()
    quota.told(0.0, 1, 1, 599, 0.1)  # nearly full, and full again in a tenth of a second
    quota.told(2.0, 600, 600, 0, 60.0)  # empty, and full again in a minute: ten a second
    assert quota.delay(2.0, 600) == pytest.approx(60 / 600)
    quota.depart(2.1, 601)
    assert quota.delay(2.1, 601) == pytest.approx(60 / 600)


def test_a_reply_to_an_earlier_call_tells_nothing_new() -> None:
    quota = Quota()
    quota.told(5.0, 20, 20, 0, 30.0)
    quota.told(5.1, 10, 20, 9, 30.0)
    assert quota.delay(6.0, 20) == pytest.approx(29)
