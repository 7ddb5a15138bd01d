"""A run's folder and the people who label a sample of it: what they are asked, and where their labels lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.calibration.queue import labels_missing
from amendment.calibration.samples import LabelQuestion
from amendment.calibration.serving import serve_page
from amendment.calibration.store import Labels
from amendment.errors import ConfigError
from amendment.run.engine import RunFolder
from amendment.run.runfile.config import RunFile
from amendment.stages.labelled_samples import SAMPLES, SPOT_CHECK, LabelledSample
from amendment.yamlfile import did_you_mean, read_yaml, validate

__all__ = ["ToLabel", "open_sample", "sample_of", "serve_labelling"]


class ToLabel(NamedTuple):
    """What a run asks people about one of its samples."""

    questions: list[LabelQuestion]
    labels: Path
    seed: int
    annotators: int

    def missing(self) -> int:
        """How many labels are to come; a page may be open meanwhile."""
        with Labels(self.labels, read_only=True) as labels:
            return labels_missing(self.questions, labels.current(), annotators=self.annotators)


def sample_of(stage: str) -> LabelledSample:
    """The sample by the name that people give it on the command line. Raises ConfigError for another name."""
    if stage not in SAMPLES:
        known = " or ".join(SAMPLES)
        raise ConfigError(f"--stage: found {stage!r}, expected {known}{did_you_mean(stage, SAMPLES)}")
    return SAMPLES[stage]


def open_sample(folder: Path, sample: LabelledSample = SPOT_CHECK, *, annotators: int | None = None) -> ToLabel:
    """What people are asked in a run's folder. `annotators` overrides how many the run file plans.

    Raises ConfigError where it is no run's folder, its run file has no such sample, or it is not drawn yet.
    """
    file = folder / "run.yaml"
    if not file.is_file():
        raise ConfigError(f"{folder}: not a run's folder (no run.yaml); expected one such as runs/NAME")
    config = validate(read_yaml(file), RunFile)
    planned: Any = config
    for key in sample.keys:
        planned = getattr(planned, key, None)
    if planned is None:
        key = ".".join(sample.keys)
        raise ConfigError(f"{folder}: its run file has no `{key}:`; add one and run it again: amendment run FILE")
    workspace = RunFolder(folder)
    if not workspace.path(sample.questions).is_file():
        until = f"amendment run FILE --until {sample.drawn_by}"
        raise ConfigError(f"{folder}: nothing to label yet; draw the sample with: {until}")
    return ToLabel(
        workspace.read(sample.questions, LabelQuestion),
        sample.labels_in(folder),
        config.seed,
        annotators or planned.annotators,
    )


def serve_labelling(
    folder: Path,
    sample: LabelledSample = SPOT_CHECK,
    *,
    ready: Callable[[Mapping[str, str], tuple[str, ...]], None],
    names: Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int | None = None,
    allow_network: bool = False,
    annotators: int | None = None,
) -> int:
    """Serve the page of one of a run's samples until SIGINT or SIGTERM; returns how many labels are missing then.

    `ready` gets the link of each annotator, by name, and cautions about these; `names` are those of annotators, whose
    links are made where they have none yet.
    """
    asked = open_sample(folder, sample, annotators=annotators)
    with Labels(asked.labels) as labels:
        return serve_page(
            asked.questions,
            labels,
            seed=asked.seed,
            annotators=asked.annotators,
            ready=ready,
            names=names,
            host=host,
            port=port,
            allow_network=allow_network,
        )
