"""What people see of a run at work: on a terminal, in a log, in a notebook, and through a function of their own."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
from collections import Counter
from pathlib import Path

import pytest

from amendment.errors import Transient
from amendment.llm.client import Calls
from amendment.llm.concurrency import Tally
from amendment.llm.ledger import Ledger
from amendment.llm.limits import Limits
from amendment.llm.model import Model
from amendment.records import Sampling, user
from amendment.run import ProgressEvent, Run
from amendment.run.progress import LineProgress, LiveProgress, open_progress
from tests.llm.scripted import Scripted
from tests.vendors.processes import ENVIRONMENT, command
from tests.vendors.runs import WORLD, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, seeded

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Screen(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("amendment.run.progress.time", made := Clock())
    return made


def screen_of(monkeypatch: pytest.MonkeyPatch, width: int = 200) -> Screen:
    """A terminal that takes the place of standard error; to be called in a test, since pytest puts its own there
    between fixtures and tests."""
    made = Screen()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    return made


def down(calls: Calls) -> None:
    """Lets the breaker of a server open, as sixteen calls that fail at once do."""
    endpoint = calls.endpoint("h", "m[bold]", Limits())

    async def fail() -> None:
        for _ in range(16):
            endpoint.failed(await endpoint.acquire(1), Transient("no server is there", kind="server"))

    asyncio.run(fail())


def faulty_run(folder: Path, server: FaultServer) -> Path:
    return write_run(folder, server, prompts=8, budget={"usd": 40})


def faults() -> FaultServer:
    """A server that refuses for pace, fails, and whose model refuses to answer now and then."""
    shares = {FAULTS["429 seconds"]: 0.2, FAULTS["500"]: 0.1, FAULTS["refusal"]: 0.05}
    return FaultServer(seeded(3, shares), latency=0.02, world=WORLD)


def test_on_80_columns_no_line_of_a_faulty_run_wraps_and_the_counts_are_the_servers(tmp_path: Path) -> None:
    with faults() as server:
        line = command(faulty_run(tmp_path, server))
        process, terminal = pty.fork()
        if process == 0:
            os.execve(line[0], line, {**ENVIRONMENT, "TERM": "xterm-256color"})
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        shown = b""
        try:
            while chunk := os.read(terminal, 65536):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        assert os.waitpid(process, 0)[1] == 0, shown.decode()
        kinds = Counter(arrival.fault for arrival in server.log)
    frames, ended, _ = shown.decode().partition("audit: measuring")
    text = ESCAPES.sub("", frames).replace("\r", "\n")
    assert ended
    # a path cannot be shorter than it is
    assert max(len(line) for line in text.split("\n") if not line.startswith("folder: ")) <= 80
    assert re.search(r"^\$0\.\d\d of \$40\.00 +calls +rate +left +retries +429s", text, re.M)
    assert re.search(r"^judging +━* +\d+/~?\d+ +\d+\.\d/s", text, re.M)
    totals: Counter[str] = Counter()
    for number, noun in re.findall(r"(\d+) (retries|retry|rate limits?)\b", text[text.rindex("  critique: 8 of 8") :]):
        totals["retries" if noun.startswith("retr") else "rate limits"] += int(number)
    assert totals == {"retries": kinds["429 seconds"] + kinds["500"], "rate limits": kinds["429 seconds"]}
    assert kinds["429 seconds"], "the server was never too busy"


def test_without_a_terminal_a_quick_run_prints_one_line_for_each_stage_at_its_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with faults() as server:
        Run.from_file(faulty_run(tmp_path, server), folder=tmp_path / "run")()
    lines = [
        line for line in capfd.readouterr().err.splitlines() if re.match("  (critique|candidates|judging): ", line)
    ]
    assert [line.split(" in ")[0].strip() for line in lines] == [
        "critique: 8 of 8",
        "candidates: 8 of 8",
        "judging: 8 of 8",
    ]


def test_a_function_gets_an_event_for_each_stage_with_its_counts(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    with faults() as server:
        Run.from_file(faulty_run(tmp_path, server), folder=tmp_path / "run", progress=events.append)()
        kinds = Counter(arrival.fault for arrival in server.log)
    said = dict.fromkeys(event.message.partition(":")[0] for event in events if event.kind == "message")
    assert [*said][-2:] == ["audit", "dataset"]
    last = {event.stage: event for event in events if event.kind == "calls"}
    assert [(event.done, event.total) for event in last.values()] == [(8, 8)] * 3
    assert all(event.calls == event.planned for event in last.values())
    assert sum(event.calls - event.cached for event in last.values()) == sum(server.paid.values())
    assert sum(event.rate_limits for event in last.values()) == kinds["429 seconds"]
    assert last["judging"].budget == 40
    assert str(last["judging"]).startswith("judging: 8 of 8; ")


def test_what_a_function_raises_ends_the_run_and_the_finished_calls_are_kept(tmp_path: Path) -> None:
    def enough(event: ProgressEvent) -> None:
        if event.calls >= 5:
            raise ZeroDivisionError

    with faults() as server:
        path = faulty_run(tmp_path, server)
        with pytest.raises(ZeroDivisionError):
            Run.from_file(path, folder=tmp_path / "run", progress=enough)()
        Run.from_file(path, folder=tmp_path / "run")()
        assert max(server.paid.values()) == 1


def test_a_stage_in_which_nothing_ends_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock
) -> None:
    screen = screen_of(monkeypatch)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        calls = Calls(ledger)
        with LineProgress().watch([Tally("judging", 7)], calls) as show:
            show()
            assert screen.getvalue() == ""
            down(calls)
            clock.now += 61
            show()
            assert "  judging: 0 of 7; 0 calls, calls to m[bold] at h are paused" in screen.getvalue()


def test_no_time_is_left_at_the_end_of_a_stage_that_needs_no_calls(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    with Ledger(tmp_path / "l") as ledger, open_progress(events.append).watch([Tally("x", 4, done=4)], Calls(ledger)):
        pass
    assert {event.seconds_left for event in events} == {None}


def test_a_terminal_shows_at_once_what_is_waited_for_and_reads_no_markup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    screen = screen_of(monkeypatch)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        calls = Calls(ledger)
        down(calls)
        with LiveProgress().watch([Tally("judging [red]\x1b[31m", 7)], calls):
            assert "calls to m[bold] at h are paused" in screen.getvalue()
            assert r"judging [red]\x1b[31m" in screen.getvalue()


def test_the_plan_of_calls_grows_from_the_items_that_have_ended() -> None:
    async def work(tally: Tally) -> list[int | None]:
        plans = [tally.planned]
        with tally.item():
            pass
        plans.append(tally.planned)
        with tally.item() as item:
            item.count()
            item.count()
            item.count()
        return [*plans, tally.planned]

    # none ended; one of 8 without a call; two of 8 with 3 calls together, 3 * 8 / 2
    assert asyncio.run(work(Tally("judging", 8))) == [None, 0, 12]


@pytest.mark.parametrize("kind", [LineProgress, LiveProgress])
def test_calls_that_are_asked_again_are_reported_in_one_line_for_each_kind_of_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[LineProgress]
) -> None:
    screen = screen_of(monkeypatch)
    late = [Transient("here: no reply within 600 s", kind="deadline")] * 3
    torn = Transient("here: no reply (\x1b[31mReset)", kind="transport")
    paced = [Transient("here: status 429: slower", kind="rate")] * 2
    tally = Tally("judging", 3)

    async def ask(calls: Calls) -> None:
        model = Model(name="m", model="m", provider=Scripted(*late, torn, *paced), calls=calls, sampling=Sampling())
        with tally.item():
            await asyncio.gather(*[model.ask(user(f"question {number}")) for number in range(3)])

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        calls = Calls(ledger, longest_wait=0.001)
        asyncio.run(ask(calls))
        with kind().watch([tally], calls):
            pass
        assert calls.retries() == []
    shown = [line.strip() for line in ESCAPES.sub("", screen.getvalue()).splitlines()]
    assert [line for line in shown if "retried" in line or "next is" in line] == [
        "here: no reply within 600 s; 3 calls are being retried, the furthest at attempt 2 of 8",
        r"here: no reply (\x1b[31mReset); next is attempt 3 of 8",
    ]
    assert shown[-1].endswith("3 calls, 6 retries, 2 rate limits, 3 timeouts")
