"""Load a trained reward model and score answers with it, as they were rendered in training.

Not covered: what a score means. Scores order answers to one prompt; across prompts and across models
they do not compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amendment.errors import ConfigError
from amendment.training import check_base, need_training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RewardMeta", "RewardModel"]


class RewardMeta(BaseModel):
    """`reward_meta.json`: what a score depends on beside the weights. Unknown fields are of later versions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base: str
    base_commit: str | None = None
    """Of a base on the Hub."""
    seed: int
    max_length: int = Field(ge=1)
    over_length: str
    template: str
    """Content hash of the chat template."""
    pad_token_id: int
    centre: float | None = None
    labels: str = "hard"


class RewardModel:
    """A reward model in memory. Make it with `load`."""

    def __init__(self, folder: Path, meta: RewardMeta, scorer: Any) -> None:
        self.folder, self.meta, self._scorer = folder, meta, scorer

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a folder that `train_reward` wrote. Raises ConfigError for another one, or a changed template."""
        need_training()
        path = Path(folder)
        check_base(path)
        meta = _read_meta(path)
        from amendment.reward_model._score import Scorer

        return cls(path, meta, Scorer(path, meta))

    def score(self, rows: Iterable[Mapping[str, Any]]) -> NDArray[np.float64]:
        """One reward per row, in the order given.

        A row has `prompt` and `completion` (lists of messages as JSON objects) and where needed `tools` and
        `chat_template_kwargs`. A row over `max_length` has nan, or is cut where training cut. Scores do not
        depend on the other rows, up to rounding. Raises DataError for a row that cannot be read.
        """
        scores: NDArray[np.float64] = self._scorer.score(list(rows))
        return scores


def _read_meta(folder: Path) -> RewardMeta:
    file = folder / "reward_meta.json"
    if not file.is_file():
        raise ConfigError(f"{folder}: expected a reward model (with reward_meta.json), found another model")
    try:
        return RewardMeta.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise ConfigError(f"{file}: expected the description of a reward model, found: {error}") from None
