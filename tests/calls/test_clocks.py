"""Time that only goes forward."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amendment.calls.clocks import LoopClock, Steady


class _Read(LoopClock):
    def __init__(self, times: list[float]) -> None:
        self.times = iter(times)

    def now(self) -> float:
        return next(self.times)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2))
def test_it_never_goes_back_and_keeps_every_step_forward(times: list[float]) -> None:
    clock = Steady(_Read(times))
    seen = [clock.now() for _ in times[1:]]
    assert seen == sorted(seen)


def test_after_a_jump_back_it_goes_on_from_where_it_stood() -> None:
    clock = Steady(_Read([100.0, 105.0, 5.0, 7.0]))
    assert [clock.now(), clock.now(), clock.now()] == [105.0, 105.0, 107.0]


def test_without_a_running_loop_time_passes_all_the_same() -> None:
    clock = LoopClock()
    assert clock.now() <= clock.now()
