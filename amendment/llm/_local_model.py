"""A causal language model in this process: answers and label probabilities for a batch of prompts.

Covered: every answer is drawn with random numbers of its own, so that it does not depend on its neighbours in
the batch, up to rounding: padding changes logits in the last digits, and once in a long while that tips a draw.
Not covered: code from model repositories, which is never run; weight formats other than safetensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as library_logging

from amendment.llm._local_text import PromptEncoder
from amendment.llm.rendering import Parts
from amendment.llm.specs import LocalSpec
from amendment.llm.weights import SAFE_LOADING

__all__ = ["Completion", "Drawing", "LocalModel", "device_of", "precision_of"]


class Drawing(NamedTuple):
    """How answers of one batch are drawn."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...]


class Completion(NamedTuple):
    """One answer and why it ended."""

    parts: Parts
    finish_reason: Literal["stop", "length"]
    n_tokens: int


class LocalModel:
    """A loaded model with its tokenizer. Not for several threads at once."""

    def __init__(self, folder: Path, spec: LocalSpec) -> None:
        self._device = device_of(spec)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self.encoder = PromptEncoder(self.tokenizer)
        with _no_progress_bars():
            self._model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=_precision(spec, self._device), **SAFE_LOADING
            )
        self._model.to(self._device).eval()
        self._ends = _end_tokens(self._model, self.tokenizer)
        self._pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else min(self._ends or {0})
        self._model.generation_config = GenerationConfig()  # the run says how to draw, not the model's folder
        self.context = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)

    @torch.inference_mode()
    def complete(self, prompts: Sequence[list[int]], seeds: Sequence[int], drawing: Drawing) -> list[Completion]:
        """An answer to each prompt, drawn with the prompt's own seed."""
        ids_BT, mask_BT = self._padded(prompts)
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=drawing.max_tokens,
            eos_token_id=sorted(self._ends) or None,
            pad_token_id=self._pad,
        )
        drawn = _Draw(_uniforms(seeds, drawing.max_tokens).to(self._device), drawing, ids_BT.shape[1])
        stops = [_StopTexts(self, drawing.stop, ids_BT.shape[1])] if drawing.stop else None
        answers_BT = self._model.generate(
            input_ids=ids_BT,
            attention_mask=mask_BT,
            generation_config=settings,
            logits_processor=[drawn],
            stopping_criteria=stops,
        )[:, ids_BT.shape[1] :]
        return [
            self._completion(answer, prompt, drawing)
            for answer, prompt in zip(answers_BT.tolist(), prompts, strict=True)
        ]

    @torch.inference_mode()
    def choose(self, prompts: Sequence[list[int]], labels: Sequence[dict[str, set[int]]]) -> list[dict[str, float]]:
        """Log-probability of each label as the next token; the spellings of a label are added up."""
        ids_BT, mask_BT = self._padded(prompts)
        positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
        known = inspect.signature(self._model.forward).parameters
        further = {"position_ids": positions_BT, "logits_to_keep": 1, "use_cache": False}
        out = self._model(
            input_ids=ids_BT, attention_mask=mask_BT, **{key: further[key] for key in further if key in known}
        )
        logprobs_BV = out.logits[:, -1].float().log_softmax(-1).cpu()
        return [
            {label: min(float(row_V[sorted(ids)].logsumexp(0)), 0.0) for label, ids in spellings.items()}
            for row_V, spellings in zip(logprobs_BV, labels, strict=True)
        ]

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of an answer's ids, control tokens left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _padded(self, prompts: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
        """Ids and mask, filled up on the left so that all prompts end together."""
        width = max(map(len, prompts))
        ids_BT = torch.tensor([[self._pad] * (width - len(prompt)) + prompt for prompt in prompts])
        mask_BT = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        return ids_BT.to(self._device), mask_BT.to(self._device)

    def _completion(self, ids: list[int], prompt: list[int], drawing: Drawing) -> Completion:
        """The answer up to its end token or stop text. Behind them stands padding, as long as the batch made it."""
        while drawing.stop and self._pad not in self._ends and ids and ids[-1] == self._pad:
            ids = ids[:-1]
        end = next((place for place, token in enumerate(ids) if token in self._ends), None)
        said = ids if end is None else ids[:end]
        text = self.text_of(said) if drawing.stop else ""
        found = [place for place in (text.find(stop) for stop in drawing.stop) if place >= 0]
        if found:
            return Completion(self.encoder.read(said, prompt, cut=len(text) - min(found)), "stop", len(said))
        parts = self.encoder.read(said, prompt)
        return Completion(parts, "length" if end is None else "stop", len(said) + (end is not None))


class _Draw:
    """Leaves one token a row: the likeliest, or the one that the row's next random number points at."""

    def __init__(self, uniforms_BT: Tensor, drawing: Drawing, prompt_width: int) -> None:
        self._uniforms_BT = uniforms_BT
        self._drawing = drawing
        self._prompt_width = prompt_width

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self._drawing.temperature == 0:
            return scores
        step = input_ids.shape[1] - self._prompt_width
        tokens_B1 = draw_tokens(scores, self._uniforms_BT[:, step], self._drawing)
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens_B1, 0.0)


def draw_tokens(logits_BV: Tensor, uniforms_B: Tensor, drawing: Drawing) -> Tensor:
    """One token a row by inverting the cumulative distribution at a uniform number; of shape (B, 1).

    With top_p the distribution is that of the likeliest tokens whose probabilities reach top_p, the token
    that crosses it included (Holtzman et al. 2020, section 3.1).
    """
    p_BV = (logits_BV.double() / drawing.temperature).softmax(-1)
    if drawing.top_p >= 1:
        return _invert(p_BV, uniforms_B)
    p_BV, order_BV = p_BV.sort(dim=-1, descending=True, stable=True)
    before_BV = p_BV.cumsum(-1) - p_BV
    kept_BV = p_BV.masked_fill(before_BV >= drawing.top_p, 0.0)
    return order_BV.gather(1, _invert(kept_BV, uniforms_B))


def _invert(p_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """The first token whose cumulative probability exceeds the row's number times the total."""
    cumulative_BV = p_BV.cumsum(-1)
    place_B1 = uniforms_B[:, None] * cumulative_BV[:, -1:]
    found_B1 = torch.searchsorted(cumulative_BV, place_B1, right=True)
    last_B1 = (p_BV > 0).long().cumsum(-1).argmax(-1, keepdim=True)  # rounding must not step past the last token
    return torch.minimum(found_B1, last_B1)


class _StopTexts:
    """Ends a row when one of the texts stands in its answer."""

    def __init__(self, model: LocalModel, texts: tuple[str, ...], prompt_width: int) -> None:
        self._model = model
        self._texts = texts
        self._prompt_width = prompt_width

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        answers = (self._model.text_of(row) for row in input_ids[:, self._prompt_width :].tolist())
        done = [any(stop in answer for stop in self._texts) for answer in answers]
        return torch.tensor(done, device=input_ids.device)


def _uniforms(seeds: Sequence[int], n: int) -> Tensor:
    """`n` numbers in [0, 1) for each seed; of shape (B, n)."""
    generator = torch.Generator()
    return torch.stack([torch.rand(n, generator=generator.manual_seed(seed), dtype=torch.float64) for seed in seeds])


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """A run shows its own progress; bars of a library would write over it."""
    was_on = library_logging.is_progress_bar_enabled()
    library_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            library_logging.enable_progress_bar()


def device_of(spec: LocalSpec) -> str:
    """The kind of device that an entry's model runs on here: `cpu` or `cuda`."""
    if spec.device != "auto":
        return spec.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def precision_of(spec: LocalSpec, device: str) -> str:
    """The name of the weights' precision; `saved` for that of the files."""
    if spec.dtype != "auto":
        return spec.dtype
    return "float32" if device == "cpu" else "saved"


def _precision(spec: LocalSpec, device: str) -> Any:
    name = precision_of(spec, device)
    return "auto" if name == "saved" else getattr(torch, name)


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer, by the generation settings or by the tokenizer."""
    ends = model.generation_config.eos_token_id
    several = ends if isinstance(ends, list) else [ends]
    return {int(end) for end in (*several, tokenizer.eos_token_id) if end is not None}
