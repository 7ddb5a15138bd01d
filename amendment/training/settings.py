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
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticUndefined

from amendment.records import Part
from amendment.yamlfile import did_you_mean

LORA_RATE = 4
"""The default learning rate of an adapter over that of all weights; `benchmarks/training_lora.py` measures it."""
UNREADABLE = 0.05
"""The guards' limit of the share of answers that are empty, in a loop or not readable beyond the reference's share, and
of the share of those cut at their limit of tokens."""


TRL_FIELDS: Mapping[str, TypeAdapter[Any]] = {
    name: TypeAdapter(cast(Any, kind))
    for name, kind in {
        "lr_scheduler_type": Literal[
            "linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"
        ],
        "warmup_steps": Annotated[float, Field(ge=0, allow_inf_nan=False)],
        "weight_decay": Annotated[float, Field(ge=0, le=1)],
        "gradient_accumulation_steps": Annotated[int, Field(ge=1)],
        "bf16": bool,
        "gradient_checkpointing": bool,
        "logging_steps": Annotated[int, Field(ge=1)],
        "save_strategy": Literal["steps", "no"],
        "save_steps": Annotated[int, Field(ge=1)],
        "report_to": list[Literal["tensorboard", "wandb", "mlflow", "trackio"]],
    }.items()
}
"""The fields of TRL's configurations that a run file may set: learning, batch, schedule, and what is logged and kept of
a training. None of them reaches outside the run: there is no field of the Hub, of tokens or of remote code."""
ELSEWHERE = {
    "learning_rate": "learning_rate",
    "max_steps": "steps",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
}
"""Fields of TRL that a run file sets next to `trl`, under these names."""


TrlValue = bool | int | float | str | list[str]


def _known_fields(given: dict[str, TrlValue]) -> dict[str, TrlValue]:
    for name in given:
        if name in ELSEWHERE:
            raise ValueError(f"{name}: write {ELSEWHERE[name]} next to trl")
        if name not in TRL_FIELDS:
            raise ValueError(
                f"unknown field '{name}'{did_you_mean(name, TRL_FIELDS)}; known are {', '.join(TRL_FIELDS)}"
            )
    fields: dict[str, TrlValue] = {}
    for name, value in given.items():
        try:
            fields[name] = TRL_FIELDS[name].validate_python(value)
        except ValidationError as error:
            raise ValueError(f"{name}: {error.errors()[0]['msg']}") from None
    return fields


TrlFields = Annotated[
    dict[str, TrlValue],
    AfterValidator(_known_fields),
    WithJsonSchema({"type": "object", "propertyNames": {"enum": [*TRL_FIELDS]}}),
]


class LoraSettings(Part, allow_inf_nan=False):
    """A low-rank adapter on linear layers (Hu et al. 2021). It is merged before the model is saved."""

    r: int = Field(default=16, ge=1, le=1024)
    """Rank; the adapter is scaled by 2 (alpha is twice the rank)."""
    layers: Literal["all", "upper_half"] = "all"
    """Transformer blocks that get adapters. upper_half: those nearest the output, where backpropagation then ends, so
    that a step takes less time."""


class TrainerSettings(Part, allow_inf_nan=False):
    """What all trainers have in common. A batch counts rows for SFT and pairs for reward model and DPO."""

    is_shared = True

    max_length: int = Field(default=1024, ge=8)
    """Tokens of prompt and completion together."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the rows; 1 if neither this nor `steps` is set."""
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps, instead of `epochs`."""
    learning_rate: float = Field(gt=0, le=1)
    """Peak learning rate of the optimiser. With `lora` the default is four times as high."""
    batch_size: int = Field(default=16, ge=1)
    """Rows (SFT) or pairs (reward model, DPO) of one optimiser step."""
    lora: LoraSettings | None = None
    """Train a low-rank adapter instead of all weights."""
    trl: TrlFields = Field(default={})
    """Fields of TRL's own configuration: bf16, gradient_accumulation_steps, gradient_checkpointing, logging_steps,
    lr_scheduler_type, report_to, save_steps, save_strategy, warmup_steps and weight_decay. By default a history has an
    entry every 10 steps, and a killed training resumes from a checkpoint that is written every 500 steps, for which
    the disk needs about six times the trained weights; `save_strategy: "no"` writes none."""

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
        """Return whether soft labels fit the other settings; smoothing is an assumption about hard ones."""
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
    for name in cast(list[str], settings.trl.get("report_to", [])):
        if find_spec(name) is None:
            yield f"report_to: {name} is not installed; pip install {name}, or leave it out"


ProgressCallback = Callable[[int, int, dict[str, float]], None]
"""Called with the step, the last step, and the metrics of the steps since the last call."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The preflight table of one trainer."""

    trainer: str
    rows: int
    kept: int
    dropped: dict[str, int]
    """By reason: over_length, identical, empty_completion, tie, weight_zero."""
    notes: dict[str, int]
    """Rows that are kept and of which something has to be known, by what it is."""
    tokens: dict[str, int]
    """p50, p99 and max of the longer sequence of each row."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A trained model's folder and how it came about. `history.json` in the folder holds all of it."""

    folder: Path
    """Weights as safetensors, tokenizer, chat template, history.json: a plain folder for every later stage."""
    report: Report
    history: tuple[dict[str, float], ...]
    """One entry every `logging_steps` steps and at each checkpoint, with TRL's metric names; the first is step 1."""
    steps: int
    machine: dict[str, Any]
    """Device, precision, threads and library versions: equal machines give equal weights."""
    notes: tuple[str, ...] = ()
    """What a reader of the result has to know, in sentences."""


class PairsConfig(Part):
    """What a run file says about a training on the dataset's pairs."""

    is_shared = True

    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] | Literal["estimated"] = 0.0
    """Share of labels assumed to be wrong: a target p becomes p (1 - e) + (1 - p) e. estimated: as the spot check's
    calibration expects it."""
    despite: tuple[Literal["order", "people"], ...] = ()
    """Gates that a judge that decided pairs may fail. order: train even though its verdicts change too often with the
    order of the answers; people: even though people disagree with it too much, which certificate and card say."""
