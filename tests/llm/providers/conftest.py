"""Fixtures of the provider tests: a loopback server, a model small enough for every test, and no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.llm.requests import Request
from amendment.records import user
from tests.vendors.server import ScriptedServer

TEMPLATE = (
    "{% if tools %}<|turn|>tools {{ tools | length }}<|end|>{% endif %}"
    "{% for m in messages %}<|turn|>{{ m.role }} {{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant {% endif %}"
)
LETTERS = [chr(code) for code in range(32, 127)]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 0.2 million parameters; its tokenizer has one token per printable ASCII character."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models") / "tiny-random"
    size = save_tokenizer(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.1,
        eos_token_id=2,
        pad_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path) -> int:
    """A tokenizer with control tokens for a pad and for both ends of a turn; gives the vocabulary's size."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {sign: number for number, sign in enumerate(["<pad>", "<|turn|>", "<|end|>", "<unk>", *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<|end|>",
        unk_token="<unk>",
        additional_special_tokens=["<|turn|>"],
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return len(vocabulary)


@pytest.fixture
def question() -> Callable[..., Request]:
    """Makes a request of one user turn; fields of `sampling` as a dict, all other fields by name."""

    def made(text: str = "Is water wet?", **fields: Any) -> Request:
        whole = {"provider": "openai", "host": "here", "model": "m", "messages": user(text), **fields}
        return Request.model_validate(whole)

    return made


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made
