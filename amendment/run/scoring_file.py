"""The file of scores: appended a chunk at a time, so that a killed command goes on where it stood.

Beside OUT stand OUT.manifest.json (what the scores were made of, by hashes) and, while it is not complete,
OUT.partial. Promised: chunks always begin at the same rows and are flushed to disk as wholes, so that a file that was
made in several starts equals one that was made in one, byte for byte; scores of another model or of changed rows are
never mixed in. Not covered: two machines on one file system without locks.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from amendment.errors import ConfigError, DataError
from amendment.files import replacing, write_text

__all__ = ["CHUNK", "ENDINGS", "Recipe", "ScoreFile"]

CHUNK = 512
"""Rows that are scored and written together; they are batched by length."""
ENDINGS = (".jsonl", ".parquet")
Recipe = dict[str, Any]
"""What the scores are made of, as JSON."""


class ScoreFile:
    """A file of scores, whole or not yet."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        """Raises ConfigError for an ending that is not known."""
        if path.suffix not in ENDINGS:
            raise ConfigError(
                f"{path}: scores are written as {' or '.join(ENDINGS)}, found {path.suffix or 'no ending'!r}"
            )
        self.path, self.recipe = path, recipe
        self._partial = path.with_name(f"{path.name}.partial")
        self._manifest = path.with_name(f"{path.name}.manifest.json")

    def standing(self) -> dict[str, Any] | None:
        """The counts of a file that is complete and made of the same; None where there is something left to do.

        Raises ConfigError where what stands here was made of something else, naming what has changed.
        """
        found = self._read()
        if found is None:
            if self._is_begun():
                raise ConfigError(
                    f"{self.path}: there already, and without a manifest; choose another --out, or take it away"
                )
            return None
        changed = _changes(found["made of"], self.recipe)
        if changed and self._is_begun():
            told = "; ".join(changed)
            raise ConfigError(
                f"{self.path}: was made of something else: {told}. Scores of both do not belong into one file: choose "
                "another --out, or say --replace to begin anew"
            )
        if not self.path.exists():
            return None
        self._partial.unlink(missing_ok=True)
        counts: dict[str, Any] | None = found.get("counts")
        return counts

    def _is_begun(self) -> bool:
        """Whether any score stands here."""
        return self.path.exists() or (self._partial.exists() and self._partial.stat().st_size > 0)

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as fault:
            raise ConfigError(f"{self._manifest}: not JSON ({fault}); say --replace to begin anew") from None
        if not isinstance(found, dict) or not isinstance(found.get("made of"), dict):
            raise ConfigError(f"{self._manifest}: no manifest of scores; say --replace to begin anew")
        return found

    def forget(self) -> None:
        """Take away what stands here, as far as it was made by this command."""
        if self._manifest.exists():
            for path in (self.path, self._partial, self._manifest):
                path.unlink(missing_ok=True)

    def extend(self, total: int, make: Callable[[int, int], Sequence[Mapping[str, Any]]]) -> Iterator[int]:
        """Make and append what is missing of `total` rows, `make(begin, end)` a chunk; yields how many stand."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._manifest, _text({"made of": self.recipe}))
        with self._held() as file:
            done = _whole_chunks(file, total)
            yield done
            while done < total:
                end = min(done + CHUNK, total)
                lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in make(done, end)]
                file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
                os.fsync(file.fileno())
                done = end
                yield done

    @contextmanager
    def _held(self) -> Iterator[IO[bytes]]:
        """The unfinished file, locked."""
        with self._partial.open("ab+", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                raise ConfigError(f"{self.path}: another process is writing here; wait for it or stop it") from fault
            yield file

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows of the unfinished file."""
        with self._partial.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield json.loads(line)

    def close(self, counts: dict[str, Any]) -> None:
        """The file is complete: it takes its name, and its counts stand in the manifest."""
        write_text(self._manifest, _text({"made of": self.recipe, "counts": counts}))
        if self.path.suffix == ".parquet":
            _write_parquet(self.path, list(self.rows()))
            self._partial.unlink()
            return
        self._partial.replace(self.path)


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _whole_chunks(file: IO[bytes], total: int) -> int:
    """How many rows stand in whole chunks; what was written after them is cut off."""
    file.seek(0)
    rows, place, done, end = 0, 0, 0, 0
    for line in file:
        if not line.endswith(b"\n"):
            break
        rows, place = rows + 1, place + len(line)
        if rows % CHUNK == 0 or rows == total:
            done, end = rows, place
    if done > total:
        raise DataError("the unfinished file has more rows than there are to score; say --replace to begin anew")
    file.truncate(end)
    file.seek(end)
    return done


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not the same, in words."""
    words = {"model": "the model is another one, or was trained anew", "sources": _rows_changed(before, now)}
    names = [name for name in now if before.get(name) != now[name]]
    return [words.get(name, f"{name} was {_shown(before.get(name))}, is {_shown(now[name])}") for name in names]


def _rows_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    old, new = ({one["name"]: one for one in side.get("sources") or ()} for side in (before, now))
    if list(old) != list(new):
        return f"the rows were those of {', '.join(old)}, and are those of {', '.join(new)}"
    return f"{', '.join(name for name in new if old[name] != new[name])} changed since"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "row": pa.string(),
        "scores": pa.list_(pa.float64()),
        "deviations": pa.list_(pa.float64()),
        "candidate_ids": pa.list_(pa.string()),
    }
    names = list(dict.fromkeys(name for row in rows for name in row))

    def kind(name: str) -> pa.DataType:
        is_number = name.startswith(("score_", "deviation_", "p_", "agreement")) or name in ("score", "deviation")
        return kinds.get(name, pa.float64() if is_number else pa.string())

    schema = pa.schema([(name, kind(name)) for name in names])
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), temporary)
