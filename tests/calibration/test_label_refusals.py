"""What the page and the store of labels refuse, and what they say of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from amendment.calibration.serving import serve_page
from amendment.calibration.store import Labels
from amendment.errors import ConfigError, LedgerError
from tests.calibration.label_pages import label, question, questions

HOST = "127.0.0.1:8123"
WRITE = [("host", HOST), ("origin", f"http://{HOST}"), ("content-type", "application/json")]


@pytest.mark.parametrize(
    "name",
    [
        "simulated person 1",
        " Simulated  PERSON\u200b\t12",
        "ｓimulated person 3",
        "simulated person",
        "simulatedperson1",
    ],
)
def test_nobody_gets_a_link_under_the_name_of_a_simulated_person(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="kept for simulated people; expected another name"):
        links_of(tmp_path, name)


@pytest.mark.parametrize("name", ["", " \t", "\u200b\x00", "x" * 121])
def test_a_name_that_nobody_could_read_gets_no_link(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a name of 1 to 120 characters"):
        links_of(tmp_path, name)


class Served(Exception):
    """The page would be served now."""


def links_of(folder: Path, *names: str) -> Mapping[str, str]:
    """The links that a page prints for these annotators."""
    found: dict[str, str] = {}

    def ready(links: Mapping[str, str], cautions: object) -> None:
        found.update(links)
        raise Served

    with Labels(folder / "labels.sqlite") as labels, contextlib.suppress(Served):
        serve_page(questions(2), labels, seed=3, annotators=2, names=names, ready=ready)
    return found


LABEL = label(question(0), "ann").to_json()
FOREIGN: list[object] = [
    {"label": {**LABEL, "mood": "gay"}},
    {"label": {"choice": "A"}},
    {"label": LABEL, "signature": "x"},
    {"label": [1]},
    {"undo": {"annotator": "ann"}},
    {"undo": {"annotator": "ann", "label": None, "why": "x"}},
    {"undo": {"annotator": "ann", "label": ["x"]}},
    {"pause": {}},
    [],
    7,
]


@pytest.mark.parametrize("body", ["", "no JSON", "[" * 100_000, *map(json.dumps, FOREIGN)])
def test_an_entry_of_a_newer_version_is_told_with_what_to_do(tmp_path: Path, body: str) -> None:
    path = tmp_path / "labels.sqlite"
    with Labels(path) as labels:
        labels.add(label(question(0), "ann"))
    with contextlib.closing(sqlite3.connect(path)) as db:
        row = ("another-uuid", body, hashlib.sha256(body.encode()).digest()[:8])
        db.execute("INSERT INTO entry (uuid, body, checksum) VALUES (?, ?, ?)", row)
        db.commit()
    for read_only in (True, False):
        with pytest.raises(LedgerError, match=r"damaged, or of a newer version \(entry 2 .*\)\. Use the version that"):
            Labels(path, read_only=read_only)
