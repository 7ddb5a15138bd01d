"""How a run stops: Ctrl-C, a full disk, a damaged ledger. On the command line, with a real server and a real disk."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.run import Run
from tests.command_line import amendment
from tests.vendors.processes import ENVIRONMENT, SECONDS, command, started, wait_until
from tests.vendors.runs import CONCURRENCY, WORLD, dataset_of, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, always, never

SMALL = """\
name: small
constitution: lilliput
models: {writer: {provider: simulated}}
prompts: [{lilliput: 4}]
candidates: [{model: writer, per_prompt: 1}]
"""


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(world=WORLD) as one:
        yield one


def test_the_first_ctrl_c_says_what_is_waited_for_and_the_second_abandons_it(
    server: FaultServer, tmp_path: Path
) -> None:
    server.plan = always(FAULTS["hang"])
    with started(command(write_run(tmp_path, server))) as process:
        wait_until(lambda: server.received.total() == CONCURRENCY, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        said = next(line for line in process.stderr if "in flight" in line)
        assert said == (
            f"Finishing {CONCURRENCY} calls in flight (up to 60 s). "
            "Press Ctrl-C again to abandon them; they may be billed.\n"
        )
        assert process.poll() is None
        assert server.received.total() == CONCURRENCY, "nothing new is sent"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Any]:
    """Makes a small file system of so many megabytes, and gives its folder."""
    mounted: list[Path] = []

    def make(megabytes: int) -> Path:
        place = tmp_path / "disk"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("only root may mount a file system of its own, and not in every container")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> None:
    with (place / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)) == 65536:
                pass
        except OSError:
            pass


@pytest.mark.parametrize("is_full", [True, False], ids=["no byte left", "a few megabytes left"])
def test_a_run_on_a_full_disk_names_the_folder_and_what_to_do_before_anything_is_paid(
    disk: Any, server: FaultServer, tmp_path: Path, is_full: bool
) -> None:
    place = disk(4)
    if is_full:
        fill(place)
    done = amendment("run", str(write_run(tmp_path, server)), "--folder", str(place / "run"))
    assert done.code == 1
    expected = "the disk is full" if is_full else r"[0-3] MB are free, a run needs 200 MB"
    assert re.search(f"{place / 'run'}: {expected}", done.err)
    assert "Free space" in done.err
    assert "nother folder" not in done.err
    assert server.paid.total() == 0


NO_ROOM = """
import errno, os, sys
from amendment.cli import main

marker, *words = sys.argv[1:]

def refuse(event, arguments):
    if event == "open" and (arguments[2] or 0) & os.O_CREAT and os.path.exists(marker):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

sys.addaudithook(refuse)
sys.argv[1:] = words
main()
"""
"""The command line on a disk that takes no new file once there is a marker; what is there can be written over."""


@pytest.mark.parametrize("marker", ["stages/inputs.json", "candidates"])
def test_status_says_that_the_disk_was_full_when_the_last_start_ended(tmp_path: Path, marker: str) -> None:
    (tmp_path / "run.yaml").write_text(SMALL)
    folder = tmp_path / "run"
    words = ["run", str(tmp_path / "run.yaml"), "--folder", str(folder)]
    line = [sys.executable, "-c", NO_ROOM, str(folder / marker), *words]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1, done.stderr
    assert f"{folder}: the disk is full" in done.stderr
    assert f"the last start ended: {folder}: the disk is full. Free space" in amendment("status", str(folder)).out
    assert amendment(*words).code == 0


def test_a_command_that_writes_to_a_full_disk_says_so_in_the_same_words(disk: Any, tmp_path: Path) -> None:
    place = disk(4)
    (tmp_path / "run.yaml").write_text(SMALL)
    fill(place)
    done = amendment("init", str(place), "--yes")
    assert done.code == 1
    assert f"{place}: the disk is full" in done.err
    assert "nother folder" not in done.err


def test_every_command_that_reads_a_finished_run_on_a_full_disk_says_that_the_disk_is_full(
    disk: Any, server: FaultServer, tmp_path: Path
) -> None:
    path = write_run(tmp_path, server)
    finished = Run.from_file(path, folder=tmp_path / "finished")().folder
    assert not (finished / "ledger.sqlite-wal").exists()
    place = disk(8)
    folder = str(shutil.copytree(finished, place / "run"))
    fill(place)
    commands = [
        ["status", folder],
        ["plan", str(path), "--folder", folder],
        ["ledger", "show", folder],
        ["ledger", "show", folder, "--verify"],
        ["audit", folder],
        ["publish", folder, "--repo", "org/x", "--license", "cc0-1.0"],
    ]
    for words in commands:
        done = amendment(*words)
        said = done.said
        assert done.code == 1, (words, said)
        assert f"{folder}: the disk is full. Free space" in said, (words, said)
        assert "damaged" not in said, (words, said)
        assert "I/O" not in said, (words, said)
        assert "recover" not in said, (words, said)
    (place / "ballast").unlink()
    assert amendment("status", folder).code == 0


@pytest.mark.long
def test_a_disk_that_fills_up_while_a_run_is_at_work_costs_at_most_the_calls_in_flight(
    disk: Any, server: FaultServer, tmp_path: Path
) -> None:
    place = disk(260)
    server.latency = 0.3
    path = write_run(tmp_path, server, prompts=40)
    line = command(path)
    line[line.index("--folder") + 1] = str(place / "run")
    with started(line) as process:
        wait_until(lambda: server.paid.total() >= 10, process)
        fill(place)
        _, said = process.communicate(timeout=180)
    assert process.returncode == 1, said
    assert f"{place / 'run'}: the disk is full" in said
    assert "nother folder" not in said
    assert "Traceback" not in said
    server.settle()
    paid = server.paid.total()
    (place / "ballast").unlink()
    assert f"the last start ended: {place / 'run'}: the disk is full" in amendment("status", str(place / "run")).out
    server.latency, server.plan = 0.0, never
    result = Run.from_file(path, folder=place / "run")()
    again = server.paid.total() - paid
    whole = Run.from_file(path, folder=tmp_path / "whole")()
    assert dataset_of(result.folder) == dataset_of(whole.folder)
    assert paid + again <= whole.sent + 3 * CONCURRENCY


def test_what_workers_left_behind_is_checked_by_status_and_named_by_ledger(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(SMALL)
    folder = tmp_path / "run"
    Run.from_file(tmp_path / "run.yaml", folder=folder)()
    shard = folder / "workers/0000/ledger.sqlite"
    shard.parent.mkdir(parents=True)
    shutil.copy(folder / "ledger.sqlite", shard)
    assert "not read: 1 of" in amendment("ledger", "show", str(folder), "--verify").said
    shard.write_bytes(b"scribble" * 1000)
    done = amendment("status", str(folder))
    assert done.code == 1
    assert str(shard) in done.said


@pytest.mark.parametrize("damage", ["a changed byte in a reply", "the first page", "cut short"])
def test_status_of_a_run_with_a_damaged_ledger_says_so_and_exits_with_1(tmp_path: Path, damage: str) -> None:
    (tmp_path / "run.yaml").write_text(SMALL)
    folder = tmp_path / "run"
    Run.from_file(tmp_path / "run.yaml", folder=folder)()
    assert amendment("status", str(folder)).code == 0
    ledger = folder / "ledger.sqlite"
    content = bytearray(ledger.read_bytes())
    match damage:
        case "a changed byte in a reply":
            with sqlite3.connect(ledger) as db:
                (stored,) = db.execute("SELECT raw FROM reply").fetchone()
            db.close()
            content = bytearray(ledger.read_bytes())
            content[content.index(stored) + len(stored) // 2] ^= 1
        case "the first page":
            content[:4096] = bytes(4096)
        case "cut short":
            del content[len(content) // 2 :]
    ledger.write_bytes(content)
    done = amendment("status", str(folder))
    assert done.code == 1
    assert str(ledger) in done.out.strip().split("\n")[-1], "what to do comes last, and nothing comes next"
