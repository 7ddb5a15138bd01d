"""Mixing: counts worked out by hand, no prompt twice, and choices that do not jump when rows are added."""

from __future__ import annotations

from collections.abc import Iterable

from amendment.curation import SourceCount, mix_pairs
from amendment.records import Preference
from tests.rows import plain_preference


def pair(prompt: str, number: int = 0) -> Preference:
    return plain_preference(prompt, f"good {number}", f"bad {number}")


def pairs(name: str, count: int) -> list[Preference]:
    return [pair(f"{name} {number}") for number in range(count)]


def ids(rows: Iterable[Preference]) -> set[str]:
    return {row.comparison_id for row in rows}


def taken(shares: dict[str, float] | None = None, floors: dict[str, float] | None = None, **sizes: int) -> list[int]:
    """The pairs of each source, of so many that it has."""
    sources = {name: pairs(name, n) for name, n in sizes.items()}
    return [count.pairs for count in mix_pairs(sources, shares, floors=floors or {}, seed=0).counts.values()]


def test_the_largest_total_is_taken_for_which_nobody_is_asked_for_too_much() -> None:
    # 248 are a fifth of 1240 pairs; the run gives the other 992 of its 1300, and 308 are left out.
    assert taken({"run": 0.8, "people": 0.2}, run=1300, people=248) == [992, 248]
    # And where the run is the scarce one: 40 are four fifths of 50, so people give 10.
    assert taken({"run": 0.8, "people": 0.2}, run=40, people=248) == [40, 10]


def test_shares_are_read_as_they_are_written() -> None:
    # In binary, 0.1 + 0.2 is a little over 0.3; 30 pairs are still three tenths of a hundred.
    assert taken({"run": 0.7, "a": 0.1, "b": 0.2}, run=70, a=10, b=20) == [70, 10, 20]
    # Thirds, rounded: the total is 3 x 10.
    assert taken(dict.fromkeys(["run", "a", "b"], 0.333), run=10, a=11, b=12) == [10, 10, 10]


def test_pairs_stay_in_their_order_and_are_chosen_by_seed() -> None:
    sources = {"run": pairs("run", 100), "people": pairs("p", 10)}
    one, again, other = (mix_pairs(sources, {"run": 0.5, "people": 0.5}, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert ids(one.pairs["run"]) != ids(other.pairs["run"])
    order = {row.comparison_id: index for index, row in enumerate(sources["run"])}
    places = [order[row.comparison_id] for row in one.pairs["run"]]
    assert places == sorted(places)


def test_new_rows_keep_what_was_chosen_before() -> None:
    run, people = pairs("run", 300), pairs("p", 60)
    shares = {"run": 0.5, "people": 0.5}
    before = mix_pairs({"run": run, "people": people[:40]}, shares, seed=3)
    more = mix_pairs({"run": run, "people": people}, shares, seed=3)
    assert ids(before.pairs["run"]) < ids(more.pairs["run"])
    assert ids(before.pairs["people"]) < ids(more.pairs["people"])


def test_a_prompt_of_several_sources_stays_with_the_one_that_reaches_least_far() -> None:
    # The run has 8 prompts of its own, reaching 8 / 0.8 = 10 pairs in all; people 1, reaching 1 / 0.2 = 5.
    # Of the two prompts that both have, people get one (then 2 / 0.2 = 10, as far as the run's), and so the first in
    # the list the other: 9 / 0.8 = 11.25. The total is min(11.25, 10) = 10: 8 of the run and 2 of people.
    both = [pair("both 1"), pair("both 2")]
    sources = {"run": [*pairs("run", 8), *both], "people": [*pairs("p", 1), pair("both 1", 7), pair("both 2", 7)]}
    mixed = mix_pairs(sources, {"run": 0.8, "people": 0.2}, seed=0)
    assert mixed.shared_prompts == 2
    assert mixed.counts == {"run": SourceCount(8, 9, 1), "people": SourceCount(2, 2, 1)}


def test_without_shares_every_pair_is_kept_but_for_prompts_of_another_source() -> None:
    sources = {"run": [*pairs("run", 5), pair("both")], "people": [*pairs("p", 2), pair("both", 1)]}
    mixed = mix_pairs(sources, None, seed=0)
    assert mixed.counts == {"run": SourceCount(5, 5, 1), "people": SourceCount(3, 3, 0)}


def test_a_floor_takes_from_the_others_only_what_it_must() -> None:
    # 30 of people are a fifth of 150, so 120 of the run's 500 are taken; 30 of 80 are above a fifth.
    assert taken(floors={"people": 0.2}, run=500, people=30) == [120, 30]
    assert taken(floors={"people": 0.2}, run=50, people=30) == [50, 30]
    # Two others give in proportion to what they have: 30 / 0.2 = 150, and 120 of 300 + 100 is 90 and 30.
    assert taken(floors={"people": 0.2}, run=300, other=100, people=30) == [90, 30, 30]
