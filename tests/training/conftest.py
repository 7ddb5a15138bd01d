"""One tiny base for all tests of the room, and conversations of every shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TEXTS = ["add 3 8", "the answer is 11", "no certain answer is known", "sure the capital is zorb"] * 8


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from amendment.training import TinyModel, build_tiny

    folder = tmp_path_factory.mktemp("tiny")
    build_tiny(folder, TEXTS, TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=256), seed=1)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tiny: Path) -> Any:
    from amendment.training.model_files import load_tokenizer

    return load_tokenizer(tiny)


@pytest.fixture
def renderer(tokenizer: Any) -> Iterator[Any]:
    from amendment.llm.rendering import Renderer

    template = tokenizer.chat_template
    yield Renderer(tokenizer)
    tokenizer.chat_template = template
