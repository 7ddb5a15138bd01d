"""The spot check of a run, as its folder has it: the sample, what people said, and what follows from it.

Covered: the report that stands in the certificate, and the gate between judge and training. Not covered: the figures
themselves, see `calibration`; what is told while people are still labelling, see `calibrated`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from amendment.audit.certificate import Certificate
from amendment.audit.gates import Gate
from amendment.calibration.gate import unreadable_gate, worst
from amendment.calibration.samples import AskedOf, SampledItem
from amendment.calibration.spot_check import ExportedP, SpotCheck, spot_check
from amendment.calibration.store import Labels
from amendment.data.workspace import Workspace
from amendment.errors import GateFailed
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.preference import person_votes
from amendment.records import Verdict
from amendment.stages.calibrating import PROBABILITIES, Probability
from amendment.stages.configs import RunFile
from amendment.stages.labelled_samples import SPOT_CHECK
from amendment.stages.sampling import ASKED

__all__ = [
    "GATE",
    "SIDES",
    "failed_gates",
    "gate_counts",
    "gate_json",
    "gates_of",
    "open_seal",
    "refuse_failed_gate",
    "spot_check_of",
    "write_gate",
]

GATE = "audit/gate.json"
"""What the trainings look at before they begin: nothing else of the certificate, so that they stand while it does."""
SIDES = ("labels/open", "labels/sealed")
"""The tables of people's labels."""


def spot_check_of(workspace: Workspace, config: RunFile, *, opened: int = 0) -> SpotCheck | None:
    """The report of what lies in a run's folder; None where its labels are not read yet."""
    stage = config.spot_check
    tables = ("spot_check/sample", ASKED, PROBABILITIES, *SIDES)
    if stage is None or not all(workspace.path(name).is_file() for name in tables):
        return None
    exported = {
        one.comparison_id: ExportedP(one.prompt_id, one.p_a_raw, one.p_a_calibrated)
        for one in workspace.rows(PROBABILITIES, Probability)
    }
    labels = {side: workspace.read(side, Verdict) for side in SIDES}
    behind = person_votes(labels["labels/sealed"])
    drawn = workspace.read("spot_check/sample", SampledItem)
    found = spot_check(
        [item.model_copy(update={"is_sealed": item.comparison_id in behind}) for item in drawn],
        [verdict for side in SIDES for verdict in labels[side]],
        exported,
        limits=stage.gate.limits,
        asked=AskedOf(**json.loads(workspace.path(ASKED).read_text(encoding="utf-8"))),
        opened=opened,
        seed=config.seed,
    )
    seen = person_votes(labels["labels/open"])
    return _told_of_seen(found, sum(item.is_sealed and item.comparison_id in seen for item in drawn))


def _told_of_seen(found: SpotCheck, count: int) -> SpotCheck:
    """With a note on items that the sample would seal and whose labels were looked at before."""
    if not count:
        return found
    note = f"{count} items would be sealed, but their labels were looked at before: they count as open ones"
    return replace(found, notes=(*found.notes, note))


def open_seal(workspace: Workspace) -> int:
    """Note that a certificate looks at the sealed labels, where there are any; how many different ones have, with this
    one."""
    tables = [name for name in ("spot_check/sample", PROBABILITIES, *SIDES) if workspace.path(name).is_file()]
    with Labels(SPOT_CHECK.labels_in(workspace.folder), read_only=True) as labels:
        if SIDES[1] not in tables or not workspace.count(SIDES[1]):
            return labels.seal_openings()
        count = labels.open_seal(content_id([workspace.digest(name) for name in tables]))
    return max(count, _openings_told(workspace))


def _openings_told(workspace: Workspace) -> int:
    """How many the last certificate told of: a file of the seal that was lost has not closed it."""
    try:
        certificate = json.loads(workspace.path("certificate.json").read_text(encoding="utf-8"))
        return int(certificate["spot_check"]["opened"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def gates_of(found: SpotCheck, certificate: Certificate, config: RunFile) -> tuple[Gate, ...]:
    """The run's gates: of its labels by the spot check, and of each judge by all that it said."""
    stage = config.spot_check
    assert stage is not None
    models = [rater for rater in certificate.counts.raters if rater.kind == "model"]
    return (*found.gates, *(unreadable_gate(one.name, one.invalid, stage.gate.limits) for one in models))


def gate_counts(found: SpotCheck, gates: Sequence[Gate]) -> dict[str, Any]:
    """What summary and status show of it."""
    figures = {
        "the judge's labels agree with people": found.agreement.value,
        "difference from the ceiling of people": found.beside.difference.value,
        "exported labels that people would give": found.accuracy.estimate.value if found.accuracy else math.nan,
        "Brier, raw": found.raw.brier.value if found.raw else math.nan,
        "Brier, calibrated": found.calibrated.brier.value if found.calibrated else math.nan,
    }
    told = {name: round(value, 4) for name, value in figures.items() if not math.isnan(value)}
    return {"gate": worst([gate.outcome for gate in gates]), **told, "sealed labels opened": found.opened}


def gate_json(gates: Sequence[Gate]) -> dict[str, Any]:
    """The gate as the certificate has it."""
    told = [{"judge": gate.judge, "check": gate.check, "outcome": gate.outcome} for gate in gates]
    return {"outcome": worst([gate.outcome for gate in gates]), "checks": told}


def write_gate(workspace: Workspace, gates: Sequence[Gate]) -> None:
    """What failed, and no more: labels that change nothing else about the gate make no training run again."""
    write_text(workspace.path(GATE), json.dumps({"failed": failed_gates(gates)}, indent=1) + "\n")


def failed_gates(gates: Iterable[Gate]) -> list[str]:
    """The checks that judges did not pass, each once: "order of gavel"."""
    return [*dict.fromkeys(f"{gate.check} of {gate.judge}" for gate in gates if gate.outcome == "FAIL")]


def refuse_failed_gate(workspace: Workspace, config: RunFile) -> None:
    """Raises GateFailed where people disagree with the judge too much, unless the run file says to go on."""
    stage = config.spot_check
    if stage is None or stage.gate.on_fail == "go_on":
        return
    failed = json.loads(workspace.path(GATE).read_text(encoding="utf-8"))["failed"]
    if failed:
        raise GateFailed(
            f"the judge did not pass its gate ({', '.join(failed)}), so nothing is trained on its labels; "
            f"{workspace.folder / 'certificate.md'} says what was found. Change the judge or the constitution, "
            "or train all the same with spot_check.gate.on_fail: go_on"
        )
