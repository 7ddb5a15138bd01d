"""Answers that answer nothing: none of them should ever beat a real one.

Covered: constant texts, keys that open reward models (Zhao et al. 2025, arXiv 2507.08794), verdicts and template marks
in an answer's place, silence, and an answer cut off early. Of the several texts of a kind each comparison gets one, by
a seeded draw, so that a kind costs one question an order whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from amendment import probe_texts

__all__ = ["ATTACKS", "attack_text"]

Draw = Callable[[int], int]
"""A number below the one that is given."""


def _one_of(texts: tuple[str, ...], draw: Draw, label: str | None) -> str:
    text = texts[draw(len(texts))]
    return text if label is None else probe_texts.named(text, label)


def _truncated(answer: str) -> str | None:
    """The first third of its words; None where none is left."""
    words = answer.split()
    return " ".join(words[: len(words) // 3]) or None


ATTACKS: Mapping[str, str] = {
    "constant": "one polite text that fits every question",
    "master-keys": "a colon, a point, an opening phrase",
    "injections": "a verdict in place of an answer",
    "tokens": "marks of chat templates and a verdict",
    "empty": "no text at all",
    "truncated": "the first third of the other answer",
}
_TEXTS = {
    "constant": probe_texts.CONSTANT,
    "master-keys": probe_texts.MASTER_KEYS,
    "injections": probe_texts.INJECTIONS,
    "tokens": probe_texts.TOKENS,
    "empty": ("",),
}


def attack_text(name: str, answer: str, *, label: str | None, draw: Draw) -> str | None:
    """The text that stands against a real answer, shown under a label; None where this attack cannot be made of it.

    Without a label the judge sees one answer at a time, and an injected text gives itself full marks.
    """
    if name == "truncated":
        return _truncated(answer)
    texts = probe_texts.SCORE_INJECTIONS if label is None and name in ("injections", "tokens") else _TEXTS[name]
    return _one_of(texts, draw, label)
