"""Log-probabilities of completions under a causal language model, batched by length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from amendment.training import TokenPair, padded_batches

_LOGITS = 2**26
"""Most logits held at once: a quarter of a gigabyte in fp32."""


class PairLogps(NamedTuple):
    """Sums of log-probabilities over completion tokens in nats, one entry per pair."""

    chosen: NDArray[np.float64]
    rejected: NDArray[np.float64]

    @property
    def margin(self) -> NDArray[np.float64]:
        return self.chosen - self.rejected


def pair_logps(model: Any, pairs: Sequence[TokenPair], pad: int) -> PairLogps:
    """log p(chosen) and log p(rejected) of each pair, given its prompt."""
    sides = [[(pair.prompt_ids, ids) for pair in pairs for ids in (pair.chosen_ids, pair.rejected_ids)]]
    flat = completion_logps(model, sides[0], pad)
    return PairLogps(flat[0::2], flat[1::2])


def completion_logps(model: Any, sequences: Sequence[tuple[list[int], list[int]]], pad: int) -> NDArray[np.float64]:
    """log p(completion | prompt) of (prompt ids, completion ids), in the order given."""
    starts = np.array([len(prompt) for prompt, _ in sequences])
    result = np.zeros(len(sequences))
    tokens = max(64, min(8192, _LOGITS // int(model.config.get_text_config().vocab_size)))
    with torch.inference_mode():
        for batch in padded_batches([[*prompt, *rest] for prompt, rest in sequences], pad=pad, tokens=tokens):
            ids, mask = (torch.from_numpy(array).to(model.device) for array in (batch.ids, batch.mask))
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
            targets = ids[:, 1:]
            logps_BT = logits.gather(2, targets[..., None]).squeeze(2) - logits.logsumexp(2)
            first = torch.from_numpy(starts[batch.rows]).to(model.device)[:, None]
            is_completion = (torch.arange(1, ids.shape[1], device=model.device) >= first) & (mask[:, 1:] == 1)
            result[batch.rows] = (logps_BT * is_completion).sum(1).double().cpu().numpy()
    return result
