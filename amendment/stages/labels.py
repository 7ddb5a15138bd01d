"""The stage `labels`: what people said on the page, as verdicts; a run whose labels are missing waits for them.

The labels themselves lie in `labels.sqlite` and are never made anew: stages read them. Sealed and open ones are two
tables, so that a stage's needs say whether it may see sealed ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from amendment.calibration.labels import Label, verdict_of
from amendment.calibration.queue import labels_missing
from amendment.calibration.samples import LabelQuestion, SampledItem
from amendment.calibration.store import Labels
from amendment.errors import ConfigError, Paused
from amendment.records import Verdict
from amendment.stages.contract import Context, Made
from amendment.stages.labelled_samples import SPOT_CHECK, LabelledSample
from amendment.stages.simulated_people import let_people_answer, was_simulated

__all__ = ["Labelling", "label_counts", "labels_state", "make_labels", "said_of", "sides_of"]


class Labelling(Protocol):
    """What a part of the run file says of those who label."""

    @property
    def people(self) -> str: ...

    @property
    def annotators(self) -> int: ...


def labels_state(folder: Path, sample: LabelledSample = SPOT_CHECK) -> str | None:
    """A hash of what people have said so far; None before anybody did."""
    path = sample.labels_in(folder)
    if not path.is_file():
        return None
    with Labels(path, read_only=True) as labels:
        return labels.state()


def make_labels(context: Context) -> Made:
    """The labels of the sample as verdicts. Raises Paused while some are missing."""
    stage, workspace = context.config.spot_check, context.workspace
    assert stage is not None
    said = said_of(context, SPOT_CHECK, stage)
    with Labels(SPOT_CHECK.labels_in(workspace.folder), read_only=True) as labels:
        sides = sides_of(said, workspace.read("spot_check/sample", SampledItem), seen=labels.prompts_seen())
        labels.note_seen({verdict.prompt_id for verdict in sides["open"]})
    tables = [workspace.write(f"labels/{side}", Verdict, found) for side, found in sides.items()]
    return Made(
        tuple(tables), {**label_counts(said), **{f"{side} labels": len(found) for side, found in sides.items()}}
    )


def said_of(context: Context, sample: LabelledSample, labelling: Labelling) -> list[Label]:
    """The labels of a sample's questions that count now, in one fixed order. Raises Paused while some are missing."""
    workspace = context.workspace
    questions = workspace.read(sample.questions, LabelQuestion)
    is_simulated = labelling.people == "simulated"
    with Labels(sample.labels_in(workspace.folder), read_only=not is_simulated) as labels:
        _refuse_others({label.annotator for label in labels.current()}, labels.path, labelling)
        if is_simulated:
            let_people_answer(questions, labels, annotators=labelling.annotators, seed=context.config.seed)
        current = labels.current()
    missing = labels_missing(questions, current, annotators=labelling.annotators)
    if missing:
        raise Paused(sample.waiting(workspace.folder, missing))
    asked = {one.comparison_id for one in questions}
    return [label for label in current if label.comparison_id in asked]


def _refuse_others(annotators: set[str], path: Path, labelling: Labelling) -> None:
    """Raises ConfigError before simulated people would label among real ones, or stand for them."""
    wanted = labelling.people == "simulated"
    if any(was_simulated(name) != wanted for name in annotators):
        found = "people who are not simulated" if wanted else "simulated people"
        raise ConfigError(
            f"{path}: holds labels of {found}, and this run file says people: {labelling.people}. Move the file and "
            "those beside it (-wal, -shm) away, take another folder, or write what it said before"
        )


def label_counts(said: Sequence[Label]) -> dict[str, Any]:
    """What summary and status show of labels."""
    silent = {choice: sum(one.choice == choice for one in said) for choice in ("skip", "flag")}
    people = len({label.annotator for label in said})
    return {"labels": len(said), "people": people, **{choice: count for choice, count in silent.items() if count}}


def sides_of(
    labels: Iterable[Label], sample: Iterable[SampledItem], *, seen: Collection[str]
) -> dict[str, list[Verdict]]:
    """The labels of a sample as verdicts, `open` and `sealed`, in one order whatever order they came in. Those of
    prompts whose labels were `seen` before stay open, whatever another seed or another share would seal now."""
    sealed = {item.comparison_id: item.is_sealed and item.prompt_id not in seen for item in sample}
    found: dict[str, list[Verdict]] = {"open": [], "sealed": []}
    for label in sorted(labels, key=lambda one: (one.prompt_id, one.comparison_id, one.annotator, one.showing)):
        verdict = verdict_of(label) if label.comparison_id in sealed else None
        if verdict:
            found["sealed" if sealed[label.comparison_id] else "open"].append(verdict)
    return found
