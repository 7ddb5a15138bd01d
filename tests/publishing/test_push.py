"""What leaves a run's folder: pushed by the unmodified client to a Hub on loopback, and loaded from there again."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from amendment.errors import AmendmentError, ConfigError
from amendment.llm.weights import ON_THE_HUB
from amendment.publishing.card import BEGIN, END
from amendment.publishing.configs import CONFIGS, build_configs
from amendment.publishing.finished import FinishedRun
from amendment.publishing.manifest import read_manifest
from amendment.publishing.publication import prepare
from amendment.publishing.push import push
from amendment.publishing.verify import verify
from amendment.run import Run
from tests.hub_standin import READER, Hub, Repo, client, publishes
from tests.publishing.conftest import CHAIN, pairs_run
from tests.run.conftest import SMALL

LOADER = """\
import json, sys
from datasets import load_dataset
from huggingface_hub import snapshot_download
asked = json.load(sys.stdin)
def load(config):
    return load_dataset(asked["repo"], config, revision=asked["tag"])

rows = {config: {split: part.to_list() for split, part in load(config).items()} for config in asked["configs"]}
snapshot_download(asked["repo"], repo_type="dataset", local_dir=asked["copy"])
try:
    load_dataset(asked["repo"], token=False, cache_dir=asked["fresh"])
    refused = None
except Exception as fault:
    refused = type(fault).__name__
print(json.dumps({"rows": rows, "refused": refused}))
"""


LINES = """\
import json, sys
from trl import maybe_unpair_preference_dataset
from contextlib import redirect_stdout
values = {}
with redirect_stdout(sys.stderr):
    for block in json.load(sys.stdin):
        exec(block, values)
unpaired = maybe_unpair_preference_dataset(values["pairs"]["train"])
steps = values["trainer"].state.global_step
print(json.dumps({"pairs": len(values["pairs"]["train"]), "unpaired": len(unpaired), "steps": steps}))
"""


def left_by_the_training(folder: Path, name: str, content: bytes) -> None:
    """A further file that the manifest has, as of a trainer that leaves more than a model."""
    (folder / name).write_bytes(content)
    manifest = read_manifest(folder)
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def chain_call(folder: Path, *further: str) -> list[Any]:
    return [folder, "--repo", CHAIN, "--license", "cc0-1.0", "--push", *further]


@pytest.fixture(scope="module")
def filled(chain_folder: Path, people_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub that got the chain, as v1.0, then the run of the people with its models, then the chain again."""
    folder = tmp_path_factory.mktemp("filled")
    chain, people = (
        Path(shutil.copytree(source, folder / name))
        for source, name in ((chain_folder, "chain"), (people_folder, "people"))
    )
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth", "trainer_state.json", "scheduler.pt"):
        left_by_the_training(people, f"models/sft/{name}", b"of the trainer")
    calls = [chain_call(chain, "--tag", "v1.0"), [people, "--push", "--models"], chain_call(chain)]
    with Hub() as made:
        done = publishes(made, folder / "home", *calls)
        assert [ended.code for ended in done] == [0, 0, 0], "".join(ended.err for ended in done)
        yield made


@pytest.mark.slow
def test_what_is_pushed_is_what_others_load(filled: Any, chain: Path, tmp_path: Path) -> None:
    hub = filled
    repo = hub.repos[("datasets", CHAIN)]
    assert repo.private
    assert repo.tags == {"v1.0": repo.head}, "the push that changed nothing made no commit"
    assert [message for *_, message in repo.commits] == ["initial commit", "Publish with amendment"]

    made = build_configs(FinishedRun(chain))
    assert set(CONFIGS) - set(made) == {"judge_sft"}, "this run's judge gave no reasons"
    asked = {
        "repo": CHAIN,
        "tag": "v1.0",
        "configs": list(made),
        "copy": str(tmp_path / "copy"),
        "fresh": str(tmp_path / "fresh"),
    }
    loaded = client(hub, tmp_path / "home", LOADER, asked)
    for config, splits in made.items():
        assert loaded["rows"][config] == {split: rows.to_list() for split, rows in splits.items()}, config
    assert loaded["refused"].endswith("NotFoundError"), "private: without a token there is nothing to see"
    downloaded = verify(tmp_path / "copy")
    assert (downloaded.is_published, downloaded.findings, downloaded.rows > 100) == (True, [], True)


@pytest.mark.slow
def test_the_lines_on_the_card_load_the_pairs_and_train_on_them(filled: Hub, hub: Hub, tmp_path: Path) -> None:
    card = filled.text("datasets", CHAIN, "README.md")
    (lines,) = re.findall("```python\n(.*?)```", card, flags=re.DOTALL)
    assert "DPOTrainer" not in lines, "12 rows are too few to train on"
    pairs = pairs_run(tmp_path / "pairs", "license: mit, kind: person", rows=32)
    (pushed,) = publishes(hub, tmp_path / "home", [pairs, "--repo", "org/pairs", "--license", "mit", "--push"])
    assert pushed.code == 0, pushed.said
    small = filled.repos["models", "org/people-policy"]  # a tiny model with a chat template, under the name on the card
    model = hub.repos["models", ON_THE_HUB] = Repo("models", ON_THE_HUB, private=False)
    model.add({name: hub.keep(filled.blobs[blob]) for name, blob in small.commits[-1][1].items()}, "a tiny model")
    blocks = re.findall("```python\n(.*?)```", hub.text("datasets", "org/pairs", "README.md"), flags=re.DOTALL)
    home = tmp_path / "home"
    trained = client(hub, home, f"import os\nos.chdir({str(tmp_path)!r})\n{LINES}", blocks)
    assert trained == {"pairs": 24, "unpaired": 48, "steps": 100}


@pytest.mark.slow
def test_models_go_without_what_their_training_left_and_no_name_goes_at_all(filled: Any) -> None:
    hub = filled
    models = {name: repo.commits[-1][1] for (kind, name), repo in hub.repos.items() if kind == "models"}
    assert set(models) == {"org/people-policy", "org/people-reward-model"}
    kept = {"README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "history.json"}
    for name, files in models.items():
        assert hub.repos[("models", name)].private
        assert kept <= set(files)
        assert not [
            file for file in files if file.endswith((".pt", ".bin", ".pth", ".pkl")) or file == "trainer_state.json"
        ]
        assert "\nlicense: cc-by-4.0\n" in hub.text("models", name, "README.md")
    assert b"anna.berg" not in b"".join(hub.blobs.values()), "no name of a person leaves, whatever the file"
    assert b"person-1" in b"".join(hub.blobs.values())


@pytest.mark.slow
def test_a_second_version_keeps_what_people_wrote_and_what_is_tagged(
    hub: Any, filled: Any, chain: Path, tmp_path: Path
) -> None:
    hub.repos, hub.blobs = copy.deepcopy((filled.repos, filled.blobs))
    home = tmp_path / "home"
    repo = hub.repos[("datasets", CHAIN)]
    card = hub.text("datasets", CHAIN, "README.md")
    edited = card.replace("pretty_name: small", "pretty_name: Our own\nlanguage:\n- en").replace(
        "- dpo\n", "- dpo\n- ours\n"
    )
    edited = edited.replace(BEGIN, f"Read this first.\n\n{BEGIN}") + "\nWritten by hand.\n"
    repo.add({**repo.commits[-1][1], "README.md": hub.keep(edited.encode())}, "edited by hand")
    small = tmp_path / "run.yaml"
    small.write_text(SMALL)
    Run.from_file(
        small, folder=chain, overrides=["dataset.test_share=0", "critique=null", "candidates=[{model: writer}]"]
    )()

    calls = [chain_call(chain, "--tag", tag) for tag in ("v1.0", "v1.1", "v1.0", "v1.1")]
    taken, done, still_taken, again = publishes(hub, home, *calls)
    for refused in (taken, still_taken):  # the second time the branch holds what is pushed, and the tag does not
        assert refused.code == 2
        assert "the tag v1.0 already names other content" in refused.err
    assert again.code == 0, "the tag of this very content"
    assert done.code == 0, done.err
    new = hub.text("datasets", CHAIN, "README.md")
    assert "pretty_name: Our own\n" in new
    assert "- ours\n" in new
    assert new.index("Read this first.") < new.index(BEGIN) < new.index(END) < new.index("Written by hand.")
    assert "\n- `critiques`, " in card
    assert "\n- `critiques`, " not in new, "the generated part is written anew"
    files = repo.files("v1.1")
    assert not [name for name in files if name.startswith("critiques/") or "test-" in name]
    assert "config_name: critiques" not in new
    assert [name for name in repo.files("v1.0") if name.startswith("critiques/")], "what is tagged stays"
    assert hub.text("datasets", CHAIN, "README.md", "v1.0") == card


@pytest.mark.slow
def test_a_commit_of_somebody_else_is_never_tagged_as_ours(hub: Any, chain: Path, tmp_path: Path) -> None:
    foreign: list[str] = []

    def somebody_commits(request: str) -> None:
        repo = hub.repos.get(("datasets", CHAIN))
        if request.endswith("/commit/main") and not foreign:
            foreign.append(repo.add({**repo.commits[-1][1], "evil.txt": hub.keep(b"theirs")}, "theirs"))

    hub.before = somebody_commits
    first, again = publishes(
        hub, tmp_path / "home", chain_call(chain, "--tag", "v1.0"), chain_call(chain, "--tag", "v1.0", "--replace")
    )
    repo = hub.repos[("datasets", CHAIN)]
    assert (first.code, "again" in first.said) == (1, True), first.said
    assert [name for name, *_ in repo.commits][-1] == foreign[0], "nothing of ours came after it"
    assert repo.tags == {}
    assert (again.code, "evil.txt" in again.said) == (2, True), "the repository is theirs now"


@pytest.mark.slow
def test_another_run_needs_replace_and_leaves_nothing_of_the_run_before(hub: Any, filled: Any, tmp_path: Path) -> None:
    hub.repos, hub.blobs = copy.deepcopy((filled.repos, filled.blobs))
    repo = hub.repos[("datasets", CHAIN)]
    card = hub.text("datasets", CHAIN, "README.md").replace("pretty_name:", "language:\n- en\npretty_name:")
    edited = hub.keep(card.replace("- dpo\n", "- dpo\n- ours\n").encode())
    repo.add({**repo.commits[-1][1], "README.md": edited}, "hand")
    asked = chain_call(pairs_run(tmp_path / "pairs", "license: cc0-1.0"))
    refused, replaced = publishes(hub, tmp_path / "home", asked, [*asked, "--replace"])
    assert (refused.code, "--replace" in refused.said) == (2, True)
    assert replaced.code == 0, replaced.said
    before, head = (yaml.safe_load(text.split("---\n")[1]) for text in (card, hub.text("datasets", CHAIN, "README.md")))
    foreign = {"simulated", "rlaif", "constitutional-ai", "synthetic"}
    assert foreign & {*before["tags"]}
    assert foreign & {*head["tags"]} == set()
    assert "ours" in head["tags"]
    assert (head["pretty_name"], head["language"], head["annotations_creators"]) == ("pairs", ["en"], ["other"])
    assert {one["config_name"] for one in head["configs"]} == {"default", "candidates", "verdicts", "sft"}
    assert not [name for name in repo.files() if name.startswith(("constitutions/", "critiques/"))]


@pytest.mark.long
def test_a_push_that_breaks_off_can_be_repeated(hub: Any, chain: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def fails(request: str) -> bool:
        """The commit is not taken, once."""
        seen.append(request) if request.endswith("/commit/main") else None
        return request.endswith("/commit/main") and len(seen) == 1

    hub.fails = fails
    broken, whole = publishes(hub, tmp_path / "home", chain_call(chain), chain_call(chain))
    assert broken.code == 1
    assert "run the command again" in broken.err
    assert "Traceback" not in broken.err
    assert whole.code == 0, whole.err
    repo = hub.repos[("datasets", CHAIN)]
    assert [message for *_, message in repo.commits] == ["initial commit", "Publish with amendment"]


@pytest.mark.slow
def test_what_must_not_be_sent_or_cannot_be_ends_in_one_clear_message(hub: Any, chain: Path, tmp_path: Path) -> None:
    for name, private, files in (
        ("org/theirs", True, {"data/train.csv": hub.keep(b"a,b\n")}),
        ("org/open", False, {}),
    ):
        repo = Repo("datasets", name, private=private)
        repo.add(files, "initial commit")
        hub.repos[("datasets", name)] = repo
    row = pq.read_table(chain / "dataset/train.parquet").to_pylist()[0]
    home = tmp_path / "home"
    secret, tokenless, offline = publishes(
        hub,
        home,
        chain_call(chain, "--allow-secrets"),
        *[chain_call(chain)] * 2,
        env=[{"SOME_API_KEY": row["prompt_id"]}, {"HF_TOKEN": None}, {"HF_HUB_OFFLINE": "1"}],
    )
    assert hub.requests == [], "not one request with a key in sight, without a token, offline"
    assert [secret.code, tokenless.code, offline.code] == [2, 6, 2]
    assert f"default/train: row {row['comparison_id']}: prompt_id: the value of SOME_API_KEY" in secret.err
    assert row["prompt_id"] not in secret.err
    assert "hf auth login" in tokenless.err
    assert "HF_HUB_OFFLINE" in offline.err
    reader, theirs, visible = publishes(
        hub,
        home,
        chain_call(chain),
        [chain, "--repo", "org/theirs", "--license", "mit", "--push"],
        [chain, "--repo", "org/open", "--license", "mit", "--push"],
        env=[{"HF_TOKEN": READER}],
    )
    assert [reader.code, theirs.code, visible.code] == [6, 2, 2]
    assert "403" in reader.err
    assert "data/train.csv" in theirs.err
    assert "is public on the Hub" in visible.err
    assert ("datasets", CHAIN) not in hub.repos


def test_a_tag_that_git_does_not_take_is_refused_before_anything(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    ready = prepare(chain, repo=CHAIN, license="mit")
    for tag in ("", "v 1", "v1..2", "-v1", "v1.lock", "v1/", "/v1", "v1~1", "a:b", "main", "@", "v\n"):
        with pytest.raises(ConfigError, match=r"--tag: found (.|\n)*nothing was sent"):
            push(ready, tag=tag)
    # git takes this one, and there the push goes on until it needs a token
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(AmendmentError, match=r"token|OFFLINE"):
        push(ready, tag="release/v1.0-rc.1")
