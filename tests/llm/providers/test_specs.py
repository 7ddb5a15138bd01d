"""Entries of `models:`: what is taken, what is refused, and where a key may go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from amendment.llm.requests import Request
from amendment.llm.specs import AnthropicSpec, ModelSpec, OpenAISpec

ENTRY: TypeAdapter[Any] = TypeAdapter(ModelSpec)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:8000/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com.example.org/v1",
        "https://notapi.openai.com/v1",
        "https://example.org/api.openai.com",
    ],
)
def test_a_foreign_host_has_no_key_unless_it_names_its_own(base_url: str) -> None:
    entry = {"provider": "openai", "model": "m", "base_url": base_url}
    assert ENTRY.validate_python(entry).api_key_env is None
    if base_url != "http://api.openai.com/v1":  # where any key would travel unencrypted
        assert ENTRY.validate_python({**entry, "api_key_env": "OUR_KEY"}).api_key_env == "OUR_KEY"
    with pytest.raises(ValidationError, match=r"OPENAI_API_KEY is sent to https://api.openai.com only"):
        ENTRY.validate_python({**entry, "api_key_env": "OPENAI_API_KEY"})


def test_a_key_in_the_file_is_refused_and_the_way_out_is_named() -> None:
    words = {"api_key": "name it with api_key_env", "api_key_env": "the name of an environment variable"}
    for field, expected in words.items():
        with pytest.raises(ValidationError, match=expected) as caught:
            OpenAISpec.model_validate({"provider": "openai", "model": "m", field: "sk-canary-0123"})
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("ftp://example.org", "http:// or https://"),
        ("http:///v1", "and a host"),
        ("http://example.org:99999/v1", "not a URL"),
        ("http://user:secret@example.org/v1", "user info"),
        ("http://example.org/v1?key=secret", "query"),
        ("http://example.org/v1\n", "line break"),
        ("", "http:// or https://"),
    ],
)
def test_a_base_url_that_cannot_be_one_is_refused(base_url: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        OpenAISpec(provider="openai", model="m", base_url=base_url)
    assert "secret" not in str(caught.value)


def test_the_runs_seed_is_sent_unless_the_entry_says_otherwise() -> None:
    assert OpenAISpec(provider="openai", model="m").sampling(7).seed == 7
    assert OpenAISpec(provider="openai", model="m", seed=3).sampling(7).seed == 3
    assert OpenAISpec(provider="openai", model="m", seed=None).sampling(7).seed is None
    assert AnthropicSpec(provider="anthropic", model="m").sampling(7).seed is None


def test_anthropic_is_not_asked_for_what_its_protocol_takes_no_more() -> None:
    with pytest.raises(ValidationError, match="temperature: Anthropic's protocol no longer accepts it; leave it out"):
        ENTRY.validate_python({"provider": "anthropic", "model": "m", "temperature": 0.5})


def test_a_model_that_thinks_first_shows_no_label_probabilities() -> None:
    entry = {"provider": "openai", "model": "m", "prefill": True, "prompt_logprobs": True}
    models = {effort: ENTRY.validate_python({**entry, "effort": effort}) for effort in (None, "none", "low")}
    assert {effort: model.shows_choices for effort, model in models.items()} == {None: True, "none": True, "low": False}
    for model in models.values():
        assert model.takes_prefill == model.scores_texts == model.shows_choices


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_how_much_a_model_thinks_names_its_questions_and_silence_about_it_does_not(
    provider: str, question: Callable[..., Request]
) -> None:
    entry = {"provider": provider, "model": "m", "max_tokens": 2000}
    silent, thinking = (ENTRY.validate_python({**entry, **said}).sampling(7) for said in ({}, {"effort": "high"}))
    assert "effort" not in silent.to_json()
    assert question(sampling=silent.to_json()).id != question(sampling=thinking.to_json()).id
