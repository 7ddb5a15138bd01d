"""The samples of a run that people label: where they lie, what is asked, and what is missing.

A run has up to two: comparisons of its dataset (the spot check), and comparisons of its evaluation. Each has questions,
a file of labels and a pair of stages of its own: labels of training pairs say nothing of a policy's win rate, and those
of an evaluation belong in no dataset.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from amendment.audit.ceiling import Requirements
from amendment.audit.planning import outlook, still_needed
from amendment.constitutions import Constitution, list_principles
from amendment.data.store import Workspace
from amendment.errors import AmendmentError, ConfigError
from amendment.people.queue import labels_missing
from amendment.people.samples import GateSettings, LabelQuestion, PrincipleText
from amendment.people.store import Labels
from amendment.statistics import Estimate
from amendment.yamlfile import did_you_mean, read_yaml

OPEN, SEALED, ADJUDICATED = "labels/open", "labels/sealed", "labels/adjudicated"


CALIBRATOR, PROBABILITIES = "calibration/calibrator.json", "calibration/probabilities"


class LabelledSample(NamedTuple):
    """A sample that people label, with the places of its questions and labels."""

    keys: tuple[str, ...]
    """Of the run file: the part that plans it."""
    drawn_by: str
    """The stage that draws it."""
    read_by: str
    """The stage that reads people's labels."""
    labels: str
    """In the run's folder; no stage makes this file, and no stage removes it."""
    option: str = ""
    """What `amendment label DIR` needs besides."""

    @property
    def questions(self) -> str:
        """Name the table of questions to people."""
        return f"{self.drawn_by}/questions"

    def labels_in(self, folder: Path) -> Path:
        """Return the path of the label store in a run's folder."""
        return folder / self.labels

    def command(self, folder: Path) -> str:
        """Return the command that serves the labelling page."""
        return f"amendment label {shlex.quote(str(folder))}{self.option}"

    def waiting(self, folder: Path, missing: int) -> str:
        """Return the message of a run that waits for labels."""
        labels = "1 label is" if missing == 1 else f"{missing} labels are"
        return f"{self.read_by}: {labels} missing; collect them with: {self.command(folder)}"


SPOT_CHECK = LabelledSample(("spot_check",), "spot_check", "labels", "labels.sqlite")
EVALUATION = LabelledSample(
    ("evaluate", "people"), "evaluate_sample", "evaluate_labels", "labels-evaluate.sqlite", " --stage evaluate"
)
SAMPLES = {sample.keys[0]: sample for sample in (SPOT_CHECK, EVALUATION)}
"""By the stage that people choose on the command line."""
SAMPLE, ASKED = "spot_check/sample", "spot_check/asked.json"
"""Of the spot check its items, for estimators, and in words what judge and people were asked."""


class ToLabel(NamedTuple):
    """One sample of a run, opened for labelling."""

    questions: list[LabelQuestion]
    labels: Path
    seed: int
    annotators: int
    plan: Mapping[str, Any]
    """The part of the run file that plans it."""
    constitution: tuple[PrincipleText, ...]
    """Every principle of the run, as models read it; none where the run has not written its constitutions yet."""

    judges: int
    """Of the run."""

    @property
    def gate(self) -> GateSettings:
        """Return what the run file requires of the judge."""
        return GateSettings.model_validate(self.plan.get("gate") or {})

    def outlook(self, agreement: Estimate | None = None) -> str:
        """Say in a sentence how often a judge as good as people gets "Use" from this sample, or how many items it needs
        for that, once `agreement` of two people is known."""
        shared = sum(question.in_overlap for question in self.questions)
        asked = Requirements(margin=self.gate.max_gap_to_human, looks=self.gate.looks)
        needed = agreement and still_needed(agreement, self.annotators, judges=self.judges, asked=asked)
        return needed or outlook(shared, self.annotators, judges=self.judges, asked=asked)

    def missing(self) -> int:
        """Return the number of labels still missing; a page may be open meanwhile."""
        with Labels(self.labels, read_only=True) as labels:
            return labels_missing(self.questions, labels.current(), annotators=self.annotators)


def find_sample(stage: str) -> LabelledSample:
    """Find the sample by its name on the command line. Raises ConfigError for an unknown name."""
    if stage not in SAMPLES:
        names = " or ".join(SAMPLES)
        raise ConfigError(f"--stage: found {stage!r}, expected {names}{did_you_mean(stage, SAMPLES)}")
    return SAMPLES[stage]


def open_sample(folder: Path, sample: LabelledSample = SPOT_CHECK) -> ToLabel:
    """Open a sample in a run's folder for labelling.

    Raises ConfigError where it is no run's folder, its run file has no such sample, or it is not drawn yet.
    """
    if not (folder / "run.yaml").is_file():
        raise ConfigError(f"{folder}: not a run's folder (no run.yaml); expected one such as runs/NAME")
    config = plan = read_yaml(folder / "run.yaml").data
    for key in sample.keys:
        plan = plan.get(key) if isinstance(plan, dict) else None
    key = ".".join(sample.keys)
    if not isinstance(plan, dict):
        raise ConfigError(f"{folder}: its run file has no `{key}:`; add one and run it again: amendment run FILE")
    planned = plan.get("annotators")
    if not isinstance(planned, int):
        raise ConfigError(f"{folder / 'run.yaml'}: {key}.annotators: expected a number of people, found {planned!r}")
    workspace = Workspace(folder)
    if not workspace.path(sample.questions).is_file():
        until = f"amendment run FILE --until {sample.drawn_by}"
        raise ConfigError(f"{folder}: nothing to label yet; draw the sample with: {until}")
    questions = workspace.read(sample.questions, LabelQuestion)
    rules = [
        Constitution.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("constitutions/*.json"))
    ]
    principles = tuple(PrincipleText(id=drawn.id, statement=drawn.principle.rule) for drawn in list_principles(rules))
    judging = config.get("judging") or {}
    cascade = judging.get("cascade") or []
    earlier = cascade.get("then", []) if isinstance(cascade, dict) else cascade  # as an earlier version wrote it
    judges = [*judging.get("judges", ()), *earlier]
    return ToLabel(
        questions, sample.labels_in(folder), config.get("seed", 0), planned, plan, principles, len(judges) or 1
    )


def labels_waited_for(folder: Path, done: Collection[str]) -> str | None:
    """Return the sample whose labels a run waits for: a stage in `done` has drawn it and none has read its labels. None
    if it waits for none, or if that cannot be told: the next start says what is wrong."""
    for sample in SAMPLES.values():
        if sample.drawn_by in done and sample.read_by not in done:
            try:
                asked = open_sample(folder, sample)
                missing = asked.missing()
            except AmendmentError:
                return None
            if asked.plan.get("people") == "simulated":
                return None
            there = f"{sample.read_by}: all labels are there. Resume with: amendment run FILE"
            return sample.waiting(folder, missing) if missing else there
    return None
