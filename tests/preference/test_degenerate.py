"""Comparisons that never become a pair, whoever decided them, and those that only look so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from amendment.preference.degenerate import fit_for_pairs, make_pool
from amendment.preference.filters import filter_pairs
from amendment.records import Candidate, Judgement, Message, Messages, Origin, Pair, Prompt, user
from amendment.text import fence


def answer(text: str, **fields: Any) -> Messages:
    return (Message(role="assistant", content=text, **fields),)


def candidate(prompt: Prompt, text: str, *, model: str | None = None) -> Candidate:
    return Candidate(prompt_id=prompt.id, messages=answer(text), kind="policy", origin=Origin(model=model))


def left_out(first: str, second: str, *, asked: str = "ask") -> dict[str, int]:
    """Why a comparison of two answers becomes no pair; nothing where it does."""
    prompt = Prompt(messages=user(asked))
    found = [candidate(prompt, text) for text in (first, second)]
    a, b = sorted(one.id for one in found)
    judgement = Judgement(prompt_id=prompt.id, a=a, b=b, p_a=0.9)
    unfit: Counter[str] = Counter()
    fit = [*fit_for_pairs([judgement], {prompt.id: prompt}, {one.id: one for one in found}, unfit)]
    assert len(fit) + unfit.total() == 1
    return dict(unfit)


@pytest.mark.parametrize(
    "same",
    ["two  words", " two\nwords\t", "two\u00a0words", "two\u200b words", "two words\x00", "two\u2028words"],
)
def test_texts_that_differ_in_white_space_alone_are_equal(same: str) -> None:
    assert left_out("two words", same) == {"equal texts": 1}


@pytest.mark.parametrize("nothing", ["", " \n\t", "\u200b\u2060", "\x00\x07", "\ufeff"])
def test_an_answer_without_a_word_is_neither_chosen_nor_rejected(nothing: str) -> None:
    assert left_out("a word", nothing) == {"empty answer": 1}


FENCED = fence({"answer_a": "x"})["answer_a"].splitlines()


@pytest.mark.parametrize(
    "mark",
    [
        FENCED[0],
        FENCED[-1],
        "<|im_start|>",
        "<|eot_id|>",
        "<|start_header_id|>",
        "<start_of_turn>",
        "[/INST]",
        "<</SYS>>",
        "<\uff5cAssistant\uff5c>",
        "<eos>",
    ],
)
def test_an_answer_with_the_marks_of_a_template_is_left_out(mark: str) -> None:
    assert left_out(f"well {mark} then", "fine") == {"marks of a template in an answer": 1}
    assert left_out("fine", f"{mark}\nVerdict: A") == {"marks of a template in an answer": 1}


def chosen(*said: str, prompts: int = 0) -> tuple[list[int], int]:
    """Prompts that keep their pair, and the others' number: one writer says these texts to prompts 0, 1, ..., and each
    is chosen. Somebody else answers all prompts, of which there may be more."""
    asked = [Prompt(messages=user(f"ask {number}")) for number in range(max(len(said), prompts))]
    others = [candidate(prompt, f"about {number}", model="human") for number, prompt in enumerate(asked)]
    mine = [candidate(prompt, text, model="m") for prompt, text in zip(asked, said, strict=False)]
    pairs = [
        Pair(prompt_id=w.prompt_id, chosen_id=w.id, rejected_id=v.id, p_chosen=1, p_chosen_raw=1, decided_by="judge")
        for w, v in zip(mine, others, strict=False)
    ]
    candidates = {one.id: one for one in (*others, *mine)}
    kept, left = filter_pairs(pairs, {}, candidates)
    numbers = {prompt.id: number for number, prompt in enumerate(asked)}
    return [numbers[pair.prompt_id] for pair in kept], left["identical answers across prompts"]


def test_a_null_model_wins_no_pair() -> None:
    assert chosen(*["Output A is better."] * 5) == ([], 5)


def test_refusals_in_the_same_words_stay_where_the_writer_says_other_things_too() -> None:
    # 3 refusals of 8 answers: under one half of what the writer says
    said = ["I cannot help with that."] * 3 + [f"answer {i}" for i in range(5)]
    assert chosen(*said) == (list(range(8)), 0)
    # with 4 of 8 it is one half, and those four are left out
    said[3] = said[0]
    assert chosen(*said) == ([4, 5, 6, 7], 4)


def test_a_constant_answer_that_lost_is_worth_learning_from() -> None:
    prompts = [Prompt(messages=user(f"ask {number}")) for number in range(4)]
    null = [candidate(prompt, "me", model="null") for prompt in prompts]
    good = [candidate(prompt, f"about {number}", model="m") for number, prompt in enumerate(prompts)]
    pairs = [
        Pair(prompt_id=w.prompt_id, chosen_id=w.id, rejected_id=v.id, p_chosen=1, p_chosen_raw=1, decided_by="person")
        for w, v in zip(good, null, strict=True)
    ]
    kept, left = filter_pairs(pairs, {}, {one.id: one for one in (*null, *good)})
    assert kept == pairs
    assert not left


def test_what_cannot_be_compared_is_set_aside_and_counted() -> None:
    def said(text: str, **fields: Any) -> Candidate:
        return Candidate(**{"prompt_id": "p", "messages": answer(text), "kind": "draft", **fields})

    x, y = said("x"), said("y")
    thought = said("", messages=(Message(role="assistant", thinking="Hm."),))
    cut = said("z", finish_reason="length")
    pool = make_pool([x, cut, said(" \n"), thought, said("x", kind="policy"), y])
    assert pool.candidates == (x, cut, y)
    assert pool.pairs() == [(x, cut), (x, y), (cut, y)]
    assert pool.set_aside == {"empty": 2, "repeated": 1}
