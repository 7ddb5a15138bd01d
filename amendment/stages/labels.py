"""The stage `labels`: people's labels as verdicts; a run whose labels are missing waits for them.

Stages read the file of labels and never rewrite it. Sealed and open labels are two tables, so that what a stage reads
says whether it may see sealed ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from amendment.data.store import Workspace
from amendment.errors import Paused
from amendment.people.labelling import ADJUDICATED, OPEN, SAMPLE, SEALED, SPOT_CHECK
from amendment.people.reading import current_labels, disputed, label_counts, label_verdicts, labels_key
from amendment.people.samples import SampledItem, SpotCheckSettings, as_verdict
from amendment.people.store import Labels
from amendment.records import Verdict
from amendment.results import Result, counted
from amendment.stages.contract import Context, RunSettings, Stage, StageResult
from amendment.stages.tables import Role


class LabelsStage(Stage):
    """People's labels from the page, as verdicts."""

    name = "labels"
    title = "reading people's labels"
    comes_with = SpotCheckSettings
    reads = (SAMPLE, SPOT_CHECK.questions)
    writes: Collection[str] = {OPEN: Role.LABELS, SEALED: None}

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = settings.need(SpotCheckSettings)
        if self.config.adjudicate:
            self.writes = {**self.roles, ADJUDICATED: Role.LABELS}

    def key(self, context: Context) -> Mapping[str, Any]:
        return labels_key(context.workspace.folder, SPOT_CHECK, self.config)

    def make(self, context: Context) -> StageResult:
        """Return the labels of the sample as verdicts. Raises Paused while some are missing, or a decision of the
        lead."""
        workspace = context.workspace
        current = current_labels(workspace, SPOT_CHECK, self.config, seed=context.config.seed)
        with Labels(SPOT_CHECK.labels_in(workspace.folder), read_only=True) as store:
            sides = label_verdicts(current, workspace.read(SAMPLE, SampledItem), seen=store.prompts_seen())
            store.note_seen({verdict.prompt_id for verdict in sides["open"]})
            if self.config.adjudicate:
                sides["adjudicated"] = self._adjudicated(workspace, store, disputed(sides["open"]))
        tables = [workspace.write(f"labels/{side}", Verdict, verdicts) for side, verdicts in sides.items()]
        sizes = {f"{side}_labels": len(verdicts) for side, verdicts in sides.items()}
        return StageResult(tuple(tables), Result(figures=counted(**label_counts(current), **sizes)))

    def _adjudicated(self, workspace: Workspace, store: Labels, disputes: Sequence[str]) -> list[Verdict]:
        """Return the lead's decisions of what people disagree on. Raises Paused while some are missing."""
        decided = store.adjudicated()
        if waiting := sum(name not in decided for name in disputes):
            page = SPOT_CHECK.command(workspace.folder)
            raise Paused(f"labels: people disagree on {waiting} comparisons, which wait for the lead's page: {page}")
        return [verdict for name in disputes if (verdict := as_verdict(decided[name]))]
