"""The samples of a run that people label: one of the comparisons of its dataset, one of those of its evaluation.

Each has questions, a file of labels and a pair of stages of its own: labels of training pairs say nothing of a policy's
win rate, and those of an evaluation belong into no dataset.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["EVALUATION", "SAMPLES", "SPOT_CHECK", "LabelledSample"]

_WAITING = "missing; people give them on the page"


class LabelledSample(NamedTuple):
    """Where a sample's questions and labels lie."""

    keys: tuple[str, ...]
    """Of the run file: the part that plans it."""
    drawn_by: str
    """The stage that draws it."""
    read_by: str
    """The stage that reads what people said."""
    labels: str
    """In the run's folder; no stage makes this file, and no stage removes it."""
    about: str
    """For people: what was sampled."""
    option: str = ""
    """What `amendment label DIR` needs besides."""

    @property
    def questions(self) -> str:
        """The table of what people are asked."""
        return f"{self.drawn_by}/questions"

    def labels_in(self, folder: Path) -> Path:
        """Where the labels of a run's folder lie."""
        return folder / self.labels

    def command(self, folder: Path) -> str:
        """Serves its page."""
        return f"amendment label {folder}{self.option}"

    def waiting(self, folder: Path, missing: int) -> str:
        """What a run says that waits for so many labels."""
        told = "1 label is" if missing == 1 else f"{missing} labels are"
        return f"{self.read_by}: {told} {_WAITING}: {self.command(folder)}"

    def has_waited(self, ended: str) -> bool:
        """Whether these are the words of `waiting`."""
        return ended.startswith(f"{self.read_by}: ") and _WAITING in ended


SPOT_CHECK = LabelledSample(("spot_check",), "spot_check", "labels", "labels.sqlite", "the spot check")
EVALUATION = LabelledSample(
    ("evaluate", "people"),
    "evaluate_sample",
    "evaluate_labels",
    "labels-evaluate.sqlite",
    "the evaluation's own comparisons",
    " --stage evaluate",
)
SAMPLES = {one.keys[0]: one for one in (SPOT_CHECK, EVALUATION)}
"""By the stage that people choose on the command line."""
