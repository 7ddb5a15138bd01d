"""What learning from disagreement reads of a run's folder: open labels, and what the first judge said of them.

Covered: the run file as it was resolved, with values overridden; the constitutions as the run used them. Not covered:
sealed labels, whose table is never opened here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

from amendment.calibration import LabelledRow, SampledItem, person_votes
from amendment.constitutions import Constitution, load_constitution
from amendment.errors import ConfigError, DataError
from amendment.pipeline.engine import Workspace
from amendment.pipeline.pricing import price_table
from amendment.pipeline.publishing.manifest import read_manifest
from amendment.pipeline.runfile.config import JudgeEntry, JudgingStage, RunFile
from amendment.pipeline.runfile.overrides import override
from amendment.pipeline.stages.judging import candidate_tables
from amendment.preference import JudgeFolder, by_comparison, judge_together, load_judge_folder, standings_of
from amendment.records import Candidate, Comparison, Judgement, Prompt, Verdict
from amendment.yamlfile import read_yaml, validate

__all__ = ["Inputs", "Judged", "read_inputs", "read_run"]

OPEN, SAMPLE, VERDICTS = "labels/open", "spot_check/sample", "judging/verdicts"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the first judge said of one labelled comparison."""

    row: LabelledRow
    prompt: Prompt
    a: Candidate
    b: Candidate
    verdicts: Sequence[Verdict]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A run that has been labelled."""

    config: RunFile
    base: Path
    """The folder from which paths of its run file are meant."""
    workspace: Workspace
    stage: JudgingStage
    entry: JudgeEntry
    """The first judge."""
    folder: JudgeFolder
    """Its folder of texts."""
    constitutions: Sequence[Constitution]
    judged: Sequence[Judged]

    def together(self, verdicts: Sequence[Verdict], comparison: Comparison) -> Judgement:
        """Verdicts of one comparison put together as the run does it; a candidate weighs as much as 1."""
        return _together(self.stage, self.constitutions)(verdicts, comparison=comparison)


def read_run(folder: Path, overrides: Sequence[str]) -> RunFile:
    """The resolved run file of a run's folder. Raises ConfigError where it is none."""
    path = folder / "run.yaml"
    if not path.is_file():
        raise ConfigError(f"{folder}: not a run's folder (no run.yaml); expected one such as runs/NAME")
    document = read_yaml(path)
    for text in overrides:
        document = override(document, text)
    return validate(document, RunFile)


def read_inputs(folder: Path, config: RunFile) -> Inputs:
    """Everything that is read of the folder. Raises ConfigError for a run without judges or labels, DataError for a
    sample that nothing can be tested on."""
    stage, workspace = config.judging, Workspace(folder)
    if stage is None or config.spot_check is None:
        part = "judging" if stage is None else "spot_check"
        raise ConfigError(f"{folder}: its run file has no `{part}:`, so there is nothing to learn from; add it and run")
    for table, made in ((VERDICTS, "judging"), (SAMPLE, "spot_check"), (OPEN, "labels")):
        if not workspace.path(table).is_file():
            raise ConfigError(
                f"{folder}: no {table} here yet; go on with: amendment run FILE --until {made}"
                + (f", and let people label: amendment label {folder}" if made == "labels" else "")
            )
    entry = stage.judges[0]
    base, judge = _base(folder, config, entry)
    constitutions = _constitutions(folder)
    judged = _judged(workspace, config, constitutions, f"{entry.model}/{judge.id}@{judge.version}")
    return Inputs(
        config=config,
        base=base,
        workspace=workspace,
        stage=stage,
        entry=entry,
        folder=judge,
        constitutions=constitutions,
        judged=judged,
    )


def _base(folder: Path, config: RunFile, entry: JudgeEntry) -> tuple[Path, JudgeFolder]:
    """Where the run file lay, as far as its judge and its prices tell: here, above runs/, or in the folder."""
    faults = []
    for base in (Path.cwd(), folder.resolve().parent.parent, folder):
        try:
            price_table(config, base)
            return base, load_judge_folder(entry.protocol, base=base)
        except ConfigError as fault:
            faults.append(fault)
    raise faults[0]


def _constitutions(folder: Path) -> list[Constitution]:
    """As the run used them: it leaves a copy of each."""
    names = [str(reference).split("@")[0] for reference in read_manifest(folder)["constitutions"]]
    return [load_constitution(f"./{name}.json", base=folder / "constitutions") for name in names]


def _together(stage: JudgingStage, constitutions: Sequence[Constitution]) -> partial[Judgement]:
    drawn_by_weight = stage.principles_per_pair != "all" and stage.sampling == "weighted"
    return partial(
        judge_together,
        orders=stage.orders,
        disagreement=stage.disagreement,
        combine=stage.combine,
        standings=standings_of(constitutions, by_weight=not drawn_by_weight),
    )


def _judged(
    workspace: Workspace, config: RunFile, constitutions: Sequence[Constitution], rater: str
) -> tuple[Judged, ...]:
    """The labelled comparisons that the judge could be read on, in the order of the sample."""
    assert config.judging is not None
    votes = person_votes(workspace.rows(OPEN, Verdict))
    sample = [one for one in workspace.rows(SAMPLE, SampledItem) if one.comparison_id in votes]
    if any(one.inclusion is None for one in sample):
        raise DataError(
            "debug sample: its items were chosen for being doubtful, so that no rule can be tested on them; draw one "
            "with `purpose: estimate`"
        )
    verdicts = _verdicts(workspace, sample, rater)
    prompts = {one.prompt_id for one in sample}
    texts = {one.id: one for one in workspace.rows("inputs/prompts", Prompt) if one.id in prompts}
    answers = _answers(workspace, config, prompts)
    together = _together(config.judging, constitutions)
    found = []
    for item in sample:
        between = Comparison(item.prompt_id, item.a, item.b)
        said = [verdict for verdict in verdicts.get(between, []) if verdict.principle_id]
        made = together(said, comparison=between) if said else None
        if made is None or made.p_a is None:
            continue
        assert item.inclusion is not None
        by_principle = {
            name: p
            for name in sorted({verdict.principle_id or "" for verdict in said})
            if (p := together([one for one in said if one.principle_id == name], comparison=between).p_a) is not None
        }
        y = fmean(votes[item.comparison_id].values())
        row = LabelledRow(between, y, item.inclusion, made.p_a, by_principle, made.decisive)
        a, b = answers[item.a], answers[item.b]
        found.append(Judged(row=row, prompt=texts[item.prompt_id], a=a, b=b, verdicts=tuple(said)))
    return tuple(found)


def _verdicts(workspace: Workspace, sample: Sequence[SampledItem], rater: str) -> Mapping[Comparison, list[Verdict]]:
    """Of one judge about these comparisons; those that name no principle cannot be told apart and are left out."""
    prompts = {one.prompt_id for one in sample}
    said = [one for one in workspace.rows(VERDICTS, Verdict) if one.rater == rater and one.prompt_id in prompts]
    found: dict[Comparison, list[Verdict]] = defaultdict(list)
    for comparison, verdicts in by_comparison(said).items():
        found[comparison] += verdicts
    return found


def _answers(workspace: Workspace, config: RunFile, prompts: set[str]) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {}
    for table in candidate_tables(config):
        for one in workspace.rows(table, Candidate):
            if one.prompt_id in prompts:
                found.setdefault(one.id, one)
    return found
