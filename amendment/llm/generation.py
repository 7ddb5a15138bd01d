"""Drawing answers from a language model in this process, label probabilities, and probabilities of given answers: one
way for providers and training.

Promised: every answer is drawn with random numbers of its own, so that it depends neither on its neighbours in a batch
nor on anybody's generators, up to rounding: padding and batches change logits in the last digits, and once in a long
while that tips a draw. What prompts share is read once (`kv_cache`). Not covered: constrained answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from amendment.llm.kv_cache import (
    GrowingCache,
    PrefixCache,
    PrefixReader,
    batches,
    can_be_shared,
    no_check,
    rows_that_fit,
)
from amendment.llm.rendering import Sampled

ROWS = 32
"""Answers drawn together where nobody sets a number."""
WASTE = 4096
"""Tokens of padding above which a long prompt is answered apart, if they are more than half of the batch."""
LEAVING = 8
"""A batch is made smaller when one in so many of its answers has ended."""


class GenerationOptions(NamedTuple):
    """Options of drawing the answers of one batch."""

    max_tokens: int
    temperature: float = 1.0
    """0 takes the likeliest token each time."""
    top_p: float = 1.0


class BatchSettings(NamedTuple):
    """How a batch of work is done, which does not change its results."""

    rows: int = ROWS
    """Rows that are worked on together, at most."""
    shared: PrefixCache | None = None
    """What the prompts of the last batch shared."""
    check: Callable[[], None] = no_check
    """Runs before each forward pass and ends the work by raising."""


PLAIN = BatchSettings()


def sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    drawing: GenerationOptions,
    *,
    work: BatchSettings = PLAIN,
) -> Iterator[tuple[int, Sampled]]:
    """Yield an answer to each prompt, drawn with the prompt's own seed, as soon as it ends: the prompt's position and
    its answer.

    Put the model in evaluation mode first: nothing here does.
    """

    def is_too_much(rows: Sequence[int]) -> bool:
        lengths = [len(prompts[row]) for row in rows]
        n, longest = len(rows), lengths[-1]
        most = min(work.rows, rows_that_fit(model, longest + drawing.max_tokens))
        return n > most or n * longest > 2 * sum(lengths) + WASTE

    for rows in batches(range(len(prompts)), lambda row: len(prompts[row]), is_too_much):
        drawn = _sample(
            model, tokenizer, [prompts[row] for row in rows], [seeds[row] for row in rows], drawing, work=work
        )
        for place, sampled in drawn:
            yield rows[place], sampled


@torch.no_grad()  # not inference_mode: a cache that the model keeps must stay usable in training
def _sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    drawing: GenerationOptions,
    *,
    work: BatchSettings,
) -> Iterator[tuple[int, Sampled]]:
    """Yield the answers of one batch. Those that have ended leave it."""
    reader = _reader(model, tokenizer, work._replace(rows=len(prompts)))
    ends = end_tokens(model, tokenizer)
    width = max(map(len, prompts))
    mask_BT = torch.zeros((len(prompts), width + drawing.max_tokens), dtype=torch.long, device=model.device)
    logits: dict[int, Tensor] = {}
    cache = ids_BT = None
    for batch in reader.read(prompts, [1] * len(prompts), use_cache=True):
        mask_BT[batch.rows, width - batch.mask_BT.shape[1] : width] = batch.mask_BT
        logits |= zip(batch.rows, batch.logits_BKV[:, -1], strict=True)
        if can_be_shared(batch.cache):
            cache = GrowingCache(len(prompts), width, batch.cache) if cache is None else cache
            cache.fill(batch.rows, batch.cache)
        else:  # one batch, in the order of the prompts
            cache, ids_BT = batch.cache, batch.ids_BT
    logits_BV = torch.stack([logits[place] for place in range(len(prompts))])
    uniforms_BN = _uniforms(seeds, drawing.max_tokens).to(model.device)
    places = list(range(len(prompts)))
    answers = [list[int]() for _ in prompts]
    is_open = dict.fromkeys(places, True)
    for step in range(drawing.max_tokens):
        token_B = draw_tokens(logits_BV, uniforms_BN[places, step], drawing)
        for place, token in zip(places, token_B.tolist(), strict=True):
            if place in is_open:
                answers[place].append(token)
                if token in ends:
                    del is_open[place]
                    yield place, Sampled(answers[place], is_cut=False)
        if not is_open or step + 1 == drawing.max_tokens:
            break
        if isinstance(cache, GrowingCache) and (len(places) - len(is_open)) * LEAVING >= len(places):
            kept = [at for at, place in enumerate(places) if place in is_open]
            places, token_B, mask_BT = [places[at] for at in kept], token_B[kept], mask_BT[kept]
            cache.select(kept)
        mask_BT[:, width] = 1
        width += 1
        read_BT = token_B[:, None]
        if cache is None and ids_BT is not None:  # a model without a cache reads everything again
            read_BT = ids_BT = torch.cat([ids_BT, read_BT], dim=1)
        out = reader.forward(read_BT, mask_BT[:, :width], cache)
        cache = getattr(out, "past_key_values", None)
        logits_BV = out.logits[:, -1]
    for place in is_open:
        yield place, Sampled(answers[place], is_cut=True)


def draw_tokens(logits_BV: Tensor, uniforms_B: Tensor, drawing: GenerationOptions) -> Tensor:
    """Draw one token a row by inverting the cumulative distribution at the row's uniform number.

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
    """Return the first token whose cumulative probability exceeds the row's number times the total; of shape (B, 1)."""
    cumulative_BV = p_BV.cumsum(-1)
    first_B1 = torch.searchsorted(cumulative_BV, uniforms_B[:, None] * cumulative_BV[:, -1:], right=True)
    if not (first_B1 == p_BV.shape[1]).any():
        return first_B1
    last_B1 = (p_BV > 0).long().cumsum(-1).argmax(-1, keepdim=True)  # rounding must not step past the last token
    return torch.minimum(first_B1, last_B1)


@torch.no_grad()
def choose(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    labels: Sequence[dict[str, set[int]]],
    work: BatchSettings = PLAIN,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Log-probability of each label as the next token, in nats; the spellings of a label are added up. Each result with
    the position of its prompt, in any order."""
    for batch in _reader(model, tokenizer, work).read(prompts, [1] * len(prompts)):
        logprobs_BV = batch.logits_BKV[:, -1].float().log_softmax(-1).cpu()
        for row, logprobs_V in zip(batch.rows, logprobs_BV, strict=True):
            yield (
                row,
                {label: min(float(logprobs_V[sorted(ids)].logsumexp(0)), 0.0) for label, ids in labels[row].items()},
            )


@torch.no_grad()
def score(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    work: BatchSettings = PLAIN,
) -> Iterator[tuple[int, float]]:
    """log p(answer | prompt), in nats: the sum over the answer's tokens. Each result with the position of its prompt,
    in any order."""
    read = [[*prompt, *answer[:-1]] for prompt, answer in zip(prompts, answers, strict=True)]
    for batch in _reader(model, tokenizer, work).read(read, [len(answer) for answer in answers]):
        for row, logits_KV in zip(batch.rows, batch.logits_BKV, strict=True):
            ids_N = torch.tensor(answers[row], device=logits_KV.device)
            logits_NV = logits_KV[-len(ids_N) :].float()
            logps_N = logits_NV.gather(1, ids_N[:, None]).squeeze(1) - logits_NV.logsumexp(1)
            yield row, float(logps_N.double().sum())


def _reader(model: Any, tokenizer: Any, work: BatchSettings) -> PrefixReader:
    pad = tokenizer.pad_token_id
    if pad is None:
        pad = min(end_tokens(model, tokenizer), default=0)
    return PrefixReader(model, pad, rows=work.rows, shared=work.shared, check=work.check)


def _uniforms(seeds: Sequence[int], n: int) -> Tensor:
    """Draw `n` numbers in [0, 1) for each seed; of shape (B, n)."""
    generator = torch.Generator()
    return torch.stack([torch.rand(n, generator=generator.manual_seed(seed), dtype=torch.float64) for seed in seeds])


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end an answer, by the generation settings or by the tokenizer."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    return {int(end) for end in (*several, tokenizer.eos_token_id) if end is not None}
