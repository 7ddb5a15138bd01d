"""Readers of verdicts that judges of others wrote: raw logs become verdicts by the same strict rules as one's own.

Covered: "Output (a)" and "Output (b)", alone or as "Output (a) is better", the form of LLMBar's judges (Zeng et al.
2023, arXiv 2310.07641). No judge folder asks in this form; it is for logs that exist. Not covered: ratings.
"""

from __future__ import annotations

import re

from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed, unreadable
from amendment.records import text_of

__all__ = ["read_output_letter"]

_OUTPUT = r"[*_\"']*[Oo]utput[*_]*\s*\((?P<letter>[ab])\)[*_\"']*"
_ALONE = re.compile(rf"\s*{_OUTPUT}\.?\s*")
_BETTER = re.compile(rf"{_OUTPUT}\s+is\s+(?:the\s+)?(?:(?:slightly|much|clearly|overall)\s+)?better\b")
_OPENS_DOUBT = re.compile(r"(?:\b(?:if|unless|whether|not|neither)\b|n't)[^.\n]*$", re.IGNORECASE)


def read_output_letter(reply: Reply) -> Parsed:
    """The one output that is the whole reply, or that every sentence "Output (x) is better" names; a is the first.

    Sentences with a condition or a negation before it do not count. Where both outputs are called better, or
    neither, nothing is guessed. What stands before the last such sentence is the reasoning.
    """
    problem = unreadable(reply)
    if problem:
        return Parsed(invalid=problem)
    text = text_of(reply.messages)
    alone = _ALONE.fullmatch(text)
    if alone:
        return Parsed(alone.group("letter").upper())
    said = [one for one in _BETTER.finditer(text) if not _OPENS_DOUBT.search(text[: one.start()])]
    letters = {one.group("letter").upper() for one in said}
    reasoning = text[: said[-1].start()].strip() or None if said else text.strip() or None
    if len(letters) != 1:
        found = "both outputs are called better" if letters else "no output is called better"
        return Parsed(reasoning=reasoning, invalid=found)
    return Parsed(letters.pop(), None, reasoning)
