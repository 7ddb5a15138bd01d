"""A process that is killed at any point of a batch's way, and the one after it that brings the batch home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.llm.killed_batches import PROTOCOLS, STEPS, questions_of
from tests.vendors.askers import ask_batched, said
from tests.vendors.batches import BatchVendor
from tests.vendors.server import FaultServer

ROOT = Path(__file__).resolve().parent.parent.parent


FEW = ["before it is made", "made", "half read"]
"""Those that say most; all others are for the long tests."""


@pytest.mark.parametrize(
    "steps", [FEW, pytest.param([step for step in STEPS if step not in FEW], marks=pytest.mark.long)]
)
def test_after_a_kill_every_reply_comes_in_and_none_is_paid_twice(tmp_path: Path, steps: list[str]) -> None:
    with FaultServer() as server:
        vendor = BatchVendor(server)
        command = [sys.executable, "-m", "tests.llm.killed_batches", server.origin, str(tmp_path), *steps]
        dying = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert (dying.returncode, dying.stdout, dying.stderr) == (0, "", "")
        for protocol in PROTOCOLS:
            for step in steps:
                ledger = tmp_path / f"{protocol} {step}" / "ledger.sqlite"
                asked = ask_batched(server, protocol, questions_of(protocol, step), ledger=ledger)
                assert all(said(found) for found in asked.found), step
                # where all replies are in, nobody looks at the batch again before there is something to ask
                assert asked.left_open == (step == "read"), step
        assert len(vendor.paid) == len(PROTOCOLS) * len(steps) * 5
        assert set(vendor.paid.values()) == {1}
        assert set(vendor.asked.values()) == {1}
        assert vendor.violations == []
