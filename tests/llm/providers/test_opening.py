"""Opening models: what is missing is named before anything is spent, and imports stay light."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.llm.opening import check_model
from amendment.llm.specs import AnthropicSpec, LocalSpec, OpenAISpec
from tests.hub_standin import Hub, Repo


def test_a_missing_key_is_named_by_its_variable_and_a_foreign_host_needs_none() -> None:
    ours = OpenAISpec(provider="openai", model="m")
    assert "OPENAI_API_KEY" in check_model(ours, {})[0]
    assert "ANTHROPIC_API_KEY" in check_model(AnthropicSpec(provider="anthropic", model="m"), {})[0]
    assert check_model(ours, {"OPENAI_API_KEY": "k"}) == []
    assert check_model(ours.model_copy(update={"api_key_env": None}), {})
    assert check_model(OpenAISpec(provider="openai", model="m", base_url="http://x/v1"), {}) == []


@pytest.mark.parametrize("key", ["two words", "line\n", "ключ"])
def test_a_variable_that_holds_no_key_is_found_before_it_is_sent(key: str) -> None:
    (problem,) = check_model(OpenAISpec(provider="openai", model="m"), {"OPENAI_API_KEY": key})
    assert "does not hold a key" in problem
    assert key not in problem


def test_what_a_local_folder_lacks_is_listed(tmp_path: Path, model_folder: Path) -> None:
    def problems(folder: Path) -> str:
        return " ".join(check_model(LocalSpec(provider="local", model=str(folder))))

    assert "no such folder" in problems(tmp_path / "absent")
    empty = problems(tmp_path)
    assert "config.json" in empty
    assert "safetensors" in empty
    assert "tokenizer_config.json" in empty
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert "chat template" in problems(tmp_path)
    assert problems(model_folder) == ""


def test_a_local_model_that_the_hub_does_not_have_is_named_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def said(model: str) -> str:
        return " ".join(check_model(LocalSpec(provider="local", model=model)))

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with Hub() as hub:
        files = {name: hub.keep(name.encode()) for name in ("config.json", "model.safetensors")}
        hub.repos["models", "org/name"] = Repo("models", "org/name", private=False, commits=[("a" * 40, files, "")])
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        assert said("org/name") == ""
        assert said("org/nam").startswith("org/nam: no such folder, and the Hub has no such model")
        assert "(did you mean 'smollm2-135m-instruct'?)" in said("smolm2-135m-instruct")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "not in the Hub's cache" in said("org/nam")
