"""The models that are published: those of the run file, as their training wrote them, under a license."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import ConfigError, DataError
from amendment.publishing.publication import prepare
from amendment.run import Run
from tests.run.conftest import left_by_the_training


def test_the_run_file_names_only_models_that_it_trains(run_file: Callable[[str], Path], small_text: str) -> None:
    for name in ("dpo", "round-2"):
        publish = f"publish: {{repo: org/x, license: mit, models: {{{name}: org/y}}}}\n"
        with pytest.raises(ConfigError, match=rf"publish\.models\.{name}: the run has no stage {name}"):
            Run.from_file(run_file(small_text + publish))


FOREIGN = ("optimizer.safetensors", "added_tokens.json", "model-00002-of-00002.safetensors")


def test_what_somebody_laid_into_a_models_folder_is_not_published(people: Path, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("root:x:0:0")
    written = next(one for one in prepare(people).models if one.name == "sft").files
    left_by_the_training(people, "models/sft/optimizer.pt", b"x")
    assert next(one for one in prepare(people).models if one.name == "sft").files == written
    for name in FOREIGN:
        (people / "models/sft" / name).write_bytes(b"{}")
    (people / "models/sft/vocab.txt").symlink_to(tmp_path / "passwords")
    (people / "dataset/more.parquet").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        prepare(people)
    for place in ("dataset/more.parquet", *(f"models/sft/{name}" for name in FOREIGN)):
        assert f"{place}: not written by the run (the manifest does not know it)" in str(caught.value)
    assert "models/sft/vocab.txt: not written by the run (a link" in str(caught.value)
    assert "take out what the run has not written" in str(caught.value)


def test_a_model_folder_that_is_not_published_may_hold_anything(people: Path) -> None:
    (people / "models/reward_model/notes.txt").write_text("mine")
    assert [one.name for one in prepare(people).models] == ["sft"]


def test_a_model_under_other_needs_the_name_of_its_license(people: Path) -> None:
    resolved = (people / "run.yaml").read_text()
    assert resolved.count("sft: org/people-policy") == 1
    (people / "run.yaml").write_text(
        resolved.replace("sft: org/people-policy", "sft: {repo: org/people-policy, license: other}")
    )
    ready = prepare(people)
    assert ready.license_faults == (
        "license other of the model sft: it says nothing without license_name, and a push is refused; add it",
    )
