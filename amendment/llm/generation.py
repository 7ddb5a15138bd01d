"""Drawing answers from a language model in this process, and label probabilities: one way for providers and training.

Promised: every answer is drawn with random numbers of its own, so that it depends neither on its neighbours in a batch
nor on anybody's generators, up to rounding: padding changes logits in the last digits, and once in a long while that
tips a draw. Not covered: constrained answers.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from amendment.llm.rendering import Sampled


class GenerationOptions(NamedTuple):
    """Options of drawing the answers of one batch."""

    max_tokens: int
    temperature: float = 1.0
    """0 takes the likeliest token each time."""
    top_p: float = 1.0


@torch.no_grad()  # not inference_mode: what a model caches of its own accord has to stay fit for training
def sample(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], seeds: Sequence[int], drawing: GenerationOptions
) -> list[Sampled]:
    """An answer to each prompt of a batch, drawn with the prompt's own seed. The model is used as it stands: put it in
    evaluation mode first."""
    ids_BT, mask_BT = _padded(model, tokenizer, prompts)
    ends = torch.tensor(sorted(end_tokens(model, tokenizer)), dtype=torch.long, device=model.device)
    uniforms_BN = _uniforms(seeds, drawing.max_tokens).to(model.device)
    lengths_B = torch.zeros(len(prompts), dtype=torch.long, device=model.device)
    is_open_B, cache, drawn = torch.ones(len(prompts), dtype=torch.bool, device=model.device), None, list[Tensor]()
    for uniforms_B in uniforms_BN.T:
        out = model(attention_mask=mask_BT, past_key_values=cache, **_inputs(model, ids_BT, mask_BT, use_cache=True))
        token_B = draw_tokens(out.logits[:, -1], uniforms_B, drawing)
        drawn.append(token_B)
        lengths_B += is_open_B
        is_open_B = is_open_B & ~torch.isin(token_B, ends)
        if not is_open_B.any():
            break
        cache = getattr(out, "past_key_values", None)
        ids_BT = token_B[:, None] if cache is not None else torch.cat([ids_BT, token_B[:, None]], dim=1)
        mask_BT = torch.cat([mask_BT, torch.ones_like(token_B)[:, None]], dim=1)
    rows = zip(torch.stack(drawn, dim=1).tolist(), lengths_B.tolist(), is_open_B.tolist(), strict=True)
    return [Sampled(ids[:length], is_cut) for ids, length, is_cut in rows]


def draw_tokens(logits_BV: Tensor, uniforms_B: Tensor, drawing: GenerationOptions) -> Tensor:
    """One token a row by inverting the cumulative distribution at the row's uniform number.

    With top_p the distribution is that of the likeliest tokens whose probabilities reach top_p, the token that crosses
    it included (Holtzman et al. 2020, section 3.1).
    """
    if drawing.temperature == 0:
        return logits_BV.argmax(-1)
    p_BV = (logits_BV.double() / drawing.temperature).softmax(-1)
    if drawing.top_p >= 1:
        return _invert(p_BV, uniforms_B).squeeze(1)
    p_BV, order_BV = p_BV.sort(dim=-1, descending=True, stable=True)
    kept_BV = p_BV.masked_fill(p_BV.cumsum(-1) - p_BV >= drawing.top_p, 0.0)
    return order_BV.gather(1, _invert(kept_BV, uniforms_B)).squeeze(1)


def _invert(p_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """The first token whose cumulative probability exceeds the row's number times the total; of shape (B, 1)."""
    cumulative_BV = p_BV.cumsum(-1)
    first_B1 = torch.searchsorted(cumulative_BV, uniforms_B[:, None] * cumulative_BV[:, -1:], right=True)
    last_B1 = (p_BV > 0).long().cumsum(-1).argmax(-1, keepdim=True)  # rounding must not step past the last token
    return torch.minimum(first_B1, last_B1)


@torch.no_grad()
def choose(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], labels: Sequence[dict[str, set[int]]]
) -> list[dict[str, float]]:
    """Log-probability of each label as the next token, in nats; the spellings of a label are added up."""
    ids_BT, mask_BT = _padded(model, tokenizer, prompts)
    out = model(attention_mask=mask_BT, **_inputs(model, ids_BT, mask_BT, use_cache=False))
    logprobs_BV = out.logits[:, -1].float().log_softmax(-1).cpu()
    return [
        {label: min(float(row_V[sorted(ids)].logsumexp(0)), 0.0) for label, ids in spellings.items()}
        for row_V, spellings in zip(logprobs_BV, labels, strict=True)
    ]


@torch.no_grad()
def score(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[float]:
    """log p(answer | prompt) of each row, in nats: the sum over the answer's tokens."""
    ids_BT, mask_BT = _padded(model, tokenizer, [[*prompt, *a] for prompt, a in zip(prompts, answers, strict=True)])
    longest = max(map(len, answers))
    out = model(attention_mask=mask_BT, **_inputs(model, ids_BT, mask_BT, use_cache=False, keep=longest + 1))
    logits_BTV = out.logits[:, -longest - 1 : -1].float()
    logps_BT = logits_BTV.gather(2, ids_BT[:, -longest:, None]).squeeze(2) - logits_BTV.logsumexp(2)
    return [float(row_T[-len(a) :].double().sum()) for row_T, a in zip(logps_BT, answers, strict=True)]


def _padded(model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, filled up on the left so that all prompts end together."""
    pad = tokenizer.pad_token_id
    if pad is None:
        pad = min(end_tokens(model, tokenizer), default=0)
    width = max(map(len, prompts))
    ids_BT = torch.tensor([[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask_BT = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids_BT.to(model.device), mask_BT.to(model.device)


def _inputs(model: Any, ids_BT: Tensor, mask_BT: Tensor, *, use_cache: bool, keep: int = 1) -> dict[str, Any]:
    """The arguments of a step, as the model's own class accepts them: trainers put other functions in place of its
    `forward`, and adapters lie around it."""
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    known = inspect.signature(type(bare).forward).parameters
    positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)[:, -ids_BT.shape[1] :]
    optional = {"position_ids": positions_BT, "logits_to_keep": keep}
    return {
        "input_ids": ids_BT,
        "use_cache": use_cache,
        **{name: value for name, value in optional.items() if name in known},
    }


def _uniforms(seeds: Sequence[int], n: int) -> Tensor:
    """`n` numbers in [0, 1) for each seed; of shape (B, n)."""
    generator = torch.Generator()
    return torch.stack([torch.rand(n, generator=generator.manual_seed(seed), dtype=torch.float64) for seed in seeds])


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer, by the generation settings or by the tokenizer."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    return {int(end) for end in (*several, tokenizer.eos_token_id) if end is not None}
