"""Train a reward model: from a model folder and pairs to a model folder, and fit its temperature.

Promised: the folder loads with transformers' AutoModelForSequenceClassification and can be given to
TRL's GRPO as it is; `reward_meta.json` says what a score depends on. A training that was killed goes on when it is
called again with the same arguments.

One temperature turns differences of scores into probabilities (Guo et al. 2017, section 4.2):

    P(a is better than b) = sigmoid((r(a) - r(b)) / T)

T has the least soft Bradley-Terry loss on held-out pairs, whose labels are `p_chosen` (1 where absent), weighted.
Promised: the figures after the fit are cross-fitted in two folds of prompts, so that no pair is measured by a
temperature that its own label made. Where nothing can be fitted, the note says why.
Not covered: a curve other than a logistic one (see `amendment.statistics.calibrators`, which does the fitting).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import DataError, Problem
from amendment.files import read_json, write_text
from amendment.reward_model.model import RewardModel, preference_probability
from amendment.reward_model.settings import META, RewardSettings, Temperature
from amendment.statistics.calibration_errors import calibration_gain, log_losses
from amendment.statistics.calibrators import cross_fitted, fit_calibrator, refusal
from amendment.training import ProgressCallback, TrainResult, need_training
from amendment.training.preflight import labels_as_given, rows_in

Floats = NDArray[np.float64]
_REACH = 13.0
"""Differences are fitted on a scale on which the largest is this: inside the log-odds at which calibrators clip."""
_WHY = {
    "too few labels": "there are fewer than 20 held-out pairs with scores",
    "nothing to fit": "the model scores both sides of every held-out pair alike",
    "one class only": "the model is right about every held-out pair, or wrong about every one, so that no finite "
    "temperature is the best; hold out more pairs",
}


@dataclass(frozen=True, kw_only=True)
class RewardResult(TrainResult):
    """A trained reward model."""

    held_out: tuple[Floats, Floats] | None = None
    """The scores of the chosen and of the rejected sides of the held-out pairs, where some were given."""


def train_reward(
    base: str | Path,
    pairs: Iterable[Mapping[str, Any]],
    out: Path,
    settings: RewardSettings,
    *,
    seed: int = 0,
    held_out: Iterable[Mapping[str, Any]] | None = None,
    progress: ProgressCallback | None = None,
) -> RewardResult:
    """Train on `prompt`, `chosen` and `rejected` (lists of messages as JSON objects) and save to `out`.

    The base is a causal model with a chat template, or an encoder. With `held_out`, pairs of other prompts with
    `p_chosen`, `weight` and `prompt_id`, one temperature is fitted to the scores; a note of the result says where
    that cannot be done. Equal pairs, settings and seed on an equal machine give equal weights. Raises ConfigError
    for a base that is not there or does not fit, DataError for rows that cannot be read, TrainingError where too
    many pairs are dropped or the loss leaves the numbers, MissingExtra without the libraries of `amendment[train]`.
    """
    need_training()
    fitted_on = None if held_out is None else _checked(held_out)
    from amendment.reward_model import _training

    result = _training.train(base, rows_in(pairs), Path(out), settings, seed=seed, progress=progress)
    if fitted_on is None:
        return RewardResult(**vars(result))
    model = RewardModel.load(result.folder)  # what is scored is what was saved
    chosen, rejected = (
        model.score([{**row, "completion": row.get(side)} for row in fitted_on]) for side in ("chosen", "rejected")
    )
    temperature, note = fit_temperature(chosen, rejected, fitted_on, seed=seed)
    file = result.folder / META
    meta = read_json(file)
    meta["temperature"] = temperature and temperature.model_dump(mode="json")
    write_text(file, json.dumps(meta, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    notes = (*result.notes, note) if note else result.notes
    return RewardResult(**{**vars(result), "notes": notes}, held_out=(chosen, rejected))


def _checked(held_out: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the held-out pairs. Raises DataError where no temperature could be made of them, before hours of
    training."""
    try:
        rows = rows_in(held_out)
        labels_as_given(rows)
    except DataError as fault:
        raise DataError([Problem(f"held-out {problem.place}", problem.message) for problem in fault.problems]) from None
    return rows


class FittedTemperature(NamedTuple):
    """A temperature, or why there is none."""

    temperature: Temperature | None
    note: str
    """A sentence; empty where there is nothing to report."""


def fit_temperature(
    chosen: ArrayLike, rejected: ArrayLike, rows: Sequence[Mapping[str, Any]], *, seed: int = 0
) -> FittedTemperature:
    """Fit T to the scores of both sides of held-out pairs; `rows` carry `p_chosen`, `weight` and `prompt_id`.

    Pairs without a finite score or with weight 0 are left out. Raises DataError for labels that cannot be read.
    """
    difference, (targets, all_weights) = np.asarray(chosen, np.float64) - np.asarray(rejected), labels_as_given(rows)
    kept = np.flatnonzero(np.isfinite(difference) & (all_weights > 0))
    d, y, weights = difference[kept], targets[kept].astype(np.float64), all_weights[kept].astype(np.float64)
    prompts = [_prompt(rows[i]) for i in kept.tolist()]
    scale = float(np.abs(d).max(initial=0.0)) / _REACH or 1.0
    p = preference_probability(d, 0.0, scale)
    if refused := refusal("temperature", p, y):
        return FittedTemperature(None, f"No temperature was fitted: {_WHY[refused.name]}.")
    fitted, raw, crossed = fit_calibrator("temperature", p, y, weights), preference_probability(d, 0.0), None
    helps = False
    if len(set(prompts)) > 1:
        crossed = cross_fitted("temperature", p, y, weights, prompts, folds=2, seed=seed)
        # used only if it clearly helps: the whole interval of the change of the Brier score lies below 0
        gain = calibration_gain(raw, crossed, y, weights=weights, clusters=prompts, seed=seed)
        helps = gain.brier.high < 0 and gain.log_loss.value < 0

    def mean(losses: Floats) -> float:
        return float(np.average(losses, weights=weights))

    temperature = Temperature(
        value=fitted.scale * scale,
        pairs=len(prompts),
        prompts=len(set(prompts)),
        log_loss_before=mean(log_losses(raw, y)),
        log_loss_after=None if crossed is None else mean(log_losses(crossed, y)),
        brier_before=mean((raw - y) ** 2),
        brier_after=None if crossed is None else mean((crossed - y) ** 2),
        helps=helps,
        note=fitted.note,
    )
    return FittedTemperature(temperature, f"Temperature of the scores: {fitted.note}." if fitted.note else "")


def _prompt(row: Mapping[str, Any]) -> str:
    name = row.get("prompt_id")
    return json.dumps(row.get("prompt"), sort_keys=True, default=str) if name is None else str(name)
