from __future__ import annotations

import contextlib
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

from amendment.calibration.labels import Label
from amendment.calibration.store import Labels
from amendment.errors import DataError, LedgerError
from tests.calibration.label_pages import label, question, questions

ASKED = questions(4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "labels.sqlite"


def filled(path: Path, n: int = 30) -> list[Label]:
    kept = [label(question(i), "ann", comment="a comment " * 20, at=i) for i in range(n)]
    with Labels(path) as labels:
        assert [labels.add(one) for one in kept] == [True] * n
        return labels.current()


def test_labels_are_there_when_the_file_is_opened_again(path: Path) -> None:
    kept = filled(path)
    with Labels(path) as labels:
        assert labels.current() == kept
    with Labels(path, read_only=True) as labels:
        assert labels.current() == kept


def test_a_second_one_with_the_same_uuid_is_the_first_one_again(path: Path) -> None:
    with Labels(path) as labels:
        first = label(ASKED[0], "ann", "A", uuid="12345678", seconds=2.0)
        assert labels.add(first)
        assert not labels.add(first.model_copy(update={"at": "later", "seconds": 3.0}))
        assert labels.history() == [first]


@pytest.mark.parametrize("changed", [{"choice": "B"}, {"annotator": "bob"}, {"showing": 1}, {"comparison_id": "other"}])
def test_a_uuid_that_says_something_else_the_second_time_is_not_acknowledged(
    path: Path, changed: dict[str, object]
) -> None:
    with Labels(path) as labels:
        first = label(ASKED[0], "ann", "A", uuid="12345678")
        labels.add(first)
        with pytest.raises(DataError, match="new uuid"):
            labels.add(first.model_copy(update=changed))
        with pytest.raises(DataError, match="new uuid"):
            labels.undo("ann", "12345678")
        assert labels.current() == [first]


def test_the_last_label_of_an_item_counts_and_both_are_history(path: Path) -> None:
    with Labels(path) as labels:
        first, second = label(ASKED[0], "ann", "A"), label(ASKED[0], "ann", "B")
        labels.add(first)
        labels.add(second)
        assert labels.current() == [second]
        assert labels.history() == [first, second]


def test_two_annotators_of_one_item_and_its_repeat_are_three_labels(path: Path) -> None:
    with Labels(path) as labels:
        kept = [label(ASKED[0], "ann"), label(ASKED[0], "ann", showing=1), label(ASKED[0], "bob")]
        for one in kept:
            labels.add(one)
        assert labels.current() == kept


def test_undo_takes_back_what_the_annotator_said_last_and_nobody_elses(path: Path) -> None:
    with Labels(path) as labels:
        first, second, third = label(ASKED[0], "ann"), label(ASKED[1], "ann"), label(ASKED[2], "bob")
        for one in (first, second, third):
            labels.add(one)
        assert labels.undo("ann", "undo-one") == second
        assert labels.undo("ann", "undo-one") == second  # sent again: nothing more is taken back
        assert sorted(labels.current(), key=lambda one: one.annotator) == [first, third]
        assert labels.undo("ann", "undo-two") == first
        assert labels.undo("ann", "undo-three") is None
    with Labels(path) as labels:
        assert labels.current() == [third]
        assert labels.history() == [first, second, third]
        assert labels.undo("ann", "undo-two") == first


def test_undo_of_an_item_that_was_said_anew_opens_it(path: Path) -> None:
    # A, then B for the same item in a second tab: the item is one, and taking it back leaves no A behind.
    with Labels(path) as labels:
        labels.add(label(ASKED[0], "ann", "A"))
        labels.add(label(ASKED[0], "ann", "B"))
        labels.undo("ann", "undo-one")
        assert labels.current() == []


def test_a_label_that_comes_once_more_after_its_undo_stays_undone(path: Path) -> None:
    with Labels(path) as labels:
        one = label(ASKED[0], "ann")
        labels.add(one)
        labels.undo("ann", "undo-one")
        assert not labels.add(one)
        assert labels.current() == []


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
        labels.undo("ann", "undo-one")
        labels.add(one.model_copy(update={"uuid": "as-before"}))
        assert labels.state() == state


OPS = st.lists(
    st.tuples(st.sampled_from(["add", "undo"]), st.sampled_from("ab"), st.integers(0, 2), st.sampled_from("AB")),
    max_size=25,
)


@given(ops=OPS)
@settings(max_examples=30)
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
from amendment.calibration.store import Labels
from amendment.errors import LedgerError
try:
    Labels(Path({str(path)!r}))
except LedgerError as fault:
    print(fault)
"""
    with Labels(path):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"pid {os.getpid()}" in said
    assert "one at a time" in said
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
            with pytest.raises(LedgerError, match="opened to read"):
                reader.add(label(ASKED[3], "ann"))


def test_the_seal_counts_what_it_was_opened_for_also_beside_a_page(path: Path) -> None:
    with Labels(path) as labels, Labels(path, read_only=True) as reader:
        assert reader.seal_openings() == 0
        assert reader.open_seal("one") == 1
        assert labels.open_seal("one") == 1
        assert labels.open_seal("two") == 2
    with Labels(path, read_only=True) as reader:
        assert reader.seal_openings() == 2


def seal_of(path: Path) -> Path:
    with Labels(path, read_only=True) as reader:
        reader.open_seal("one")
    (found,) = path.parent.glob("*-seal.sqlite")
    return found


def test_a_seal_whose_making_was_cut_off_was_never_opened(path: Path) -> None:
    seal = seal_of(path)
    seal.write_bytes(b"")  # SQLite had made the file, and nothing in it
    with Labels(path, read_only=True) as reader:
        assert reader.seal_openings() == 0
        assert reader.open_seal("two") == 1


def test_an_opening_that_was_half_written_is_taken_back(path: Path, tmp_path: Path) -> None:
    seal, other = seal_of(path), tmp_path / "killed"
    other.mkdir()
    with contextlib.closing(sqlite3.connect(seal, isolation_level=None)) as db:
        db.execute("PRAGMA cache_size=1")  # so that pages go to the file before the commit, as at a kill in its midst
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO opening VALUES (?, 'now')", [(f"{n:04}" * 50,) for n in range(500)])
        for file in path.parent.glob("*-seal.sqlite*"):
            (other / file.name).write_bytes(file.read_bytes())
        db.execute("ROLLBACK")
    assert (other / f"{seal.name}-journal").stat().st_size
    with Labels(other / path.name, read_only=True) as reader:
        assert reader.seal_openings() == 1


def test_entries_are_only_added(path: Path) -> None:
    filled(path, 2)
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in ("DELETE FROM entry", "UPDATE entry SET body = '{}'"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                db.execute(statement)


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


def test_a_link_to_a_disk_that_is_away_is_neither_empty_nor_replaced(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("/nowhere/labels.sqlite")
    for read_only in (True, False):
        with pytest.raises(LedgerError, match=r"a link to /nowhere/labels\.sqlite, which is not there"):
            Labels(path, read_only=read_only)
    assert path.is_symlink()


def test_a_file_of_a_newer_version_is_refused_with_the_version_that_wrote_it(path: Path) -> None:
    filled(path, 1)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = '7' WHERE key = 'labels'")
        db.execute("UPDATE meta SET value = '9.9' WHERE key = 'tool'")
        db.commit()
    with pytest.raises(LedgerError, match=r"schema 7, expected at most 1: .*amendment 9\.9"):
        Labels(path)


def test_a_torn_file_is_refused_or_gives_the_labels_that_were_written(path: Path, tmp_path: Path) -> None:
    kept = filled(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 512):
        _refused_or_right(tmp_path / "torn.sqlite", whole[:length], kept)
    with pytest.raises(LedgerError, match="Put a copy of it in its place"):
        _read(tmp_path / "torn.sqlite", whole[: len(whole) // 2])


def test_a_flipped_byte_is_found_or_harmless(path: Path, tmp_path: Path) -> None:
    kept = filled(path)
    whole = path.read_bytes()
    dice = random.Random(0)
    for _ in range(200):
        place = dice.randrange(len(whole))
        changed = whole[:place] + bytes([whole[place] ^ dice.randrange(1, 256)]) + whole[place + 1 :]
        _refused_or_right(tmp_path / "flipped.sqlite", changed, kept)
    with pytest.raises(LedgerError, match=r"entry \d+ is not as it was written"):
        _read(tmp_path / "flipped.sqlite", whole.replace(b'"choice":"A"', b'"choice":"B"', 1))


def _refused_or_right(path: Path, content: bytes, kept: list[Label]) -> None:
    with contextlib.suppress(LedgerError):
        assert _read(path, content) == kept


def _read(path: Path, content: bytes) -> list[Label]:
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(content)
    with Labels(path, read_only=True) as labels:
        return labels.current()
