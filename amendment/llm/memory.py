"""Memory of this machine, or of the container that the process runs in (control groups, version 2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

UNKNOWN = 4 * 2**30
"""Bytes assumed to be free if the system does not report them."""
_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def free_bytes(device: Any) -> int:
    """Return memory that is still available on a device."""
    if device.type == "cuda":  # what PyTorch keeps for later use is free for this process, though not for others
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    limits = [limit - used for limit, used in _group_limits()]
    try:
        lines = (_PROC / "meminfo").read_text(encoding="ascii").splitlines()
        [available] = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return max(0, min(int(available) * 1024, *limits, 2**63))
    except (OSError, ValueError):
        return max(0, min(UNKNOWN, *limits, 2**63))


def whole_bytes() -> int:
    """Total main memory, in use or not: the same number at every start."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, *(limit for limit, _ in _group_limits()), 2**63)


def _group_limits() -> list[tuple[int, int]]:
    """Yield, for each group around this process, the most bytes that it may use, and those that it uses and cannot
    free."""
    try:
        [path] = [
            line[3:].strip("/")
            for line in (_PROC / "self/cgroup").read_text(encoding="utf-8").splitlines()
            if line.startswith("0::")
        ]
    except (OSError, ValueError):
        return []
    folder = _GROUPS / path
    limits = []
    for group in (folder, *folder.parents):
        try:
            limit = int((group / "memory.max").read_text(encoding="ascii"))  # "max" where there is none
            used = int((group / "memory.current").read_text(encoding="ascii"))
            stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
            limits.append((limit, used - int(stat.get("inactive_file", 0))))
        except (OSError, ValueError):
            continue
    return limits
