"""Implicit rewards of held-out pairs: the same rendering and rules of length as in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amendment.dpo._logps import pair_logps
from amendment.dpo.settings import DpoSettings
from amendment.errors import TrainingError
from amendment.training import Renderer, dpo_logits, load_causal, load_tokenizer, prepare_pairs, quietly


def margins(
    policy: str | Path, reference: str | Path, pairs: Sequence[Mapping[str, Any]], settings: DpoSettings
) -> NDArray[np.float64]:
    result = np.full(len(pairs), np.nan)
    if not pairs:
        return result
    with quietly():
        tokenizer, other = (load_tokenizer(model, revision=settings.revision) for model in (policy, reference))
        if tokenizer.get_vocab() != other.get_vocab() or tokenizer.chat_template != other.chat_template:
            raise TrainingError(f"{policy} and {reference} have different tokenizers or chat templates")
        prepared = prepare_pairs(pairs, Renderer(tokenizer), settings, trainer="dpo", refuse=False)
        of = [
            pair_logps(load_causal(m, revision=settings.revision), prepared.rows, tokenizer.pad_token_id).margin
            for m in (policy, reference)
        ]
    result[prepared.places] = dpo_logits(*of, beta=settings.beta)
    return result
