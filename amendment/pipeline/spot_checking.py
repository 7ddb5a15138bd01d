"""The spot check of a run, as its folder has it: the sample, what people said, and what follows from it.

Covered: the report that stands in the certificate, the gate between judge and training, and the preview while people
are still labelling, which sees open labels alone. Not covered: the figures themselves; see `calibration`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amendment.calibration import (
    Gate,
    Labels,
    SampledItem,
    SpotCheck,
    spot_check,
    worst,
)
from amendment.errors import GateFailed
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.pipeline.engine import Workspace
from amendment.pipeline.runfile.config import RunFile
from amendment.pipeline.stages.calibrating import PROBABILITIES, Probability
from amendment.pipeline.stages.labels import labels_path
from amendment.records import Verdict

__all__ = ["GATE", "checked", "open_seal", "refuse_failed_gate", "spot_check_of", "write_gate"]

GATE = "audit/gate.json"
"""What the trainings look at before they begin: nothing else of the certificate, so that they stand while it does."""
SIDES = ("labels/open", "labels/sealed")
OF_THE_JUDGE = ("order", "invalid")
"""Gates of every judge that count for the run's, beside that of people."""


def spot_check_of(workspace: Workspace, config: RunFile, *, opened: int = 0) -> SpotCheck | None:
    """The report of what lies in a run's folder; None where its labels are not read yet."""
    stage = config.spot_check
    tables = ("spot_check/sample", PROBABILITIES, *SIDES)
    if stage is None or not all(workspace.path(name).is_file() for name in tables):
        return None
    known = workspace.read(PROBABILITIES, Probability)
    return spot_check(
        workspace.read("spot_check/sample", SampledItem),
        [verdict for side in SIDES for verdict in workspace.read(side, Verdict)],
        {one.comparison_id: one.p_a_raw for one in known},
        calibrated={one.comparison_id: p for one in known if (p := one.p_a_calibrated) is not None},
        below_ceiling=stage.gate.below_ceiling,
        opened=opened,
        seed=config.seed,
    )


def open_seal(workspace: Workspace) -> int:
    """Note that a certificate looks at the sealed labels; how many different ones have, with this one."""
    key = content_id([workspace.digest(name) for name in ("spot_check/sample", PROBABILITIES, *SIDES)])
    with Labels(labels_path(workspace.folder), read_only=True) as labels:
        return labels.open_seal(key)


def checked(found: SpotCheck, gates: tuple[Gate, ...]) -> dict[str, Any]:
    """The run's gate: that of people, and those of its judges that concern orders and unreadable answers."""
    counted = [found.gate, *(gate for gate in gates if gate.check in OF_THE_JUDGE)]
    told = [{"judge": gate.judge, "check": gate.check, "outcome": gate.outcome} for gate in counted]
    return {"outcome": worst([gate.outcome for gate in counted]), "checks": told}


def write_gate(workspace: Workspace, gate: dict[str, Any]) -> None:
    """Outcomes alone: a figure that moves without changing one makes no training run again."""
    write_text(workspace.path(GATE), json.dumps(gate, indent=1) + "\n")


def refuse_failed_gate(workspace: Workspace, config: RunFile) -> None:
    """Raises GateFailed where people disagree with the judge too much, unless the run file says to go on."""
    stage = config.spot_check
    if stage is None or stage.gate.on_fail == "go_on":
        return
    gate = json.loads(workspace.path(GATE).read_text(encoding="utf-8"))
    failed = [f"{one['check']} of {one['judge']}" for one in gate["checks"] if one["outcome"] == "FAIL"]
    if failed:
        raise GateFailed(
            f"the judge did not pass its gate ({', '.join(failed)}), so nothing is trained on its labels; "
            f"{Path(workspace.folder) / 'certificate.md'} says what was found. Change the judge or the constitution, "
            "or train all the same with spot_check.gate.on_fail: go_on"
        )
