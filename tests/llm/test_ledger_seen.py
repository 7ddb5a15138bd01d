"""The filter before the ledger: it forgets nothing, and errs rarely."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amendment.llm.ledger_seen import Seen


@given(st.sets(st.text(max_size=40), max_size=50))
def test_what_was_added_is_always_found(names: set[str]) -> None:
    seen = Seen(names)
    assert all(name in seen for name in names)


def test_of_a_hundred_thousand_requests_hardly_any_other_is_taken_for_one_of_them() -> None:
    seen = Seen(f"s2:{number:032x}" for number in range(100_000))
    wrong = sum(f"s2:{number:032x}" in seen for number in range(500_000, 600_000))
    assert wrong < 50  # (1 - e^(-4 * 1e5 / 2^24))^4 = 3e-7 of 1e5 is 0.03
