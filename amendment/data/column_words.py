"""What columns and verdicts are called in 14 languages: the lists of `column_words.yaml`, and names as they compare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from amendment.yamlfile import read_yaml


def meaning(word: str) -> str:
    """Return a, b, tie, both_bad or invalid; empty for a word that is known in no language."""
    folded = _folded(word.strip("[](){}\"'*.:!"))
    for verdict in ("both_bad", "tie", "invalid"):
        if folded in vocabulary(verdict) or word in vocabulary(verdict):
            return verdict
    rest = set(tokens(folded)) - vocabulary("noise") - vocabulary("answer")
    meant = {"ab"[pair.index(token)] for token in rest for pair in sides() if token in pair}
    return meant.pop() if len(rest) == 1 and len(meant) == 1 else ""


@cache
def _languages() -> tuple[Mapping[str, Any], ...]:
    return tuple(read_yaml(Path(__file__).with_name("column_words.yaml")).data.values())


@cache
def vocabulary(part: str) -> frozenset[str]:
    return frozenset(str(word) for language in _languages() for word in language.get(part, ()))


@cache
def sides() -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for language in _languages() for a, b in language.get("sides", ()))


def tokens(name: str) -> list[str]:
    """Split a name at signs, digits and capitals, in small letters.

    >>> tokens("replyText_L2")
    ['reply', 'text', 'l', '2']
    """
    spaced = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|(?<=[a-z])(?=[A-Z])|_", " ", name[:200])
    return re.findall(r"\w+", spaced.casefold())


def called(name: str) -> str:
    """Return the name of a part of a cell by itself, unless it is in a list of raters: `annotators.id`."""
    head, _, last = name.rpartition(".")
    return "rater" if last in ("id", "name") and singular(head) in vocabulary("rater") else _folded(last)


def singular(name: str) -> str:
    return _folded(name).removesuffix("s")


def _folded(name: str) -> str:
    return " ".join(re.sub(r"[_\-\s]+", " ", name[:200]).casefold().split())
