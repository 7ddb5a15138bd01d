"""The forward passes of reward models, batched by length. Loads torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForSequenceClassification

from amendment.errors import ConfigError
from amendment.llm.rendering import Renderer
from amendment.reward_model.settings import RewardMeta
from amendment.training.bases import check_weights
from amendment.training.generating import padded_batches
from amendment.training.model_files import load_model, load_tokenizer, named_faults, placed, quietly
from amendment.training.preflight import render_completions

MEMBERS = "members"
"""Folder of an ensemble's other members (1, 2, ...); the first is the folder around it."""


class Scorer:
    """The models of a folder with their tokenizer."""

    def __init__(self, folder: Path, meta: RewardMeta, *, hold: bool) -> None:
        with quietly():
            self.tokenizer = load_tokenizer(folder)
            with named_faults(f"{folder}: the reward model cannot be loaded"):
                config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
            self.folder, self.meta = folder, meta
            template = Renderer(self.tokenizer).template_id
            if template != meta.template or config.get_text_config().pad_token_id != meta.pad_token_id:
                raise ConfigError(f"{folder}: its chat template or pad token is not the one it was trained with")
            self._folders = [self._checked(number) for number in range(meta.ensemble.members if meta.ensemble else 1)]
            self._held = list(self._models()) if hold or meta.ensemble is None else []

    def score(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Scores by member and row; nan where a row has none."""
        with quietly(), torch.inference_mode():
            ids = render_completions(rows, Renderer(self.tokenizer))
            return np.stack([self._scores(model, ids) for model in self._held or self._models()])

    def _scores(self, model: Any, ids: Sequence[list[int]]) -> NDArray[np.float64]:
        scores = np.full(len(ids), np.nan)
        limit, cuts = self.meta.max_length, self.meta.over_length == "truncate"
        fitting = [i for i, tokens in enumerate(ids) if cuts or len(tokens) <= limit]
        sequences = [ids[i][:limit] for i in fitting]
        for rows, tokens, mask in padded_batches(sequences, pad=self.meta.pad_token_id, device=model.device):
            logits = model(input_ids=tokens, attention_mask=mask, use_cache=False).logits
            scores[[fitting[row] for row in rows]] = logits[:, 0].double().cpu().numpy()
        return scores

    def _checked(self, number: int) -> Path:
        """The folder of a member. Raises ConfigError where it is missing or has no weights that may be read."""
        folder = self.folder / MEMBERS / str(number) if number else self.folder
        if not (folder / "config.json").is_file():
            name = folder.relative_to(self.folder)
            raise ConfigError(
                f"{self.folder}: a member of the ensemble is missing ({name}/config.json); copy the folder as a whole"
            )
        check_weights(folder)
        return folder

    def _models(self) -> Iterator[Any]:
        """Each member, read when it is asked for."""
        for folder in self._folders:
            subject = f"{folder}: the reward model"
            kind = AutoModelForSequenceClassification
            yield placed(load_model(kind, folder, subject=subject, num_labels=1, dtype=torch.float32))
