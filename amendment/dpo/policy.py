"""Train a policy, from a model folder and rows to a model folder, and ask how far it has moved.

Rows are plain dicts whose messages are JSON objects (role, content, and where present thinking and
tool_calls). Equal rows, settings and seed on an equal machine give equal weights, bit for bit.
The defaults are for pretrained models of some billion parameters; a tiny model from nothing wants a
learning rate a thousand times larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from amendment.dpo.guards import GuardReading, Guards
from amendment.training import PairTrainerSettings, ProgressCallback, TrainerSettings, TrainResult, need_training
from amendment.training.preflight import rows_in

UNWEIGHTED = ("kto", "orpo", "simpo")
"""Losses that TRL's own trainers compute: they know which answer was chosen, and neither P(chosen) nor a weight."""


class SftSettings(TrainerSettings):
    """Supervised fine-tuning: cross-entropy on the completion."""

    learning_rate: float = Field(default=2e-5, gt=0, le=1)
    """Peak learning rate of the optimiser. With `lora` the default is four times as high."""


class DpoSettings(PairTrainerSettings):
    """Direct preference optimisation (Rafailov et al. 2023) and its relatives, by `loss`."""

    learning_rate: float = Field(default=1e-6, gt=0, le=1)
    """Peak learning rate of the optimiser. With `lora` the default is four times as high."""
    loss: Literal["sigmoid", "ipo", "robust", "kto", "orpo", "simpo"] = "sigmoid"
    """sigmoid: DPO; ipo: a squared loss that does not diverge on certain labels (Azar et al. 2024); robust: unbiased if
    a known share `label_smoothing` of the labels is flipped (Chowdhury et al. 2024); kto: chosen answers are
    desirable and rejected ones undesirable, each by itself (Ethayarajh et al. 2024); orpo (Hong et al. 2024) and simpo
    (Meng et al. 2024) need no reference, and their trainers are experimental parts of TRL, which may vanish from it."""
    beta: float = Field(default=0.1, gt=0)
    """Strength of the pull to the reference: the larger, the less the policy moves. simpo has no reference and needs
    its own beta, on the mean log-probability of a token (its paper: 2.0 to 10); for orpo it is the weight of the odds
    ratio next to the cross-entropy, which TRL computes over the prompt and the chosen answer."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the cross-entropy of chosen answers (RPO, Pang et al. 2024); it keeps the policy's text readable. Not
    for kto, nor for orpo, whose loss already has such a term, over prompt and chosen answer."""

    @property
    def takes_soft_labels(self) -> bool:
        """Return whether soft labels fit the other settings."""
        return super().takes_soft_labels and self.loss not in UNWEIGHTED

    @model_validator(mode="after")
    def _settings_act(self) -> Self:
        if self.loss == "robust" and not self.label_smoothing:
            raise ValueError("loss: robust needs label_smoothing, the share of flipped labels, above 0")
        if self.loss in ("kto", "orpo") and self.label_smoothing:
            remedy = "leave label_smoothing out, or take sigmoid, ipo, robust or simpo"
            raise ValueError(f"loss: {self.loss} has no label smoothing; {remedy}")
        if self.labels == "soft" and self.loss in ("robust", *UNWEIGHTED):
            raise ValueError(f"loss: {self.loss} takes hard labels; for labels: soft take sigmoid or ipo")
        if self.loss in ("kto", "orpo") and self.sft_weight:
            raise ValueError(f"loss: {self.loss} takes no extra SFT term; leave sft_weight out")
        if self.loss == "simpo" and "beta" not in self.model_fields_set:
            raise ValueError(
                "loss: simpo needs beta, on the mean log-probability of a token; its paper takes 2.0 to 10"
            )
        return self


def train_sft(
    base: str | Path,
    rows: Iterable[Mapping[str, Any]],
    out: Path,
    settings: SftSettings,
    *,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> TrainResult:
    """Fine-tune `base` on `messages`, or on `completion` given `prompt`, and save it to `out`.

    A row may carry `tools`, `chat_template_kwargs` and `category`. Raises ConfigError for a base that is not
    there, DataError for rows that cannot be read, TrainingError where too many rows are dropped or the
    loss leaves the numbers, MissingExtra without the libraries of `amendment[train]`.
    """
    need_training()
    from amendment.dpo import _training

    return _training.fine_tune(base, rows_in(rows), Path(out), settings, seed, progress=progress)


@dataclass(frozen=True, kw_only=True)
class DpoResult(TrainResult):
    """A policy trained on preferences."""

    guards: tuple[GuardReading, ...] = ()
    """What guards measured, step by step; empty where none watched."""


def train_dpo(
    base: str | Path,
    pairs: Iterable[Mapping[str, Any]],
    out: Path,
    settings: DpoSettings,
    *,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    guards: Guards | None = Guards(),  # noqa: B008 - immutable
) -> DpoResult:
    """Move `base` towards `chosen` and away from `rejected`, and save it to `out`.

    The reference is always `base` as it lies on disk; at the first step policy and reference have to agree
    (implicit rewards 0, sigmoid loss ln 2), else TrainingError. The losses orpo and simpo have no reference. Those
    that take no weights raise TrainingError for pairs whose `weight` differs. Raises as `train_sft` does.

    `guards` measure the policy as it is trained, and can end the training; then the best weights from before are
    saved, which may be the base's own, and `notes` of the result say so. None: nothing is watched.
    """
    need_training()
    from amendment.dpo import _training

    return _training.optimise(base, rows_in(pairs), Path(out), settings, seed, progress=progress, guards=guards)


def policy_margins(
    policy: str | Path, reference: str | Path, pairs: Iterable[Mapping[str, Any]], settings: DpoSettings | None = None
) -> NDArray[np.float64]:
    """Difference of implicit rewards of each pair, beta included; positive where the policy prefers `chosen`.

    beta ((log pi(chosen) - log ref(chosen)) - (log pi(rejected) - log ref(rejected))), in nats (Rafailov
    et al. 2023, eq. 7), with beta and max_length of `settings`. A pair that preflight would drop (too
    long, two equal answers, an answer that says nothing) has nan. Both need the same tokenizer.
    """
    need_training()
    from amendment.dpo import _training

    return _training.margins(policy, reference, rows_in(pairs), settings or DpoSettings())
