"""What a kill leaves of calls in the ledger.

Real sockets on loopback, and the command line in a process of its own.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.command_line import Ended, amendment
from tests.vendors.processes import command, started, wait_until
from tests.vendors.runs import CONCURRENCY, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, always


def run(path: Path) -> Ended:
    return amendment("run", path, "--folder", path.parent / "run")


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
