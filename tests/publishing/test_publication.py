"""What is put together to be published: shown without a request, only what the manifest vouches for, with its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError, DataError
from amendment.publishing.card import BEGIN, END, code, fenced, replace_body
from amendment.publishing.publication import plan_json, plan_lines, prepare, write_preview
from amendment.publishing.push import push
from amendment.publishing.verify import verify
from amendment.run import Run
from tests.publishing.conftest import CHAIN, HOSTILE, PEOPLE
from tests.run.conftest import SMALL

FOREIGN = ("optimizer.safetensors", "added_tokens.json", "model-00002-of-00002.safetensors")


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
    assert {model["name"]: model["repo"] for model in plan["models"]} == {
        "sft": "org/people-policy",
        "reward_model": "org/people-reward-model",
    }
    assert any("2 raters are or may be people" in line for line in plan_lines(ready))
    folder = write_preview(ready)
    assert (folder / "README.md").read_text().startswith("---\npretty_name: people\nlicense: cc-by-4.0\n")
    assert (folder / "models/reward_model/README.md").is_file()
    with pytest.raises(ConfigError, match="the preview of a publication"):
        verify(folder)
    assert verify(people).is_clean, "looking at it changes nothing that the manifest vouches for"


def test_a_run_whose_dataset_is_missing_out_of_date_or_touched_is_not_published(tmp_path: Path, chain: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(SMALL)
    begun = Run.from_file(file, folder=tmp_path / "begun")(until="critique").folder
    with pytest.raises(ConfigError, match="it has no dataset yet; run it up to and including the stage dataset"):
        prepare(begun, repo=CHAIN, license="mit")
    table = chain / "dataset/test.parquet"
    whole = table.read_bytes()
    table.write_bytes((chain / "dataset/train.parquet").read_bytes())
    with pytest.raises(DataError, match=r"dataset/test.parquet: changed since the run made it"):
        prepare(chain, repo=CHAIN, license="mit")
    table.write_bytes(whole)
    Run.from_file(file, folder=chain, overrides=["dataset.test_share=0.5"])(until="inputs")
    with pytest.raises(ConfigError, match="its dataset is out of date"):
        prepare(chain, repo=CHAIN, license="mit")
    status = json.loads((begun / "status.json").read_text())
    Run.from_file(file, folder=begun)()
    (begun / "status.json").write_text(json.dumps({**status, "running": "judging"}))
    with pytest.raises(ConfigError, match=r"a run is in progress here, or was interrupted \(judging\)"):
        prepare(begun, repo=CHAIN, license="mit")


def test_a_change_of_publish_alone_reaches_the_folder_and_makes_nothing_anew(tmp_path: Path, chain: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"{SMALL}publish: {{repo: org/later, license: mit, private: false}}\n")
    assert Run.from_file(file, folder=chain)().ran == ()
    settings = prepare(chain).settings
    assert (settings.repo, settings.private) == ("org/later", False)


@pytest.mark.parametrize("place", ["models/sft/config.json", "models"])
def test_a_link_is_not_followed_even_to_the_same_content(people: Path, tmp_path: Path, place: str) -> None:
    (people / place).rename(tmp_path / "elsewhere")
    (people / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{place}: not written by the run \\(a link"):
        prepare(people)


def test_what_somebody_laid_into_a_folder_that_is_published_stops_it(people: Path, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("root:x:0:0")
    (people / "models/reward_model/notes.txt").write_text("mine")  # which is not published
    assert [model.name for model in prepare(people).models] == ["sft"]
    for name in FOREIGN:
        (people / "models/sft" / name).write_bytes(b"{}")
    (people / "models/sft/vocab.txt").symlink_to(tmp_path / "passwords")
    (people / "dataset/more.parquet").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        prepare(people)
    for place in ("dataset/more.parquet", *(f"models/sft/{name}" for name in FOREIGN)):
        assert f"{place}: not written by the run (it is not in the manifest)" in str(caught.value)
    assert "models/sft/vocab.txt: not written by the run (a link" in str(caught.value)


def test_the_run_file_names_only_models_that_it_trains(tmp_path: Path) -> None:
    for name in ("dpo", "round-2"):
        (tmp_path / "run.yaml").write_text(
            f"{SMALL}publish: {{repo: org/x, license: mit, models: {{{name}: org/y}}}}\n"
        )
        with pytest.raises(ConfigError, match=rf"publish\.models\.{name}: the run has no stage {name}"):
            Run.from_file(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no repo and no license to publish under; a license is never guessed"),
        ({"repo": CHAIN}, "no license to publish under"),
        ({"repo": "buckets/org/name", "license": "mit"}, "which keeps no versions"),
        ({"repo": "name", "license": "mit"}, "expected org/name"),
        ({"repo": CHAIN, "license": "do what you want"}, "as the Hub spells it"),
        ({"repo": CHAIN, "license": "other"}, "add license_name"),
        ({"repo": CHAIN, "license": "cc-by-40"}, r"did you mean 'cc-by-4\.0'"),
    ],
)
def test_repository_and_license_have_to_be_given(chain_folder: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(chain_folder, **given)


def test_a_license_that_the_hub_does_not_know_is_told_and_then_refused(
    chain: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    ready = prepare(chain, repo=CHAIN, license="MIT-0")  # which SPDX knows
    message = "license mit-0 of the dataset: not among the known license names of the Hub"
    assert message in "\n".join(plan_lines(ready))
    with pytest.raises(ConfigError, match=r"mit-0 of the dataset(.|\n)*nothing was sent"):
        push(ready)
    assert not prepare(chain, repo=CHAIN, license="CC-BY-4.0").license_faults
    resolved = (people / "run.yaml").read_text()
    other = "sft: {repo: org/people-policy, license: other}"
    (people / "run.yaml").write_text(resolved.replace("sft: org/people-policy", other))
    assert prepare(people).license_faults == (
        "license other of the model sft: it says nothing without license_name, and a push is refused; add it",
    )


def test_foreign_words_cannot_steer_a_card(people: Path) -> None:
    block = fenced("```\n<script>\n````\n\x1b[31m|a|").split("\n")
    assert (block[0], block[-1], block[4]) == ("`````text", "`````", "\\x1b[31m|a|")
    assert code("a`b``c") == "```a`b``c```"
    assert code("`x") == "`` `x ``"
    prompts, answers = [
        line for line in prepare(people).body.split("\n") if line.startswith(("| prompts", "| answers"))
    ]
    assert prompts == f"| prompts | {code(HOSTILE)} | `cc-by-4.0` | 8 |"
    assert answers == f"| answers | {code(HOSTILE)} | `cc-by-4.0` | 16 |"
    assert code(HOSTILE) == "``votes `<b>\\|.csv``"


def test_a_card_is_written_anew_between_its_marks_only() -> None:
    body = f"{BEGIN}\nnew\n{END}"
    assert replace_body("", body) == f"{body}\n"
    assert replace_body("mine", body) == f"mine\n\n{body}\n"
    assert replace_body(f"above\n{BEGIN}\nold\n{END}\nbelow\n", body) == f"above\n{body}\nbelow\n"
