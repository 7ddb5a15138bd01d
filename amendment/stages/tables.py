"""The tables of a run: the role by which stages find them, and those of a stage whose items end one by one.

Promised: every item ends in exactly one way, kept in a table, and the run stops where going on makes no sense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from enum import StrEnum
from typing import Any, Self

from amendment.data.store import Workspace
from amendment.errors import AmendmentError, Paused
from amendment.llm.model import Ending
from amendment.preference.deciding import IMPORTED, JUDGED
from amendment.records import ItemEnding, Outcome, Record
from amendment.results import Funnel


class Role(StrEnum):
    """What a table is to the stages that read it. Who reads a role reads every table of the run that has it."""

    PROMPTS = "prompts"
    """Prompts that join those of the run file."""
    ANSWERS = "answers"
    """Candidates, between which judges, code or people can decide."""
    DECISIONS = "decisions"
    """Judgements: which of two answers is better."""
    PAIRS = "pairs"
    """Pairs that are made as pairs (`stage/pairs`), and their answers (`stage/candidates`)."""
    LABELS = "labels"
    """People's labels of the run's own comparisons that anybody may look at."""
    POLICY = "policy"
    """A model that answers prompts."""


EXPORTED: tuple[str, ...] = ("inputs/prompts", IMPORTED, Role.ANSWERS, Role.PAIRS)
"""The tables of a stage that looks at the pairs of judges."""
ALSO_EXPORTED = (JUDGED, "judging/rankings")
"""Those that it looks at where the run has them."""


class RunTables:
    """The tables and models that the stages of a run make, by name and by role."""

    def __init__(self, roles: dict[str, Role | None]) -> None:
        """`roles` are those of all tables, in the order in which they are made."""
        self.roles = roles

    def __contains__(self, name: str) -> bool:
        return name in self.roles

    def of(self, role: Role) -> tuple[str, ...]:
        """Return the tables of this role, those of later stages first."""
        return tuple(name for name in reversed(self.roles) if self.roles[name] is role)

    @property
    def answers(self) -> tuple[str, ...]:
        """Return the tables of all answers that are compared, with those of pairs that are made as pairs at the end."""
        return (*self.of(Role.ANSWERS), *(name for name in self.of(Role.PAIRS) if name.endswith("/candidates")))

    def read_by(self, reads: Iterable[str], may_read: Iterable[str]) -> tuple[str, ...]:
        """Return the names of what a stage reads: tables by name or role, and of those in `may_read` what is made."""
        names = [name for read in reads for name in (self.of(read) if isinstance(read, Role) else (read,))]
        return tuple(dict.fromkeys((*names, *(name for name in may_read if name in self))))


PROMPTS = ("inputs/prompts", "inputs/split")
"""The tables of the run's prompts, and of which of them are held out."""


LOSSES: tuple[Outcome, ...] = ("refused", "invalid", "failed", "pending")
"""Endings without a result."""
REASONS = 1000
"""The number of different reasons that are counted; later ones are left out."""


class Tables:
    """The tables of a stage whose items end one by one, the table of endings among them.

    Rows are added inside a `with` block. The tables are in place after `close`, and none is without it.
    """

    def __init__(self, workspace: Workspace, stage: str, **kinds: type[Record]) -> None:
        """`kinds` are the stage's other tables by name, with the class of their records."""
        self.artefacts = tuple(f"{stage}/{name}" for name in (*kinds, "endings"))
        self._stage = stage
        self._workspace = workspace
        self._kinds = kinds
        self._add: dict[str, Callable[[Any], None]] = {}
        self._endings, self._others = ExitStack(), ExitStack()
        self._counts: Counter[str] = Counter()
        self._reasons: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        """Reasons of pending items (True) and of all others (False)."""

    def __enter__(self) -> Self:
        for name, kind in self._kinds.items():
            self._add[name] = self._others.enter_context(self._workspace.writing(f"{self._stage}/{name}", kind))
        table = self._workspace.writing(f"{self._stage}/endings", ItemEnding)
        self._add["endings"] = self._endings.enter_context(table)
        return self

    def __exit__(self, *fault: Any) -> None:
        self._endings.__exit__(*fault)
        self._others.__exit__(*fault)

    def add(self, name: str, records: Iterable[Record]) -> None:
        """Add rows to one of the stage's tables."""
        for record in records:
            self._add[name](record)

    def end(self, item: str, ending: Ending) -> None:
        """Keep how one item ended, and count it."""
        self._counts[ending.outcome] += 1
        reasons = self._reasons[ending.outcome == "pending"]
        if ending.reason and (ending.reason in reasons or len(reasons) < REASONS):
            reasons[ending.reason] += 1
        self._add["endings"](ItemEnding(item_id=item, outcome=ending.outcome, reason=ending.reason))

    def funnel(self, what: str) -> Funnel:
        """Return how many items were begun, how many are done, and how the others ended."""
        lost = {outcome: self._counts[outcome] for outcome in LOSSES if self._counts[outcome]}
        return Funnel(what=what, came_in=self._counts.total(), left_out=lost, remained=self._counts["done"])

    def close(self, finish: Callable[[], None] | None = None) -> Counter[str]:
        """Put the tables in place and give the counts of endings. `finish` adds rows that had to wait for all items.

        Raises Paused when items are pending, and AmendmentError when no item is done; then only the table of
        endings is written.
        """
        self._endings.close()
        self._check()
        if finish:
            finish()
        self._others.close()
        return self._counts

    def _check(self) -> None:
        total = self._counts.total()
        pending = self._counts["pending"]
        reasons = self._reasons[pending > 0]
        most_often = f" Most often: {reasons.most_common(1)[0][0]}" if reasons else ""
        if pending:
            ended = ", ".join(f"{count} {outcome}" for outcome, count in self._counts.items() if outcome != "pending")
            so_far = f" So far: {ended}." if ended else ""
            raise Paused(
                f"{self._stage}: {pending} of {total} items are pending; run again to continue.{so_far}{most_often}"
            )
        if total and not self._counts["done"]:
            outcomes = ", ".join(f"{count} {outcome}" for outcome, count in self._counts.items())
            raise AmendmentError(
                f"{self._stage}: no item was completed ({outcomes}); check the models in the run file.{most_often}"
            )


def write_endings(workspace: Workspace, stage: str, what: str, endings: Iterable[tuple[str, Ending]]) -> Funnel:
    """Keep how each item ended, count it, and stop the run where it has to stop; see `Tables.close`."""
    with Tables(workspace, stage) as tables:
        for item, ending in endings:
            tables.end(item, ending)
        tables.close()
    return tables.funnel(what)
