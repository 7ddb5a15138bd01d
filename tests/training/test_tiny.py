"""A tiny model is the same each time, loses no text, and has the tokens that trainers need."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from amendment.training import TinyModel, build_tiny

SHAPE = TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=64)


def prints(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_equal_arguments_give_equal_files_and_another_seed_other_weights(tmp_path: Path) -> None:
    texts = [f"word{i % 7} and word{i % 5}" for i in range(50)]
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        build_tiny(tmp_path / name, iter(texts), SHAPE, seed)
    first, again, other = (prints(tmp_path / name) for name in "abc")
    assert first == again
    assert first.pop("model.safetensors") != other.pop("model.safetensors")
    assert first == other


def test_pad_end_and_beginning_are_three_tokens_known_to_the_model(tiny: Path, tokenizer: Any) -> None:
    from transformers import AutoConfig

    ids = [tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id]
    assert len(set(ids)) == 3
    config = AutoConfig.from_pretrained(tiny)
    assert [config.pad_token_id, config.bos_token_id, config.eos_token_id] == ids
    assert config.vocab_size == len(tokenizer)
