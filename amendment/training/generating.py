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

from amendment.llm.generation import GenerationOptions, sample, score
from amendment.llm.rendering import Sampled


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
    """Yield all sequences once, short ones first, in batches of at most `tokens` tokens with padding (or one row)."""
    batch: list[int] = []
    for row in sorted(range(len(sequences)), key=lambda row: len(sequences[row])):
        if batch and (len(batch) + 1) * max(1, len(sequences[row])) > tokens:
            yield PaddedBatch(batch, *_rectangle([sequences[row] for row in batch], pad, device))
            batch = []
        batch.append(row)
    if batch:
        yield PaddedBatch(batch, *_rectangle([sequences[row] for row in batch], pad, device))


def _rectangle(rows: Sequence[Sequence[int]], pad: int, device: Any) -> tuple[Tensor, Tensor]:
    """Return ids and mask of rows, padded to the longest one."""
    width = max(1, *map(len, rows))
    ids = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = torch.tensor(row, dtype=torch.long), 1
    return ids.to(device), mask.to(device)


def completion_logps(
    model: Any, tokenizer: Any, sequences: Sequence[tuple[list[int], list[int]]]
) -> NDArray[np.float64]:
    """log p(completion | prompt) in nats of (prompt ids, completion ids), in the order given."""
    prompts = [prompt for prompt, _ in sequences]
    completions = [completion for _, completion in sequences]
    logps = dict(score(model, tokenizer, prompts, completions)) if sequences else {}
    return np.array([logps[row] for row in range(len(sequences))])


def sample_answers(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], seeds: Sequence[int], *, max_tokens: int
) -> list[Sampled]:
    """Draw an answer at temperature 1 to each prompt (token ids that end where the assistant begins) with the prompt's
    own seed. The model is used as it is: put it in evaluation mode first."""
    answers = dict(sample(model, tokenizer, prompts, seeds, GenerationOptions(max_tokens)))
    return [answers[row] for row in range(len(prompts))]
