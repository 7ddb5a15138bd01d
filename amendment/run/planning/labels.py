"""What labels would buy, by assumptions or by what a run has judged.

Covered: a run's folder with judgements, whose comparisons are drawn from for each size; a run file, or a folder without
judgements, whose spot check is taken with assumptions; nothing at all. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from amendment.calibration.drawing import draw_sample
from amendment.calibration.label_plan import (
    PLANNED_LABELS,
    Design,
    LabelPlan,
    PlanAssumptions,
    PlanRow,
    design_of,
    label_plan,
)
from amendment.calibration.plan_text import own_lines, plan_lines
from amendment.calibration.strata import Exported
from amendment.errors import ConfigError
from amendment.run.checks import load_run_file
from amendment.run.context import Context
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.stages.config_spot_checks import SpotCheckStage
from amendment.stages.judging import candidate_tables
from amendment.stages.pairs import judgements_table, texts_of
from amendment.stages.sampling import exported_comparisons, sample_settings
from amendment.yamlfile import read_yaml, validate

__all__ = ["PlannedLabels", "plan_labels"]


class PlannedLabels(NamedTuple):
    """A plan of labels, and what it rests on."""

    plan: LabelPlan
    basis: dict[str, Any]
    """Of a run with judgements its figures; else what is assumed of it."""
    own: tuple[PlanRow, PlanRow]
    """What the run file's spot check comes to: all labels that certify, and those of several people."""
    stage: SpotCheckStage
    """That spot check, or the default one."""

    def to_json(self) -> dict[str, Any]:
        agreement, gate = self.own
        assumptions = {name: getattr(self.plan.assumptions, name) for name in PlanAssumptions.__dataclass_fields__}
        return {
            "assumptions": assumptions,
            "basis": self.basis,
            "rows": [row.to_json() for row in self.plan.rows],
            "needed": [{"half_width": width, "labels": count} for width, count in self.plan.needed.items()],
            "spot_check": {
                "settings": self.stage.model_dump(mode="json"),
                "agreement": agreement.to_json(),
                "gate": gate.to_json(),
            },
        }

    @property
    def lines(self) -> list[str]:
        """For people."""
        stage = self.stage
        sealed = f", {100 * stage.sealed:g} % of the prompts sealed, which alone certify" if stage.sealed else ""
        shared = f"{stage.overlap} of them seen by {stage.annotators} people"
        told = f"{stage.items} items, {shared if stage.annotators > 1 else 'all seen by one annotator'}{sealed}"
        basis = [f"- {name}: {_shown(value)}" for name, value in self.basis.items()]
        own = [f"As spot_check says ({told}):", "", *own_lines(*self.own, annotators=stage.annotators)]
        return ["# What labels buy", "", *basis, "", *own, "", *plan_lines(self.plan)]


def plan_labels(
    path: Path | None = None, *, agreement: float | None = None, ceiling: float | None = None
) -> PlannedLabels:
    """What labels would buy for a run file, for a run's folder, or in general.

    `agreement` of judge and people and the `ceiling`, that of two people, are assumed where they are not given. Raises
    ConfigError for a path that is neither, and for shares outside their bounds.
    """
    config, base = _config(path)
    stage = config.spot_check or SpotCheckStage()
    assumed = _assumed(stage, {"agreement": agreement, "ceiling": ceiling})
    population = _population(path, config, base) if path and path.is_dir() else []
    designs = _designs(population, stage, config.seed)
    basis = _figures(population) if population else {"assumed": "one comparison a prompt, equal weights"}
    plan = label_plan(designs, assumed, most=len(population) or None)
    rows = label_plan(_own(population, stage, config.seed), assumed).rows
    return PlannedLabels(plan, basis, (rows[0], rows[1]), stage)


def _own(population: Sequence[Exported], stage: SpotCheckStage, seed: int) -> tuple[Design, Design]:
    """Of the labels by which the spot check certifies, all of them and those of comparisons that several people see:
    the sealed ones where there are any."""
    is_shared = stage.annotators > 1
    if not population:
        certifies = stage.sealed or 1.0
        certifying = round(certifies * stage.items)
        return Design(certifying), Design(min(certifying, stage.overlap) * is_shared)
    items = draw_sample(population, replace(sample_settings(stage), purpose="estimate"), seed=seed).items
    sealed = [item for item in items if item.is_sealed] or items
    return design_of(sealed), design_of([item for item in sealed if item.in_overlap and is_shared])


def _config(path: Path | None) -> tuple[RunFile, Path]:
    if path is None:
        return RunFile(name="plan"), Path()
    if not path.is_dir():
        return load_run_file(path)[::2]
    if not (path / "run.yaml").is_file():
        raise ConfigError(f"{path}: not a run's folder (no run.yaml); expected one, or a run file")
    return validate(read_yaml(path / "run.yaml"), RunFile), path


def _assumed(stage: SpotCheckStage, given: dict[str, float | None]) -> PlanAssumptions:
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    people = {"below_ceiling": stage.gate.below_ceiling, "annotators": max(stage.annotators, 2)}
    try:
        return PlanAssumptions(**people | known)
    except ValueError as fault:
        raise ConfigError(f"calibrate --plan: {fault}") from None


def _population(folder: Path, config: RunFile, base: Path) -> list[Exported]:
    """What the run would draw from; nothing where it has judged nothing yet."""
    workspace = RunFolder(folder)
    read = ("inputs/prompts", "inputs/judgements", judgements_table(config), *candidate_tables(config))
    if not all(workspace.path(name).is_file() for name in read):
        return []
    context = Context(config, base, workspace, QuietProgress())
    return exported_comparisons(context, texts_of(context))


def _designs(population: Sequence[Exported], stage: SpotCheckStage, seed: int) -> list[Design]:
    """Of samples of each size, and of all comparisons where these are fewer than a size."""
    if not population:
        return [Design(count) for count in PLANNED_LABELS]
    sizes = dict.fromkeys(min(count, len(population)) for count in PLANNED_LABELS)
    settings = replace(sample_settings(stage), overlap=0, purpose="estimate")
    return [design_of(draw_sample(population, replace(settings, items=count), seed=seed).items) for count in sizes]


def _figures(population: Sequence[Exported]) -> dict[str, Any]:
    """Of the comparisons that the dataset would export."""
    prompts = Counter(one.comparison.prompt_id for one in population)
    sure = [max(one.p_a, 1 - one.p_a) for one in population]
    asked = [one.consistent for one in population if one.consistent is not None]
    figures: dict[str, Any] = {
        "comparisons": len(population),
        "prompts": len(prompts),
        "agreement that the judge's probabilities claim": fmean(sure),
    }
    return {**figures, "orders agree in": fmean(asked)} if asked else figures


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
