"""Find answers that are copied from their question: from critique, instructions or prompt, or with the marks of blocks.

A small model that is asked to revise an answer often repeats the critique or the principle. Such a text is no answer,
but it may even keep the principle, since a critique is short.

Covered: runs of five words, anywhere in the answer. Runs that the previous answer has too do not count, so a revision
may keep all of it. The prompt counts only if the answer repeats all of it: an answer to a request to repeat,
translate or correct a text leaves out the request. Not covered: paraphrases, and answers of fewer than five words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from amendment.text import holds_marks, words

Copied = Literal["marks", "critique", "instructions", "prompt"]
"""What an answer is copied from."""
RUN = 5
"""Words of a run: shorter ones are common phrases, and longer ones miss copies with small changes."""
COPIED = 0.5
"""An answer with at least this share of its words in copied runs is a copy; docs/decisions has the figures."""

_Run = tuple[str, ...]


def copied_from(
    answer: str, *, prompt: str = "", critique: str = "", instructions: str = "", before: str = ""
) -> Copied | None:
    """Return what an answer copies most, or None for one that its author wrote.

    `prompt` is the request that it answers, `instructions` are the words put to the model for this answer, its
    principle included, and `before` is the answer that it revises.
    """
    if holds_marks(answer) and not holds_marks(f"{before}\n{prompt}"):
        return "marks"
    listed, own, asked = words(answer), set(_runs(before)), set(_runs(prompt))
    sources: dict[Copied, set[_Run]] = {
        "critique": set(_runs(critique)) - own,
        "instructions": set(_runs(instructions)) - own,
        "prompt": asked - own if asked <= set(_runs(answer)) else set(),
    }
    if _share(listed, set().union(*sources.values())) < COPIED:
        return None
    return max(sources, key=lambda source: _share(listed, sources[source]))


def _share(listed: Sequence[str], copied: Collection[_Run]) -> float:
    """Return the share of the words that are in one of the runs."""
    if not listed:
        return 0.0
    inside = {
        start + offset
        for start in range(len(listed) - RUN + 1)
        if tuple(listed[start : start + RUN]) in copied
        for offset in range(RUN)
    }
    return len(inside) / len(listed)


def _runs(text: str) -> list[_Run]:
    listed = words(text)
    return [tuple(listed[start : start + RUN]) for start in range(len(listed) - RUN + 1)]
