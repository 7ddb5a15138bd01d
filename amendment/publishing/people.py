"""Names of people stay at home: whoever rated is `person-1`, `person-2` ... in everything that leaves.

Covered: everybody who rated in the run's audit, in its verdicts and its rows, or who is named as a rater by its run
file. One numbering holds for all of it: those of the audit come first, so that its certificate, written when nothing
else is known, has the same. A file, folder or dataset with such a name in its own is shown under the pseudonym too.
Not covered: nicknames, and names inside prompts, answers and reasons, which only a reader can find; and a pseudonym
hides a name from others, not from somebody who knows who rated what.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from amendment.curation import PairShare
from amendment.data.sources import PairFile
from amendment.data.verdict_files import VerdictFile
from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.run.runfile.config import RunFile

__all__ = ["MAYBE_PEOPLE", "People", "RaterSource", "people_of_certificate", "raters_named"]

RaterSource = PairFile | VerdictFile
"""A part of a run file that brings verdicts."""
MAYBE_PEOPLE = ("person", "unknown")
"""Kinds of raters whose names are nobody's business; unknown ones may be people."""
SHORTEST = 3
"""Letters of a name that is looked for in the names of files; a shorter one stands in many words by chance."""
DATA = re.compile(r"(?:\.(?:csv|tsv|jsonl|json|parquet|gz))+$", re.IGNORECASE)
"""Endings of files that a rater may be called after."""


class People:
    """Pseudonyms by name."""

    def __init__(self, audited: Iterable[str], others: Iterable[str] = ()) -> None:
        """The people of the certificate, and everybody else, in any order: neither file nor alphabet shows."""
        names = dict.fromkeys([*_shuffled(audited), *_shuffled(others)])
        self.pseudonyms = {name: f"person-{number}" for number, name in enumerate(names, start=1)}

    def __len__(self) -> int:
        return len(self.pseudonyms)

    def __contains__(self, name: object) -> bool:
        return name in self.pseudonyms

    def of(self, name: str) -> str:
        """The pseudonym of a rater who is a person; a name that is not known stays."""
        return self.pseudonyms.get(name, name)

    def hiding(self, passed_over: Collection[str] = ()) -> Callable[[str], str]:
        """What shows a part of a path, or the name of a dataset, with every whole name in it as the pseudonym.

        Longer names go first, so that Anna Berg is not taken for Anna. Those of `passed_over` may stand.
        """
        known = {name: one for name, one in self.pseudonyms.items() if name not in passed_over}
        found = {words: one for name, one in known.items() for words in _called(name)}
        words = sorted(found, key=lambda one: (-len("".join(one)), one))
        spelled = re.compile("|".join(f"({_spelling(one)})" for one in words) or "(?!)", re.IGNORECASE)

        def shown(hit: re.Match[str]) -> str:
            assert hit.lastindex
            return found[words[hit.lastindex - 1]]

        return lambda part: spelled.sub(shown, part)

    def fitting(self, pattern: str) -> list[str]:
        """The pseudonyms of those whom a pattern of raters means; where none is known, one that means them all."""
        found = [shown for name, shown in self.pseudonyms.items() if fnmatchcase(name, pattern)]
        return found or ["person-*"]


def _called(name: str) -> Iterator[tuple[str, ...]]:
    """The words of a person's name: of a file or folder called so its own, of an address what is before the @."""
    own = DATA.sub("", PurePath(name).name)
    for called in (own, own.partition("@")[0]):
        if sum(map(str.isalpha, called)) >= SHORTEST:
            yield tuple(re.findall(r"[^\W_]+", called))


def _spelling(words: tuple[str, ...]) -> str:
    """A pattern: whatever stands between the words, and not as a part of a longer one."""
    between = r"[\W_]*"
    return rf"(?<![^\W_]){between.join(words)}(?![^\W_])"


def _shuffled(names: Iterable[str]) -> list[str]:
    return sorted(set(names), key=lambda name: content_id(["rater", name]))


def people_of_certificate(path: Path) -> list[str]:
    """The people in a run's own certificate. Raises ConfigError for one that no run has written."""
    try:
        raters = json.loads(path.read_text(encoding="utf-8"))["counts"]["raters"]
        return [str(rater["name"]) for rater in raters if rater["kind"] == "person"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ConfigError(f"{path}: not as the run wrote it ({fault}); run it again to write it anew") from None


def _sources_of_raters(config: RunFile) -> list[RaterSource]:
    """Every part of a run file that brings verdicts."""
    return [*config.pairs, *config.verdicts, *(part for part in config.dataset.mix if isinstance(part, PairShare))]


def raters_named(config: RunFile) -> Iterator[str]:
    """The people whom a run file names as raters, whether or not any verdict of theirs was taken."""
    for source in _sources_of_raters(config):
        if isinstance(source, VerdictFile):
            yield from (name for name in _named(source) if source.kind_of(name) == "person")
        elif source.rater in (None, *MAYBE_PEOPLE) and source.columns and source.columns.votes:
            yield from source.columns.votes


def _named(source: VerdictFile) -> Iterator[str]:
    """A file without a column of raters is one rater's, called as the run file says or as the file."""
    columns = source.columns
    if columns and columns.votes:
        yield from columns.votes
    elif source.rater or (columns and not columns.rater):
        yield source.rater or source.label
