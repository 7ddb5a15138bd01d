"""Settings of a trainer in the run file, the shape of a tiny model, and the result of a training.

Promised: a value that cannot work is refused when the object is made, and TRL's own fields pass only by
name. Fields that reach outside the run (Hub, tokens, output folders, remote code) have no name here. Loads nothing
heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticUndefined

from amendment.records import Part

LORA_RATE = 4
"""The default learning rate of an adapter over that of all weights; `benchmarks/training_lora.py` measures it."""


class TrlFields(Part, allow_inf_nan=False):
    """Fields of TRL's configuration that a run file may set: learning, batch and schedule. Absent: our default."""

    lr_scheduler_type: (
        Literal["linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"] | None
    ) = None
    """How the learning rate changes after its peak."""
    warmup_steps: float | None = Field(default=None, ge=0)
    """A number of steps, or below 1 a share of them."""
    weight_decay: float | None = Field(default=None, ge=0, le=1)
    """Decoupled weight decay of AdamW."""
    gradient_accumulation_steps: int | None = Field(default=None, ge=1)
    """Batches of one optimiser step."""
    bf16: bool | None = None
    """Train in bfloat16; by default if the device supports it well."""
    gradient_checkpointing: bool | None = None
    """Save memory by computing more; by default on a GPU."""


class LoraSettings(Part, allow_inf_nan=False):
    """A low-rank adapter on linear layers (Hu et al. 2021). It is merged before the model is saved."""

    r: int = Field(default=16, ge=1, le=1024)
    """Rank; the adapter is scaled by 2 (alpha is twice the rank)."""
    layers: Literal["all", "upper_half"] = "all"
    """Transformer blocks that get adapters. upper_half: those nearest the output, where backpropagation then ends, so
    that a step takes less time."""


class TrainerSettings(Part, allow_inf_nan=False):
    """What all trainers have in common. A batch counts rows for SFT and pairs for reward model and DPO."""

    max_length: int = Field(default=1024, ge=8)
    """Tokens of prompt and completion together."""
    over_length: Literal["drop", "truncate"] = "drop"
    """Truncation cuts the end; a row whose prompt alone fills `max_length` is dropped either way."""
    max_dropped: float = Field(default=0.25, ge=0, le=1)
    """Largest share of rows that may be dropped before the stage refuses to train."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the rows; 1 if neither this nor `steps` is set."""
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps, instead of `epochs`."""
    learning_rate: float = Field(gt=0, le=1)
    """Peak learning rate of the optimiser. With `lora` the default is four times as high."""
    batch_size: int = Field(default=16, ge=1)
    """Rows (SFT) or pairs (reward model, DPO) of one optimiser step."""
    revision: str | None = Field(default=None, min_length=1)
    """Of a base on the Hub: branch, tag or, to be exact, commit."""
    lora: LoraSettings | None = None
    """Train a low-rank adapter instead of all weights."""
    log_every: int = Field(default=10, ge=1)
    """Steps between two entries of the history."""
    checkpoint_every: int | None = Field(default=500, ge=1)
    """Steps between two checkpoints; the last is kept until training ends, and a killed training resumes from it. A
    checkpoint takes about three times the trained weights, and there are two while one replaces the other. Shorter
    trainings write none. null: never."""
    report_to: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    """Trackers that get each entry of the history as well. What they write is next to the model, in `<name>.logs`."""
    trl: TrlFields = TrlFields()
    """Fields of TRL's own configuration."""

    @model_validator(mode="before")
    @classmethod
    def _set_adapter_rate(cls, given: Any) -> Any:
        """Set the default learning rate of an adapter, if none is given."""
        default = cls.model_fields["learning_rate"].default
        if not isinstance(given, Mapping) or not given.get("lora") or default is PydanticUndefined:
            return given
        return given if "learning_rate" in given else {**given, "learning_rate": LORA_RATE * default}

    @model_validator(mode="after")
    def _set_once(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("both epochs and steps are set; keep one of them")
        return self


class PairTrainerSettings(TrainerSettings):
    """What trainers on preference pairs have in common: what they make of `p_chosen` and `weight`.

    `weight` counts relative to the mean weight of the pairs that are trained on; absent, it is 1.
    """

    labels: Literal["hard", "soft"] = "soft"
    """soft: P(chosen is better) is the target, so that a pair whose two orders disagree teaches little; hard: the
    chosen answer counts as better, and ties are left out. The default is hard with label smoothing, and with
    a loss that takes only hard labels."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of labels assumed to be wrong: a target p becomes p (1 - e) + (1 - p) e."""

    @model_validator(mode="after")
    def _default_labels(self) -> Self:
        if "labels" not in self.model_fields_set and not self.takes_soft_labels:
            object.__setattr__(self, "labels", "hard")  # the part is frozen from here on
        return self

    @property
    def takes_soft_labels(self) -> bool:
        """Whether soft labels fit the other settings; smoothing is an assumption about hard ones."""
        return not self.label_smoothing


class TinyModel(Part, allow_inf_nan=False):
    """The shape of a model small enough to be trained from scratch on one CPU core in seconds."""

    hidden: int = Field(default=64, ge=8)
    """Width of the residual stream."""
    layers: int = Field(default=2, ge=1)
    """Transformer blocks."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    intermediate: int = Field(default=192, ge=8)
    """Width inside the feed-forward layers."""
    vocab: int = Field(default=1024, ge=320)
    """Upper bound of the vocabulary: 256 bytes, the control tokens, and merges learned from the text."""
    context: int = Field(default=512, ge=16)
    """Tokens that the model can attend to."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden must be a multiple of 2 x heads, found {self.hidden} and {self.heads}")
        return self


def missing_trackers(settings: TrainerSettings) -> Iterator[str]:
    """Report each tracker of `report_to` that is not installed here, with its remedy."""
    for name in settings.report_to:
        if find_spec(name) is None:
            yield f"{name} is not installed; pip install {name}, or leave it out"


ProgressCallback = Callable[[int, int, dict[str, float]], None]
"""Called with the step, the last step, and the metrics of the steps since the last call."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The preflight table of one trainer."""

    trainer: str
    rows: int
    kept: int
    dropped: dict[str, int]
    """By reason: over_length, identical, identical_after_truncation, empty_completion, prompt_fills_max_length, tie,
    weight_zero."""
    truncated: int
    notes: dict[str, int]
    """Rows that are kept and of which something has to be known, by what it is."""
    tokens: dict[str, int]
    """p50, p99 and max of the longer sequence of each row, before anything was cut."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A trained model's folder and how it came about. `history.json` in the folder holds all of it."""

    folder: Path
    """Weights as safetensors, tokenizer, chat template, history.json: a plain folder for every later stage."""
    report: Report
    history: tuple[dict[str, float], ...]
    """One entry every `log_every` steps and at each checkpoint, with TRL's metric names; the first is step 1."""
    steps: int
    machine: dict[str, Any]
    """Device, precision, threads and library versions: equal machines give equal weights."""
    notes: tuple[str, ...] = ()
    """What a reader of the result has to know, in sentences."""


class PairsConfig(Part):
    """What a run file says about a training on the dataset's pairs."""

    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] | Literal["estimated"] = 0.0
    """Share of labels assumed to be wrong: a target p becomes p (1 - e) + (1 - p) e. estimated: as the spot check's
    calibration expects it."""
    despite: tuple[Literal["order"], ...] = ()
    """Gates that a judge that decided pairs may fail. order: train even though its verdicts change too often with the
    order of the answers."""
