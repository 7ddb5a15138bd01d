"""What servers do to calls: advice not to retry, refusals, waits of an hour; and what a kill leaves in the ledger.

Real sockets on loopback, and the command line in a process of its own.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

from amendment.run import Result
from tests.command_line import Ended, amendment
from tests.vendors.processes import command, started, wait_until
from tests.vendors.runs import CONCURRENCY, dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, always, never, status
from tests.vendors.wire import Ask

one_server, undisturbed, server = fixtures()


def run(path: Path) -> Ended:
    return amendment("run", path, "--folder", path.parent / "run")


def test_one_reply_that_asks_to_wait_an_hour_does_not_end_a_run_in_which_other_calls_succeed(
    server: FaultServer, undisturbed: Result, tmp_path: Path
) -> None:
    an_hour, chosen = status(429, "later", retry_after="3600"), []

    def plan(ask: Ask) -> Any:
        chosen.append(ask.key)
        return an_hour if ask.key == chosen[0] else None

    server.plan = plan
    path = write_run(tmp_path, server)
    done = run(path)
    assert done.code == 3, done.err
    assert "3,600 s" in done.err
    assert server.paid.total() >= 15, "a draft, a critique and a revision for each of the five other prompts"
    server.plan = never
    assert run(path).code == 0
    assert dataset_of(tmp_path / "run") == dataset_of(undisturbed.folder)
    assert server.paid.total() == undisturbed.sent


def test_after_a_kill_at_most_the_calls_on_the_wire_may_have_been_sent_and_status_says_how_many(
    server: FaultServer, tmp_path: Path
) -> None:
    server.plan = always(FAULTS["hang"])
    path = write_run(tmp_path, server, prompts=40)
    with started(command(path)) as process:
        wait_until(lambda: server.received.total() == CONCURRENCY, process)
        time.sleep(0.5)  # what else would be written down is, by now
        process.kill()
        assert process.wait() == -signal.SIGKILL
    folder = tmp_path / "run"
    found = json.loads(amendment("ledger", "show", folder, "--json").out)
    assert len(found["open_attempts"]) == server.received.total() == CONCURRENCY
    assert "may have been sent" in amendment("ledger", "show", folder).out
    said = f"{CONCURRENCY} calls may have been sent without a reply being stored"
    assert said in amendment("status", folder).out
