"""Pickles may run code when they are loaded: weights are safetensors, whatever else a folder says of itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from amendment.errors import ConfigError
from amendment.training import check_base
from amendment.training.bases import check_weights
from tests.command_line import amendment
from tests.rows import save


def pickled(folder: Path, copy: Path) -> Path:
    """A copy of a model's folder whose weights are pickles."""
    import torch

    shutil.copytree(folder, copy)
    for file in sorted(copy.rglob("*.safetensors")):
        torch.save(load_file(file), file.with_name({"model": "pytorch_model"}.get(file.stem, file.stem) + ".bin"))
        file.unlink()
    return copy


def test_pickled_weights_of_a_reward_model_are_refused(reward_folder: Path, tmp_path: Path) -> None:
    rows = save(tmp_path / "rows.jsonl", [{"prompt": "ask 1", "chosen": "yes", "rejected": "no"}])
    ended = amendment("evaluate", pickled(reward_folder, tmp_path / "rm"), rows)
    assert ended.code == 2
    assert "expected weights in *.safetensors, found pytorch_model.bin" in " ".join(ended.err.split())


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "extra.safetensors", "adapter_model.safetensors"])
def test_no_file_beside_them_vouches_for_pickled_weights_of_a_base(name: str, base: Path, tmp_path: Path) -> None:
    folder = pickled(base, tmp_path / "base")
    (folder / name).write_text('{"metadata": {}, "weight_map": {"model.norm.weight": "pytorch_model.bin"}}')
    with pytest.raises(ConfigError, match=r"expected weights in \*\.safetensors, found pytorch_model\.bin"):
        check_base(folder)


def test_an_adapter_has_weights_under_its_own_name(tmp_path: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.bin", "model.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match="adapter_model"):
        check_weights(tmp_path)
    (tmp_path / "adapter_model.safetensors").touch()
    check_weights(tmp_path)


def test_the_shards_of_an_index_are_weights_only_when_all_are_there(base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(base, tmp_path / "base")
    shard = folder / "model-00001-of-00001.safetensors"
    (folder / "model.safetensors").rename(shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"model.norm.weight": shard.name}}))
    check_base(folder)
    shard.unlink()
    with pytest.raises(ConfigError, match="model-00001-of-00001"):
        check_base(folder)
