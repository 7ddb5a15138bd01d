"""Rules that a model proposes, read from its words: few, short, one line each, and none that could do harm.

What a model writes here will stand in a constitution and in questions to judges, and it was written in view of other
people's answers. So a rule is plain words or nothing: control characters are taken out, and a sentence that is too
long, or that holds signs of markup, templates, code or addresses, is left out and counted. Nothing is expanded or run.

Covered: JSON, with or without text around it, cut off or whole; lists in plain text; rules that say nearly the same as
each other or as one that stands in the constitution. Not covered: whether a rule is right; see `gains`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from amendment.hashing import HASH_PREFIX, content_id

__all__ = ["Gathered", "Proposal", "Read", "Rule", "gathered", "likeness", "read_rules"]

LONGEST, FEWEST_WORDS = 300, 3
"""Characters of a statement or a question; words of a statement."""
NEAR = 0.6
"""Likeness from which two statements say the same."""
MOST_READ = 20
"""Rules that are taken from one reply."""
QUESTION = "Which of the two answers keeps this rule better?"
"""Of a rule that came without one."""
REPLIES = "replies"
"""What the reason begins with where it is whole replies that were left out, not rules."""

_FORBIDDEN = re.compile(r"[<>{}\[\]|\\`]|://|\x1b")
_ITEM = re.compile(r"^\s*(?:[-*\u2022]|\d{1,3}[.)])\s+(?P<text>\S.*)$", re.MULTILINE)
_OBJECT = re.compile(r"\{[^{}]*\}")
_WORD = re.compile(r"[^\W_]+")
_EMPTY = frozenset(
    re.findall(r"\w+", "a an the of to and or in on for with that it is be are as by not do does answer answers")
)
"""Words that two rules may share without saying the same."""


class Rule(NamedTuple):
    """What a model says would have decided as people did."""

    statement: str
    compare: str
    """The question to a judge."""


class Proposal(NamedTuple):
    """A candidate principle."""

    id: str
    rule: Rule
    times: int
    """In how many replies it was proposed, in these words or nearly these."""


class Gathered(NamedTuple):
    """All that was proposed."""

    proposals: tuple[Proposal, ...]
    """The most often proposed first."""
    known: tuple[tuple[Rule, str], ...]
    """Rules that say nearly what a principle of the constitution says, and its id."""
    unfit: Counter[str]
    """Rules that were left out, by reason."""


class Read(NamedTuple):
    """What one reply holds."""

    rules: tuple[Rule, ...]
    unfit: Counter[str]


def read_rules(text: str) -> Read:
    """The rules of a reply, in its order; never raises."""
    unfit: Counter[str] = Counter()
    rules: dict[str, Rule] = {}
    for statement, compare in _said(text):
        kept = _plain(statement)
        reason = _unfit(kept)
        if reason:
            unfit[reason] += 1
        elif len(rules) < MOST_READ:
            question = _plain(compare)
            rules.setdefault(kept, Rule(kept, QUESTION if _unfit(question) else question))
    return Read(tuple(rules.values()), unfit)


def _said(text: str) -> Iterator[tuple[str, str]]:
    """Statements and questions: of the reply as JSON, of JSON objects inside it, or of a list of lines."""
    found = list(_objects(text))
    if found:
        yield from found
    else:
        yield from ((item["text"], "") for item in _ITEM.finditer(text))


def _objects(text: str) -> Iterator[tuple[str, str]]:
    whole = _loaded(text[text.find("[") : text.rfind("]") + 1])
    listed = whole if isinstance(whole, list) else [_loaded(one[0]) for one in _OBJECT.finditer(text)]
    for one in listed:
        if isinstance(one, str):
            yield one, ""
        elif isinstance(one, dict) and isinstance(one.get("statement"), str):
            compare = one.get("compare")
            yield one["statement"], compare if isinstance(compare, str) else ""


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _plain(text: str) -> str:
    """In one line, without characters that one cannot see, and without the quotes or emphasis around it."""
    spaced = re.sub(r"\s+", " ", text[: 10 * LONGEST])
    visible = "".join(one for one in spaced if unicodedata.category(one)[0] != "C")
    return visible.strip(" \"'*_\u201c\u201d#")


def _unfit(text: str) -> str:
    """Why a text can be no rule; empty where it can."""
    if len(text) > LONGEST:
        return f"longer than {LONGEST} characters"
    if _FORBIDDEN.search(text):
        return "signs of markup, code or an address"
    if len(_WORD.findall(text)) < FEWEST_WORDS:
        return f"fewer than {FEWEST_WORDS} words"
    return ""


def likeness(one: str, other: str) -> float:
    """Of two statements, in [0, 1]: the words that both have over those that either has, small words aside."""
    first, second = _words(one), _words(other)
    return len(first & second) / len(first | second) if first | second else 1.0


def _words(text: str) -> frozenset[str]:
    words = frozenset(_WORD.findall(text.casefold()))
    return words - _EMPTY or words


def gathered(reads: Iterable[Read], known: Sequence[tuple[str, str]], *, most: int) -> Gathered:
    """The rules of several replies put together; `known` are the constitution's ids and statements, `most` candidates
    stay. Rules that are nearly alike count as one, in the words that came first."""
    unfit: Counter[str] = Counter()
    groups: list[tuple[Rule, set[int]]] = []
    old: dict[str, tuple[Rule, str]] = {}
    for number, read in enumerate(reads):
        unfit += read.unfit
        for rule in read.rules:
            same = next((id for id, text in known if likeness(rule.statement, text) >= NEAR), None)
            if same is not None:
                old.setdefault(same, (rule, same))
            else:
                _join(groups, rule, number)
    groups.sort(key=lambda group: -len(group[1]))
    if groups[most:]:
        unfit[f"more than {most} candidates"] = len(groups[most:])
    taken = {id for id, _ in known}
    proposals = tuple(Proposal(_id(rule.statement, taken), rule, len(replies)) for rule, replies in groups[:most])
    return Gathered(proposals, tuple(old.values()), unfit)


def _join(groups: list[tuple[Rule, set[int]]], rule: Rule, number: int) -> None:
    for first, replies in groups:
        if likeness(first.statement, rule.statement) >= NEAR:
            replies.add(number)
            return
    groups.append((rule, {number}))


def _id(statement: str, taken: set[str]) -> str:
    """The first words as an id that nothing else has; it is then taken."""
    latin = unicodedata.normalize("NFKD", statement).encode("ascii", "ignore").decode().lower()
    base = "-".join(_cut(re.findall(r"[a-z0-9]+", latin.replace("'", "")))) or "principle"
    name = base if base not in taken else f"{base}-{content_id(statement).removeprefix(HASH_PREFIX)[:6]}"
    taken.add(name)
    return name


def _cut(words: Collection[str], longest: int = 40) -> list[str]:
    kept: list[str] = []
    for word in words:
        if len("-".join([*kept, word])) > longest:
            break
        kept.append(word)
    return kept or [next(iter(words), "")[:longest]]
