r"""The verdict in a judge's reply: exactly one, or none.

Covered: the forms that judges are mostly asked for (`FORMS`), and a pattern of the user's own, whose first group is the
verdict: `\[\[(A|B|C)\]\]`; several of them for a column. Patterns are those of RE2, whose time grows with the length of
the text alone. A reply with two verdicts, or with none, is invalid: counted, never a tie. Not covered: which answer the
judge saw as A.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from amendment.data.sources import VerdictWords, parse_word
from amendment.text import plain

NO_VERDICT = "no single verdict"
"""The word for a reply that holds no verdict, or more than one."""
REPLY_WORDS = VerdictWords(
    a=("a", "a>b", "a>>b"), b=("b", "b>a", "b>>a"), tie=("c", "tie", "draw", "equal", "a=b"), invalid=(NO_VERDICT,)
)
"""The words of a verdict in a reply, in small letters and without the noun; C is a tie, as in MT-Bench."""
VERDICT_KEYS = ("verdict", "winner", "preference", "preferred", "choice", "decision", "judgement", "judgment")
"""Keys of a JSON object that may hold the verdict."""
LEAST_SHARE = 0.5
"""Share of a column's cells that have to hold exactly one verdict for the column to be taken for replies."""
LEAST_GAIN = 0.01
"""Share of the replies that a form has to read beyond what the others read, to be taken too."""
MOST_UNREAD = 0.05
"""Share of the replies that forms which nobody has confirmed may leave unread."""
SHOWN_HEAD, SHOWN_TAIL = 40, 80
"""Characters of a reply that are shown: its beginning, and its end, where most judges write the verdict."""
LONGEST_PATTERN = 2000
"""Characters."""
MOST_OBJECTS = 100
"""Beginnings of JSON objects that are tried; a reply with more of them is no verdict."""

_NOUN = r"(?i:assistant|answer|response|option|model|output)"
_WORD = rf"""[ \t*_"'(\[]*(?:{_NOUN}[ _]?)?(A|B|C|(?i:tie|draw))[ \t*_"')\].!]*\r?$"""
_IS = r"[ \t*_]*(?:[:=]|is:?)"
PATTERNS = {
    "brackets": r"\[\[ *([ABCabc]|(?i:tie)|A>>?B|B>>?A|A=B) *\]\]",
    "verdict": rf"(?m)\b(?i:verdict|winner|decision|preference){_IS}{_WORD}",
    "answer": rf"(?m)\b(?i:answer){_IS}{_WORD}",
    "response": r"(?i)\bfinal decision is[ \t*_:]*(response 1|response 2|tie)\b",
}
"""Built-in patterns, in the order in which they are tried: [[A]]; Verdict: A; Answer: B; and Auto-J's last sentence."""
_SCORE = r"\d{1,2}(?:\.\d+)?"
_TWO_SCORES = r"(?m)^[ \t]*FIRST[,;]?[ \t]+SECOND[ \t]*\r?$"
_SCORE_OF = (
    rf"(?m)^[ \t*_#>-]*(?:(?i:score|rating)(?i: of| for)?[ _]*(?:{_NOUN} )?|{_NOUN} )(?:WHOSE)(?i:'s score|'s rating)?"
    rf"[ \t*_]*[:=][ \t*_]*({_SCORE})(?:[ \t]*/[ \t]*10)?[ \t*_.]*\r?$"
)
SCORES = (
    (
        _TWO_SCORES.replace("FIRST", f"({_SCORE})").replace("SECOND", _SCORE),
        _TWO_SCORES.replace("FIRST", _SCORE).replace("SECOND", f"({_SCORE})"),
    ),
    (_SCORE_OF.replace("WHOSE", "A|1"), _SCORE_OF.replace("WHOSE", "B|2")),
)
"""Patterns of both scores: on one line with nothing else, as in Vicuna's judge; else each on a line with its answer."""


def pattern_problem(pattern: str) -> str | None:
    """Say what is wrong with a pattern; None for the name of a form, and for a pattern of RE2 with a group."""
    if pattern in FORMS:
        return None
    expected = f"expected {', '.join(FORMS)}, or a regular expression of RE2 whose first group is the verdict"
    if len(pattern) > LONGEST_PATTERN:
        return f"found {len(pattern):,} characters, {expected}"
    try:
        _first_groups([""], f"|{pattern}")  # the empty match needs a group too
    except ValueError as fault:
        reason = str(fault).removeprefix("Invalid regular expression: ")
        reason = "it has no group in parentheses" if "parenthesized" in reason else plain(reason)
        return f"found '{plain(pattern, longest=60)}', {expected}: {reason}"
    return None


def read_replies(cells: Sequence[Any], patterns: Sequence[str], words: VerdictWords | None = None) -> list[str]:
    """Return the word of the one verdict in each reply; NO_VERDICT if there is not exactly one; empty for an empty
    cell.

    If several patterns find a verdict, they have to find the same one. Without `words` of the file's own, a verdict is
    spelled as in REPLY_WORDS where it is known there.
    """
    texts = [cell if isinstance(cell, str) else json.dumps(cell, default=str) if cell else "" for cell in cells]
    meanings = (words or REPLY_WORDS).meanings()
    by_pattern = [_read(texts, pattern, words) for pattern in patterns]
    verdicts = []
    for text, *found in zip(texts, *by_pattern, strict=True):
        by_meaning = {meanings.get(word, word): word for word in found if word}
        verdict = by_meaning.popitem()[1] if len(by_meaning) == 1 else NO_VERDICT
        verdicts.append(verdict if text.strip() else "")
    return verdicts


def _read(texts: Sequence[str], pattern: str, words: VerdictWords | None) -> list[str]:
    """Return the word that a pattern finds in each text; empty if it finds none, NO_VERDICT if it finds several."""
    is_form = pattern in FORMS
    verdicts = FORMS[pattern](texts) if is_form else _first_groups(texts, pattern)
    return verdicts if words else [_known(word, is_form=is_form) for word in verdicts]


def _known(word: str, *, is_form: bool) -> str:
    """Spell a verdict as REPLY_WORDS does: "Response A" is a, and so is "model_a". An unknown word stays, so that the
    user is asked about it; in a built-in form it is no verdict."""
    folded = word.strip(" \t*_\"'()[].!").casefold()
    folded = {"response 1": "a", "response 2": "b"}.get(folded) or re.sub(rf"^{_NOUN}[ _]", "", folded)
    return folded if folded in REPLY_WORDS.meanings() else "" if is_form else word


def find_forms(cells: Sequence[Any]) -> tuple[str, ...]:
    """Return the forms by which most of these replies hold exactly one verdict: first the one that reads most, then
    each that reads more than those before it. Empty if there are none."""
    replies, forms, read = [cell for cell in cells if parse_word(cell)], tuple[str, ...](), 0
    while others := [form for form in FORMS if form not in forms]:
        counts = {form: len(replies) - len(unread(replies, (*forms, form))) for form in others}
        best = max(others, key=counts.__getitem__)
        if counts[best] - read <= LEAST_GAIN * len(replies):
            break
        forms, read = (*forms, best), counts[best]
    return forms if read > LEAST_SHARE * len(replies) else ()


def unread(replies: Sequence[Any], patterns: Sequence[str]) -> list[Any]:
    """Return the replies in which these patterns find no single verdict."""
    return [reply for reply, word in zip(replies, read_replies(replies, patterns), strict=True) if word == NO_VERDICT]


def excerpt(reply: str) -> str:
    """Return the beginning and the end of a long reply."""
    is_short = len(reply) <= SHOWN_HEAD + SHOWN_TAIL
    return reply if is_short else f"{reply[:SHOWN_HEAD]} … {reply[-SHOWN_TAIL:]}"


def _first_groups(texts: Sequence[str], pattern: str) -> list[str]:
    """Return the first group of the only match in each text; empty without a match, NO_VERDICT if there are several.
    Raises ValueError for a pattern that RE2 refuses, and for one without a group."""
    import pyarrow
    from pyarrow import compute

    column = pyarrow.array([text.encode(errors="replace").decode() for text in texts], pyarrow.string())
    counts = compute.count_substring_regex(column, pattern).to_pylist()
    words = compute.replace_substring_regex(column, rf"(?s)\A.*?(?:{pattern}).*\z", r"\1").to_pylist()
    return [word if count == 1 else NO_VERDICT if count else "" for word, count in zip(words, counts, strict=True)]


def _read_scores(texts: Sequence[str]) -> list[str]:
    """Return the answer with the higher of two scores from 1 to 10."""
    one_line, two_lines = (zip(*(_first_groups(texts, pattern) for pattern in both), strict=True) for both in SCORES)
    return [_higher(*(first if first[0] else second)) for first, second in zip(one_line, two_lines, strict=True)]


def _higher(a: str, b: str) -> str:
    if NO_VERDICT in (a, b):
        return NO_VERDICT
    if not a or not b or not (1 <= float(a) <= 10 and 1 <= float(b) <= 10):
        return ""
    return "tie" if float(a) == float(b) else "a" if float(a) > float(b) else "b"


def _read_json(texts: Sequence[str]) -> list[str]:
    return [_find_verdict(text) for text in texts]


def _find_verdict(text: str) -> str:
    """Return the value of the only verdict key in all JSON objects of a text."""
    values = [value for pairs in json_objects(text) for key, value in pairs if key.casefold() in VERDICT_KEYS]
    return parse_word(values[0]) if len(values) == 1 else NO_VERDICT if values else ""


FORMS: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    **{name: partial(_first_groups, pattern=pattern) for name, pattern in PATTERNS.items()},
    "json": _read_json,
    "scores": _read_scores,
}
"""Readers of verdicts by name: an empty word where there is none, NO_VERDICT where there are several."""


class Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, also those that come twice."""


_DECODER = json.JSONDecoder(object_pairs_hook=Pairs)


def json_objects(text: str) -> Iterator[Pairs]:
    """Yield the outermost JSON objects of a text, from left to right."""
    place, tried = text.find("{"), 0
    while place >= 0 and tried < MOST_OBJECTS:
        tried += 1
        try:
            pairs, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            yield pairs
        place = text.find("{", end)
