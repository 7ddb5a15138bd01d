"""What the tests of whole runs share: files and run files that are written in a line, and what came of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from amendment.data.store import read_records
from amendment.errors import AmendmentError
from amendment.records import Preference
from amendment.results import Result as Found
from amendment.run import Patience, Run, RunResult
from amendment.run.progress import QuietProgress

QUICK = Patience(attempts=2, longest_wait=0.01)


class Said(QuietProgress):
    """Keeps what would stand on the terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def run_of(folder: Path, text: str, *overrides: str, **options: Any) -> Run:
    """A run of these lines, beside the files in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return Run.from_file(folder / "run.yaml", folder=folder / "run", overrides=overrides, **options)


def made(folder: Path, text: str, *overrides: str, until: str | None = None, **options: Any) -> RunResult:
    """What came of a run of these lines."""
    return run_of(folder, text, *overrides, **options)(until=until)


def complaints(folder: Path, text: str, *overrides: str) -> list[str]:
    """What loading and checking say of a run of these lines, one by one and without the folder."""
    try:
        run_of(folder, text, *overrides).check()
    except AmendmentError as fault:
        return [line.replace(f"{folder}/", "") for line in str(fault).split("\n")]
    finally:
        assert not (folder / "run").exists(), "a check makes nothing"
    return []


def served(text: str, url: str = "http://127.0.0.1:9") -> str:
    """A run file with the models of a server without keys in place of FAR."""
    return text.replace("FAR", f"provider: openai, base_url: '{url}', api_key_env: null")


def read_source(result: RunResult) -> list[dict[str, Any]]:
    """The rows of a run's dataset, as they are exported."""
    return [row for rows in result.dataset.values() for row in rows]


def pairs_of(folder: Path, sides: Iterable[str] = ("train", "test")) -> list[Preference]:
    """The pairs of a run's dataset."""
    return [row for side in sides for row in read_records(folder / f"dataset/{side}.parquet", Preference)]


def preferences(folder: Path, text: str) -> tuple[list[Preference], Mapping[str, Found]]:
    """The pairs that files of one's own come to, and the results of the stages; the name need not be told."""
    result = made(folder, "name: t\n" + text)
    return pairs_of(result.folder), result.results


LABELS = [
    {"id": f"i{i}", "q": f"question {i}", "one": f"good {i}", "two": f"bad {i}", "u": "x", "v": "x", "w": ""}
    for i in range(8)
]
LABELLED = (
    "  - path: labels.csv\n    kind: person\n    license: mit\n    words: {a: x, b: y, tie: z, both_bad: n}\n"
    "    columns: {item: id, prompt: q, a: one, b: two, votes: [u, v, w]}\n"
)
"""An entry of `verdicts` for a file of `LABELS`."""


def replies(folder: Path, *, like: str = "%") -> int:
    """How many replies a ledger holds whose request is like a pattern; read without touching it."""
    query = (
        "SELECT count(*) FROM reply JOIN attempt ON attempt.number = reply.attempt "
        "JOIN request ON request.id = attempt.request WHERE CAST(body AS TEXT) LIKE ?"
    )
    with closing(sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?mode=ro", uri=True)) as db:
        return int(db.execute(query, (like,)).fetchone()[0])


def notes_of(folder: Path) -> dict[str, Any]:
    """The notes that finished stages left, by stage."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted((folder / "stages").glob("*.json"))}
