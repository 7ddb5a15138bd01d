"""Labels are on the disk when they are acknowledged, are only added, and are never guessed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.errors import DataError, LedgerError
from amendment.people.samples import Label
from amendment.people.store import Labels
from tests.people.label_pages import label, question, questions

ASKED = questions(4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "labels.sqlite"


def filled(path: Path, n: int = 30) -> list[Label]:
    kept = [label(question(i), "ann", comment="a comment " * 20, at=i) for i in range(n)]
    with Labels(path) as labels:
        assert [labels.add(one) for one in kept] == [True] * n
        return labels.current()


def test_labels_are_there_when_the_file_is_opened_again_and_are_only_added(path: Path) -> None:
    kept = filled(path)
    for read_only in (False, True):
        with Labels(path, read_only=read_only) as labels:
            assert labels.current() == kept
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in ("DELETE FROM entry", "UPDATE entry SET body = '{}'"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                db.execute(statement)


def test_a_second_one_with_the_same_uuid_is_the_first_one_again_and_says_nothing_else(path: Path) -> None:
    with Labels(path) as labels:
        first = label(ASKED[0], "ann", "A", uuid="12345678", seconds=2.0)
        assert labels.add(first)
        assert not labels.add(first.model_copy(update={"at": "later", "seconds": 3.0}))
        for changed in ({"choice": "B"}, {"annotator": "bob"}, {"showing": 1}, {"comparison_id": "other"}):
            with pytest.raises(DataError, match="new uuid"):
                labels.add(first.model_copy(update=changed))
        with pytest.raises(DataError, match="new uuid"):
            labels.undo("ann", "12345678")
        assert labels.history() == labels.current() == [first]


def test_undo_takes_back_what_the_annotator_said_last_and_nobody_elses(path: Path) -> None:
    with Labels(path) as labels:
        first, second, third = label(ASKED[0], "ann"), label(ASKED[1], "ann"), label(ASKED[2], "bob")
        for one in (first, second, third):
            labels.add(one)
        assert labels.undo("ann", "undo-one") == second
        assert labels.undo("ann", "undo-one") == second  # sent again: nothing more is taken back
        assert not labels.add(second)  # neither is a label that comes once more
        assert sorted(labels.current(), key=lambda one: one.annotator) == [first, third]
        assert labels.undo("ann", "undo-two") == first
        assert labels.undo("ann", "undo-three") is None
    with Labels(path) as labels:
        assert labels.current() == [third]
        assert labels.history() == [first, second, third]
        assert labels.undo("ann", "undo-two") == first


def test_the_state_follows_what_is_said_and_not_when_or_in_which_order(tmp_path: Path) -> None:
    one, two = label(ASKED[0], "ann", "A"), label(ASKED[1], "bob", "tie")
    with Labels(tmp_path / "1.sqlite") as labels:
        empty = labels.state()
        labels.add(one)
        labels.add(two)
        state = labels.state()
    with Labels(tmp_path / "2.sqlite") as labels:
        assert labels.state() == empty != state
        labels.add(two.model_copy(update={"uuid": "another-one", "at": "later", "seconds": 9.0}))
        labels.add(one)
        assert labels.state() == state
        labels.add(one.model_copy(update={"uuid": "with-a-word", "comment": "hm"}))
        assert labels.state() != state


OPS = st.lists(
    st.tuples(st.sampled_from(["add", "undo"]), st.sampled_from("ab"), st.integers(0, 2), st.sampled_from("AB")),
    max_size=25,
)


@given(ops=OPS)
@settings(max_examples=20)
def test_any_history_leaves_what_a_plain_list_would(ops: list[tuple[str, str, int, str]]) -> None:
    model: list[Label] = []  # current labels in the order in which they were last said
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.sqlite"
        with Labels(path) as labels:
            for number, (op, who, item, choice) in enumerate(ops):
                mine = [one for one in model if one.annotator == who]
                if op == "undo":
                    assert labels.undo(who, f"uuid-{number:04}") == (mine[-1] if mine else None)
                    model = [one for one in model if not mine or one != mine[-1]]
                    continue
                new = label(ASKED[item], who, "A" if choice == "A" else "B", uuid=f"uuid-{number:04}")
                labels.add(new)
                model = [one for one in model if (one.annotator, one.prompt_id) != (who, new.prompt_id)] + [new]
        with Labels(path, read_only=True) as labels:
            assert sorted(map(str, labels.current())) == sorted(map(str, model))
            assert len(labels.history()) == sum(op == "add" for op, *_ in ops)


def test_a_second_process_that_would_add_labels_is_told_who_does(path: Path) -> None:
    code = f"""
from pathlib import Path
from amendment.people.store import Labels
from amendment.errors import LedgerError
try:
    Labels(Path({str(path)!r}))
except LedgerError as fault:
    print(fault)
"""
    with Labels(path):
        refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"pid {os.getpid()}" in refused
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not again  # the page has ended: the next one may


def test_a_reader_beside_a_page_sees_each_label_and_cannot_add(path: Path) -> None:
    with Labels(path, read_only=True) as reader:
        assert reader.current() == []  # nobody has begun
        with Labels(path) as labels:
            for i in range(3):
                labels.add(label(ASKED[i], "ann"))
                assert len(reader.current()) == i + 1
            assert reader.state() == labels.state()
            labels.undo("ann", "undo-one")
            assert len(reader.current()) == 2
            with pytest.raises(LedgerError, match="opened read-only"):
                reader.add(label(ASKED[3], "ann"))


def test_the_seal_counts_what_it_was_opened_for_also_beside_a_page_and_after_a_kill(path: Path, tmp_path: Path) -> None:
    with Labels(path) as labels, Labels(path, read_only=True) as reader:
        assert reader.seal_openings() == 0
        assert [reader.open_seal("one"), labels.open_seal("one"), labels.open_seal("two")] == [1, 1, 2]
    (seal,) = path.parent.glob("*-seal.sqlite")
    killed = tmp_path / "killed"
    killed.mkdir()
    with contextlib.closing(sqlite3.connect(seal, isolation_level=None)) as db:
        db.execute("PRAGMA cache_size=1")  # so that pages go to the file before the commit, as at a kill in its midst
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO opening VALUES (?, 'now')", [(f"{n:04}" * 50,) for n in range(500)])
        for file in path.parent.glob("*-seal.sqlite*"):
            (killed / file.name).write_bytes(file.read_bytes())
        db.execute("ROLLBACK")
    assert (killed / f"{seal.name}-journal").stat().st_size
    with Labels(killed / path.name, read_only=True) as reader:
        assert reader.seal_openings() == 2
    seal.write_bytes(b"")  # SQLite had made the file, and nothing in it
    with Labels(path, read_only=True) as reader:
        assert (reader.seal_openings(), reader.open_seal("two")) == (0, 1)


def test_files_of_something_else_are_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        db.commit()
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(LedgerError, match="not a file of labels"):
            Labels(path, read_only=read_only)
    assert path.read_bytes() == before
    for text in ("a letter to a friend" * 50, ""):
        path.write_text(text)
        with pytest.raises(LedgerError, match=r"Move it away|move it"):
            Labels(path)
        assert path.read_text() == text
    path.unlink()
    path.symlink_to("/nowhere/labels.sqlite")
    with pytest.raises(LedgerError, match=r"a link to /nowhere/labels\.sqlite, which is not there"):
        Labels(path)
    path.unlink()
    filled(path, 1)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = '7' WHERE key = 'labels'")
        db.commit()
    with pytest.raises(LedgerError, match=r"schema 7, expected at most 1: .*amendment \d"):
        Labels(path)


def test_a_torn_file_or_a_flipped_byte_is_found_or_harmless(path: Path, tmp_path: Path) -> None:
    kept, other = filled(path), tmp_path / "other.sqlite"
    whole, dice = path.read_bytes(), random.Random(0)
    torn = [whole[:length] for length in range(0, len(whole), 2048)]
    flips = [(dice.randrange(len(whole)), dice.randrange(1, 256)) for _ in range(100)]
    for content in [*torn, *(whole[:i] + bytes([whole[i] ^ mask]) + whole[i + 1 :] for i, mask in flips)]:
        with contextlib.suppress(LedgerError):
            assert read(other, content) == kept
    with pytest.raises(LedgerError, match="Replace it with a copy"):
        read(other, whole[: len(whole) // 2])
    with pytest.raises(LedgerError, match=r"entry \d+ is not as it was written"):
        read(other, whole.replace(b'"choice":"A"', b'"choice":"B"', 1))


def read(path: Path, content: bytes) -> list[Label]:
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(content)
    with Labels(path, read_only=True) as labels:
        return labels.current()


LABEL = label(question(0), "ann").to_json()
FOREIGN: list[object] = [
    {"label": {**LABEL, "mood": "gay"}},
    {"label": LABEL, "signature": "x"},
    {"label": [1]},
    {"undo": {"annotator": "ann", "label": None, "why": "x"}},
    {"undo": {"annotator": "ann", "label": ["x"]}},
    {"pause": {}},
    7,
]


@pytest.mark.parametrize("body", ["", "no JSON", "[" * 100_000, *map(json.dumps, FOREIGN)])
def test_an_entry_of_a_newer_version_is_named_with_what_to_do(path: Path, body: str) -> None:
    with Labels(path) as labels:
        labels.add(label(question(0), "ann"))
    with contextlib.closing(sqlite3.connect(path)) as db:
        row = ("another-uuid", body, hashlib.sha256(body.encode()).digest()[:8])
        db.execute("INSERT INTO entry (uuid, body, checksum) VALUES (?, ?, ?)", row)
        db.commit()
    for read_only in (True, False):
        with pytest.raises(LedgerError, match=r"of a newer version \(this version cannot read entry 2\)\. Use"):
            Labels(path, read_only=read_only)
