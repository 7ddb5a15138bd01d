"""A stage in which nothing ends still says what it waits for, on a bar and in lines."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import Transient
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.limits import Limits
from amendment.llm.model import Model
from amendment.records import Sampling, user
from amendment.run.progress import BarProgress, LineProgress
from tests.llm.scripted import Scripted

SECONDS = 20.0


class Screen(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


def waits_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.005)


def screen_of(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A wide terminal that takes the place of standard error; to be called in a test, since pytest puts its own there
    between fixtures and tests."""
    made = Screen()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    return made


def down(calls: Calls) -> None:
    """Lets the breaker of a server open, as sixteen calls that fail at once do."""
    endpoint = calls.endpoint("h", "m[bold]", Limits())

    async def fail() -> None:
        for _ in range(16):
            endpoint.failed(await endpoint.acquire(1), Transient("no server is there", kind="server"))

    asyncio.run(fail())


def test_a_stage_in_which_nothing_ends_says_so_again_and_again_and_nothing_after_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    screen = screen_of(monkeypatch)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        calls = Calls(ledger)
        with LineProgress(seconds=0.01).stage("judging", 7, calls):
            waits_for(lambda: screen.getvalue().count("  judging: 0 of 7 (0 calls") > 1)
            down(calls)
            waits_for(lambda: "m[bold] at h is not asked" in screen.getvalue())
        told = screen.getvalue()
        assert screen.getvalue() == told
        assert not any(thread.name == "progress" for thread in threading.enumerate()), "nobody is left to say more"


def test_a_bar_is_live_while_nothing_ends_and_reads_no_markup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    screen = screen_of(monkeypatch)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        calls = Calls(ledger)
        with BarProgress().stage("judging", 7, calls):
            waits_for(lambda: "0 calls" in screen.getvalue())
            down(calls)
            waits_for(lambda: "m[bold] at h is not asked" in screen.getvalue())


@pytest.mark.parametrize("progress", [LineProgress(seconds=60), BarProgress()], ids=["lines", "bar"])
def test_calls_that_are_asked_again_are_reported_in_one_line_for_each_kind_of_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, progress: LineProgress
) -> None:
    screen = screen_of(monkeypatch)
    late = [Transient("here: no reply within 600 s", kind="deadline")] * 3
    torn = Transient("here: no reply (\x1b[31mReset)", kind="transport")
    paced = [Transient("here: status 429: slower", kind="rate")] * 2

    async def ask(calls: Calls) -> None:
        model = Model(name="m", model="m", provider=Scripted(*late, torn, *paced), calls=calls, sampling=Sampling())
        await asyncio.gather(*[model.ask(user(f"question {number}")) for number in range(3)])

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        calls = Calls(ledger, longest_wait=0.001)
        asyncio.run(ask(calls))
        with progress.stage("judging", 3, calls):
            pass
        assert calls.retries() == []
    shown = screen.getvalue().replace("\x1b[2K", "").splitlines()
    lines = [line.strip() for line in shown if "here: no reply" in line or "429" in line]
    assert lines == [
        "here: no reply within 600 s; 3 calls are asked again, up to attempt 2 of 8",
        r"here: no reply (\x1b[31mReset); next is attempt 3 of 8",
    ]
