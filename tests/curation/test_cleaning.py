"""Overlap, personal data, limits, and words on one side only, against what can be counted by hand."""

from __future__ import annotations

import time

import pytest

from amendment.curation.cleaning import (
    CleanConfig,
    Cleaner,
    Flaw,
    Overlap,
    PromptAnswers,
    one_sided_ngrams,
)
from amendment.curation.near_copies import Copy, NearCopies
from amendment.curation.personal_data import ACCOUNT, CARD, EMAIL, PHONE, SOCIAL, personal_data

ITEM = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def overlap() -> Overlap:
    grams = Overlap()
    grams.add("exam", {"question": ITEM, "choices": ["Paris", "The capital of France is Paris."]})
    return grams


@pytest.mark.parametrize(
    ("text", "is_overlap"),
    [
        (f"Tell me: {ITEM.upper()}!", True),
        (f"zero {ITEM.removesuffix(' fourteen')}", True),  # 13 in a row
        (ITEM.removesuffix(" thirteen fourteen"), False),  # 12
        (ITEM.replace("seven", "7"), False),  # the longest run has 7
        ("Paris", False),  # too short to say anything
        ("the capital of france is Paris", True),  # a short item, whole
        ("I know that the capital of France is Paris.", False),
    ],
)
def test_thirteen_words_in_a_row_are_an_overlap(text: str, is_overlap: bool) -> None:
    assert overlap().found_in(text) == ("exam" if is_overlap else None)


WIDE = "".join(chr(ord(sign) + 0xFEE0) if sign != " " else sign for sign in ITEM)


@pytest.mark.parametrize("text", [f"{WIDE} 50", f"{ITEM} 50".replace("e", "e\u00ad")], ids=["full-width", "hyphens"])
def test_words_that_read_the_same_overlap_and_are_copies(text: str) -> None:
    assert overlap().found_in(text) == "exam"
    copies = NearCopies(0.8)
    assert copies.add("a", f"{ITEM} 50") is None
    assert copies.add("b", text) == Copy("a", 1.0, is_exact=True)
    assert copies.add("c", f"{text[:-1]}²0") is None  # another figure


def test_an_item_without_a_text_of_five_words_cannot_be_compared() -> None:
    grams = Overlap()
    assert not grams.add("exam", {"question": "Name the capital?", "answer": "Paris, of course."})
    assert grams.add("exam", {"question": "What is the capital there?", "answer": "Paris"})


def test_a_text_ends_where_its_cell_ends() -> None:
    grams, (first, last) = Overlap(), (ITEM[: len(ITEM) // 2], ITEM[len(ITEM) // 2 :])
    grams.add("exam", [first, last])
    assert grams.found_in(f"{first} {last}") is None
    assert grams.found_in(first) == "exam"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to anna.keller@kellerbau.de about the roof.", [EMAIL]),
        ("max@firma.ch, or +49 171 2345678", [EMAIL, PHONE]),
        ("Her number is (415) 228-4021.", [PHONE]),
        ("pay to GB82WEST12345698765432", [ACCOUNT]),
        ("IBAN DE88 3704 0044 0532 0130 00", []),  # the check digits are wrong
        ("card 4539 1488 0343 6466", []),  # the check digit is wrong
        ("card 4539 1488 0343 6467 12/27", [CARD]),
        ("IBAN BE68 5390 0754 7034 BIC KREDBEBB", [ACCOUNT]),  # what follows could be part of a longer one
        ("my social is 123-45-6789", [SOCIAL]),
        ("test card 4242 4242 4242 4242, user@example.com, (555) 555-0123", []),
        ("version 1.2.3.4 of 1984-05-12, pages 3.14159265, order 1234 5678 9012 3456", []),
        ("def f(x): return x@y", []),
    ],
)
def test_personal_data_by_kind(text: str, kinds: list[str]) -> None:
    assert personal_data(text) == kinds


def test_long_hostile_texts_are_searched_in_linear_time() -> None:
    began = time.process_time()
    for text in ("1" * 50_000, "+1 " * 20_000, "a." * 20_000 + "@" + "b." * 20_000, "AB12 " * 20_000, "4 " * 30_000):
        assert personal_data(text) == []
    assert time.process_time() - began < 10, "about 0.2 s of the processor; in quadratic time minutes"


def test_the_first_reason_is_given_and_a_text_that_was_left_out_has_no_copies() -> None:
    cleaner = Cleaner(CleanConfig(), overlap())
    assert cleaner.find_flaw("a", "...") == Flaw("length", "0 words")
    assert cleaner.find_flaw("b", "Is this fine here?", "Yes.", "No. " * 4001) == Flaw("length", "4001 words")
    assert cleaner.find_flaw("c", "Is this fine here?", "Yes.", "No.") is None
    assert cleaner.find_flaw("d", "is this fine here", "yes", "no") == Flaw("copy", "c")
    assert cleaner.find_flaw("e", f"{ITEM} anna@kellerbau.de") == Flaw("personal data", "e-mail address")
    kept = Cleaner(CleanConfig(personal_data="keep"), Overlap())
    assert kept.find_flaw("f", "anna@kellerbau.de") is None


def sides(count: int, chosen: str, rejected: str) -> list[PromptAnswers]:
    return [PromptAnswers([chosen], [rejected]) for _ in range(count)]


def test_words_in_sixteen_chosen_answers_and_no_rejected_one_are_listed_in_their_longest_form() -> None:
    # "sure thing" and its parts stand in 16 chosen answers; "fine" on both sides. Three n-grams are tested ("sure",
    # "thing", "sure thing"; those with "fine" add two): p = 2 / 2^16 times the number tested.
    found = one_sided_ngrams("run", sides(16, "Sure thing, fine", "fine"))
    assert [(row.side, row.words, row.prompts, row.others) for row in found] == [("chosen", "sure thing fine", 16, 0)]
    assert found[0].p == pytest.approx(5 * 2 / 2**16)


def test_few_prompts_or_many_on_the_other_side_are_no_finding() -> None:
    assert one_sided_ngrams("run", sides(9, "sure", "no")) == []  # 9 prompts, expected 10
    assert one_sided_ngrams("run", sides(10, "sure", "sure")) == []
    mixed = [*sides(16, "sure", "x"), *sides(2, "x", "sure")]  # 2 of 18 are more than 5 %
    assert "sure" not in {row.words for row in one_sided_ngrams("run", mixed)}


def test_pairs_about_one_prompt_count_once() -> None:
    assert one_sided_ngrams("run", [PromptAnswers(["sure"] * 40, ["no"] * 40)]) == []
