"""Copies by hand-counted shingles, whatever MinHash proposes; the first in order stays."""

from __future__ import annotations

import pytest

from amendment.curation.near_copies import NearCopies

TEN = "alpha beta gamma delta epsilon zeta eta theta iota kappa"


@pytest.mark.parametrize(
    ("text", "similarity"),
    [
        (f"{TEN} lambda", 8 / 9),  # ten words have 8 runs of three; one more word adds a ninth: 8 shared of 9
        (TEN.removeprefix("alpha "), 7 / 8),  # without the first word 7 of the 8 are left
        (TEN.replace("kappa", "omega"), 7 / 9),  # another last word changes a run of each: 7 shared of 9
        (TEN.replace("epsilon", "omega"), None),  # in the middle it changes 3 of each: 5 shared of 11, less than 0.5
    ],
)
def test_similarity_is_the_share_of_runs_of_three_words_in_common(text: str, similarity: float | None) -> None:
    seen = NearCopies(similarity or 0.5)  # the threshold is exact
    seen.add("first", TEN)
    copy = seen.add("second", text)
    assert (copy and copy.similarity) == (similarity and pytest.approx(similarity))


def test_a_near_copy_names_the_first_text() -> None:
    seen = NearCopies(0.8)
    assert seen.add("first", TEN) is None
    copies = [seen.add("second", f"{TEN} lambda"), seen.add("third", TEN.upper() + " ...")]
    assert [(copy.name, copy.is_exact) for copy in copies if copy] == [("first", False), ("first", True)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is 7 + 5?", "What is 7 * 5?"),
        ("Is 10-3 more than six?", "Is 10+3 more than six?"),
        ("🙂", "🙂🙂"),
        (f"A ball falls 20 m. {TEN * 4}", f"A ball falls 25 m. {TEN * 4}"),
    ],
)
def test_texts_with_other_figures_are_not_copies(first: str, second: str) -> None:
    seen = NearCopies(0.8)
    assert (seen.add("a", first), seen.add("b", second)) == (None, None)
    assert seen.add("c", second) is not None


def test_a_pair_is_a_copy_only_where_each_of_its_parts_is() -> None:
    long = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    seen = NearCopies(0.8)
    assert seen.add("a", long, "yes, it is", "no") is None
    assert seen.add("b", long, "yes, it is", "perhaps") is None
    assert seen.add("c", long, "no", "yes, it is") is None
    copy = seen.add("d", f"{long} wordz", "Yes it is", "no")
    assert copy is not None
    assert copy.name == "a"
