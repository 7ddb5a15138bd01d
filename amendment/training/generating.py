"""Generate with a model in memory and score texts under it, in batches by length. Loads torch.

Not covered: how an answer is drawn; see `amendment.llm.generation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amendment.llm.generation import GenerationOptions, sample
from amendment.llm.rendering import Sampled

_LOGITS = 2**26
"""Most logits held at once: a quarter of a gigabyte in fp32."""


class PaddedBatch(NamedTuple):
    """Some of the sequences as a rectangle, padded on the right."""

    rows: list[int]
    """Which sequences, by position."""
    ids: Tensor
    """Shape (rows, longest)."""
    mask: Tensor
    """1 for a token, 0 for padding."""


def padded_batches(
    sequences: Sequence[Sequence[int]], *, pad: int, device: Any = "cpu", tokens: int = 8192
) -> Iterator[PaddedBatch]:
    """All sequences once, short ones first, in batches of at most `tokens` tokens with padding (or one row)."""
    batch: list[int] = []
    for row in sorted(range(len(sequences)), key=lambda row: len(sequences[row])):
        if batch and (len(batch) + 1) * max(1, len(sequences[row])) > tokens:
            yield PaddedBatch(batch, *_rectangle([sequences[row] for row in batch], pad, device))
            batch = []
        batch.append(row)
    if batch:
        yield PaddedBatch(batch, *_rectangle([sequences[row] for row in batch], pad, device))


def _rectangle(rows: Sequence[Sequence[int]], pad: int, device: Any) -> tuple[Tensor, Tensor]:
    """Ids and mask of rows, padded to the longest one."""
    width = max(1, *map(len, rows))
    ids, mask = torch.full((len(rows), width), pad), torch.zeros((len(rows), width), dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = torch.tensor(row, dtype=torch.long), 1
    return ids.to(device), mask.to(device)


@torch.no_grad()
def completion_logps(model: Any, sequences: Sequence[tuple[list[int], list[int]]], pad: int) -> NDArray[np.float64]:
    """log p(completion | prompt) in nats of (prompt ids, completion ids), in the order given."""
    starts = torch.tensor([len(prompt) for prompt, _ in sequences], device=model.device)
    result = np.zeros(len(sequences))
    tokens = max(64, min(8192, _LOGITS // int(model.config.get_text_config().vocab_size)))
    wholes = [[*prompt, *completion] for prompt, completion in sequences]
    for rows, ids, mask in padded_batches(wholes, pad=pad, device=model.device, tokens=tokens):
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
        logps_BT = logits.gather(2, ids[:, 1:, None]).squeeze(2) - logits.logsumexp(2)
        is_completion = torch.arange(1, ids.shape[1], device=model.device) >= starts[rows][:, None]
        result[rows] = (logps_BT * (is_completion & (mask[:, 1:] == 1))).sum(1).double().cpu().numpy()
    return result


def sample_answers(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], seeds: Sequence[int], *, max_tokens: int
) -> list[Sampled]:
    """An answer at temperature 1 to each prompt (token ids that end where the assistant begins), drawn with the
    prompt's own seed. The model is used as it is: put it in evaluation mode first."""
    answers = dict(sample(model, tokenizer, prompts, seeds, GenerationOptions(max_tokens)))
    return [answers[row] for row in range(len(prompts))]
