"""What a run file may set, and what it is told when it sets something else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from amendment.dpo import DpoSettings, SftSettings
from amendment.errors import ConfigError
from amendment.reward_model import RewardSettings
from amendment.training import LoraSettings, TrainerSettings
from amendment.yamlfile import parse_yaml, validate

RATE = {"learning_rate": 1e-3}


@pytest.mark.parametrize(
    "name",
    ["hub_token", "push_to_hub", "hub_model_id", "output_dir", "trust_remote_code", "deepspeed", "seed"],
)
def test_fields_that_reach_outside_the_run_have_no_name(name: str) -> None:
    with pytest.raises(ValidationError, match=f"unknown field '{name}'"):
        TrainerSettings(trl={name: "x"}, **RATE)


def test_a_misspelt_field_is_named_with_its_place_and_its_neighbour() -> None:
    text = "learning_rate: 0.001\ntrl:\n  weight_decy: 0.1\n  hub_token: abc\n"
    with pytest.raises(ConfigError) as caught:
        validate(parse_yaml(text, "run.yaml"), TrainerSettings)
    assert [problem.place for problem in caught.value.problems] == ["run.yaml:3:3: trl"]
    assert "did you mean 'weight_decay'?" in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 1, "steps": 3}, "keep one of them"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"trl": {"weight_decay": 2}}, "weight_decay: .* less than or equal to 1"),
        ({"trl": {"max_steps": 5}}, "write steps next to trl"),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainerSettings.model_validate({**RATE, **values})


@pytest.mark.parametrize("kind", [SftSettings, DpoSettings, RewardSettings])
def test_an_adapter_has_a_learning_rate_of_its_own(kind: Any) -> None:
    lora = LoraSettings(r=4)
    assert kind(lora=lora).learning_rate == 4 * kind().learning_rate
    assert kind(lora=lora, learning_rate=1e-3).learning_rate == 1e-3


def test_labels_are_soft_by_default_where_the_other_settings_allow() -> None:
    assert DpoSettings().labels == "soft"
    for given in ({"label_smoothing": 0.1}, {"loss": "kto"}, {"loss": "robust", "label_smoothing": 0.1}):
        settings = DpoSettings(**given)
        assert settings.labels == "hard"
        assert DpoSettings(**settings.model_dump(mode="json")) == settings
    assert DpoSettings(labels="soft", label_smoothing=0.1).labels == "soft"
