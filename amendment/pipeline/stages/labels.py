"""The stage `labels`: what people said on the page, as verdicts; a run whose labels are missing waits for them.

The labels themselves lie in `labels.sqlite` and are never made anew: stages read them. Sealed and open ones are two
tables, so that a stage's needs say whether it may see sealed ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from amendment.calibration import LabelQuestion, Labels, SampledItem, labels_missing, verdict_of
from amendment.errors import Paused
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Made
from amendment.pipeline.stages.simulated_people import let_people_answer
from amendment.records import Comparison, Verdict

__all__ = ["LABELS", "labels_path", "labels_state", "make_labels"]

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
            let_people_answer(context, questions, labels)
        current = labels.current()
    missing = labels_missing(questions, current, annotators=stage.annotators)
    if missing:
        raise Paused(
            f"labels: {missing} labels are missing; people give them on the page: amendment label {workspace.folder}"
        )
    asked = {one.comparison_id for one in questions}
    verdicts = [verdict for label in current if label.comparison_id in asked and (verdict := verdict_of(label))]
    sealed = {one.comparison_id for one in workspace.read("spot_check/sample", SampledItem) if one.is_sealed}
    sides = _sides(verdicts, sealed)
    tables = [workspace.write(f"labels/{side}", Verdict, found) for side, found in sides.items()]
    said = [label for label in current if label.comparison_id in asked]
    counts: dict[str, Any] = {
        "labels": len(said),
        "people": len({label.annotator for label in said}),
        **{choice: count for choice in ("skip", "flag") if (count := sum(one.choice == choice for one in said))},
        **{f"{side} labels": len(found) for side, found in sides.items()},
    }
    return Made(tuple(tables), counts)


def _sides(verdicts: Iterable[Verdict], sealed: set[str]) -> Mapping[str, list[Verdict]]:
    """In one order whatever order they came in."""
    sides: dict[str, list[Verdict]] = {"open": [], "sealed": []}
    for verdict in sorted(verdicts, key=lambda one: (one.prompt_id, sorted(one.shown), one.rater, one.sample)):
        a, b = sorted(verdict.shown)
        side = "sealed" if Comparison(verdict.prompt_id, a, b).id in sealed else "open"
        sides[side].append(verdict)
    return sides
