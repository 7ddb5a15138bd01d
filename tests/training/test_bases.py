"""A base that is not there is told in one sentence, before anything is spent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from amendment.errors import ConfigError
from amendment.training import check_base
from amendment.training.model_files import load_causal, load_tokenizer


def test_a_model_folder_passes_and_an_at_sign_in_its_name_is_no_revision(tiny: Path, tmp_path: Path) -> None:
    check_base(tiny)
    check_base(str(tiny))
    check_base(shutil.copytree(tiny, tmp_path / "name@v1"))


@pytest.mark.parametrize("base", ["./nowhere", "/nowhere/at/all", "a b", "x/y/z", Path("policy")])
def test_what_is_no_folder_and_no_hub_id_is_refused(base: str | Path) -> None:
    with pytest.raises(ConfigError, match="no such folder; expected a model's folder or a Hub id"):
        check_base(base)


@pytest.mark.parametrize(
    ("offline", "told"),
    [(True, r"it is not in the Hub's cache .*HF_HUB_OFFLINE"), (False, "the Hub could not be reached: ConnectError")],
)
def test_a_hub_out_of_reach_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, told: str, *, offline: bool
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(ConfigError, match=f"no such folder, and {told}") as caught:
        check_base("nobody-here/no-such-model")
    assert "\n" not in str(caught.value)


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"this is an adapter, not a base; merge it"):
        check_base(tmp_path)


def test_a_damaged_folder_is_named_when_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_tokenizer(tmp_path)


def test_weights_that_a_base_lacks_are_no_random_numbers(tiny: Path, tmp_path: Path) -> None:
    file = shutil.copytree(tiny, tmp_path / "base") / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "mlp" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"its files lack 3 of the weights, such as model\.layers\.0\.mlp"):
        load_causal(tmp_path / "base")
