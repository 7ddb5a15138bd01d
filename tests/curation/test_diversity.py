"""Diversity: figures worked out by hand, and two sets that differ in size alone come out alike."""

from __future__ import annotations

import random
from math import exp, isnan, log

import pytest

from amendment.curation import (
    WordModel,
    collapse_gates,
    compression_ratio,
    distinct,
    measure_diversity,
    self_repetition,
    vendi_score,
)
from amendment.curation.measures import effective_number, hashed_features, tail_coverage, tail_words
from amendment.text import words

MEASURES = ["distinct-1", "distinct-2", "distinct-3", "compression ratio", "self-repetition", "Vendi score", "openings"]
WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrs"]


def sample(n_texts: int, length: int, *, vocabulary: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS[:vocabulary], k=length)) for _ in range(n_texts)]


def test_distinct_n_is_the_share_of_different_n_grams() -> None:
    text = [words("to be or not to be")]
    assert distinct(text, 1) == pytest.approx(4 / 6)  # to be or not / to be or not to be
    assert distinct(text, 2) == pytest.approx(4 / 5)  # of "to be, be or, or not, not to, to be" one stands twice
    assert distinct(text, 3) == 1  # to be or, be or not, or not to, not to be


def test_the_compression_ratio_is_bytes_over_compressed_bytes() -> None:
    # One byte becomes nine: 2 of zlib's head, 3 of a block with one symbol, 4 of its checksum.
    assert compression_ratio(["a"]) == pytest.approx(1 / 9)
    assert compression_ratio(["ab" * 5000]) > 200  # 10,000 bytes, a few dozen compressed
    varied, alike = sample(50, 40, vocabulary=125), sample(1, 40, vocabulary=125) * 50
    assert compression_ratio(alike) > 10 * compression_ratio(varied)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop: 3 cats!", ["don't", "stop", "3", "cats"]),
        ("l’été, «déjà» vu—là", ["l’été", "déjà", "vu", "là"]),
        ("你好，世界", ["你", "好", "世", "界"]),
        ("हिन्दी में लिखा है।", ["हिन्दी", "में", "लिखा", "है"]),
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
        ours, theirs = (measured.sets[name][measure].value for name in ("small", "large"))
        assert ours == pytest.approx(theirs, rel=0.05), measure


@pytest.mark.parametrize("texts", [[], ["", "  ", "?!"]])
def test_a_set_without_words_cannot_be_measured(texts: list[str]) -> None:
    assert measure_diversity({"run": ["some words"], "people": texts}) is None


def test_self_repetition_is_the_share_of_texts_that_share_four_words() -> None:
    # "a b c d" stands in the first two of the three texts that have four words.
    texts = [words(text) for text in ("x a b c d", "a b c d y", "e f g h", "a b")]
    assert self_repetition(texts) == pytest.approx(2 / 3)
    assert self_repetition([words("a b c d a b c d"), words("e f g h")]) == 0, "a text that repeats itself alone"


def test_the_effective_number_is_exp_of_the_entropy() -> None:
    assert effective_number("abcd") == pytest.approx(4)
    # shares 3/4 and 1/4: exp(-(3/4 log 3/4 + 1/4 log 1/4)) = 4 / 3**(3/4)
    assert effective_number("aaab") == pytest.approx(4 / 3**0.75)
    assert isnan(effective_number(""))


def test_the_vendi_score_counts_different_texts() -> None:
    different, alike = hashed_features([["a"], ["b"], ["c"]]), hashed_features([["a", "b"]] * 3)
    assert vendi_score(different) == pytest.approx(3)
    assert vendi_score(alike) == pytest.approx(1)
    # [a] and [a b]: the second is (1, 1, 1) / sqrt 3 of a, b and "a b", so the cosine is c = 1 / sqrt 3, and the
    # eigenvalues of [[1, c], [c, 1]] / 2 are (1 + c) / 2 and (1 - c) / 2.
    shares = [(1 + 3**-0.5) / 2, (1 - 3**-0.5) / 2]
    expected = exp(-sum(share * log(share) for share in shares))
    assert vendi_score(hashed_features([["a"], ["a", "b"]])) == pytest.approx(expected, rel=1e-6)


def test_the_tail_is_what_nine_tenths_of_the_words_leave() -> None:
    # 20 words: a 10 times, b 8 times, c and d once; a and b are 18 of 20, nine tenths.
    texts = [["a"] * 10 + ["b"] * 8 + ["c", "d"]]
    assert tail_words(texts) == {"c", "d"}
    assert tail_coverage([["a", "c"], ["c"]], tail_words(texts)) == 1 / 2


def test_the_word_model_is_witten_bells_by_hand() -> None:
    # Texts "a" and "b" over the vocabulary {a, b}: with the unknown word and the end four words, each 1/4 at first.
    model = WordModel([["a"], ["b"]], "ab")
    # Unigrams a, b, end, end: 4 tokens of 3 types. P(a) = (1 + 3/4) / 7 = 1/4; P(end) = (2 + 3/4) / 7 = 11/28.
    assert model.probability((), "a") == pytest.approx(1 / 4)
    assert model.probability((), "\n") == pytest.approx(11 / 28)
    # After "a" comes the end alone, once: P(end | a) = (1 + 11/28) / 2 = 39/56; of a pair seen once likewise 95/112.
    assert model.probability(("a",), "\n") == pytest.approx(39 / 56)
    assert model.probability(("\n", "a"), "\n") == pytest.approx(95 / 112)
    # After two line breaks come a and b, each half the time: P(a | \n) = (1 + 2/4) / 4 = 3/8, P(a | \n \n) = 7/16.
    assert model.cross_entropy([["a"]]) == pytest.approx(-(log(7 / 16) + log(95 / 112)) / 2)
    assert sum(model.probability(("\n", "\n"), word) for word in ("a", "b", "", "\n")) == pytest.approx(1)


def people(n_texts: int, seed: int = 0, vocabulary: int = 125) -> dict[str, str]:
    """Texts of words as rare as in language: the r-th most frequent one with a share of 1 / r."""
    rng = random.Random(f"people {seed}")
    weights = [1 / rank for rank in range(1, vocabulary + 1)]
    return {f"{seed} {number}": " ".join(rng.choices(WORDS[:vocabulary], weights, k=12)) for number in range(n_texts)}


def test_the_gate_is_silent_on_the_same_source_and_fires_on_a_collapsed_one() -> None:
    n_texts = 120
    collapsed = {f"c {key}": f"well then {text}" for key, text in people(n_texts, 2, vocabulary=12).items()}
    repeated = dict(zip(people(n_texts, 3), [*people(n_texts // 2, 4).values()] * 2, strict=False))
    sets = {"people": people(n_texts), "same": people(n_texts, 1), "collapsed": collapsed, "repeated": repeated}
    measured = measure_diversity(sets, baseline="people")
    assert measured is not None
    gates = collapse_gates(measured)
    assert gates["same"] == ("PASS", ())
    assert gates["collapsed"].outcome == "FAIL"
    assert {"distinct-n", "openings", "tail coverage", "cross-entropy"} <= set(gates["collapsed"].fallen)
    assert gates["repeated"].outcome == "WARN", "texts of people, each twice"
    assert "self-repetition" in gates["repeated"].fallen
    for measure, ratio in measured.ratios["same"].items():
        assert ratio.value == pytest.approx(1, abs=0.1), measure
    assert measured.rises["same"].low < 0 < measured.rises["same"].high


def test_no_text_is_compared_with_one_to_the_same_prompt() -> None:
    """Answers to held-out prompts have their words: a set that had those of all prompts would cover the tail."""
    prompts = {str(number): f"about {WORDS[number]} i know much" for number in range(100)}
    measured = measure_diversity({"first": prompts, "second": dict(prompts)}, baseline="first")
    assert measured is not None
    # The only words of the tail are those of the prompts, and no draw has any of a held-out one.
    assert [measured.sets[name]["tail coverage"].value for name in ("first", "second")] == [0, 0]
