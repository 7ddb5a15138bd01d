"""Names of people stay at home: whoever rated is `person-1`, `person-2` ... in everything that leaves.

Covered: the raters of verdicts and pairs, wherever their names stand as a whole value, as a key, or as a word of a
certificate. Not covered: names inside prompts, answers and reasons, which only a reader can find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from amendment.records import Preference, Verdict

__all__ = ["People", "people_of"]

GENERAL = frozenset(
    {
        *("annotator", "annotators", "anonymous", "expert", "experts", "gold", "human", "humans", "judge"),
        *("label", "labels", "majority", "people", "person", "rater", "raters", "user", "users"),
        *("verdict", "vote", "votes"),
    }
)
"""Raters called so have no name that could be told; as words of a text they mean what they mean."""
PLACES = frozenset({"path", "dataset", "name", "repo"})
"""Keys of a configuration whose values name files and not people."""


class People:
    """Pseudonyms by name, numbered in the order in which the names come."""

    def __init__(self, names: Iterable[str]) -> None:
        self._pseudonyms = {name: f"person-{n}" for n, name in enumerate(dict.fromkeys(names), start=1)}
        told = sorted((name for name in self._pseudonyms if name.lower() not in GENERAL), key=len, reverse=True)
        self._words = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in told) or r"(?!)")

    def __len__(self) -> int:
        return len(self._pseudonyms)

    def of(self, name: str) -> str:
        """The pseudonym of a rater who is a person; a name that is not known stays."""
        return self._pseudonyms.get(name, name)

    def in_verdict(self, verdict: Verdict) -> Verdict:
        """The verdict without the name of the person who gave it."""
        return verdict.model_copy(update={"rater": self.of(verdict.rater)}) if _is_persons(verdict) else verdict

    def in_row(self, row: Preference) -> Preference:
        """The row of the dataset without the names of people."""
        if row.decided_by != "person":
            return row
        return row.model_copy(update={"raters": tuple(self.of(name) for name in row.raters)})

    def in_text(self, text: str) -> str:
        """A text in which no name stands as a word."""
        return self._words.sub(lambda found: self._pseudonyms[found[0]], text)

    def in_json(self, value: Any, *, words: bool = False) -> Any:
        """JSON values in which no value and no key is a name; with `words`, none holds one as a word either."""
        if isinstance(value, str):
            return self.in_text(value) if words else self.of(value)
        if isinstance(value, Mapping):
            return {
                self.in_json(key, words=words): one if key in PLACES else self.in_json(one, words=words)
                for key, one in value.items()
            }
        return [self.in_json(one, words=words) for one in value] if isinstance(value, list | tuple) else value


def people_of(verdicts: Iterable[Verdict], rows: Iterable[Preference]) -> People:
    """Everybody who gave a verdict or decided a pair."""
    named = [verdict.rater for verdict in verdicts if _is_persons(verdict)]
    return People([*named, *(name for row in rows if row.decided_by == "person" for name in row.raters)])


def _is_persons(verdict: Verdict) -> bool:
    return verdict.rater_kind == "person"
