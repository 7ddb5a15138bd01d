"""Diversity: figures worked out by hand, and two sets that differ in size alone come out alike."""

from __future__ import annotations

import random
from math import isnan

import pytest

from amendment.curation import compression_ratio, distinct, measure_diversity
from amendment.text import words

MEASURES = ["distinct-1", "distinct-2", "distinct-3", "compression ratio"]
WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrs"]


def sample(n_texts: int, length: int, *, vocabulary: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS[:vocabulary], k=length)) for _ in range(n_texts)]


def test_distinct_n_is_the_share_of_different_n_grams() -> None:
    text = [words("to be or not to be")]
    assert distinct(text, 1) == pytest.approx(4 / 6)  # to be or not / to be or not to be
    assert distinct(text, 2) == pytest.approx(4 / 5)  # of "to be, be or, or not, not to, to be" one stands twice
    assert distinct(text, 3) == 1  # to be or, be or not, or not to, not to be


def test_no_n_gram_reaches_from_one_text_into_the_next() -> None:
    # Bigrams: "a b" and "a b". A bigram "b a" over the border would make it 2 of 3.
    assert distinct([["a", "b"], ["a", "b"]], 2) == pytest.approx(1 / 2)
    assert isnan(distinct([["a", "b"], ["c", "d"]], 3))


def test_the_compression_ratio_is_bytes_over_compressed_bytes() -> None:
    # One byte becomes nine: 2 of zlib's head, 3 of a block with one symbol, 4 of its checksum.
    assert compression_ratio(["a"]) == pytest.approx(1 / 9)
    assert compression_ratio(["ab" * 5000]) > 200  # 10,000 bytes, a few dozen compressed
    assert isnan(compression_ratio([]))
    varied, alike = sample(50, 40, vocabulary=125), sample(1, 40, vocabulary=125) * 50
    assert compression_ratio(alike) > 10 * compression_ratio(varied)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop: 3 cats!", ["don't", "stop", "3", "cats"]),
        ("l’été, «déjà» vu—là", ["l’été", "déjà", "vu", "là"]),
        ("'quoted' rock'n'roll", ["quoted", "rock'n'roll"]),
        ("你好，世界", ["你", "好", "世", "界"]),
        ("日本語のテスト", list("日本語のテスト")),
        ("한국어 문장입니다.", ["한국어", "문장입니다"]),
        ("हिन्दी में लिखा है।", ["हिन्दी", "में", "लिखा", "है"]),
        ("مرحبا، كيف حالك؟", ["مرحبا", "كيف", "حالك"]),
        ("Straße ÜBER ΑΒΓ", ["straße", "über", "αβγ"]),
        ("  \n … !? ", []),
    ],
)
def test_words_of_any_script_are_found(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_sets_that_differ_in_size_alone_come_out_alike() -> None:
    small, large = sample(60, 20, vocabulary=80), sample(900, 70, vocabulary=80, seed=1)
    raw = [distinct(map(words, texts), 2) for texts in (small, large)]
    assert raw[0] > 5 * raw[1], "unmatched, the larger set looks far poorer"
    assert compression_ratio(large) > 1.2 * compression_ratio(small)
    measured = measure_diversity({"small": small, "large": large})
    assert measured is not None
    for measure in MEASURES:
        ours, theirs = (measured.sets[name][measure].mean for name in ("small", "large"))
        assert ours == pytest.approx(theirs, rel=0.05), measure


def test_the_sizes_are_those_of_the_smaller_and_shorter_set() -> None:
    # Half of 6 texts, so 3 of each; the short ones have 2 words and 3 characters, and the long ones are cut to that.
    measured = measure_diversity({"short": ["a b"] * 6, "long": ["c d e f g h"] * 40})
    assert measured is not None
    assert (measured.answers, measured.words, measured.characters) == (3, 2.0, 3.0)
    # 3 texts "a b": words a b a b a b, so 2 of 6; bigrams: 1 of 3; likewise of "c d"; no trigram.
    for one in measured.sets.values():
        assert [one[f"distinct-{n}"].mean for n in (1, 2)] == [pytest.approx(1 / 3)] * 2
        assert isnan(one["distinct-3"].mean)
    assert measured.to_json()["sets"]["short"]["distinct-3"] == {"mean": None, "deviation": None}
    assert [one["compression ratio"].mean for one in measured.sets.values()] == [
        pytest.approx(compression_ratio(["a b"] * 3)),
        pytest.approx(compression_ratio(["c d"] * 3)),
    ]


def test_draws_are_seeded_and_their_spread_is_told() -> None:
    sets = {"a": sample(30, 12, vocabulary=60), "b": sample(50, 12, vocabulary=60, seed=5)}
    one, again, other = (measure_diversity(sets, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    assert one is not None
    for measure in ("distinct-1", "compression ratio"):
        spread = one.sets["a"][measure]
        assert 0 < spread.deviation < 0.1 * spread.mean, "half of the smaller set: its draws differ, a little"


@pytest.mark.parametrize("texts", [[], ["", "  ", "?!"]])
def test_a_set_without_words_cannot_be_measured(texts: list[str]) -> None:
    assert measure_diversity({"run": ["some words"], "people": texts}) is None
