"""The stage `labels`: what people said on the page, as verdicts; a run whose labels are missing waits for them.

The labels themselves lie in `labels.sqlite` and are never made anew: stages read them. Sealed and open ones are two
tables, so that a stage's needs say whether it may see sealed ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from amendment.calibration import Label, LabelQuestion, Labels, SampledItem, labels_missing, verdict_of
from amendment.errors import Paused
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Made
from amendment.pipeline.stages.simulated_people import let_people_answer
from amendment.records import Verdict

__all__ = ["LABELS", "labels_path", "labels_state", "make_labels", "sides_of"]

LABELS = "labels.sqlite"
"""Of a run's folder; no stage makes it, and no stage removes it."""


def labels_path(folder: Path) -> Path:
    """Where a run's labels lie."""
    return folder / LABELS


def labels_state(folder: Path) -> str | None:
    """A hash of what people have said so far; None before anybody did."""
    path = labels_path(folder)
    if not path.is_file():
        return None
    with Labels(path, read_only=True) as labels:
        return labels.state()


def make_labels(context: Context) -> Made:
    """The labels of the sample as verdicts. Raises Paused while some are missing."""
    stage = context.config.spot_check
    assert stage is not None
    workspace = context.workspace
    questions = workspace.read("spot_check/questions", LabelQuestion)
    is_simulated = stage.people == "simulated"
    with Labels(labels_path(workspace.folder), read_only=not is_simulated) as labels:
        if is_simulated:
            let_people_answer(questions, labels, annotators=stage.annotators, seed=context.config.seed)
        current = labels.current()
    missing = labels_missing(questions, current, annotators=stage.annotators)
    if missing:
        raise Paused(
            f"labels: {missing} labels are missing; people give them on the page: amendment label {workspace.folder}"
        )
    sides = sides_of(current, workspace.read("spot_check/sample", SampledItem))
    tables = [workspace.write(f"labels/{side}", Verdict, found) for side, found in sides.items()]
    asked = {one.comparison_id for one in questions}
    said = [label for label in current if label.comparison_id in asked]
    counts: dict[str, Any] = {
        "labels": len(said),
        "people": len({label.annotator for label in said}),
        **{choice: count for choice in ("skip", "flag") if (count := sum(one.choice == choice for one in said))},
        **{f"{side} labels": len(found) for side, found in sides.items()},
    }
    return Made(tuple(tables), counts)


def sides_of(labels: Iterable[Label], sample: Iterable[SampledItem]) -> dict[str, list[Verdict]]:
    """The labels of a sample as verdicts, `open` and `sealed`, in one order whatever order they came in."""
    sealed = {item.comparison_id: item.is_sealed for item in sample}
    found: dict[str, list[Verdict]] = {"open": [], "sealed": []}
    for label in sorted(labels, key=lambda one: (one.prompt_id, one.comparison_id, one.annotator, one.showing)):
        verdict = verdict_of(label) if label.comparison_id in sealed else None
        if verdict:
            found["sealed" if sealed[label.comparison_id] else "open"].append(verdict)
    return found
