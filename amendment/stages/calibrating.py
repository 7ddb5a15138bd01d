"""The stage `calibration`: P of every exported comparison brought into line with what people said.

It reads open labels alone. Raw probabilities are not touched: calibrated ones are a table of their own, with the
recipe beside it. Labels that carry no calibration are no fault of the run: then the recipe says why there is none.
"""

from __future__ import annotations

import json
from typing import Any

from amendment.calibration.calibrating import calibrate, calibration_refused, labelled_items
from amendment.calibration.flips import expected_flip_rate, flip_rows
from amendment.calibration.samples import SampledItem
from amendment.calibration.strata import Exported
from amendment.calibration.votes_of_labels import heard_items
from amendment.files import write_text
from amendment.preference import person_votes
from amendment.records import Judgement, Record, Verdict
from amendment.stages.contract import Context, Made
from amendment.stages.pairs import judgements_table, texts_of
from amendment.stages.sampling import SAMPLE, exported_comparisons

__all__ = ["CALIBRATOR", "OPEN", "PROBABILITIES", "Probability", "make_calibration"]

OPEN = "labels/open"
CALIBRATOR, PROBABILITIES = "calibration/calibrator.json", "calibration/probabilities"


class Probability(Record):
    """P of one exported comparison before and after calibration."""

    comparison_id: str
    prompt_id: str
    p_a_raw: float
    """P(a is better) by the judge."""
    p_a_calibrated: float | None = None
    """Absent where nothing was calibrated."""


def make_calibration(context: Context) -> Made:
    """Fit to the open labels, and apply to all that is exported."""
    stage = context.config.spot_check
    assert stage is not None
    workspace, method = context.workspace, stage.calibration.method
    exported = exported_comparisons(context, texts_of(context))
    votes = person_votes(workspace.read(OPEN, Verdict))
    items = labelled_items(heard_items(workspace.read(SAMPLE, SampledItem), votes))
    if method == "none":
        return _without(context, exported, "the run file asks for none (spot_check.calibration.method)")
    if refused := calibration_refused(items, method=method):
        return _without(context, exported, refused)
    found = calibrate(items, method=method, seed=context.config.seed)
    raw = [one.p_a for one in exported]
    calibrated = found.apply(raw).tolist()
    rate = expected_flip_rate(calibrated)
    recipe = {
        **found.recipe(labels=workspace.digest(OPEN), judges=_judges(context)),
        "expected flip rate": rate,
        "flips by confidence": [row._asdict() for row in flip_rows(raw, calibrated)],
    }
    counts = {
        "method": method,
        "labelled comparisons": len(items),
        **found.calibrator.to_json()["parameters"],
        "Brier before": round(found.before.brier.value, 4),
        "Brier after": round(found.after.brier.value, 4),
        "expected flip rate": round(rate, 4),
        **({"notes": list(found.warnings)} if found.warnings else {}),
    }
    return _written(context, exported, calibrated, recipe, counts)


def _without(context: Context, exported: list[Exported], reason: str) -> Made:
    return _written(context, exported, [None] * len(exported), {"method": "none", "reason": reason}, {"none": reason})


def _written(
    context: Context,
    exported: list[Exported],
    calibrated: list[float] | list[None],
    recipe: dict[str, Any],
    counts: dict[str, Any],
) -> Made:
    rows = [
        Probability(
            comparison_id=one.comparison.id, prompt_id=one.comparison.prompt_id, p_a_raw=one.p_a, p_a_calibrated=p
        )
        for one, p in zip(exported, calibrated, strict=True)
    ]
    workspace = context.workspace
    text = json.dumps(recipe, indent=1, allow_nan=False)
    write_text(workspace.path(CALIBRATOR), text + "\n")
    return Made((workspace.write(PROBABILITIES, Probability, rows), CALIBRATOR), {"comparisons": len(rows), **counts})


def _judges(context: Context) -> list[str]:
    rows = context.workspace.rows(judgements_table(context.config), Judgement)
    return sorted({rater for row in rows if row.rater_kind == "model" for rater in row.raters})
