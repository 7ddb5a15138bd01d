"""The code grows no further: every count is at most the number in `tests/size.yaml`."""

from __future__ import annotations

from tests.size import counts, lowered, numbers, risen


def test_no_count_is_greater_than_its_number() -> None:
    found = risen(numbers(), counts())
    assert not found, "\n".join(found)


def test_a_count_that_rises_is_named_and_one_that_falls_is_written() -> None:
    today = {"nodes": 90, "density": 9.5, "known probe": 4}
    (found,) = risen({"nodes": 100, "density": 9.4, "known probe": 4}, today)
    assert found.startswith("density rose from 9.4 to 9.5. ")
    text = "# Numbers\n\nnodes: 100\ndensity: 9.4\nknown probe: 4\n"
    assert lowered(text, today) == text.replace("100", "90")
