"""What a model that is being trained says, and how likely it or another model says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from amendment.llm.rendering import Sampled
from amendment.training.bases import need_training
from amendment.training.batches import padded_batches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["completion_logps", "sample_answers"]

_LOGITS = 2**26
"""Most logits held at once: a quarter of a gigabyte in fp32."""
_ROWS = 64
"""Answers drawn together, prompts of like length beside each other."""


def sample_answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    *,
    max_tokens: int,
    temperature: float = 1.0,
) -> list[Sampled]:
    """An answer to each prompt (token ids that end where the assistant begins), drawn with the prompt's own seed.

    The model is used as it stands: put it in evaluation mode first. Raises MissingExtra.
    """
    need_training()
    from amendment.llm.generation import Drawing, sample

    drawing = Drawing(max_tokens, temperature)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    answers: dict[int, Sampled] = {}
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        drawn = sample(model, tokenizer, [prompts[row] for row in rows], [seeds[row] for row in rows], drawing)
        answers |= dict(zip(rows, drawn, strict=True))
    return [answers[row] for row in range(len(prompts))]


def completion_logps(
    model: Any, sequences: Sequence[tuple[list[int], list[int]]], pad: int, *, temperature: float = 1.0
) -> NDArray[np.float64]:
    """log p(completion | prompt) in nats of (prompt ids, completion ids), in the order given. Raises MissingExtra."""
    need_training()
    import numpy as np
    import torch

    starts = np.array([len(prompt) for prompt, _ in sequences])
    result = np.zeros(len(sequences))
    tokens = max(64, min(8192, _LOGITS // int(model.config.get_text_config().vocab_size)))
    with torch.no_grad():
        for batch in padded_batches([[*prompt, *rest] for prompt, rest in sequences], pad=pad, tokens=tokens):
            ids, mask = (torch.from_numpy(array).to(model.device) for array in (batch.ids, batch.mask))
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float() / temperature
            targets = ids[:, 1:]
            logps_BT = logits.gather(2, targets[..., None]).squeeze(2) - logits.logsumexp(2)
            first = torch.from_numpy(starts[batch.rows]).to(model.device)[:, None]
            is_completion = (torch.arange(1, ids.shape[1], device=model.device) >= first) & (mask[:, 1:] == 1)
            result[batch.rows] = (logps_BT * is_completion).sum(1).double().cpu().numpy()
    return result
