"""Select the candidates that may be compared, and drop comparisons that must not become a pair, whoever won, since they
teach nothing or the wrong thing.

Covered: an answer compared with itself, or with the same text in other white space; an answer without words; an answer
that carries marks of a chat template, or of the blocks in which a judge is shown answers; a writer that says one and
the same thing to every prompt and wins with it, as a null model does (Zheng et al. 2024, "Cheating Automatic LLM
Benchmarks"). Pools in which every comparison is a tie are left out in `pairs`.

Not covered: a null model that varies its text a little, and answers that say the same in other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from amendment.hashing import content_id
from amendment.records import Candidate, Judgement, Message, Messages, Prompt, last_text

EMPTY = "empty answer"
MARKS = "marks of a template in an answer"
EQUAL = "equal texts"
ITSELF = "chosen is rejected"
CONSTANT = "identical answers across prompts"

PROMPTS, SHARE, OF_WRITER = 3, 0.01, 0.5
"""A text that answers at least so many prompts, this share of all prompts, and this share of those that its writer
answers, is an answer to none. All three: refusals in the same few words are legitimate answers to several prompts."""

NEIGHBOURS = 1000
"""Answers whose flaws are remembered: several comparisons of a prompt share them."""

KNOWING = frozenset({"person", "truth", "verifier", "unknown"})
"""Raters whose decisions are kept: an answer without content does not deceive them, or nothing is known of them."""

_FENCE = r"<<(?:end )?[a-z][a-z0-9_]* [0-9a-f]{32}>>"
_CHAT = (
    r"<\|(?:im_start|im_end|im_sep|begin_of_text|end_of_text|endoftext|endofprompt|start_header_id|end_header_id"
    r"|eot_id|eom_id|system|user|assistant|tool|end|channel|message|start|return|python_tag)\|>"
    r"|<(?:start|end)_of_turn>|<\uff5c[^<>\n]{1,40}\uff5c>|\[/?INST\]|<</?SYS>>|<(?:bos|eos)>|</s>\s*\Z|\A\s*<s>"
)
_MARK = re.compile(f"{_FENCE}|{_CHAT}")
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
"""Kinds of characters that show nothing."""


def fit_for_pairs(
    judgements: Iterable[Judgement],
    prompts: Mapping[str, Prompt],
    candidates: Mapping[str, Candidate],
    left_out: Counter[str],
) -> Iterator[Judgement]:
    """Yield the comparisons of two different answers, each with words of its own and without marks of a template. The
    others are counted in `left_out`, by reason.

    They go before best and worst are looked for, so that a prompt does not lose its pair to one bad answer.
    """

    @lru_cache(NEIGHBOURS)
    def look(name: str) -> tuple[str | None, str]:
        candidate = candidates[name]
        flaw = find_flaw(candidate.messages, prompts[candidate.prompt_id].messages)
        return flaw, likeness(candidate.messages)

    for judgement in judgements:
        (flaw_a, likeness_a), (flaw_b, likeness_b) = look(judgement.a), look(judgement.b)
        reason = flaw_a or flaw_b or (EQUAL if likeness_a == likeness_b else None)
        if judgement.a == judgement.b:
            reason = ITSELF
        if reason:
            left_out[reason] += 1
        else:
            yield judgement


def find_flaw(answer: Messages, prompt: Messages = ()) -> str | None:
    """Return the reason why an answer should be neither chosen nor rejected, whatever it is compared with; None for
    most.

    A mark that the prompt has too is quoted, and no flaw: people ask about chat templates.
    """
    if is_empty(answer):
        return EMPTY
    marks = {mark for text in _written(answer) for mark in _MARK.findall(text)}
    asked = " ".join(last_text((message,)) for message in prompt)
    return MARKS if any(mark.strip() not in asked for mark in marks) else None


def is_empty(answer: Messages) -> bool:
    """Return True for an answer that ends with nothing but white space or invisible characters. A tool call is an
    answer."""
    return not _words(last_text(answer)) and not answer[-1].tool_calls


def likeness(answer: Messages) -> str:
    """Return a name that answers share which differ in nothing but white space and characters that show nothing.

    Roles, words, thinking and tool calls count. It is a hash, since all answers of a run are held at once.
    """
    return content_id([[message.role, *map(_words, _texts(message)), *_calls(message)] for message in answer])


def constant_answers(candidates: Iterable[Candidate]) -> frozenset[int]:
    """Return the answers that their writer gives to most prompts, by `writer_and_text`. Hashes of 64 bits are held,
    since a run may have millions of answers."""
    given = np.unique(
        np.fromiter(
            ((hash(row.origin.model), writer_and_text(row), hash(row.prompt_id)) for row in candidates),
            [("writer", np.int64), ("answer", np.int64), ("prompt", np.int64)],
        )
    )
    answers, first, times = np.unique(given["answer"], return_index=True, return_counts=True)
    writers, answered = np.unique(np.unique(given[["writer", "prompt"]])["writer"], return_counts=True)
    of_writer = answered[np.searchsorted(writers, given["writer"][first])]
    is_often = times >= max(PROMPTS, SHARE * np.unique(given["prompt"]).size)
    return frozenset(answers[is_often & (times >= OF_WRITER * of_writer)].tolist())


def writer_and_text(candidate: Candidate) -> int:
    """Return a hash, equal where one writer gives the same answer."""
    return hash((candidate.origin.model, likeness(candidate.messages)))


def _texts(message: Message) -> tuple[str, str]:
    """Return the text of a message, and the thinking before it."""
    return last_text((message,)), message.thinking or ""


def _calls(message: Message) -> list[dict[str, Any]]:
    return [call.to_json() for call in message.tool_calls or ()]


def _words(text: str) -> str:
    """Return a text in one spelling, with single spaces, and without what shows nothing."""
    text = unicodedata.normalize("NFC", text)
    unseen = {
        ord(character): None
        for character in set(text)
        if not character.isspace() and unicodedata.category(character) in _UNSEEN
    }
    return " ".join((text.translate(unseen) if unseen else text).split())


def _written(answer: Messages) -> list[str]:
    """Return the messages that the model itself wrote, without results of tools."""
    return [text for message in answer if message.role == "assistant" for text in _texts(message)]


class Pool(NamedTuple):
    """Different, non-empty answers of one prompt, in order of arrival; those cut at their limit are among them."""

    candidates: tuple[Candidate, ...]
    set_aside: Counter[str]
    """Candidates set aside, counted by reason: empty, repeated."""

    def pairs(self) -> list[tuple[Candidate, Candidate]]:
        return list(combinations(self.candidates, 2))


def make_pool(candidates: Iterable[Candidate]) -> Pool:
    """Return the candidates that can be compared. Identical texts count once, for their first writer.

    Words are identical whatever the white space between them: a judge is not paid for comparing such answers.
    """
    kept: dict[str, Candidate] = {}
    aside: Counter[str] = Counter()
    for candidate in candidates:
        key = likeness(candidate.messages)
        reason = "empty" if is_empty(candidate.messages) else "repeated" if key in kept else None
        if reason:
            aside[reason] += 1
        else:
            kept[key] = candidate
    return Pool(tuple(kept.values()), aside)
