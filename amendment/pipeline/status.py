"""What is done in a run's folder, from its small status files alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.pipeline.engine import Workspace
from amendment.terminal import plain

__all__ = ["read_status", "status_lines"]


def read_status(folder: Path) -> dict[str, Any]:
    """Stages done, running and missing, with their counts. Raises ConfigError when this is no run's folder.

    `running` names the stage at work, or several that share a pass, with commas between. It is null when the process
    that was at it has ended, however it ended.
    """
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except ValueError as fault:
        raise ConfigError(f"{folder}/status.json: not JSON ({fault}); run again to write it anew") from None
    except OSError:
        raise ConfigError(f"{folder}: no status.json here; expected a run's folder, such as runs/NAME") from None
    if not _is_status(status):
        raise ConfigError(f"{folder}/status.json: not a run's status; run again to write it anew")
    running = status["running"] if status["running"] and _is_at_work(folder) else None
    return {**status, "running": running, "counts": {name: _counts(folder, name) for name in status["done"]}}


def _is_status(status: Any) -> bool:
    """Whether the file holds what a run writes there."""
    if not isinstance(status, dict) or not {"name", "stages", "running", "done"} <= set(status):
        return False
    lists = [status["stages"], status["done"], status.get("out of date", [])]
    return all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists)


def _is_at_work(folder: Path) -> bool:
    """Whether the process that last held the folder still lives; the lock itself is left alone."""
    try:
        first = (folder / "run.lock").read_text(encoding="utf-8").partition("\n")[0]
        os.kill(int(first.removeprefix("pid ")), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True


def _counts(folder: Path, stage: str) -> dict[str, Any]:
    note = Workspace(folder).note(stage)
    counts = note["counts"] if note and isinstance(note["counts"], dict) else {}
    return {name: value for name, value in counts.items() if isinstance(value, int | float)}


def status_lines(status: dict[str, Any]) -> list[str]:
    """The status for people, a line per stage."""
    lines = [plain(str(status["name"]))]
    for name in status["stages"]:
        state = (
            "running" if name in str(status["running"]).split(", ") else "done" if name in status["done"] else "to do"
        )
        state += " (out of date)" if state == "to do" and name in status.get("out of date", ()) else ""
        counts = ", ".join(f"{plain(key)} {plain(str(value))}" for key, value in status["counts"].get(name, {}).items())
        lines.append(f"  {name:14} {state:8} {counts}".rstrip())
    following = [name for name in status["stages"] if name not in status["done"]]
    lines.append(f"next: {following[0]}" if following else "nothing is left to do")
    return lines
