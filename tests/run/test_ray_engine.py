"""Workers of a Ray cluster on this machine, with a vendor's server on loopback that keeps the books."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import AmendmentError, BudgetReached, ConfigError, Paused
from amendment.publishing.verify import verify
from amendment.run import Run, RunResult
from amendment.run.ray_engine import SEEN
from amendment.run.status import read_status
from tests.vendors.processes import ROOT
from tests.vendors.runs import CONCURRENCY, dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import never
from tests.vendors.wire import Ask

ray: Any = pytest.importorskip("ray", reason="the engine ray needs the extra: pip install 'amendment[ray]'")

PROMPTS, LATENCY = 16, 0.05
IN_FLIGHT = 3 * CONCURRENCY
"""Calls on the wire, at each of the three models."""
TWO = {"engine": {"name": "ray", "workers": 2}}
one_server, undisturbed, server = fixtures(latency=LATENCY, prompts=PROMPTS)


PLUGIN = """
from amendment.preference import JudgeProtocol, Parsed, register_protocol


class AlwaysA(JudgeProtocol):
    name = "always-a"
    form = "A or B"

    @staticmethod
    def parse(reply):
        return Parsed("A", {"A": 1.0, "B": 0.0})


register_protocol(AlwaysA())
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


def workers() -> list[int]:
    """The processes of workers, by their titles."""
    titles = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in titles.splitlines() if "ray::_Worker" in line]


def once(number: int, act: Callable[[], None]) -> Callable[[Ask], None]:
    """A plan without faults that does something when a request of this number comes in."""
    seen = iter(range(10**6))

    def plan(_: Ask) -> None:
        if next(seen) == number:
            act()

    return plan


def test_a_worker_that_is_killed_changes_no_byte_and_repeats_what_was_in_flight_at_most(
    cluster: None, server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    path = write_run(tmp_path, server, prompts=PROMPTS, **TWO)
    killed: list[int] = []

    def kill() -> None:
        killed.append(workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    server.plan = once(40, kill)
    result = Run.from_file(path, folder=tmp_path / "run")()
    assert killed
    assert dataset_of(result.folder) == dataset_of(undisturbed.folder)
    assert undisturbed.sent <= server.paid.total() <= undisturbed.sent + IN_FLIGHT
    assert result.spending["total"]["replies"] == undisturbed.sent
    assert server.most_at_once <= IN_FLIGHT
    assert not (result.folder / "workers").exists()

    server.forget()
    (result.folder / "stages/critique.json").unlink()
    again = Run.from_file(path, folder=tmp_path / "run")()
    assert "critique" in again.ran
    assert not server.received, "workers read the ledger of the run"
    assert dataset_of(again.folder) == dataset_of(undisturbed.folder)


@pytest.mark.long
def test_a_run_whose_holder_of_the_limits_dies_pauses_and_says_so_in_one_line(
    cluster: None, server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    path = write_run(tmp_path, server, prompts=PROMPTS, **TWO)
    server.plan = once(20, lambda: ray.kill(ray.get_actor((tmp_path / "run" / SEEN).read_text())))
    with pytest.raises(Paused, match=r"\Athe process that holds the budget and limits .* Run again to continue\.\Z"):
        Run.from_file(path, folder=tmp_path / "run")()
    server.plan = never
    again = Run.from_file(path, folder=tmp_path / "run")()
    assert dataset_of(again.folder) == dataset_of(undisturbed.folder)
    assert server.paid.total() <= undisturbed.sent + IN_FLIGHT


@pytest.mark.long
def test_two_workers_together_keep_to_the_budget_by_the_servers_own_count(
    cluster: None, server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    usd = undisturbed.spending["total"]["usd"]
    path = write_run(tmp_path, server, prompts=PROMPTS, budget={"usd": usd / 2}, **TWO)
    run = Run.from_file(path, folder=tmp_path / "run")
    with pytest.raises(BudgetReached):
        run()
    server.settle()
    paid = read_status(tmp_path / "run")["paid"]
    assert paid["calls"] == server.paid.total(), "every reply is in the ledger"
    assert usd / 4 < paid["usd"] <= usd / 2


@pytest.mark.long
def test_two_workers_together_keep_to_requests_per_minute(cluster: None, server: FaultServer, tmp_path: Path) -> None:
    per_minute = 240
    path = write_run(tmp_path, server, prompts=PROMPTS, **TWO)
    limited = [f"models.writer.requests_per_minute={per_minute}"]
    Run.from_file(path, folder=tmp_path / "run", overrides=limited)(until="candidates")
    times = [arrival.at for arrival in server.log]
    assert len(times) > 40
    expected = (len(times) - 1) * 60 / per_minute
    assert times[-1] - times[0] > 0.9 * expected - 1, "a limit of each worker's own would halve this"


def test_a_worker_that_does_not_see_the_folder_ends_the_run(tmp_path: Path) -> None:
    from amendment.run.context import Patience
    from amendment.run.ray_engine import _Job, _Worker

    settings = {"name": "n", "models": {"m": {"provider": "simulated"}}, "prompts": [{"lilliput": 2}]}
    job = _Job(settings, tmp_path, tmp_path / "elsewhere", Patience(), (), "word")
    fault = _Worker(job, 0)._fault
    assert isinstance(fault, ConfigError)
    assert str(tmp_path / "elsewhere") in str(fault)


def test_what_killed_workers_left_is_gone_when_the_run_ends_without_workers(tmp_path: Path) -> None:
    settings = {"name": "n", "models": {"m": {"provider": "simulated"}}, "prompts": [{"lilliput": 4}]}
    settings |= {"constitution": "lilliput", "candidates": [{"model": "m", "per_prompt": 2}]}
    settings |= {"judging": {"judges": [{"model": "m"}]}}
    Run.from_dict(settings, folder=tmp_path)(until="inputs")
    (tmp_path / SEEN).parent.mkdir()
    (tmp_path / SEEN).write_text("word")
    Run.from_dict(settings, folder=tmp_path)()
    assert verify(tmp_path).findings == []


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"provider": "function", "model": "mine"}, "models.m.provider"),
        ({"provider": "openai", "model": "m", "mode": "batch"}, "models.m.mode"),
    ],
)
def test_what_workers_cannot_do_is_an_error_of_the_run_file(entry: dict[str, Any], place: str, tmp_path: Path) -> None:
    settings = {"name": "n", "engine": "ray", "models": {"m": entry}, "prompts": [{"lilliput": 2}]}
    functions = {"m": str} if entry["provider"] == "function" else None
    with pytest.raises(AmendmentError, match=place):
        Run.from_dict(settings, folder=tmp_path, models=functions)


def test_workers_count_what_checks_find_and_import_plugins(cluster: None, tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(PLUGIN)
    (tmp_path / "judge.yaml").write_text("{id: first, version: 1.0.0, protocol: always-a, template: compare.txt}")
    (tmp_path / "compare.txt").write_text(
        "{conversation}\n\n{answer_a}\n\n{answer_b}\n\n{principle} {question} A or B?"
    )
    rules = (ROOT / "amendment/simulator/lilliput.yaml").read_text()
    weight = "    weight: 2\n"
    checked = rules.replace(weight, f"{weight}    check: [{{kind: max_words, value: 7}}]\n", 1)
    (tmp_path / "rules.yaml").write_text(checked)
    settings = {
        "name": "n",
        "plugins": [str(tmp_path / "ours.py")],
        "constitution": str(tmp_path / "rules.yaml"),
        "models": {"m": {"provider": "simulated", "writer": "careless"}},
        "prompts": [{"lilliput": 8}],
        "critique": {"model": "m"},
        "candidates": [{"model": "m", "per_prompt": 2}],
        "judging": {"judges": [{"model": "m", "protocol": str(tmp_path)}]},
    }
    alone, shared = [
        Run.from_dict({**settings, **engine}, folder=tmp_path / str(len(engine)))(until="judging")
        for engine in ({}, TWO)
    ]
    assert shared.results == alone.results
    judging, critique = shared.results["judging"], shared.results["critique"]
    assert judging.count("verdicts") >= 2
    assert judging.count("invalid_verdicts") == 0
    of = {"principle": "lilliput/correct", "answers": "drafts"}
    assert critique.count("kept", **of) + critique.count("broken", **of) == 8


def test_more_workers_than_the_cluster_has_room_for_are_refused(cluster: None, tmp_path: Path) -> None:
    settings = {
        "name": "n",
        "engine": {"name": "ray", "workers": 2, "gpus": 1},
        "constitution": "lilliput",
        "models": {"m": {"provider": "simulated"}},
        "prompts": [{"lilliput": 2}],
        "candidates": [{"model": "m"}],
    }
    with pytest.raises(ConfigError, match=r"2 CPUs and 0 GPUs"):
        Run.from_dict(settings, folder=tmp_path)()
