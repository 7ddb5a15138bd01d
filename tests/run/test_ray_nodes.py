"""Workers of a Ray cluster that lose a node, or the process that started them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from amendment.run import Run, RunResult
from amendment.run.status import read_status
from tests.run.test_ray_engine import IN_FLIGHT, LATENCY, PROMPTS, TWO, once
from tests.vendors.processes import ENVIRONMENT, ROOT, SECONDS, command, started, wait_until
from tests.vendors.runs import dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer

ray: Any = pytest.importorskip("ray", reason="the engine ray needs the extra: pip install 'amendment[ray]'")
pytestmark = pytest.mark.long
one_server, undisturbed, server = fixtures(latency=LATENCY, prompts=PROMPTS)


def test_a_node_that_is_lost_changes_no_byte_and_repeats_what_was_in_flight_at_most(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    nodes: Any = import_module("ray.cluster_utils").Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        added = [nodes.add_node(num_cpus=1) for _ in range(2)]
        ray.init(address=nodes.address, log_to_driver=False, configure_logging=False)
        lost: list[Any] = []

        def lose() -> None:
            lost.append(added[0])
            nodes.add_node(num_cpus=1, wait=False)
            nodes.remove_node(added[0], allow_graceful=False)

        server.plan = once(60, lose)
        path = write_run(tmp_path, server, prompts=PROMPTS, **TWO)
        result = Run.from_file(path, folder=tmp_path / "run")()
    finally:
        ray.shutdown()
        nodes.shutdown()
    assert lost
    assert dataset_of(result.folder) == dataset_of(undisturbed.folder)
    assert undisturbed.sent <= server.paid.total() <= undisturbed.sent + IN_FLIGHT


@pytest.mark.parametrize("engine", ["ray", None])
def test_a_start_that_is_killed_is_gone_on_with_by_workers_or_without(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path, engine: str | None
) -> None:
    path = write_run(tmp_path, server, prompts=PROMPTS, **TWO)
    with started(command(path)) as process:
        wait_until(lambda: server.paid.total() > 50, process)
        process.kill()
    status = read_status(tmp_path / "run")
    assert status["paid"]["calls"] > 0, "what workers have paid for is seen before it is taken over"
    path = write_run(tmp_path, server, prompts=PROMPTS, **(TWO if engine else {}))
    result = Run.from_file(path, folder=tmp_path / "run")()
    assert dataset_of(result.folder) == dataset_of(undisturbed.folder)
    assert server.paid.total() <= undisturbed.sent + IN_FLIGHT
    assert result.spending["total"]["replies"] == undisturbed.sent


def test_a_start_that_is_asked_to_end_keeps_every_reply_that_was_on_the_wire(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    path = write_run(tmp_path, server, prompts=PROMPTS, **TWO)
    with started(command(path)) as process:
        wait_until(lambda: server.paid.total() > 30, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 128 + signal.SIGTERM
    assert server.paid.total() < undisturbed.sent
    Run.from_file(path, folder=tmp_path / "run")()
    assert server.paid.total() == undisturbed.sent
    assert dataset_of(tmp_path / "run") == dataset_of(undisturbed.folder)


def test_the_command_of_the_docs_hands_a_run_to_a_cluster_as_a_job(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp_cors", reason="jobs need Ray's own extra: pip install 'ray[default]'")
    page = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    [words] = [line for line in page.splitlines() if line.startswith("ray job submit")]
    path, folder = write_run(tmp_path, server, prompts=PROMPTS, **TWO), tmp_path / "run"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**ENVIRONMENT, "RAY_AUTH_MODE": "disabled", "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}"}
    ray_command = [sys.executable, "-m", "ray.scripts.scripts"]
    start = ["start", "--head", "--num-cpus=3", "--port=0", f"--dashboard-port={port}", "--include-dashboard=true"]
    try:
        subprocess.run([*ray_command, *start], check=True, env=environment, capture_output=True, timeout=SECONDS)
        wanted = words.replace("/shared/run.yaml", str(path)).replace("/shared/run", str(folder)).split()[1:]
        submit = [*ray_command, *wanted]
        submit[submit.index("amendment") : submit.index("amendment") + 1] = [sys.executable, "-m", "amendment"]
        subprocess.run(submit, check=True, env=environment, timeout=3 * SECONDS)
    finally:
        subprocess.run([*ray_command, "stop", "--force"], check=True, env=environment, capture_output=True)
    assert dataset_of(folder) == dataset_of(undisturbed.folder)
    assert server.paid.total() == undisturbed.sent
