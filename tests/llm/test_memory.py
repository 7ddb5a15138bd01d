"""Memory as a container has it, read from files like those of a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from amendment.llm import memory
from amendment.llm.memory import free_bytes, whole_bytes

CPU = torch.device("cpu")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight megabytes are free, and the process is in a group of 5,000,000 bytes around one without a limit."""
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "groups/service/job").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 16000 kB\nMemAvailable: 8000 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/service/job\n")
    for name, limit in (("service", "5000000"), ("service/job", "max")):
        group = tmp_path / "groups" / name
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text("3000000\n")
        (group / "memory.stat").write_text("anon 1900000\ninactive_file 1000000\n")
    return tmp_path


def test_a_container_has_what_its_limit_leaves_without_the_files_that_it_can_drop(machine: Path) -> None:
    assert free_bytes(CPU) == 5_000_000 - (3_000_000 - 1_000_000)
    assert whole_bytes() == 5_000_000


def test_without_a_limit_the_machine_counts(machine: Path) -> None:
    (machine / "groups/service/memory.max").write_text("max\n")
    assert free_bytes(CPU) == 8000 * 1024
    (machine / "proc/self/cgroup").unlink()
    assert free_bytes(CPU) == 8000 * 1024
    (machine / "proc/meminfo").unlink()
    assert free_bytes(CPU) == memory.UNKNOWN
