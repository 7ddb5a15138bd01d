"""What prompts share is read once, and no row sees anything but its own prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import MistralConfig, MistralForCausalLM

from amendment.errors import Rejected
from amendment.llm.generation import BatchSettings, GenerationOptions, choose, sample, score
from amendment.llm.kv_cache import PrefixCache
from amendment.llm.local import LocalModel, LocalProvider
from amendment.llm.provider import RawReply
from amendment.llm.specs import LocalSpec
from tests.llm.providers.test_local import Ask, answers

LABELS = {"A": {37}, "B": {38, 39}}


@pytest.fixture(scope="module")
def loaded(model_folder: Path) -> LocalModel:
    return LocalModel(model_folder, "cpu", "float32")


@contextmanager
def passes(model: Any) -> Iterator[list[tuple[int, int]]]:
    """Rows and tokens of each forward pass."""
    seen = list[tuple[int, int]]()

    def note(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        seen.append(tuple(kwargs["input_ids"].shape))

    handle = model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def alone(model: Any, ids: Sequence[int]) -> torch.Tensor:
    """Log-probabilities of what follows each token, without cache, padding or batch."""
    with torch.inference_mode():
        return model(torch.tensor([list(ids)]), use_cache=False).logits[0].log_softmax(-1)  # type: ignore[no-any-return]


tokens = st.integers(4, 98)
part = st.lists(tokens, min_size=1, max_size=6).map(lambda ids: ids * 9)  # long enough that reading it once pays
prompts = st.lists(
    st.tuples(st.sampled_from([[5] * 40, [6] * 70, []]), st.sampled_from([[7] * 50, [8] * 3]), part).map(
        lambda parts: [9, *parts[0], *parts[1], *parts[2]]
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=15)
@given(batches=st.lists(prompts, min_size=1, max_size=3), answer=st.lists(tokens, min_size=1, max_size=5))
def test_shared_beginnings_change_nothing(
    loaded: LocalModel, batches: list[list[list[int]]], answer: list[int]
) -> None:
    model, tokenizer = loaded.model, loaded.tokenizer
    for_labels, for_texts = PrefixCache(), PrefixCache()
    for batch in batches:
        chosen = dict(choose(model, tokenizer, batch, [LABELS] * len(batch), BatchSettings(rows=4, shared=for_labels)))
        replies = [answer[: 1 + row % len(answer)] for row in range(len(batch))]
        scored = dict(score(model, tokenizer, batch, replies, BatchSettings(rows=4, shared=for_texts)))
        assert set(chosen) == set(scored) == set(range(len(batch)))
        for row, prompt in enumerate(batch):
            logprobs = alone(model, prompt)[-1]
            assert chosen[row]["A"] == pytest.approx(float(logprobs[37]), abs=1e-4)
            assert chosen[row]["B"] == pytest.approx(float(logprobs[[38, 39]].logsumexp(0)), abs=1e-4)
            whole = alone(model, [*prompt, *replies[row]])
            own = sum(float(whole[len(prompt) - 1 + n, token]) for n, token in enumerate(replies[row]))
            assert scored[row] == pytest.approx(own, abs=1e-3)


def test_what_a_batch_shares_is_read_once_and_kept_for_the_next(loaded: LocalModel) -> None:
    instructions, conversations = [5] * 120, [[n] * 50 for n in (10, 11, 12)]
    first = [[*instructions, *talk, *[20 + n] * 10] for talk in conversations for n in range(2)]
    shared = PrefixCache()
    with passes(loaded.model) as seen:
        list(choose(loaded.model, loaded.tokenizer, first, [LABELS] * 6, BatchSettings(shared=shared)))
    # the trial of one token; 120 instructions; three conversations of 50; twice 10 tokens behind each
    assert sum(rows * n for rows, n in seen) == 1 + 120 + 3 * (50 + 2 * 10)
    with passes(loaded.model) as seen:
        list(choose(loaded.model, loaded.tokenizer, [[*instructions, 30, 31]], [LABELS], BatchSettings(shared=shared)))
    assert seen == [(1, 2)]


def test_drawn_answers_share_their_beginning_and_leave_the_batch_when_they_end(loaded: LocalModel) -> None:
    model, tokenizer = loaded.model, loaded.tokenizer
    batch = [[*[5] * 100, *[n] * n] for n in range(10, 30)]
    drawing, seeds = GenerationOptions(max_tokens=60), list(range(20))
    with passes(model) as seen:
        together = dict(sample(model, tokenizer, batch, seeds, drawing))
    assert (1, 100) in seen
    steps = [rows for rows, n in seen[1:] if n == 1]
    assert steps[0] == 20
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < 20
    for row in range(0, 20, 4):
        [(_, own)] = sample(model, tokenizer, [batch[row]], [row], drawing)
        assert together[row] == own


def exhausted(most: int) -> Any:
    """A hook after which passes of more than so many rows use up the memory."""

    def refuse(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if len(kwargs["input_ids"]) > most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    return refuse


def test_a_batch_that_uses_up_the_memory_is_halved(
    model_folder: Path, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [question("?" * (1 + n), sampling={"max_tokens": 8}) for n in range(9)]
    expected = answers(model_folder, requests)
    loading = LocalModel.__init__

    def load_with(most: int) -> None:
        def loaded(self: LocalModel, folder: Path, device: str, dtype: str) -> None:
            loading(self, folder, device, dtype)
            self.model.register_forward_pre_hook(exhausted(most), with_kwargs=True)

        monkeypatch.setattr(LocalModel, "__init__", loaded)

    load_with(2)
    assert answers(model_folder, requests) == expected
    load_with(0)
    refused = answers(model_folder, requests)
    assert all(isinstance(fault, Rejected) and "out of memory" in str(fault) for fault in refused)


def test_a_closed_provider_ends_between_tokens_and_what_is_finished_is_kept(model_folder: Path, question: Ask) -> None:
    async def main() -> tuple[list[Any], list[tuple[int, int]]]:
        provider = LocalProvider(LocalSpec(provider="local", model=str(model_folder)))
        await provider.send(question(choices=("A", "B")))  # loads the model
        assert provider._model
        with passes(provider._model.model) as seen:
            tasks = [
                asyncio.ensure_future(provider.send(question(f"{n}?", sampling={"max_tokens": 480}))) for n in range(16)
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await provider.close()
        return await asyncio.gather(*tasks, return_exceptions=True), seen

    replies, seen = asyncio.run(main())
    assert {type(reply) for reply in replies} == {RawReply, asyncio.CancelledError}
    assert len(seen) < 400


FORGETFUL = """
{vocab_size: 99, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4,
num_key_value_heads: 2, initializer_range: 0.3, eos_token_id: 2, pad_token_id: 0, bos_token_id: null,
sliding_window: 16}
"""


def test_a_model_that_forgets_early_tokens_reads_every_prompt_whole() -> None:
    torch.manual_seed(0)
    config = MistralConfig.from_dict(yaml.safe_load(FORGETFUL))
    model = MistralForCausalLM(config).eval()
    tokenizer = SimpleNamespace(pad_token_id=0, eos_token_id=2)
    batch = [[*[5] * 60, *[n] * (n - 8)] for n in range(10, 14)]
    shared = PrefixCache()
    chosen = dict(choose(model, tokenizer, batch, [LABELS] * 4, BatchSettings(shared=shared)))
    assert shared.works is False
    likeliest = dict(sample(model, tokenizer, batch, range(4), GenerationOptions(max_tokens=12, temperature=0.0)))
    for row, prompt in enumerate(batch):
        assert chosen[row]["A"] == pytest.approx(float(alone(model, prompt)[-1, 37]), abs=1e-4)
        ids = list(prompt)
        for _ in likeliest[row].ids:
            ids.append(int(alone(model, ids)[-1].argmax()))
        assert ids[len(prompt) :] == likeliest[row].ids
