"""Small changes inside an answer's text that leave what it says as it was: noise, a typo, other words for the same.

Covered: English prose, by rules. A text with code in it is left alone, for there a blank or a letter can matter; so is
a text that no rule applies to. Not covered: a paraphrase as a person would write it. The rules exchange fixed phrases
and the two sides of `both ... and ...`, and no more; a judge that stays with its verdict under them may still be
moved by freer rewriting.
"""

from __future__ import annotations

import re

__all__ = ["noise", "paraphrase", "typo"]

LONG = 11
"""Letters of a word in which two that are exchanged leave no doubt about what was meant."""
PHRASES = {
    "a number of": "several",
    "approximately": "roughly",
    "are able to": "can",
    "as well as": "and also",
    "at the moment": "right now",
    "cannot": "can't",
    "did not": "didn't",
    "do not": "don't",
    "does not": "doesn't",
    "due to the fact that": "because",
    "first of all": "first",
    "for example": "for instance",
    "in addition": "moreover",
    "in order to": "to",
    "is able to": "can",
    "is not": "isn't",
    "need to": "have to",
    "nearly": "almost",
    "often": "frequently",
    "perhaps": "maybe",
    "prior to": "before",
    "should not": "shouldn't",
    "therefore": "thus",
    "usually": "commonly",
    "utilize": "use",
    "would not": "wouldn't",
}
_PHRASE = re.compile(r"\b(" + "|".join(sorted(PHRASES, key=lambda one: (-len(one), one))) + r")\b", re.IGNORECASE)
_BOTH = re.compile(r"\b([Bb]oth) ([a-z]+) and ([a-z]+)(?=[.,;:!?]|$)", re.MULTILINE)
_CODE = re.compile(r"`|^(?: {4}|\t)", re.MULTILINE)
_BLANK = re.compile(r"(?<=\S) (?=\S)")
_WORD = re.compile(rf"(?<![\w./@#:-])[a-z]{{{LONG},}}(?![\w/@-])")


def noise(text: str) -> str | None:
    """The first blank doubled, and the first letter of the text in the other case; None where neither can be done."""
    doubled = _BLANK.sub("  ", text, count=1)
    first = next((at for at, sign in enumerate(doubled) if not sign.isspace()), None)
    if first is not None and doubled[first].isascii() and doubled[first].isalpha():
        doubled = doubled[:first] + doubled[first].swapcase() + doubled[first + 1 :]
    return _changed(text, doubled)


def typo(text: str) -> str | None:
    """Two neighbouring letters exchanged inside the first of the longest words, where one is long enough."""
    words = sorted(_WORD.finditer(text), key=lambda found: (-len(found[0]), found.start()))
    for word in words:
        middle = range(len(word[0]) // 2, len(word[0]) - 2)
        at = next((word.start() + i for i in middle if word[0][i] != word[0][i + 1]), None)
        if at is not None:
            return _changed(text, text[:at] + text[at + 1] + text[at] + text[at + 2 :])
    return None


def paraphrase(text: str) -> str | None:
    """Phrases exchanged by rule, each for one of the same meaning; None where the text has none of them."""
    swapped = _BOTH.sub(r"\1 \3 and \2", text)
    return _changed(text, _PHRASE.sub(lambda found: _as_written(found[0]), swapped))


def _as_written(phrase: str) -> str:
    """The other phrase, with a capital where this one has one."""
    other = PHRASES[phrase.lower()]
    return other[0].upper() + other[1:] if phrase[0].isupper() else other


def _changed(before: str, after: str) -> str | None:
    return after if after != before and not _CODE.search(before) else None
