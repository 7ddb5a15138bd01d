"""A run's folder: tables and models by name, and the notes that finished stages leave."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from amendment.data.store import count_records, iter_records, read_records, write_records, writing_records
from amendment.errors import LedgerError
from amendment.records import Record

R = TypeVar("R", bound=Record)


class Split(Record):
    """Which side of the split a prompt is on."""

    prompt_id: str
    split: str


class Workspace:
    """A run's folder: artefacts by name, and the note that each finished stage leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, artefact: str) -> Path:
        """Where an artefact lies: a folder under `models/`, a file that names its ending, else a table."""
        if artefact.startswith("models/") or artefact.endswith((".json", ".md")):
            return self.folder / artefact
        return self.folder / f"{artefact}.parquet"

    def read(self, artefact: str, kind: type[R]) -> list[R]:
        """The records of a table."""
        return read_records(self.path(artefact), kind)

    def write(self, artefact: str, kind: type[R], records: Sequence[R]) -> str:
        """Write a table whole; returns its name for `Made`."""
        write_records(self.path(artefact), kind, records)
        return artefact

    def rows(self, artefact: str, kind: type[R]) -> Iterator[R]:
        """The records of a table one after another, few of them in memory at a time."""
        return iter_records(self.path(artefact), kind)

    def count(self, artefact: str) -> int:
        """How many records a table has."""
        return count_records(self.path(artefact))

    def writing(self, artefact: str, kind: type[R]) -> AbstractContextManager[Callable[[R], None]]:
        """Write a table row by row: yields what adds one. The table is there when the block ends without an error."""
        return writing_records(self.path(artefact), kind)

    def digest(self, artefact: str) -> str:
        """The content hash of an artefact, taken when it was made. Raises LedgerError when it was not made."""
        for path in sorted((self.folder / "stages").glob("*.json")):
            made = _read_note(path)
            if made and artefact in made["artefacts"]:
                return str(made["artefacts"][artefact][1])
        raise LedgerError(f"{self.folder}: {artefact} is missing; run the stage that makes it first")

    def note(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage left: key, artefacts, counts."""
        return _read_note(self.folder / "stages" / f"{stage}.json")


def _read_note(path: Path) -> dict[str, Any] | None:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and _is_whole(note) else None


def _is_whole(note: dict[str, Any]) -> bool:
    """A note that somebody cut or edited counts as none, and its stage is run again."""
    artefacts = note.get("artefacts")
    pairs = artefacts.values() if isinstance(artefacts, dict) else [None]
    return {"key", "counts"} <= set(note) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
