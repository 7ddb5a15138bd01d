"""Ledgers of version 1, which knew requests and replies only, read as rows of today.

Each reply becomes an attempt with a reply: the stage is not known, what it cost neither; host and model stand in the
request's body.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from amendment.llm.ledger_scanning import Gap, readable
from amendment.llm.ledger_tables import ATTEMPT, REPLY, REQUEST, Table

__all__ = ["elder_rows"]


def elder_rows(db: sqlite3.Connection) -> Iterator[tuple[Table, list[tuple[Any, ...]] | Gap]]:
    """Rows as they are written today; one that was not what had been written comes with an empty seal."""
    asked: dict[str, tuple[str, str]] = {}
    for some in readable(db, "request", ("id", "body")):
        if isinstance(some, Gap):
            yield REQUEST, some
            continue
        asked |= {name: _asked(body) for name, body in some}
        yield REQUEST, [REQUEST.row(name, long=body) for name, body in some]
    for some in readable(db, "reply", ("number", "request", "raw", "sha256")):
        if isinstance(some, Gap):
            yield REPLY, some
            continue
        rows = [_reply(*row) for row in some]
        whole = [row for row in rows if REPLY.holds(row)]
        yield ATTEMPT, [ATTEMPT.row(*row[:2], *asked.get(row[1], ("", "")), "", None, 0.0) for row in whole]
        yield REPLY, rows


def _reply(number: int, request: str, raw: bytes, checksum: bytes) -> tuple[Any, ...]:
    if isinstance(raw, bytes) and hashlib.sha256(raw).digest() == checksum:
        return REPLY.row(number, request, None, None, None, None, None, None, None, 0.0, long=raw)
    return (number, request, *[None] * (len(REPLY.stored) - 2))


def _asked(body: bytes) -> tuple[str, str]:
    """Host and model of a request; empty where its body is not one of ours."""
    try:
        data = json.loads(body)
        return str(data["host"]), str(data["model"])
    except (ValueError, KeyError, TypeError):
        return "", ""
