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

import pytest

from amendment.run import Run
from tests.command_line import amendment
from tests.run.small_runs import made
from tests.vendors.processes import ENVIRONMENT, SECONDS, command, started, wait_until
from tests.vendors.runs import CONCURRENCY, WORLD, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, always

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
        assert said.startswith(f"Finishing {CONCURRENCY} calls in flight (up to 60 s). Press Ctrl-C again to abandon")
        assert process.poll() is None
        assert server.received.total() == CONCURRENCY, "nothing new is sent"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system of its own, and not in every container")
    yield place
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
    disk: Path, server: FaultServer, tmp_path: Path, is_full: bool
) -> None:
    if is_full:
        fill(disk)
    done = amendment("run", write_run(tmp_path, server), "--folder", disk / "run")
    assert done.code == 1
    expected = "the disk is full" if is_full else r"[0-9] MB are free, a run needs 200 MB"
    assert re.search(f"{disk / 'run'}: {expected}.*Free space", done.err)
    assert server.paid.total() == 0


def test_every_command_that_reads_a_finished_run_on_a_full_disk_says_that_the_disk_is_full(
    disk: Path, server: FaultServer, tmp_path: Path
) -> None:
    path = write_run(tmp_path, server)
    folder = str(shutil.copytree(Run.from_file(path, folder=tmp_path / "finished")().folder, disk / "run"))
    fill(disk)
    for words in (
        ["status", folder],
        ["plan", path, "--folder", folder],
        ["ledger", "show", folder],
        ["ledger", "show", folder, "--verify"],
        ["audit", folder],
        ["publish", folder, "--repo", "org/x", "--license", "cc0-1.0"],
    ):
        done = amendment(*words)
        assert done.code == 1, (words, done.said)
        assert f"{folder}: the disk is full. Free space" in done.said, (words, done.said)
        assert not re.search("damaged|I/O|recover", done.said), (words, done.said)
    (disk / "ballast").unlink()
    assert amendment("status", folder).code == 0


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


def test_status_says_that_the_disk_was_full_when_the_last_start_ended(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(SMALL)
    folder = tmp_path / "run"
    words = ["run", str(tmp_path / "run.yaml"), "--folder", str(folder)]
    line = [sys.executable, "-c", NO_ROOM, str(folder / "candidates"), *words]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1, done.stderr
    assert f"the last start ended: {folder}: the disk is full. Free space" in amendment("status", folder).out
    assert amendment(*words).code == 0


def test_what_workers_left_behind_is_checked_by_status_and_named_by_ledger(tmp_path: Path) -> None:
    folder = made(tmp_path, SMALL).folder
    shard = folder / "workers/0000/ledger.sqlite"
    shard.parent.mkdir(parents=True)
    shutil.copy(folder / "ledger.sqlite", shard)
    assert "not read: 1 of" in amendment("ledger", "show", folder, "--verify").said
    shard.write_bytes(b"scribble" * 1000)
    done = amendment("status", folder)
    assert (done.code, str(shard) in done.said) == (1, True)


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut short", "a changed byte in a reply"])
def test_status_of_a_run_with_a_damaged_ledger_says_so_and_exits_with_1(tmp_path: Path, *, is_cut: bool) -> None:
    folder = made(tmp_path, SMALL).folder
    ledger = folder / "ledger.sqlite"
    db = sqlite3.connect(ledger)
    (stored,) = db.execute("SELECT raw FROM reply").fetchone()
    db.close()
    content = bytearray(ledger.read_bytes())
    if is_cut:
        del content[len(content) // 2 :]
    else:
        content[content.index(stored) + len(stored) // 2] ^= 1
    ledger.write_bytes(content)
    done = amendment("status", folder)
    assert done.code == 1
    assert str(ledger) in done.out.strip().split("\n")[-1], "what to do comes last, and nothing comes next"
