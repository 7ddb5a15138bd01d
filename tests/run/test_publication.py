"""What is put together to be published: shown without a request, and only what the manifest vouches for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError, DataError
from amendment.publishing.preview import plan_json, plan_lines, write_preview
from amendment.publishing.publication import prepare
from amendment.publishing.verify import verify
from amendment.run import Run
from tests.run.conftest import CHAIN, PEOPLE


def test_a_dry_run_sends_nothing_and_shows_what_would_go_where(people: Path) -> None:
    # any connection would fail this test: see `only_loopback`
    ready = prepare(people, models=True)
    plan = plan_json(ready)
    assert (plan["repo"], plan["private"], plan["license"]) == (PEOPLE, True, "cc-by-4.0")
    # 8 prompts, a quarter of them held out; two votes on each
    rows = {name: {split: size["rows"] for split, size in splits.items()} for name, splits in plan["configs"].items()}
    assert rows == {
        "default": {"train": 6, "test": 2},
        "candidates": {"train": 12, "test": 4},
        "verdicts": {"train": 12, "test": 4},
        "sft": {"train": 6, "test": 2},
    }
    assert {one["name"]: one["repo"] for one in plan["models"]} == {
        "sft": "org/people-policy",
        "reward_model": "org/people-reward-model",
    }
    assert any("2 raters are or may be people" in line for line in plan_lines(ready))
    folder = write_preview(ready)
    assert (folder / "README.md").read_text().startswith("---\npretty_name: people\nlicense: cc-by-4.0\n")
    assert (folder / "models/reward_model/README.md").is_file()
    assert verify(people).is_clean, "looking at it changes nothing that the manifest vouches for"


def test_a_run_whose_dataset_is_missing_out_of_date_or_touched_is_not_published(
    small: Path, tmp_path: Path, chain: Path
) -> None:
    given = {"repo": CHAIN, "license": "mit"}
    begun = Run.from_file(small, folder=tmp_path / "begun")(until="critique").folder
    with pytest.raises(ConfigError, match="it has no dataset yet; run it again until the stage dataset"):
        prepare(begun, **given)  # type: ignore[arg-type]
    Run.from_file(small, folder=chain, overrides=["dataset.test_share=0.5"])(until="inputs")
    with pytest.raises(ConfigError, match="its dataset is out of date"):
        prepare(chain, **given)  # type: ignore[arg-type]
    Run.from_file(small, folder=chain)()
    table = chain / "dataset/test.parquet"
    table.write_bytes((chain / "dataset/train.parquet").read_bytes())
    with pytest.raises(DataError, match=r"dataset/test.parquet: changed since the run made it"):
        prepare(chain, **given)  # type: ignore[arg-type]


def test_a_change_of_publish_alone_reaches_the_folder_and_makes_nothing_anew(
    small_text: str, run_file: Any, chain: Path
) -> None:
    path = run_file(small_text + "publish: {repo: org/later, license: mit, private: false}\n")
    assert Run.from_file(path, folder=chain)().ran == ()
    settings = prepare(chain).settings
    assert (settings.repo, settings.private) == ("org/later", False)


def test_a_folder_in_which_a_run_is_at_work_is_left_alone(chain: Path) -> None:
    status = json.loads((chain / "status.json").read_text())
    (chain / "status.json").write_text(json.dumps({**status, "running": "judging"}))
    (chain / "run.lock").write_text(f"pid {os.getpid()}")
    with pytest.raises(ConfigError, match=r"a run is at work here \(judging\)"):
        prepare(chain, repo=CHAIN, license="mit")


@pytest.mark.parametrize("place", ["models/sft/config.json", "models/sft", "models", "dataset"])
def test_a_link_is_not_followed_even_to_the_same_content(people: Path, tmp_path: Path, place: str) -> None:
    (people / place).rename(tmp_path / "elsewhere")
    (people / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{place}: not written by the run \\(a link"):
        prepare(people)
