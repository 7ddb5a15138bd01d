"""What leaves a run's folder: pushed by the unmodified client to a Hub on loopback, and loaded from there again."""

from __future__ import annotations

import copy
import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError, DataError
from amendment.pipeline import Run
from amendment.pipeline.contents import rows_of
from amendment.pipeline.manifest import read_manifest
from amendment.pipeline.publishing.card import BEGIN, END, with_body
from amendment.pipeline.publishing.configs import CONFIGS, build_configs
from amendment.pipeline.publishing.people import People
from amendment.pipeline.publishing.preview import plan_json, plan_lines, write_preview
from amendment.pipeline.publishing.publication import prepare
from amendment.pipeline.publishing.push import push
from amendment.pipeline.publishing.secrets import Scanner
from amendment.pipeline.publishing.tables import Tables
from amendment.pipeline.publishing.text import code, fenced, tame
from amendment.pipeline.verify import verify

WRITER, READER = "hf_" + "w" * 34, "hf_" + "r" * 34
CHAIN, PEOPLE = "org/chain", "org/people"
DRIVER = """\
import contextlib, io, json, os, sys, urllib.request
from amendment.cli import app
from amendment.cli._endings import guarded

def count():
    with urllib.request.urlopen(os.environ["HF_ENDPOINT"] + "/count") as reply:
        return json.load(reply)

told = []
for step in json.load(sys.stdin):
    sys.argv = ["amendment", *step["argv"]]
    before, kept, out, err = count(), dict(os.environ), io.StringIO(), io.StringIO()
    for name, value in step["env"].items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = guarded(app)
    os.environ.clear()
    os.environ.update(kept)
    told.append({"code": code, "out": out.getvalue(), "err": err.getvalue(), "requests": count() - before})
print(json.dumps(told))
"""
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
VOTES = ["prompt", "one", "two", "anna.berg", "bob"]
HOSTILE = "votes `<b>|.csv"
PEOPLE_RUN = f"""\
name: people
seed: 3
pairs:
  - path: '{HOSTILE}'
    columns: {{prompt: prompt, a: one, b: two, votes: [anna.berg, bob]}}
    votes: {{a: 1, b: 2, tie: 0}}
    license: cc-by-4.0
dataset: {{test_share: 0.25}}
base: {{on: nothing, steps: 1, tiny: {{hidden: 16, layers: 1, heads: 2, intermediate: 32, vocab: 400, context: 64}}}}
sft: {{base: base, on: chosen, steps: 1, batch_size: 2, max_length: 60}}
reward_model: {{base: base, steps: 1, batch_size: 2, max_length: 60}}
publish: {{repo: org/people, license: cc-by-4.0, models: {{sft: org/people-policy}}}}
"""


def load_standin() -> Any:
    spec = importlib.util.spec_from_file_location("hub_standin", Path(__file__).with_name("hub_standin.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hub() -> Iterator[Any]:
    with load_standin().Hub() as made:
        yield made


@pytest.fixture(scope="module")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the votes of two people, with a model and a reward model of one step each."""
    folder = tmp_path_factory.mktemp("people")
    with (folder / HOSTILE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(VOTES)
        writer.writerows([f"what is {i}", f"it is {i}", f"who knows {i}", 1 + i % 2, 1 + i % 2] for i in range(8))
    (folder / "run.yaml").write_text(PEOPLE_RUN)
    return Run.from_file(folder / "run.yaml", folder=folder / "run")().folder


@pytest.fixture
def chain(undisturbed: Any, tmp_path: Path) -> Path:
    """A copy of the small run: a chain, two sources of candidates, one judge."""
    return Path(shutil.copytree(undisturbed.result.folder, tmp_path / "chain"))


@pytest.fixture
def people(people_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people_folder, tmp_path / "people"))


def client(hub: Any, home: Path, script: str, asked: Any, **env: str) -> Any:
    """Run a script with the real client in a process of its own; returns the JSON it prints."""
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_TOKEN": WRITER,
        "OMP_NUM_THREADS": "1",
        **env,
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=variables,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def publishes(
    hub: Any, home: Path, *calls: Sequence[Any], env: Sequence[Mapping[str, str | None]] = (), **extra: str
) -> Any:
    """`amendment publish` with each of these arguments, one after another."""
    asked = [
        {"argv": ["publish", *map(str, call)], "env": dict(env[number]) if number < len(env) else {}}
        for number, call in enumerate(calls)
    ]
    return client(hub, home, DRIVER, asked, **extra)


def chain_call(folder: Path, *further: str) -> list[Any]:
    return [folder, "--repo", CHAIN, "--license", "cc0-1.0", "--push", *further]


@pytest.fixture(scope="module")
def filled(undisturbed: Any, people_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Hub that got the chain, as v1.0, then the run of the people with its models, then the chain again."""
    folder = tmp_path_factory.mktemp("filled")
    chain, people = (
        Path(shutil.copytree(source, folder / name))
        for source, name in ((undisturbed.result.folder, "chain"), (people_folder, "people"))
    )
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth", "trainer_state.json", "scheduler.pt"):
        (people / "models/sft" / name).write_bytes(b"of the trainer")
    calls = [chain_call(chain, "--tag", "v1.0"), [people, "--push", "--models"], chain_call(chain)]
    with load_standin().Hub() as made:
        done = publishes(made, folder / "home", *calls)
        assert [one["code"] for one in done] == [0, 0, 0], "".join(one["err"] for one in done)
        yield made


@pytest.mark.slow
def test_what_is_pushed_is_what_others_load(filled: Any, chain: Path, tmp_path: Path) -> None:
    hub = filled
    repo = hub.repos[("datasets", CHAIN)]
    assert repo.private
    assert repo.tags == {"v1.0": repo.head}, "the push that changed nothing made no commit"
    assert [message for *_, message in repo.commits][-2:] == [
        "Publish card",
        "Publish manifest, constitutions and certificate",
    ]

    asked = {
        "repo": CHAIN,
        "tag": "v1.0",
        "configs": list(CONFIGS),
        "copy": str(tmp_path / "copy"),
        "fresh": str(tmp_path / "fresh"),
    }
    loaded = client(hub, tmp_path / "home", LOADER, asked)
    for config, splits in build_configs(Tables.of_run(chain)).items():
        assert loaded["rows"][config] == {split: rows.to_list() for split, rows in splits.items()}, config
    assert loaded["refused"].endswith("NotFoundError"), "private: without a token there is nothing to see"
    _a_downloaded_copy_is_verified(tmp_path / "copy")


@pytest.mark.slow
def test_models_go_without_what_their_training_left_and_no_name_goes_at_all(filled: Any) -> None:
    hub = filled
    models = {name: one.commits[-1][1] for (kind, name), one in hub.repos.items() if kind == "models"}
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


def _a_downloaded_copy_is_verified(copy: Path) -> None:
    clean = verify(copy)
    assert (clean.is_published, clean.findings) == (True, [])
    assert clean.rows > 100
    shard = next((copy / "data").glob("train-*"))
    shard.write_bytes(next((copy / "sft").glob("train-*")).read_bytes())
    (copy / "verdicts/extra.parquet").write_bytes(b"")
    (copy / "constitutions/lilliput.json").unlink()
    found = {(one.kind, one.place) for one in verify(copy).findings if one.kind != "wrong id"}
    assert {
        ("missing", "constitutions/lilliput.json"),
        ("changed", "default/train"),
        ("added", "verdicts/extra.parquet"),
    } <= found


@pytest.mark.slow
def test_a_second_version_keeps_what_people_wrote_and_what_is_tagged(
    hub: Any, filled: Any, chain: Path, tmp_path: Path, small: Path
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
    Run.from_file(
        small, folder=chain, overrides=["dataset.test_share=0", "critique=null", "candidates=[{model: writer}]"]
    )()

    taken, done = publishes(hub, home, chain_call(chain, "--tag", "v1.0"), chain_call(chain, "--tag", "v1.1"))
    assert taken["code"] == 2
    assert "the tag v1.0 stands already" in taken["err"]
    assert done["code"] == 0, done["err"]
    new = hub.text("datasets", CHAIN, "README.md")
    assert "pretty_name: Our own\n" in new
    assert "- ours\n" in new
    assert new.index("Read this first.") < new.index(BEGIN) < new.index(END) < new.index("Written by hand.")
    assert 'load_dataset("org/chain", "critiques")' not in new, "the generated part is written anew"
    files = repo.files("v1.1")
    assert not [name for name in files if name.startswith("critiques/") or "test-" in name]
    assert "config_name: critiques" not in new
    assert [name for name in repo.files("v1.0") if name.startswith("critiques/")], "what is tagged stays"
    assert hub.text("datasets", CHAIN, "README.md", "v1.0") == card


@pytest.mark.slow
def test_a_push_that_breaks_off_can_be_repeated(hub: Any, chain: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def fails(request: str) -> bool:
        """The fourth commit is not taken, once."""
        seen.append(request) if request.endswith("/commit/main") else None
        return request.endswith("/commit/main") and len(seen) == 4

    hub.fails = fails
    broken, whole = publishes(hub, tmp_path / "home", chain_call(chain), chain_call(chain))
    assert broken["code"] == 1
    assert "run the command again" in broken["err"]
    assert "Traceback" not in broken["err"]
    assert whole["code"] == 0, whole["err"]
    published = json.loads(hub.text("datasets", CHAIN, "manifest.json"))["published"]
    assert published["complete"] is True
    repo = hub.repos[("datasets", CHAIN)]
    unfinished = [json.loads(hub.blobs[files["manifest.json"]]) for _, files, _ in repo.commits[1:-1]]
    assert {one["published"]["complete"] for one in unfinished} == {False}


@pytest.mark.slow
def test_what_must_not_be_sent_or_cannot_be_ends_in_one_clear_message(hub: Any, chain: Path, tmp_path: Path) -> None:
    standin = load_standin()
    for name, private, files in (
        ("org/theirs", True, {"data/train.csv": hub.keep(b"a,b\n")}),
        ("org/open", False, {}),
    ):
        repo = standin.Repo("datasets", name, private=private)
        repo.add(files, "initial commit")
        hub.repos[("datasets", name)] = repo
    row = next(rows_of(chain / "dataset/train.parquet"))
    home = tmp_path / "home"
    secret, tokenless, reader, offline, theirs, visible = publishes(
        hub,
        home,
        chain_call(chain, "--allow-secrets"),
        chain_call(chain),
        chain_call(chain),
        chain_call(chain),
        [chain, "--repo", "org/theirs", "--license", "mit", "--push"],
        [chain, "--repo", "org/open", "--license", "mit", "--push"],
        env=[
            {"SOME_API_KEY": row["prompt_id"]},
            {"HF_TOKEN": None},
            {"HF_TOKEN": READER},
            {"HF_HUB_OFFLINE": "1"},
        ],
    )
    assert (secret["code"], secret["requests"]) == (2, 0), "not one request with a key in sight"
    assert f"default/train: row {row['comparison_id']}: prompt_id: the value of SOME_API_KEY" in secret["err"]
    assert row["prompt_id"] not in secret["err"]
    assert (tokenless["code"], tokenless["requests"]) == (6, 0)
    assert "hf auth login" in tokenless["err"]
    assert reader["code"] == 6
    assert "403" in reader["err"]
    assert theirs["code"] == 2
    assert "data/train.csv" in theirs["err"]
    assert visible["code"] == 2
    assert "is public on the Hub" in visible["err"]
    assert ("datasets", CHAIN) not in hub.repos
    assert (offline["code"], offline["requests"]) == (2, 0)
    assert "HF_HUB_OFFLINE" in offline["err"]


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
    assert any("2 raters are people" in line for line in plan_lines(ready))
    folder = write_preview(ready)
    assert (folder / "README.md").read_text().startswith("---\npretty_name: people\nlicense: cc-by-4.0\n")
    assert (folder / "models/reward_model/README.md").is_file()
    assert verify(people).is_clean, "looking at it changes nothing that the manifest vouches for"


def test_people_are_published_under_pseudonyms_in_every_config(people: Path) -> None:
    ready = prepare(people)
    verdicts = [row for rows in ready.configs["verdicts"].values() for row in rows]
    assert {(row["rater"], row["rater_kind"]) for row in verdicts} == {("person-1", "person"), ("person-2", "person")}
    assert {name for row in ready.configs["default"]["train"] for name in row["raters"]} == {"person-1", "person-2"}
    assert json.loads(ready.manifest)["configuration"]["pairs"][0]["columns"]["votes"] == ["person-1", "person-2"]
    assert read_manifest(people)["configuration"]["pairs"][0]["columns"]["votes"] == VOTES[3:]


def test_names_in_a_certificate_are_replaced_as_words_only() -> None:
    people = People(["bob", "human", "anna.berg"])
    assert (
        people.in_text("bob and anna.berg; bobsled; a human ceiling")
        == "person-1 and person-3; bobsled; a human ceiling"
    )
    assert people.in_json({"bob": ["anna.berg", 1], "path": "bob"}) == {"person-1": ["person-3", 1], "path": "bob"}


def test_the_certificate_of_the_run_stands_on_the_card(people: Path) -> None:
    (people / "certificate.md").write_text("# Certificate\n\n| rater | kappa |\n|---|---|\n| anna.berg <i> | 0.8 |\n")
    body = prepare(people).body
    assert "\n### Certificate\n" in body, "a part of the chapter on the judge"
    assert "| person-1 \\<i> | 0.8 |" in body
    assert "No certificate" not in body


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


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no repo and no license to publish under; a license is never guessed"),
        ({"repo": CHAIN}, "no license to publish under"),
        ({"repo": "buckets/org/name", "license": "mit"}, "which keeps no versions"),
        ({"repo": "name", "license": "mit"}, "expected org/name"),
        ({"repo": CHAIN, "license": "do what you want"}, "as the Hub spells it"),
        ({"repo": CHAIN, "license": "other"}, "add license_name"),
    ],
)
def test_repository_and_license_have_to_be_given(chain: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        prepare(chain, **given)


def test_the_run_file_names_only_models_that_it_trains(run_file: Callable[[str], Path], small_text: str) -> None:
    publish = "publish: {repo: org/x, license: mit, models: {dpo: org/y}}\n"
    with pytest.raises(ConfigError, match=r"publish\.models\.dpo: the run has no stage dpo"):
        Run.from_file(run_file(small_text + publish))


def test_a_change_of_publish_alone_reaches_the_folder_and_makes_nothing_anew(
    small_text: str, run_file: Any, chain: Path
) -> None:
    path = run_file(small_text + "publish: {repo: org/later, license: mit, private: false}\n")
    assert Run.from_file(path, folder=chain)().ran == ()
    settings = prepare(chain).settings
    assert (settings.repo, settings.private) == ("org/later", False)


def key(kind: str) -> str:
    """Keys of well-known shapes, put together here so that none stands in a file."""
    return {
        "OpenAI": "sk-" + "proj-" + "a1" * 20,
        "Anthropic": "sk-" + "ant-api03-" + "b2" * 20,
        "Hugging Face": "hf" + "_" + "c" * 34,
        "AWS access": "AK" + "IA" + "D3" * 8,
        "GitHub": "gh" + "p_" + "e4" * 18,
        "Google": "AI" + "za" + "f" * 35,
        "Slack": "xo" + "xb-" + "1" * 12,
        "private": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "bearer": "Authorization: Bea" + "rer " + "g5" * 12,
    }[kind]


KINDS = ("OpenAI", "Anthropic", "Hugging Face", "AWS access", "GitHub", "Google", "Slack", "private", "bearer")


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_well_known_shapes_are_found(kind: str) -> None:
    (found,) = Scanner({}).scan("here", f"and then {key(kind)}, I think")
    assert found.kind.startswith(kind)
    assert not found.is_value
    assert len(found.begins) == 4
    assert key(kind) not in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "task-oriented-programming-in-the-large-and-in-the-small",
        "a disk-" + "a" * 30,
        "see https://example.org/a:b/c@d and me@example.org",
        "the bearer of bad news, Bearer token, -----BEGIN CERTIFICATE-----",
        "AKIA, hf_, ghp_ and sk- are how keys begin",
    ],
)
def test_ordinary_words_are_no_keys(text: str) -> None:
    assert list(Scanner({}).scan("here", text)) == []


def test_values_of_this_machine_are_found_wherever_their_name_speaks_of_keys() -> None:
    environ = {
        "OURS": "plainvalue123",
        "MY_TOKEN": "tokenvalue123",
        "SHELL": "shellvalue123",
        "SSH_AUTH_SOCK": "/run/socket",
    }
    scanner = Scanner({**environ, "SHORT_KEY": "abc"}, ["OURS"])
    text = "plainvalue123 tokenvalue123 shellvalue123 /run/socket abc"
    assert [(one.kind, one.begins, one.is_value) for one in scanner.scan("here", text)] == [
        ("the value of OURS", "plai", True),
        ("the value of MY_TOKEN", "toke", True),
    ]


def test_a_key_stops_the_push_and_only_an_example_can_be_let_through(
    people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (people / "certificate.md").write_text(f"the judge said {key('OpenAI')}\n")
    ready = prepare(people, environ={})
    with pytest.raises(DataError, match=r"certificate.md: OpenAI key, begins with sk-p…(.|\n)*--allow-secrets"):
        push(ready)
    with pytest.raises(DataError, match="the value of OUR_KEY") as caught:
        push(prepare(people, environ={"OUR_KEY": key("OpenAI")}), allow_secrets=True)
    assert "--allow-secrets" not in str(caught.value)
    assert key("OpenAI") not in str(caught.value)


def test_a_find_in_a_row_is_told_by_the_row(chain: Path) -> None:
    row = next(rows_of(chain / "dataset/train.parquet"))
    ready = prepare(chain, repo=CHAIN, license="mit", environ={"SOME_KEY": row["chosen_model"]})
    first = next(one for one in ready.secrets if one.place.startswith("default/train"))
    place = f"default/train: row {row['comparison_id']}: chosen_model"
    assert str(first) == f"{place}: the value of SOME_KEY, begins with lill…"
    plan = "\n".join(plan_lines(ready))
    assert "which stops a push" in plan
    assert row["chosen_model"] not in plan


def test_a_constitution_stands_on_the_card_word_for_word_and_closes_no_block(chain: Path) -> None:
    body = prepare(chain, repo=CHAIN, license="mit").body
    constitution = json.loads((chain / "constitutions/lilliput.json").read_text())
    assert all(principle["statement"] in body for principle in constitution["principles"])
    lines = fenced("```\n<script>\n````\n\x1b[31m|a|")
    assert lines[0] == lines[-1] + "text"
    assert lines[-1] == "`" * 5
    assert lines[4] == "\\x1b[31m|a|"


def test_foreign_words_cannot_steer_a_card() -> None:
    assert code("a`b``c") == "``` a`b``c ```".replace(" a", "a").replace("c ", "c")
    assert code("`x") == "`` `x ``"
    assert tame("<img src=x> [a](b) \\<i> \\\\<i>") == "\\<img src=x> \\[a](b) \\<i> \\\\\\<i>"


def test_the_name_of_a_file_is_shown_as_code_in_its_table(people: Path) -> None:
    (line,) = [line for line in prepare(people).body.split("\n") if "votes" in line]
    assert line.startswith(f"| {code(HOSTILE)} ")
    assert code(HOSTILE) == "``votes `<b>\\|.csv``"


def test_a_folder_in_which_a_run_is_at_work_is_left_alone(chain: Path) -> None:
    status = json.loads((chain / "status.json").read_text())
    (chain / "status.json").write_text(json.dumps({**status, "running": "judging"}))
    (chain / "run.lock").write_text(f"pid {os.getpid()}")
    with pytest.raises(ConfigError, match=r"a run is at work here \(judging\)"):
        prepare(chain, repo=CHAIN, license="mit")


def test_a_card_is_written_anew_between_its_marks_only() -> None:
    body = f"{BEGIN}\nnew\n{END}"
    assert with_body("", body) == f"{body}\n"
    assert with_body("mine", body) == f"mine\n\n{body}\n"
    assert with_body(f"above\n{BEGIN}\nold\n{END}\nbelow\n", body) == f"above\n{body}\nbelow\n"
