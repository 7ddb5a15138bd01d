"""What a frozen model says of real answers: hidden states and log-probabilities, computed once and kept in a cache.

Hidden states are those of prompt and answer under the model's chat template, at the end-of-turn token after the answer
(`last`) and as the mean over the answer's tokens (`mean`), of the top layer after its norm and of the layer at two
thirds of the height (`upper`). With random weights, architecture and tokenizer are the same.

Both answers of a pair go through the model in one sequence: the second does not see the first, and its positions go on
from the prompt, so that the prompt is read once. Results are written every `PART` pairs, and a killed computation goes
on from there. Files hold numbers alone, none of the texts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from real_text_data import Message, TextPair

KINDS = ("last", "mean", "upper last", "upper mean")
"""Kinds of hidden states, in the order of the array."""
PART = 100
"""Pairs between two writes to the cache."""
RANDOM_SEED = 0


class Frozen(NamedTuple):
    """A model that is only read."""

    model: Any
    tokenizer: Any


def load_frozen(base: str, *, dtype: str = "float32", random: bool = False) -> Frozen:
    """The model at `base`, or one of its configuration with random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.set_float32_matmul_precision("medium")  # oneDNN, which is the faster one on AMD; sums of log p differ by 1e-4
    if random:
        torch.manual_seed(RANDOM_SEED)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base)).to(getattr(torch, dtype))
    else:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
    return Frozen(model.eval(), AutoTokenizer.from_pretrained(base))


def hidden_states(frozen: Frozen, pairs: Sequence[TextPair]) -> NDArray[np.float32]:
    """An array (pairs, 2 sides, 4 kinds, width); the first side is `chosen`."""
    import torch

    states = np.zeros((len(pairs), 2, len(KINDS), frozen.model.config.hidden_size), np.float32)
    upper = round(frozen.model.config.num_hidden_layers * 2 / 3)
    for at, pair in enumerate(pairs):
        packed = _Packed.of(frozen.tokenizer, pair.prompt, pair)
        with torch.inference_mode():
            layers = frozen.model.model(**packed.inputs(frozen.model.dtype), output_hidden_states=True).hidden_states
        for side, (start, end) in enumerate(packed.sides):
            top, below = (layers[layer][0, start:end].float() for layer in (-1, upper))
            states[at, side] = torch.stack((top[-1], top[:-1].mean(0), below[-1], below[:-1].mean(0))).numpy()
    return states


def answer_logprobs(frozen: Frozen, pairs: Sequence[TextPair], rule: str) -> NDArray[np.float64]:
    """An array (pairs, 2 sides, 2): log p of the answer's tokens, and how many there are. `rule` stands at the end of
    the last user's turn, as the package's likelihood judge puts it."""
    import torch

    scored = np.zeros((len(pairs), 2, 2))
    for at, pair in enumerate(pairs):
        *before, turn = pair.prompt
        asked = (*before, {**turn, "content": f"{turn['content']}\n\n{rule}"})
        packed = _Packed.of(frozen.tokenizer, asked, pair)
        with torch.inference_mode():
            states = frozen.model.model(**packed.inputs(frozen.model.dtype)).last_hidden_state[0]
            for side, (start, end) in enumerate(packed.sides):
                scored_ids = torch.tensor(packed.ids[start : end - 1])  # the end of the turn is not scored
                foretelling = torch.tensor([packed.prompt - 1, *range(start, end - 2)])
                logits = frozen.model.lm_head(states[foretelling]).float()
                logprobs = logits.log_softmax(-1).gather(1, scored_ids[:, None])
                scored[at, side] = float(logprobs.sum()), len(scored_ids)
    return scored


class _Packed(NamedTuple):
    """A prompt, one answer, the other answer: one sequence."""

    ids: list[int]
    prompt: int
    """Tokens of the prompt."""
    sides: tuple[tuple[int, int], tuple[int, int]]
    """Where each answer starts and ends, its end-of-turn token with it."""

    @classmethod
    def of(cls, tokenizer: Any, prompt: Sequence[Message], pair: TextPair) -> _Packed:
        opening = tokenizer.apply_chat_template(list(prompt), add_generation_prompt=True, tokenize=False)
        ids = tokenizer(opening, add_special_tokens=False).input_ids
        length, sides = len(ids), []
        for answer in (pair.chosen, pair.rejected):
            answered = tokenizer(answer or " ", add_special_tokens=False).input_ids
            sides.append((len(ids), len(ids) + len(answered) + 1))
            ids = [*ids, *answered, tokenizer.eos_token_id]
        return cls(ids, length, (sides[0], sides[1]))

    def inputs(self, dtype: Any) -> dict[str, Any]:
        """Token ids, positions and the mask that hides the first answer from the second."""
        import torch

        (start, end), (other, _) = self.sides
        positions = torch.arange(len(self.ids))
        positions[other:] -= end - start
        seen = torch.ones(len(self.ids), len(self.ids), dtype=torch.bool).tril()
        seen[other:, start:end] = False
        mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
        ids = torch.tensor([self.ids])
        return {"input_ids": ids, "position_ids": positions[None], "attention_mask": mask[None, None]}


def cached(
    file: Path, pairs: Sequence[TextPair], compute: Callable[[Sequence[TextPair]], NDArray[Any]]
) -> NDArray[Any]:
    """The array in `file`, or computed part by part and written; a part that is already there is not computed again."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = []
        for start in range(0, len(pairs), PART):
            part = file.with_name(f"{file.stem}.{start}.npy")
            if not part.exists():
                began = time.process_time()
                _save(part, compute(pairs[start : start + PART]))
                seconds = time.process_time() - began
                print(f"{file.stem}: {min(start + PART, len(pairs))} of {len(pairs)}, {seconds:.0f} s", flush=True)
            parts.append(part)
        _save(file, np.concatenate([np.load(part) for part in parts]))
        for part in parts:
            part.unlink()
    loaded: NDArray[Any] = np.load(file)
    return loaded


def _save(file: Path, array: NDArray[Any]) -> None:
    """The file appears whole or not at all."""
    unfinished = file.with_name(f"{file.stem}.unfinished.npy")
    np.save(unfinished, array)
    unfinished.replace(file)
