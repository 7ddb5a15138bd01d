"""What `amendment calibrate` tells of a run: what is certified, or, while people are still labelling, what their open
labels say so far.

A preview never looks at sealed labels: whoever reads it may still change the judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.calibration.beside import agreement_with_people
from amendment.calibration.calibrating import LabelledItem, calibrate, calibration_refused, labelled_items
from amendment.calibration.queue import labels_missing
from amendment.calibration.reliability import hard_line, reliability_svg
from amendment.calibration.samples import LabelQuestion, SampledItem
from amendment.calibration.spot_check import SpotCheck
from amendment.calibration.spot_check_lines import preview_lines, spot_check_json, spot_check_lines
from amendment.calibration.store import Labels
from amendment.calibration.votes_of_labels import heard_items
from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.preference import person_votes
from amendment.records import Verdict
from amendment.run.engine import RunFolder
from amendment.run.runfile.config import RunFile
from amendment.stages.config_spot_checks import MethodName, SpotCheckStage
from amendment.stages.labelled_samples import SPOT_CHECK
from amendment.stages.labels import sides_of
from amendment.stages.spot_checking import spot_check_of
from amendment.statistics import Estimate
from amendment.statistics.calibration_errors import CalibrationReport
from amendment.yamlfile import read_yaml, validate

__all__ = ["Calibrated", "calibrate_run", "write_diagram"]


class Calibrated(NamedTuple):
    """What is known of a run's labels."""

    lines: list[str]
    document: dict[str, Any]
    """The same for machines: `certified` or `preview`, `missing` labels, and the gate where there is one."""
    report: CalibrationReport | None
    """Of calibrated probabilities, or of raw ones where none are, or where the judge gives verdicts alone; None without
    labels to tell by."""

    @property
    def has_failed(self) -> bool:
        """Whether the gate says FAIL."""
        return bool(self.document.get("gate", {}).get("outcome") == "FAIL")


def calibrate_run(folder: Path) -> Calibrated:
    """Tell what people's labels say of a run's judge. Asks no model, writes nothing, and opens no seal.

    Raises ConfigError where there is no run, no spot check in it, or no sample yet.
    """
    if not (folder / "run.yaml").is_file():
        raise ConfigError(f"{folder}: not a run's folder (no run.yaml); expected one, such as runs/NAME")
    config = validate(read_yaml(folder / "run.yaml"), RunFile)
    workspace, stage = RunFolder(folder), config.spot_check
    if stage is None:
        raise ConfigError(f"{folder}: its run file has no spot_check; add one and run it again")
    if not workspace.path("spot_check/questions").is_file():
        raise ConfigError(f"{folder}: nothing is drawn yet; amendment run FILE --until spot_check draws the sample")
    return _told(workspace, config, stage)


def write_diagram(found: Calibrated, path: Path) -> None:
    """Write the reliability diagram as SVG. Raises ConfigError where there are no labels to draw it of."""
    if found.report is None:
        raise ConfigError(f"{path}: nothing to draw yet; too few labels say which answer is better")
    if found.report.is_hard:
        raise ConfigError(f"{path}: nothing to draw; {hard_line(found.report)}")
    write_text(path, reliability_svg(found.report) + "\n")


def _told(workspace: RunFolder, config: RunFile, stage: SpotCheckStage) -> Calibrated:
    sample = workspace.read("spot_check/sample", SampledItem)
    questions = workspace.read("spot_check/questions", LabelQuestion)
    with Labels(SPOT_CHECK.labels_in(workspace.folder), read_only=True) as labels:
        current, opened, seen = labels.current(), labels.seal_openings(), labels.prompts_seen()
    missing = labels_missing(questions, current, annotators=stage.annotators)
    sides = sides_of(current, sample, seen=seen)
    heard = heard_items(sample, person_votes(sides["open"]))
    found = spot_check_of(workspace, config, opened=opened) if not missing and _stand(workspace, sides) else None
    if found and (gate := _certified(workspace, found)):
        all_of_it = f"All of it: {workspace.folder / 'certificate.md'}"
        lines = [*spot_check_lines(found), "", _gate_line(gate), "", all_of_it]
        return Calibrated(lines, {"is": "certified", "missing": 0, "gate": gate}, _shown(found.raw, found.calibrated))
    told = _preview(labelled_items(heard), agreement_with_people(heard), stage.calibration.method, config.seed)
    lines = [*told.lines, "", _waiting(workspace, missing)]
    return told._replace(lines=lines, document={**told.document, "missing": missing})


def _shown(raw: CalibrationReport | None, calibrated: CalibrationReport | None) -> CalibrationReport | None:
    return raw if raw and raw.is_hard else calibrated or raw


def _certified(workspace: RunFolder, found: SpotCheck) -> dict[str, Any] | None:
    """The gate, where the run's own certificate says the same: what it does not is still under the seal."""
    try:
        certificate = json.loads(workspace.path("certificate.json").read_text(encoding="utf-8"))
        known, gate = dict(certificate["spot_check"]), dict(certificate["gate"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return gate if {**known, "opened": found.opened} == spot_check_json(found) else None


def _waiting(workspace: RunFolder, missing: int) -> str:
    if not missing:
        return "All labels are there: amendment run FILE reads them, and certifies."
    return f"{missing} labels are missing; people give them with: amendment label {workspace.folder}"


def _stand(workspace: RunFolder, sides: Mapping[str, Sequence[Verdict]]) -> bool:
    """Whether the run has read these labels already."""
    paths = {side: workspace.path(f"labels/{side}") for side in sides}
    if not all(path.is_file() for path in paths.values()):
        return False
    return all(workspace.read(f"labels/{side}", Verdict) == list(found) for side, found in sides.items())


def _gate_line(gate: Mapping[str, Any]) -> str:
    checks = ", ".join(f"{one['check']} of {one['judge']} {one['outcome']}" for one in gate["checks"])
    return f"Gate: {gate['outcome']} ({checks})."


def _preview(items: Sequence[LabelledItem], agreement: Estimate, method: MethodName, seed: int) -> Calibrated:
    """Of open labels alone."""
    refused = "the run file asks for none" if method == "none" else calibration_refused(items, method=method)
    found = None if method == "none" or refused else calibrate(items, method=method, seed=seed)
    recipe = found.calibrator.to_json() if found else {"refused": refused}
    told = {"agreement": agreement.to_json(), "calibrator": recipe, "labelled": len(items)}
    report = _shown(found.before, found.after) if found else None
    return Calibrated(preview_lines(agreement, found, refused), {"is": "preview", **told}, report)
