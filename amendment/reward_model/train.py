"""Train a reward model: from a model folder and pairs to a model folder.

Promised: the folder loads with transformers' AutoModelForSequenceClassification and can be given to
TRL's GRPO as it is; `reward_meta.json` says what a score depends on. Of an ensemble, that is the first member.
A training that was killed goes on when it is called again with the same arguments.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amendment.errors import DataError, Problem
from amendment.files import write_text
from amendment.reward_model.model import RewardModel, RewardScores, conditioned_rows
from amendment.reward_model.settings import META, RewardSettings
from amendment.reward_model.temperature import fit_temperature, held_out_labels
from amendment.training import Progress, TrainResult, need_training
from amendment.training.launching import launchable
from amendment.training.preflight import rows_in


@dataclass(frozen=True, kw_only=True)
class RewardResult(TrainResult):
    """A trained reward model."""

    held_out: tuple[RewardScores, RewardScores] | None = None
    """The scores of the chosen and of the rejected sides of the held-out pairs, where some were given."""


def train_reward(
    base: str | Path,
    pairs: Iterable[Mapping[str, Any]],
    out: Path,
    settings: RewardSettings,
    *,
    seed: int = 0,
    held_out: Iterable[Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> RewardResult:
    """Train on `prompt`, `chosen` and `rejected` (lists of messages as JSON objects) and save to `out`.

    The base is a causal model with a chat template, or an encoder. With `held_out`, pairs of other prompts with
    `p_chosen`, `weight` and `prompt_id`, one temperature is fitted to the scores; a note of the result says where
    that cannot be done. Equal pairs, settings and seed on an equal machine give equal weights. Raises ConfigError
    for a base that is not there or does not fit, DataError for rows that cannot be read, TrainingError where too
    many pairs are dropped or the loss leaves the numbers, MissingExtra without the libraries of `amendment[train]`.
    """
    need_training()
    fitted_on = None if held_out is None else _checked(held_out, settings)
    result = _train_weights(base, pairs, Path(out), settings, seed=seed, progress=progress)
    if fitted_on is None:
        return RewardResult(**vars(result))
    model = RewardModel.load(result.folder, hold=True)  # what is scored is what was saved
    chosen, rejected = (
        model.scores([{**row, "completion": row.get(side)} for row in fitted_on]) for side in ("chosen", "rejected")
    )
    temperature, note = fit_temperature(chosen.mean, rejected.mean, fitted_on, seed=seed)
    file = result.folder / META
    meta = json.loads(file.read_text(encoding="utf-8"))
    meta["temperature"] = temperature and temperature.model_dump(mode="json")
    write_text(file, json.dumps(meta, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    notes = (*result.notes, note) if note else result.notes
    return RewardResult(**{**vars(result), "notes": notes}, held_out=(chosen, rejected))


def _checked(held_out: Iterable[Mapping[str, Any]], settings: RewardSettings) -> list[Mapping[str, Any]]:
    """The held-out pairs. Raises DataError where no temperature could be made of them, before hours of training."""
    try:
        rows = rows_in(held_out)
        held_out_labels(rows)
        if settings.conditioned:
            conditioned_rows(rows)
    except DataError as fault:
        raise DataError([Problem(f"held-out {problem.place}", problem.message) for problem in fault.problems]) from None
    return rows


@launchable
def _train_weights(
    base: str | Path,
    pairs: Iterable[Mapping[str, Any]],
    out: Path,
    settings: RewardSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> TrainResult:
    """All but the temperature, which one process fits to what the others have saved."""
    from amendment.reward_model import _training

    return _training.train(base, rows_in(pairs), Path(out), settings, seed=seed, progress=progress)
