"""Families of models, as their names tell them."""

from __future__ import annotations

import pytest

from amendment.evaluation.independence import are_related, find_family


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-5.4-mini", "openai"),
        ("o3", "openai"),
        ("o4-mini-2025-04-16", "openai"),
        ("openai/gpt-oss-120b", "openai"),
        ("claude-haiku-5-5", "anthropic"),
        ("us.anthropic.claude-sonnet-4-v1:0", "anthropic"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "qwen"),
        ("qwen2.5:7b", "qwen"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("google/gemma-3-27b-it", "google"),
        ("gemini-2.5-pro", "google"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek"),
        ("/models/Llama-2-7b", "llama"),
        ("organic-7b", None),
        ("olive", None),
        ("my-judge", None),
        ("", None),
    ],
)
def test_the_name_tells_the_family(name: str, family: str | None) -> None:
    assert find_family(name) == family


def test_models_are_related_by_family_or_by_one_name() -> None:
    assert are_related("gpt-5.4-mini", "o3")
    assert are_related("my-judge", "my-judge")
    assert not are_related("my-judge", "my-writer"), "two names that say nothing"
    assert not are_related("gpt-5.4-mini", "claude-haiku-5-5")
