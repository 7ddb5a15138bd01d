"""A run's folder and the people who label its spot check: what they are asked, and where their labels lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from amendment.calibration import LabelQuestion, Labels, labels_missing, serve_page
from amendment.errors import ConfigError
from amendment.ledger.folder import cautions
from amendment.pipeline.engine import Workspace
from amendment.yamlfile import read_yaml

__all__ = ["LABELS", "QUESTIONS", "SpotCheck", "open_spot_check", "serve_labelling"]

LABELS = "labels.sqlite"
"""In the run's folder; no stage removes it."""
QUESTIONS = "spot_check/questions"


class SpotCheck(NamedTuple):
    """What a run asks people."""

    questions: list[LabelQuestion]
    labels: Path
    seed: int
    annotators: int

    def missing(self) -> int:
        """How many labels are to come; a page may be open meanwhile."""
        with Labels(self.labels, read_only=True) as labels:
            return labels_missing(self.questions, labels.current(), annotators=self.annotators)


def open_spot_check(folder: Path, *, annotators: int | None = None) -> SpotCheck:
    """What people are asked in a run's folder. `annotators` overrides how many the run file plans.

    Raises ConfigError where it is no run's folder, its run file has no spot check, or the sample is not drawn yet.
    """
    file = folder / "run.yaml"
    if not file.is_file():
        raise ConfigError(f"{folder}: not a run's folder (no run.yaml); expected one such as runs/NAME")
    config = read_yaml(file).data
    planned = config.get("spot_check") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(planned, dict):
        raise ConfigError(f"{folder}: its run file has no `spot_check:`; add one and run it again: amendment run FILE")
    workspace = Workspace(folder)
    if not workspace.path(QUESTIONS).is_file():
        raise ConfigError(
            f"{folder}: nothing to label yet; draw the sample with: amendment run FILE --until spot_check"
        )
    return SpotCheck(
        workspace.read(QUESTIONS, LabelQuestion),
        folder / LABELS,
        int(config.get("seed", 0)),
        annotators or int(planned.get("annotators", 2)),
    )


def serve_labelling(
    folder: Path,
    *,
    ready: Callable[[str, tuple[str, ...]], None],
    host: str = "127.0.0.1",
    port: int | None = None,
    allow_network: bool = False,
    annotators: int | None = None,
) -> int:
    """Serve the page of a run's spot check until SIGINT or SIGTERM; returns how many labels are missing then.

    `ready` is told the address to open, and cautions about that and about where the labels lie.
    """
    asked = open_spot_check(folder, annotators=annotators)
    with Labels(asked.labels) as labels:
        return serve_page(
            asked.questions,
            labels,
            seed=asked.seed,
            annotators=asked.annotators,
            ready=lambda url, warnings: ready(url, (*warnings, *cautions(folder))),
            host=host,
            port=port,
            allow_network=allow_network,
        )
