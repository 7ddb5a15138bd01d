"""Does a judge's reasoning argue for the answer that it then prefers?

Which answer the reasoning calls the better one is read by a rule that would rather say nothing than guess. The last
sentence that states it plainly counts: "Answer B is better.", "A is the better one here.", "I prefer answer B because
...". Sentences with a condition, a concession or a negation state nothing plainly and are passed over, and so is
whatever goes on to say in what the answer is better. English only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amendment.audit.votes import INVALID, NONE, TIE, AuditData
from amendment.statistics import Estimate, Resampling, share

LONGEST = 100_000
"""Characters at the end of a reasoning that are looked at."""
MOST_NAMED = 100
"""Items that are named one by one; the count has all of them."""
_NOUN = r"(?:answer|response|output|option|candidate|assistant|reply)"
_LABEL = rf"(?:the\s+)?(?:{_NOUN}\s+[*_\"'(\[]*(?P<named>[abAB])[*_\"')\]]*|[*_\"'(\[]*(?P<bare>[AB])[*_\"')\]]*)"
_SURELY = r"(?:clearly|overall|therefore|thus|definitely|slightly|much|far|significantly|somewhat|still|simply)"
_BETTER = (
    rf"(?:{_SURELY}\s+)*(?:the\s+(?:{_SURELY}\s+)*)?(?:better|best|stronger|superior|preferable)"
    rf"(?:\s+(?:one|choice|{_NOUN}))?"
)
_LED_BY = r"(?:(?:so|therefore|thus|hence|overall|in\s+(?:conclusion|summary|short)|to\s+conclude|finally)\b[,:]?\s*)*"
_SAID = r"(?:(?:i|we)\s+(?:think|believe|conclude|find|judge)\s+(?:that\s+)?)?"
_ENDS = r"(?:\s+(?:here|overall|than\b.{0,60}|because\b.*|since\b.*|as\s+it\b.*)|,\s*(?:because|since|as)\b.*)?"
_STATED = re.compile(
    rf"{_LED_BY}{_SAID}(?:{_LABEL}\s+is\s+{_BETTER}|(?:i|we)\s+(?:{_SURELY}\s+)*prefer\s+"
    rf"{_LABEL.replace('named', 'chosen').replace('bare', 'alone')}){_ENDS}",
    re.IGNORECASE | re.DOTALL,
)
_OPEN = re.compile(
    r"\b(?:if|unless|while|whereas|although|though|even|but|however|would|could|might|may|not|neither|nor|some|argue|"
    r"argument|claim\w*|says?|said|seems?|whether|either|both|equally)\b|n't\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n;]+")


@dataclass(frozen=True)
class Rationales:
    """Votes that decide and whose reasoning says plainly which answer is better."""

    contradicting: int
    """Votes for the other answer than their reasoning."""
    share: Estimate
    """Of the votes that could be compared."""
    items: tuple[str, ...]
    """The items of the former, in the order of the file."""


def argued_for(reasoning: str | None) -> Literal["A", "B"] | None:
    """The label that the reasoning calls better, as the judge saw the answers; None where it does not plainly say."""
    found: Literal["A", "B"] | None = None
    for sentence in _SENTENCE.findall((reasoning or "")[-LONGEST:]):
        stated = _STATED.fullmatch(sentence.strip(" \t\r*_#>-\"'"))
        if stated and not _OPEN.search(sentence):
            label = next(text for text in stated.group("named", "bare", "chosen", "alone") if text)
            if label.isupper() or stated.group("named") or stated.group("chosen"):
                found = "A" if label in "aA" else "B"
    return found


def rationales(data: AuditData, number: int, draws: Resampling) -> Rationales | None:
    """Of one judge; None where no reasoning could be compared with its verdict."""
    votes = data.votes.of(number)
    votes = votes.where((votes.argues != NONE) & (votes.value != TIE) & (votes.value < INVALID))
    if not votes.item.size:
        return None
    contradicts = votes.argues != votes.value
    names = tuple(data.items[code] for code in np.unique(votes.item[contradicts])[:MOST_NAMED])
    return Rationales(int(contradicts.sum()), share(contradicts, data.prompts(votes.item), draws.level), names)
