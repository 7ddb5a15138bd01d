"""The stage `labels`: people's labels as verdicts; a run whose labels are missing waits for them.

Stages read the file of labels and never rewrite it. Sealed and open labels are two tables, so that what a stage reads
says whether it may see sealed ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from amendment.people.labelling import OPEN, SAMPLE, SEALED, SPOT_CHECK
from amendment.people.reading import current_labels, label_counts, label_verdicts, labels_key
from amendment.people.samples import SampledItem, SpotCheckSettings
from amendment.people.store import Labels
from amendment.records import Verdict
from amendment.results import Result, counted
from amendment.stages.contract import Context, Stage, StageResult
from amendment.stages.tables import Role


class LabelsStage(Stage):
    """People's labels from the page, as verdicts."""

    name = "labels"
    title = "reading people's labels"
    comes_with = SpotCheckSettings
    reads = (SAMPLE, SPOT_CHECK.questions)
    writes: Collection[str] = {OPEN: Role.LABELS, SEALED: None}

    def key(self, context: Context) -> Mapping[str, Any]:
        return labels_key(context.workspace.folder, SPOT_CHECK, self.settings.need(SpotCheckSettings))

    def make(self, context: Context) -> StageResult:
        """The labels of the sample as verdicts. Raises Paused while some are missing."""
        workspace = context.workspace
        labelling, seed = self.settings.need(SpotCheckSettings), context.config.seed
        current = current_labels(workspace, SPOT_CHECK, labelling, seed=seed)
        with Labels(SPOT_CHECK.labels_in(workspace.folder), read_only=True) as store:
            sides = label_verdicts(current, workspace.read(SAMPLE, SampledItem), seen=store.prompts_seen())
            store.note_seen({verdict.prompt_id for verdict in sides["open"]})
        tables = [workspace.write(f"labels/{side}", Verdict, verdicts) for side, verdicts in sides.items()]
        sizes = {f"{side}_labels": len(verdicts) for side, verdicts in sides.items()}
        return StageResult(tuple(tables), Result(figures=counted(**label_counts(current), **sizes)))
