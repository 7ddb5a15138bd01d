"""What is done in a run's folder, from its small status files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.terminal import plain

__all__ = ["read_status", "status_lines"]


def read_status(folder: Path) -> dict[str, Any]:
    """Stages done, running and missing, with their counts. Raises ConfigError when this is no run's folder."""
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{folder}: no status.json here; expected a run's folder, such as runs/NAME") from None
    except ValueError as fault:
        raise ConfigError(f"{folder}/status.json: not JSON ({fault}); run again to write it anew") from None
    counts = {name: _counts(folder, name) for name in status["done"]}
    return {**status, "counts": counts}


def _counts(folder: Path, stage: str) -> dict[str, Any]:
    try:
        note = json.loads((folder / "stages" / f"{stage}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {name: value for name, value in note["counts"].items() if isinstance(value, int | float | str)}


def status_lines(status: dict[str, Any]) -> list[str]:
    """The status for people, a line per stage."""
    lines = [plain(str(status["name"]))]
    for name in status["stages"]:
        state = "running" if name == status["running"] else "done" if name in status["done"] else "to do"
        counts = ", ".join(f"{plain(key)} {plain(str(value))}" for key, value in status["counts"].get(name, {}).items())
        lines.append(f"  {name:14} {state:8} {counts}".rstrip())
    following = [name for name in status["stages"] if name not in status["done"]]
    lines.append(f"next: {following[0]}" if following else "nothing is left to do")
    return lines
