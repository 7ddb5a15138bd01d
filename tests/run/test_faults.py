"""Whole runs over a server that fails in every passing way: the dataset is that of a run that never saw a fault."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from amendment.data.store import read_records
from amendment.records import ItemEnding
from amendment.run import Patience, Run, RunResult
from tests.vendors.runs import dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import passing, seeded

QUICK = Patience(attempts=8, longest_wait=0.01)
STAGES = ("critique", "candidates", "judging")


one_server, undisturbed, server = fixtures(patience=QUICK)


def check_books(server: FaultServer, needed: int) -> None:
    """One whole answer for each question, and nothing billed beyond it but what was lost on the way."""
    server.settle()
    assert len(server.received) == needed
    assert {server.paid[key] - server.lost[key] for key in server.received} == {1}
    assert server.paid.total() == needed + server.lost.total()


def check_endings(result: RunResult, undisturbed: RunResult) -> None:
    """Each item of each stage ended once, and the counts are theirs."""
    for stage in STAGES:
        endings = read_records(result.folder / f"{stage}/endings.parquet", ItemEnding)
        assert len({ending.item_id for ending in endings}) == len(endings) > 0
        outcomes = Counter(ending.outcome for ending in endings)
        for funnel in result.results[stage].funnels:
            assert {"done": funnel.remained, **funnel.left_out} == outcomes
        assert outcomes["pending"] == outcomes["failed"] == 0
        assert result.results[stage] == undisturbed.results[stage]


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 40))])
def test_a_run_under_passing_faults_makes_the_dataset_of_a_run_without(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path, seed: int
) -> None:
    server.plan = seeded(seed, passing(0.35), times=3)
    result = Run.from_file(write_run(tmp_path, server), folder=tmp_path / "run", patience=QUICK)()
    assert sum(arrival.fault is not None for arrival in server.log) >= 5, "of some 30 calls a third"
    assert dataset_of(result.folder) == dataset_of(undisturbed.folder)
    assert set(dataset_of(result.folder)) >= {"train.parquet"}
    check_books(server, undisturbed.sent)
    check_endings(result, undisturbed)


def test_a_run_that_is_done_asks_nothing_and_its_ledger_alone_makes_it_again(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path
) -> None:
    path, folder = write_run(tmp_path, server), tmp_path / "run"
    Run.from_file(path, folder=folder, patience=QUICK)()
    server.refuse()
    try:
        again = Run.from_file(path, folder=folder, patience=QUICK)()
        for found in folder.iterdir():
            if found.is_dir():
                shutil.rmtree(found)
        rebuilt = Run.from_file(path, folder=folder, patience=QUICK)()
    finally:
        server.listen()
    assert (again.sent, again.ran) == (0, ())
    assert rebuilt.sent == 0
    assert set(rebuilt.ran) >= set(STAGES)
    assert dataset_of(folder) == dataset_of(undisturbed.folder)
