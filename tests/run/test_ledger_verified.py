"""What `amendment ledger verify` finds in a ledger that somebody has changed, and what it says it leaves out."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from amendment.llm.ledger import Ledger
from tests.command_line import called
from tests.llm.ledger_calls import call
from tests.llm.test_ledger import amendment
from tests.run.small_runs import made

RUN = """\
name: verified
prompts: [{path: p.jsonl}]
models: {far: {provider: openai, base_url: URL, model: m, api_key_env: null, price: {input: 1000, output: 1000}}}
candidates: [{model: far, per_prompt: 2}]
"""


@pytest.fixture
def paid(tmp_path: Path, server: Any) -> Path:
    """The folder of a run with paid replies."""
    (tmp_path / "p.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    server.usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    return made(tmp_path, RUN.replace("URL", server.url)).folder


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db, db:
        db.executescript(sql)


def test_a_ledger_as_it_was_written_is_clean_and_the_command_says_what_it_leaves_out(paid: Path) -> None:
    said = amendment("show", paid, "--verify")
    assert said.startswith("4 replies and their requests, all unchanged\nnot checked: ")
    (paid / "spending.json").unlink()
    assert "no spending.json" in amendment("show", paid, "--verify")
    found = json.loads(amendment("show", paid, "--verify", "--json"))
    assert (found["replies"], found["damage"]) == (4, [])


CHANGES = {
    "UPDATE request SET body = CAST(replace(CAST(body AS TEXT), 'one', 'won') AS BLOB)": "request s2:",
    "UPDATE request SET body = 'not a BLOB'": "request s2:",
    "DELETE FROM request WHERE rowid = 1": "is missing, or not what was written",
    "DELETE FROM attempt WHERE number = 2": "spending.json counts 4 attempts, but the ledger has 3",
    "DELETE FROM reply WHERE attempt = 2": "spending.json counts 4 replies, but the ledger has 3",
    "UPDATE reply SET usd = 0": "usd, but the ledger has 0",
    "UPDATE reply SET input_tokens = 1": "input_tokens, but the ledger has 4",
    "DELETE FROM attempt; DELETE FROM reply; DELETE FROM request": "spending.json counts 4 replies",
}


@pytest.mark.parametrize(("sql", "finding"), CHANGES.items())
def test_what_somebody_has_changed_or_deleted_is_found(sql: str, finding: str, paid: Path) -> None:
    change(paid, sql)
    said = amendment("show", paid, "--verify", code=1)
    assert finding in said
    assert "unchanged" not in said


def test_a_ledger_that_has_grown_since_the_last_start_ended_is_unchanged(paid: Path) -> None:
    with Ledger(paid / "ledger.sqlite") as ledger:
        asyncio.run(call(ledger, "later", b"{}"))
    assert "5 replies and their requests, all unchanged" in amendment("show", paid, "--verify")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE reply SET usd = 9e999",
        "UPDATE attempt SET stage = CAST(stage AS BLOB)",
        "DELETE FROM request WHERE rowid = 1; DELETE FROM reply WHERE attempt = 1",
        "UPDATE meta SET value = CAST(value AS BLOB)",
    ],
)
def test_a_ledger_edited_by_hand_ends_every_command_with_advice(sql: str, paid: Path) -> None:
    change(paid, sql)
    amendment("show", paid, "--verify", code=1)
    for command in ("run", "plan"):
        called(command, paid.with_name("run.yaml"), "--folder", paid)  # an exception other than the exit fails here
    called("status", paid)
