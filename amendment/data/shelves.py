"""What becomes of inputs that are read: all kept in memory, or the prompts handed on as they come.

Covered: each prompt and each answer once, as the first source has it; licenses under which others bring them. Not
covered: candidates and verdicts of the user's own outside memory, which every kind of inputs keeps there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from amendment.data.source_rows import FileFacts
from amendment.data.sources import Source
from amendment.preference import held_out_count, split_rank
from amendment.records import Candidate, Prompt, Verdict, text_of
from amendment.simulator import knows

__all__ = ["Glance", "Inputs", "StreamedInputs"]


@dataclass
class Inputs:
    """Everything read: prompts by id in order of arrival, candidates, verdicts that exist, counts by reason.

    What several sources bring stands once, as the first of them has it; licenses of the others are counted.
    """

    prompts: dict[str, Prompt] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    weights: dict[str, list[float]] = field(default_factory=dict)
    """By comparison: how much its pair counts in training, of each row that says so."""
    firsts: dict[str, str] = field(default_factory=dict)
    """By comparison: the candidate that stands first in its file."""
    counts: Counter[str] = field(default_factory=Counter)
    files: list[tuple[Source, FileFacts]] = field(default_factory=list)
    """Every source that was read."""
    _licenses: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)
    """Of prompts and answers by id: labels of sources and the licenses under which they bring them."""

    def add_prompt(self, prompt: Prompt) -> bool:
        """Keep a prompt once; whether it is new."""
        self.note_license(prompt.id, prompt.source, prompt.license)
        return self.prompts.setdefault(prompt.id, prompt) is prompt

    def add_candidate(self, candidate: Candidate) -> None:
        """Keep a candidate once."""
        self.note_license(candidate.id, candidate.origin.source, candidate.origin.license)
        self.candidates.setdefault(candidate.id, candidate)

    def note_license(self, name: str, source: str | None, license: str | None) -> None:
        """Remember under which license a source brings a prompt or an answer."""
        if license is not None:
            self._licenses.setdefault(name, {})[str(source), license] = None

    def other_licenses(self) -> dict[str, dict[str, int]]:
        """Prompts and answers that a source brings under another license than the one on their record, by source."""
        answers = self._others({one.id: one.origin.license for one in self.candidates.values()})
        found = {"prompts under a further license": self._of_prompts(), "answers under a further license": answers}
        return {name: dict(counts) for name, counts in found.items() if counts}

    def _of_prompts(self) -> Counter[str]:
        return self._others({prompt.id: prompt.license for prompt in self.prompts.values()})

    def _others(self, kept: Mapping[str, str | None]) -> Counter[str]:
        brought = [(name, *key) for name in kept for key in self._licenses.get(name, ())]
        return Counter(f"{source}: {license}" for name, source, license in brought if license != kept[name])


_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -2000;
CREATE TABLE prompt (place INTEGER PRIMARY KEY, id TEXT UNIQUE, rank TEXT, license TEXT);
CREATE TABLE further (id TEXT, source TEXT, license TEXT, UNIQUE (id, source, license));
BEGIN;
"""


class StreamedInputs(Inputs):
    """Inputs that hand each new prompt to `take` and keep none.

    What has to be known of all prompts lies in a scratch database of SQLite's, a nameless file that ends with it.
    """

    def __init__(self, take: Callable[[Prompt], None], *, seed: int = 0) -> None:
        super().__init__()
        self._take, self._seed = take, seed
        self._scratch = sqlite3.connect("", isolation_level=None)
        self._scratch.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the scratch database."""
        self._scratch.close()

    def add_prompt(self, prompt: Prompt) -> bool:
        """Hand on a prompt once; whether it is new."""
        row = (prompt.id, split_rank(prompt.id, seed=self._seed), prompt.license)
        is_new = bool(self._ask("INSERT OR IGNORE INTO prompt (id, rank, license) VALUES (?, ?, ?)", *row).rowcount)
        if is_new:
            self._take(prompt)
        else:
            self.note_license(prompt.id, prompt.source, prompt.license)
        return is_new

    def note_license(self, name: str, source: str | None, license: str | None) -> None:
        """Remember it where it is another license than the record's."""
        kept = self._ask("SELECT license FROM prompt WHERE id = ?", name).fetchone() if license is not None else None
        if kept is None:
            super().note_license(name, source, license)
        elif kept[0] != license:
            self._ask("INSERT OR IGNORE INTO further VALUES (?, ?, ?)", name, str(source), license)

    def place(self, prompt_id: str) -> int:
        """Where a prompt stands among all."""
        return int(self._ask("SELECT place FROM prompt WHERE id = ?", prompt_id).fetchone()[0])

    def count(self) -> int:
        """How many prompts there are."""
        return int(self._ask("SELECT count(*) FROM prompt").fetchone()[0])

    def sides(self, share: float) -> Iterator[tuple[str, bool]]:
        """The name of each prompt in order, and whether it is held out; see `amendment.preference.held_out`."""
        held = held_out_count(self.count(), share)
        last = (
            self._ask("SELECT rank FROM prompt ORDER BY rank LIMIT 1 OFFSET ?", held - 1).fetchone() if held else None
        )
        for name, rank in self._ask("SELECT id, rank FROM prompt ORDER BY place"):
            yield name, last is not None and rank <= last[0]

    def _of_prompts(self) -> Counter[str]:
        query = "SELECT source, f.license FROM further f JOIN prompt p ON p.id = f.id ORDER BY p.place, f.rowid"
        return Counter(f"{source}: {license}" for source, license in self._ask(query))

    def _ask(self, query: str, *values: object) -> sqlite3.Cursor:
        return self._scratch.execute(query, values)


class Glance:
    """What a check looks for in prompts."""

    def __init__(self) -> None:
        self.scopes: dict[tuple[str | None, tuple[str, ...]], None] = {}
        """Category and tags of prompts, each once."""
        self.knows_lilliput = False
        """Any of them is one of the simulated world's."""

    def look(self, prompt: Prompt) -> None:
        """Look at a prompt."""
        self.scopes[prompt.category, prompt.tags] = None
        self.knows_lilliput = self.knows_lilliput or knows(text_of(prompt.messages))
