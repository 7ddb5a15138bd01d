"""Texts with holes: fixed names in braces, filled in one pass.

There is no format language, no attribute access and no second look at what was filled in: a value
that contains `{prompt}` stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from amendment.errors import ConfigError, Problem
from amendment.hashing import content_id

_HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Template:
    """A text with `{name}` holes. Raises ConfigError when a hole has a name that nobody fills."""

    def __init__(self, text: str, *, holes: frozenset[str], place: str = "template") -> None:
        unknown = sorted(set(_HOLE.findall(text)) - holes)
        if unknown:
            known = ", ".join(sorted(holes))
            raise ConfigError(Problem(place, f"unknown hole {{{name}}}; known are {known}") for name in unknown)
        self.text = text
        self.id = content_id(text)
        self._holes = holes

    def until(self, names: Collection[str]) -> Template:
        """The text before the first of these holes, as a template of its own."""
        first = next((hole.start() for hole in _HOLE.finditer(self.text) if hole[1] in names), len(self.text))
        return Template(self.text[:first], holes=self._holes)

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with every hole filled. A hole without a value is a programming error (KeyError)."""
        return _HOLE.sub(lambda hole: values[hole.group(1)], self.text)
