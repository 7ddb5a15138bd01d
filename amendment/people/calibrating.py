"""A judge's probabilities brought into line with people's labels, and how much nearer they are afterwards.

A calibrator is fitted to open labels of a spot check, one per comparison: the mean of people's labels as P(a is
better), a tie being one half, weighed by 1 / inclusion. The figures after calibration are cross-fitted by prompt: no
probability among them has seen a label of its own prompt. Refused are labels too few or too one-sided to carry a fit
(`calibration_refused` says which).

A calibrated probability is kept next to the raw one and never replaces it. Not covered: sealed labels, by which the
certificate measures the same calibrator and to which nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amendment.errors import DataError
from amendment.people.samples import LabelledItem
from amendment.statistics.calibration_errors import CalibrationReport, Gain, calibration_gain, calibration_report
from amendment.statistics.calibrators import Calibrator, Method, cross_fitted, fit_calibrator, refusal
from amendment.statistics.intervals import Floats

RECIPE_FORMAT = 1
FOLDS = 5


@dataclass(frozen=True)
class FittedCalibration:
    """A fitted calibrator and what it was worth on the labels it was fitted to, cross-fitted."""

    calibrator: Calibrator
    """Fitted to all labels given."""
    before: CalibrationReport
    after: CalibrationReport
    gain: Gain
    """After minus before; below 0 is better."""
    seed: int

    def apply(self, p: ArrayLike) -> Floats:
        """Calibrate P(a is better) of comparisons without a label."""
        return self.calibrator.apply(p)

    @property
    def helps(self) -> bool:
        """Return whether calibration lowers the Brier score: the whole interval of the change lies below 0."""
        return self.gain.brier.high < 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Give the reasons not to use it: the fit's note, and a Brier score that does not fall."""
        warnings = [self.calibrator.note] if self.calibrator.note else []
        change = self.gain.brier
        if not self.helps:
            warnings.append(
                f"calibration does not surely bring the Brier score down on these labels (change {change.value:+.4f}, "
                f"{change.low:+.4f} to {change.high:+.4f}): label more, or try isotonic from 500 labels on"
            )
        return tuple(warnings)

    def recipe(self, *, labels: str, judges: Sequence[str]) -> dict[str, Any]:
        """Return the content of `calibrator.json`: what `Calibrator.from_json` needs, and the data behind it.

        `labels` is the hash of the labels' state; `judges` are those whose probabilities were calibrated.
        """
        return {
            "format": RECIPE_FORMAT,
            **self.calibrator.to_json(),
            "labels": labels,
            "judges": list(judges),
            "weights": "1 / inclusion",
            "ties": 0.5,
            "cross_fitting": {"by": "prompt", "folds": FOLDS, "seed": self.seed},
            "warnings": list(self.warnings),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "helps": self.helps,
            "gain": {name: estimate.to_json() for name, estimate in self.gain._asdict().items()},
        }


def calibrate(items: Sequence[LabelledItem], *, method: Method = "temperature", seed: int) -> FittedCalibration:
    """Fit to all of these labels, which must be open ones; same items and seed, same result.

    Raises DataError where `calibration_refused` says why.
    """
    refused = calibration_refused(items, method=method)
    if refused:
        raise DataError(refused)
    p = np.array([item.item.p_a for item in items])
    y = np.array([item.p_people for item in items])
    weights = np.array([1 / item.item.inclusion for item in items])
    prompts = [item.item.prompt_id for item in items]
    crossed = cross_fitted(method, p, y, weights, prompts, folds=FOLDS, seed=seed)
    before, after = (calibration_report(x, y, weights=weights, clusters=prompts, seed=seed) for x in (p, crossed))
    gain = calibration_gain(p, crossed, y, weights=weights, clusters=prompts, seed=seed)
    return FittedCalibration(fit_calibrator(method, p, y, weights), before, after, gain, seed)


def calibration_refused(items: Sequence[LabelledItem], *, method: Method = "temperature") -> str:
    """Say why nothing can be fitted to these labels, and what to do instead; empty where a fit is possible."""
    refused = refusal(method, [item.item.p_a for item in items], [item.p_people for item in items])
    if refused:
        return f"{refused.name}: {refused.message}"
    if len({item.item.prompt_id for item in items}) < FOLDS:
        return f"too few labels: expected {FOLDS} prompts or more, since labels are crossed by prompt; label more"
    return ""


def expected_flip_rate(p: ArrayLike) -> float:
    """Return the expected share of wrong labels where each follows its calibrated P: the mean of min(p, 1 - p).

    What label smoothing of conservative DPO is to be. nan without a comparison.
    """
    chosen = np.asarray(p, np.float64)
    return float(np.minimum(chosen, 1 - chosen).mean()) if chosen.size else float("nan")
