"""Settings of training a reward model, and `reward_meta.json`: what a score depends on
besides the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amendment.errors import ConfigError
from amendment.files import read_json
from amendment.training import PairTrainerSettings
from amendment.training.settings import PairsConfig

META = "reward_meta.json"
CENTRE = 0.01
"""Weight of the squared sum of both rewards, which keeps scores near zero (Eisenstein et al. 2023)."""


class RewardSettings(PairTrainerSettings):
    """A Bradley-Terry reward model: a scalar head on the base."""

    learning_rate: float = Field(default=1e-5, gt=0, le=1)
    """Peak learning rate of the optimiser. With `lora` the default is four times as high."""


class RewardModelConfig(PairsConfig, RewardSettings):
    """A reward model."""

    base: str
    """base, sft, or a model as `provider: local` takes it (folder, Hub id or `id@revision`, GGUF file,
    `smollm2-135m-instruct`)."""


class Temperature(BaseModel):
    """A fitted temperature and what it rests on. Log losses are in nats per pair."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    value: float = Field(gt=0, allow_inf_nan=False)
    pairs: int
    prompts: int
    log_loss_before: float
    """With T = 1, like `brier_before`."""
    log_loss_after: float | None
    """Cross-fitted, like `brier_after`; none where all pairs are of one prompt."""
    brier_before: float
    brier_after: float | None
    helps: bool = False
    """Whether it surely brings the Brier score down on pairs that it was not fitted to, and the log loss with it. Only
    then is it used; see `RewardModel.probability`."""
    note: str = ""
    """What a reader must know before leaning on it."""


class RewardMeta(BaseModel):
    """The description of a reward model. Unknown fields are of later versions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base: str
    base_commit: str | None = None
    """Of a base on the Hub."""
    seed: int
    max_length: int = Field(ge=1)
    over_length: Literal["drop", "truncate"] = "drop"
    """Earlier versions could cut texts over `max_length`; a model that was trained so is asked so."""
    template: str
    """Content hash of the chat template."""
    pad_token_id: int
    labels: str = "hard"
    label_smoothing: float = 0.0
    temperature: Temperature | None = None
    """Of score differences; none where no held-out pairs were given, or none could be fitted. It is used where it
    `helps`."""

    @property
    def temperature_used(self) -> float:
        """Return the temperature that turns differences of scores into probabilities."""
        return self.temperature.value if self.temperature and self.temperature.helps else 1.0


def read_meta(folder: Path) -> RewardMeta:
    """Return the description in a folder. Raises ConfigError where there is none that can be read."""
    file = folder / META
    if not file.is_file():
        raise ConfigError(
            f"{folder}: expected a reward model (with {META}), found another model. The stage reward_model trains one: "
            f"reward_model: {{base: {folder}}}"
        )
    try:
        return RewardMeta.model_validate(read_json(file))
    except ValidationError as error:
        fault = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
    except (ValueError, RecursionError) as error:
        fault = str(error)
    raise ConfigError(f"{file}: expected the description of a reward model, found: {fault}")
