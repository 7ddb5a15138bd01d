"""The forward passes of a reward model, batched by length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from amendment.errors import ConfigError
from amendment.training import Renderer, load_tokenizer, padded_batches, placed, quietly, render_completions

if TYPE_CHECKING:
    from amendment.reward_model.model import RewardMeta


class Scorer:
    """A loaded model with its tokenizer."""

    def __init__(self, folder: Path, meta: RewardMeta) -> None:
        with quietly():
            self.tokenizer = load_tokenizer(folder)
            model = AutoModelForSequenceClassification.from_pretrained(
                str(folder), num_labels=1, dtype=torch.float32, trust_remote_code=False
            )
        self.meta = meta
        self.model = placed(model)
        template = Renderer(self.tokenizer).template_id
        if template != meta.template or model.config.get_text_config().pad_token_id != meta.pad_token_id:
            raise ConfigError(f"{folder}: its chat template or pad token is not the one it was trained with")

    def score(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        scores = np.full(len(rows), np.nan)
        with quietly(), torch.inference_mode():
            ids = render_completions(rows, Renderer(self.tokenizer))
            limit, cuts = self.meta.max_length, self.meta.over_length == "truncate"
            fitting = [i for i, tokens in enumerate(ids) if cuts or len(tokens) <= limit]
            for batch in padded_batches([ids[i][:limit] for i in fitting], pad=self.meta.pad_token_id):
                tokens, mask = (torch.from_numpy(a).to(self.model.device) for a in (batch.ids, batch.mask))
                logits = self.model(input_ids=tokens, attention_mask=mask, use_cache=False).logits
                scores[[fitting[row] for row in batch.rows]] = logits[:, 0].double().cpu().numpy()
        return scores
