"""What ends a whole run over HTTP: a refused key, an empty account, a budget that is used up, a full disk."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest

from amendment.run import Run, RunResult
from tests.run.small_runs import replies
from tests.vendors.processes import ENVIRONMENT, SECONDS, command
from tests.vendors.runs import CONCURRENCY, PRICE, WORLD, dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import FAULTS, Fault, Plan, never

one_server, undisturbed, server = fixtures(latency=0.02)


def spent(server: FaultServer) -> float:
    """USD that the server bills."""
    total = 0.0
    for key, times in server.paid.items():
        usage = WORLD.by_path(server.asks[key].path)(server.asks[key].json)["usage"]
        given = usage.get("prompt_tokens", usage.get("input_tokens"))
        made = usage.get("completion_tokens", usage.get("output_tokens"))
        total += times * (given * PRICE["input"] + made * PRICE["output"]) / 1e6
    return total


def after(arrivals: int, fault: Fault, server: FaultServer) -> Plan:
    """Trouble for all requests but the first so many."""
    return lambda _: fault if len(server.log) >= arrivals else None


def ended(path: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        command(path, *arguments),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        **how,
    )
    assert "Traceback" not in found.stderr, found.stderr
    return found


def goes_on(server: FaultServer, undisturbed: RunResult, path: Path) -> None:
    """The run, tried again, asks only what it has no reply to, and its dataset is the undisturbed one."""
    server.plan = never
    Run.from_file(path, folder=path.parent / "run")()
    assert dataset_of(path.parent / "run") == dataset_of(undisturbed.folder)
    assert server.paid.total() == undisturbed.sent


@pytest.mark.parametrize(
    "name", ["quota", *(pytest.param(name, marks=pytest.mark.long) for name in ("401", "402", "403"))]
)
def test_a_key_or_quota_that_is_refused_on_the_way_ends_the_run_within_the_calls_in_flight(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path, name: str
) -> None:
    server.plan = after(10, FAULTS[name], server)
    path = write_run(tmp_path, server)
    found = ended(path)
    assert found.returncode == 6
    refused = sum(arrival.fault is not None for arrival in server.log)
    assert 1 <= refused <= 2 * CONCURRENCY, "what was on the wire, and what left while the first refusal was on its way"
    assert replies(tmp_path / "run") == server.paid.total() == 10
    goes_on(server, undisturbed, path)


def test_a_budget_ends_the_run_before_it_is_passed_and_a_larger_one_goes_on(
    server: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = Run.from_file(write_run(tmp_path / "whole", server, prompts=12), folder=tmp_path / "whole/run")()
    cost = spent(server)
    server.forget()
    path = write_run(tmp_path, server, prompts=12, budget={"usd": cost / 2})
    found = ended(path)
    assert found.returncode == 4, found.stderr
    assert "budget" in found.stderr
    assert 0.1 * cost < spent(server) <= cost / 2
    assert replies(tmp_path / "run") == server.paid.total() < whole.sent
    write_run(tmp_path, server, prompts=12, budget={"usd": 100 * cost})
    goes_on(server, whole, path)


def test_a_disk_that_is_full_ends_the_run_in_order_and_room_lets_it_go_on(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    """No file may grow beyond 96 KB, of which the ledger of the whole run needs several times as much."""
    path = write_run(tmp_path, server)
    found = ended(path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (96 * 1024, 96 * 1024)))
    assert found.returncode == 1, found.stderr
    lost = server.paid.total()
    server.plan = never
    Run.from_file(path, folder=tmp_path / "run")()
    assert dataset_of(tmp_path / "run") == dataset_of(undisturbed.folder)
    assert server.paid.total() <= undisturbed.sent + 4 * CONCURRENCY
    assert lost < undisturbed.sent
