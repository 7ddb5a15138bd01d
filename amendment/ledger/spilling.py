"""The second place for replies that were paid for and that the ledger's disk would not take: JSON lines.

A line holds the columns of the reply's row, its seal and the raw reply in base64; `salvage` takes the file in again.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amendment.errors import LedgerError
from amendment.ledger.groups import Group
from amendment.ledger.tables import REPLY

__all__ = ["read_spill", "spill", "spill_file"]


def spill_file() -> Path:
    """A new name in the system's folder for temporary files."""
    return Path(tempfile.gettempdir()) / f"amendment-spill-{os.getpid()}-{time.time_ns()}.jsonl"


def spill(group: Group, file: Path, ledger: str) -> str:
    """Append the replies of a group to a file. Says where they are, and with which command `ledger` takes them in, or
    that they are lost. Never raises."""
    rows = group.results[REPLY]
    if not rows:
        return "No reply was waiting to be written."
    try:
        _append(file, "".join(f"{_line(row)}\n" for row in rows))
    except OSError as fault:
        return f"{len(rows)} replies that were paid for are lost: {file}: {fault.strerror or fault}."
    return (
        f"{len(rows)} replies that were paid for are in {file}. "
        f"Take them in with: amendment ledger salvage {shlex.quote(ledger)} --spill {shlex.quote(str(file))}"
    )


def _line(row: tuple[Any, ...]) -> str:
    *values, digest, raw = row
    columns = dict(zip(REPLY.columns, values, strict=True))
    return json.dumps({**columns, "sha256": digest.hex(), "raw": base64.b64encode(raw).decode("ascii")})


def _append(file: Path, lines: str) -> None:
    """Only the owner may read it: it holds what models said."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(lines)
        out.flush()
        os.fsync(out.fileno())


def read_spill(file: Path) -> Iterator[tuple[Any, ...]]:
    """The rows of a spill file. Raises LedgerError for the first line that is not what was written."""
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as fault:
        raise LedgerError(f"{file}: {fault.strerror}; expected the file that the stopped run named") from None
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        row = _row(line)
        if row is None or not REPLY.holds(row):
            raise LedgerError(
                f"{file}, line {number}: not a reply as it was written. Take the line out to use the rest."
            )
        yield row


def _row(line: bytes) -> tuple[Any, ...] | None:
    try:
        data = json.loads(line)
        raw = base64.b64decode(data["raw"], validate=True)
        return (*(data[column] for column in REPLY.columns), bytes.fromhex(data["sha256"]), raw)
    except (ValueError, KeyError, TypeError):
        return None
