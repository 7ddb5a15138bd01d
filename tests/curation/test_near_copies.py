"""Copies by hand-counted shingles, whatever MinHash proposes; the first in order stays."""

from __future__ import annotations

import random

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
    seen = NearCopies(0.5)
    seen.add("first", TEN)
    copy = seen.add("second", text)
    assert (copy and copy.similarity) == (similarity and pytest.approx(similarity))


def test_a_near_copy_names_the_first_text_and_its_similarity() -> None:
    seen = NearCopies(0.8)
    assert seen.add("first", TEN) is None
    copy = seen.add("second", f"{TEN} lambda")
    assert copy is not None
    assert copy.similarity == pytest.approx(8 / 9)
    assert (copy.name, copy.is_exact) == ("first", False)
    exact = seen.add("third", TEN.upper() + " ...")
    assert exact is not None
    assert (exact.name, exact.is_exact) == ("first", True)
    assert NearCopies(0.9).add("a", TEN) is None


def test_the_threshold_is_exact() -> None:
    for threshold, is_copy in ((8 / 9, True), (8 / 9 + 1e-9, False)):
        seen = NearCopies(threshold)
        seen.add("a", TEN)
        assert (seen.add("b", f"{TEN} lambda") is not None) == is_copy


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What is 7 + 5?", "What is 7 * 5?"),
        ("What is 7 + 5?", "What is 7 + 6?"),
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


def test_the_answer_depends_on_the_order_of_the_texts_and_on_nothing_else() -> None:
    rng = random.Random(3)
    letters = [f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(400)]
    texts = [" ".join(rng.choices(letters, k=30)) for _ in range(60)]
    texts += [f"{text} extra" for text in texts[:30]]

    def kept(order: list[str]) -> list[str]:
        seen = NearCopies(0.8)
        return [text for text in order if seen.add(text, text) is None]

    assert kept(texts) == kept(texts) == texts[:60]
    assert kept(texts[::-1]) == texts[60:][::-1] + texts[30:60][::-1]


def test_many_texts_of_one_template_all_stay() -> None:
    rng = random.Random(5)
    seen = NearCopies(0.8)

    def name() -> str:
        return "".join(rng.choices("abcdefghij", k=7))

    form = "Write a short and friendly poem of four lines for the birthday of {} who likes {}"
    assert all(seen.add(str(i), form.format(name(), name())) is None for i in range(400))
