"""The stage `calibration`: P of every exported comparison, calibrated by people's labels.

It reads open labels alone. Raw probabilities are not touched: calibrated ones are a table of their own, with their
recipe in a file. Labels that allow no calibration are no error: then the recipe says why there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amendment.files import read_json, write_json
from amendment.people.calibrating import calibrate, calibration_refused, expected_flip_rate
from amendment.people.drawing import exported_comparisons
from amendment.people.labelling import CALIBRATOR, OPEN, PROBABILITIES, SAMPLE
from amendment.people.samples import ExportedProbability, SampledItem, SpotCheckSettings, labelled_items
from amendment.preference.aggregate import person_votes
from amendment.preference.deciding import CHECKED, deciding_key
from amendment.records import Judgement, Verdict
from amendment.results import Result, Table, counted
from amendment.stages.contract import (
    Context,
    Stage,
    StageResult,
    constitution_key,
    pair_rules,
    run_pairs,
)
from amendment.stages.tables import ALSO_EXPORTED, EXPORTED, Role
from amendment.statistics.calibrators import Calibrator


class CalibrationStage(Stage):
    """The judge's probabilities brought into line with what people say."""

    name = "calibration"
    title = "calibrating the judge on people's labels"
    comes_with = SpotCheckSettings
    reads = (*EXPORTED, SAMPLE, Role.LABELS)
    may_read = ALSO_EXPORTED
    writes = (PROBABILITIES, CALIBRATOR)

    def key(self, context: Context) -> Mapping[str, Any]:
        method = self.settings.need(SpotCheckSettings).calibration
        return {
            "method": method,
            **deciding_key(pair_rules(self.settings, self.tables), CHECKED),
            **constitution_key(context),
        }

    def make(self, context: Context) -> StageResult:
        """Fit to the open labels, and apply to all that is exported."""
        workspace = context.workspace
        method = self.settings.need(SpotCheckSettings).calibration
        run = run_pairs(context, self.tables)
        exported = exported_comparisons(run)
        votes = person_votes(workspace.read(OPEN, Verdict))
        items = labelled_items(workspace.read(SAMPLE, SampledItem), votes)
        calibrated: list[float] | list[None] = [None] * len(exported)
        refused = "the run file asks for none (spot_check.calibration)"
        if method != "none":
            refused = calibration_refused(items, method=method)
        recipe: dict[str, Any] = {"method": "none", "reason": refused}
        result = Result(figures=counted(comparisons=len(exported)))
        if method == "none" or refused:
            result += Result(notes=(f"not calibrated: {refused}",))
        else:
            calibration = calibrate(items, method=method, seed=context.config.seed)
            raw = [row.p_a for row in exported]
            p = calibration.apply(raw)
            calibrated, rate = p.tolist(), expected_flip_rate(p)
            judges = sorted(
                {rater for row in run.checked_judgements if row.rater_kind == "model" for rater in row.raters}
            )
            recipe = {
                **calibration.recipe(labels=workspace.digest(OPEN), judges=judges),
                "expected flip rate": rate,
            }
            fitted = calibration.calibrator
            curve = Table(title="calibration curve", head=("confidence", "becomes"), rows=fitted.knots)
            figures = counted(
                method=method,
                labelled_comparisons=len(items),
                **({} if fitted.knots else fitted.to_json()["parameters"]),
                brier_before=calibration.before.brier,
                brier_after=calibration.after.brier,
                expected_flip_rate=rate,
            )
            result += Result(figures=figures, tables=(curve,) if fitted.knots else (), notes=calibration.warnings)
        rows = [
            ExportedProbability(
                comparison_id=row.comparison.id, prompt_id=row.comparison.prompt_id, p_a_raw=row.p_a, p_a_calibrated=p_a
            )
            for row, p_a in zip(exported, calibrated, strict=True)
        ]
        write_json(workspace.path(CALIBRATOR), recipe)
        table = workspace.write(PROBABILITIES, ExportedProbability, rows)
        return StageResult((table, CALIBRATOR), result)


def calibrated_again(round_: Context) -> tuple[list[str], list[str]]:
    """Write what the first round's calibrator makes of this round's judgements, and note that nobody labelled them."""
    recipe = read_json(round_.workspace.path(CALIBRATOR))
    fitted = Calibrator.from_json(recipe) if recipe["method"] != "none" else None
    rows = [
        ExportedProbability(
            comparison_id=row.comparison_id,
            prompt_id=row.prompt_id,
            p_a_raw=row.p_a,
            p_a_calibrated=float(fitted.apply([row.p_a])[0]) if fitted else None,
        )
        for row in round_.workspace.rows("judging/judgements", Judgement)
        if row.p_a is not None
    ]
    source = "P calibrated by the labels of the first round" if fitted else "P is the judge's own"
    note = f"no person has labelled this round's answers: {source}"
    return [round_.workspace.write(PROBABILITIES, ExportedProbability, rows)], [note]
