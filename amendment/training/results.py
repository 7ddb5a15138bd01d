"""What a training hands back: the preflight table, the history, and the hook that tells how far it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Progress = Callable[[int, int, dict[str, float]], None]
"""Called with the step, the last step, and the metrics of the steps since the last call."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The preflight table of one trainer."""

    trainer: str
    rows: int
    kept: int
    dropped: dict[str, int]
    """By reason: over_length, identical, identical_after_truncation, empty_completion, prompt_fills_max_length, tie,
    weight_zero."""
    truncated: int
    notes: dict[str, int]
    """Rows that are kept and of which something has to be known, by what it is."""
    tokens: dict[str, int]
    """p50, p99 and max of the longer sequence of each row, before anything was cut."""
    by_category: dict[str, dict[str, int]]
    """Rows and kept rows of each category; rows without one stand under the empty name."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A trained model's folder and how it came about. `history.json` in the folder holds all but `seconds`."""

    folder: Path
    """Weights as safetensors, tokenizer, chat template, history.json: a plain folder for every later stage."""
    report: Report
    history: tuple[dict[str, float], ...]
    """One entry every `log_every` steps and at each checkpoint, with TRL's metric names; the first is step 1."""
    steps: int
    machine: dict[str, Any]
    """Device, precision, threads and library versions: equal machines give equal weights."""
    notes: tuple[str, ...] = ()
    """What a reader of the result has to know, in sentences."""
    seconds: float = 0.0
    """CPU seconds of the training loop; of several processes, all of theirs."""

    @classmethod
    def read(cls, folder: Path) -> TrainResult:
        """What `history.json` in a trained model's folder tells; `seconds` it does not."""
        record = json.loads((folder / "history.json").read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            report=Report(**record["preflight"]),
            history=tuple(record["history"]),
            steps=record["steps"],
            machine=record["machine"],
            notes=tuple(record["notes"]),
        )
