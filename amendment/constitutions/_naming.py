"""Names for principles that came without one: made of their words, unique, and the same at every import."""

from __future__ import annotations

import re
import unicodedata

from amendment.constitutions._models import SLUG
from amendment.hashing import content_id

__all__ = ["Names", "is_slug", "slug"]

LONGEST = 48
"""Characters of a name; it ends with a whole word."""


def slug(text: str) -> str:
    """The first words of a text as an id; of a text without Latin letters and digits a hash.

    >>> slug("Don't hand out anybody's address!")
    'dont-hand-out-anybodys-address'
    """
    latin = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    name = "-".join(re.findall(r"[a-z0-9]+", latin.replace("'", "")))
    if len(name) > LONGEST:
        name = name[: LONGEST + 1].rpartition("-")[0] or name[:LONGEST]
    return name or f"principle-{_digest(text)}"


def is_slug(text: str) -> bool:
    """Whether a text can be an id as it is."""
    return re.fullmatch(SLUG, text) is not None


class Names:
    """Gives out ids; a second text with the same first words has a hash of all of them behind."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, text: str) -> str:
        """An id for a principle of these words."""
        base = slug(text)
        name = base if base not in self._taken else f"{base}-{_digest(text)}"
        return self.keep(name)

    def keep(self, name: str) -> str:
        """The name itself, or with a number behind where it is taken."""
        unique, number = name, 2
        while unique in self._taken:
            unique, number = f"{name}-{number}", number + 1
        self._taken.add(unique)
        return unique


def _digest(text: str) -> str:
    return content_id(text).removeprefix("s2:")[:6]
