"""Wrappers that models put around a revision ("Here is the revised answer:") and that nobody asked for.

Covered: an opening that announces a revision, a label such as "Revised answer:", and behind one of them a pair
of quotes or an unnamed code fence around the whole. Not covered: explanations after the answer, which cannot
be told from it.

An honest answer loses nothing but such an opening. So an opening must speak of a revision: "Here is the
answer: 42" stays, since an answer may well begin so, and "Revision: Tuesday" is about Tuesday. Where the
opening says more ("..., which keeps the principle:") it must end its line. A fence that names a language
holds code and stays.
"""

from __future__ import annotations

import re

_REVISED = r"(?:revised|rewritten|improved|updated|corrected)"
_ANSWER = r"(?:answer|response|reply)"
_TEXT = r"(?:answer|response|reply|version|text)"
_MARK = r"[*_]{0,3}"
_LINE_END = r"(?=[^\S\n]*(?:\n|\Z))"
_MORE = r"""(?:[ ]?,|[ ][(–—-]|[ ]of[ ](?:the|my)[ ]answer\b
            |[ ](?:that|which|with|in|to|as|so|based|according|following)\b)[^\n:]{0,80}"""
_OPENING = re.compile(
    rf"""
    (?:(?:sure|certainly|absolutely|of[ ]course|okay|ok)\b[^\n:]{{0,40}}[,.!:]\s*)?
    {_MARK}(?:here(?:['’]s|[ ]is)|below[ ]is)[ ](?:an?|the|my|your)[ ]
        (?:(?:{_REVISED}|new|better)[ ]{_TEXT}|revision)
        (?:{_MARK}:{_MARK}|{_MORE}:{_MARK}{_LINE_END})
    | {_MARK}{_REVISED}[ ](?:{_ANSWER}{_MARK}:{_MARK}|{_TEXT}{_MARK}:{_MARK}{_LINE_END})
    | \#{{1,6}}[ ]{_MARK}{_REVISED}[ ]{_TEXT}{_MARK}:?{_MARK}{_LINE_END}
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FENCED = re.compile(r"```[^\S\n]*\n(?P<inside>(?:(?!```).)*)\n```", re.DOTALL)
_QUOTED = re.compile(r'"(?P<straight>[^"]*)"|“(?P<curly>[^“”]*)”')


def strip_artefacts(text: str) -> str:
    """The answer without its wrapper; a text that has none comes back as it is, but for outer white space.

    Empty where there is an announcement and nothing behind it.
    """
    bare = text.strip()
    while opening := _OPENING.match(bare):
        bare = _unwrap(bare[opening.end() :].strip())
    return bare


def _unwrap(text: str) -> str:
    """A fence or quotes come off only behind an announcement, since an answer may consist of code or speech."""
    if fenced := _FENCED.fullmatch(text):
        return fenced["inside"].strip()
    if quoted := _QUOTED.fullmatch(text):
        return (quoted["straight"] or quoted["curly"] or "").strip()
    return text
