"""What leaves a run's folder: pushed by the unmodified client to a Hub on loopback, and loaded from there again."""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.calibration import Item, Vote, audit, certificate_lines
from amendment.errors import AmendmentError, ConfigError, DataError
from amendment.pipeline import Run
from amendment.pipeline.publishing.card import BEGIN, END, card_body, with_body
from amendment.pipeline.publishing.configs import CONFIGS, build_configs
from amendment.pipeline.publishing.contents import rows_of
from amendment.pipeline.publishing.exporting import FORMATS, export_run
from amendment.pipeline.publishing.manifest import read_manifest
from amendment.pipeline.publishing.outgoing import is_private
from amendment.pipeline.publishing.people import People
from amendment.pipeline.publishing.preview import plan_json, plan_lines, write_preview
from amendment.pipeline.publishing.publication import prepare
from amendment.pipeline.publishing.push import push
from amendment.pipeline.publishing.secrets import Scanner
from amendment.pipeline.publishing.tables import Tables
from amendment.pipeline.publishing.text import code, fenced, tame
from amendment.pipeline.publishing.verify import verify

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


@pytest.fixture
def hub(standin: Any) -> Iterator[Any]:
    with standin.Hub() as made:
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


def left_by_the_training(folder: Path, name: str, content: bytes) -> None:
    """A further file that the manifest has, as of a trainer that leaves more than a model."""
    (folder / name).write_bytes(content)
    manifest = read_manifest(folder)
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def filled(
    standin: Any, undisturbed: Any, people_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A Hub that got the chain, as v1.0, then the run of the people with its models, then the chain again."""
    folder = tmp_path_factory.mktemp("filled")
    chain, people = (
        Path(shutil.copytree(source, folder / name))
        for source, name in ((undisturbed.result.folder, "chain"), (people_folder, "people"))
    )
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth", "trainer_state.json", "scheduler.pt"):
        left_by_the_training(people, f"models/sft/{name}", b"of the trainer")
    calls = [chain_call(chain, "--tag", "v1.0"), [people, "--push", "--models"], chain_call(chain)]
    with standin.Hub() as made:
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

    calls = [chain_call(chain, "--tag", tag) for tag in ("v1.0", "v1.1", "v1.0", "v1.1")]
    taken, done, still_taken, again = publishes(hub, home, *calls)
    for refused in (taken, still_taken):  # the second time the branch holds what is pushed, and the tag does not
        assert refused["code"] == 2
        assert "the tag v1.0 stands already" in refused["err"]
    assert again["code"] == 0, "the tag of this very content"
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
def test_what_must_not_be_sent_or_cannot_be_ends_in_one_clear_message(
    standin: Any, hub: Any, chain: Path, tmp_path: Path
) -> None:
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


def published_texts(folder: Path, tmp_path: Path) -> str:
    """Every text that would leave a run's folder: rows, files, cards with their heads, the plan, all exports."""
    ready = prepare(folder, repo=PEOPLE, license="mit")
    rows = [row for splits in ready.configs.values() for found in splits.values() for row in found]
    cards = [path.read_text() for path in write_preview(ready).rglob("*.md")]
    texts = [json.dumps(rows, ensure_ascii=False), *ready.files.values(), *cards, *plan_lines(ready)]
    for format in FORMATS:
        for path in export_run(folder, format, tmp_path / "exports" / format).files:
            found = [json.dumps(row) for row in rows_of(path)] if path.suffix == ".parquet" else [path.read_text()]
            texts += found
    return "\n".join(texts)


LONG = "Maximiliane von und zu Hohenfels-Wartenstein und der langen Namensreihe"
NAMES = ("Anna Schmidt", "Ben*K", LONG, "judge", "clara.csv", "dora*")
RATED = f"""\
name: rated
seed: 1
verdicts:
  - {{path: clara.csv, kind: person, columns: {{prompt: q, a: x, b: y, verdict: v}}}}
  - {{path: labels.csv, people: ["Anna*", "Ben[*]K", "{LONG[:12]}*", judge],
      columns: {{prompt: q, a: x, b: y, votes: [Anna Schmidt, "Ben*K", "{LONG}", judge, bot]}}}}
  - {{path: more.csv, people: "dora*", columns: {{item: id, verdict: v, rater: who}}}}
dataset:
  test_share: 0.25
  mix:
    - {{source: run, share: 0.5}}
    - {{path: mixed.csv, share: 0.5, license: mit,
        columns: {{prompt: q, a: x, b: y, votes: [Erik Late, Anna Schmidt]}}}}
"""


def table_of(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


@pytest.fixture(scope="module")
def rated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on verdicts of five people and a bot, with an audit; one file holds no texts, one is mixed in."""
    folder = tmp_path_factory.mktemp("rated")
    texts = [(f"what is {i}", f"it is {i}", f"who knows {i}") for i in range(12)]
    votes = [["ab"[(i * k) % 5 < 2] for k in (1, 2, 3, 4, 5)] for i in range(12)]
    table_of(
        folder / "labels.csv",
        ["q", "x", "y", "Anna Schmidt", "Ben*K", LONG, "judge", "bot"],
        [(*text, *vote) for text, vote in zip(texts, votes, strict=True)],
    )
    table_of(folder / "clara.csv", ["q", "x", "y", "v"], [(*text, "a") for text in texts])
    rows = [(f"item {i}", "ab"[i % 2], who) for i in range(6) for who in ("dora*", "dorabot")]
    table_of(folder / "more.csv", ["id", "v", "who"], rows)
    mixed = [(f"why {i}", f"as {i}", f"nobody knows {i}", "a", "") for i in range(12)]
    table_of(folder / "mixed.csv", ["q", "x", "y", "Erik Late", "Anna Schmidt"], mixed)
    (folder / "run.yaml").write_text(RATED)
    return Run.from_file(folder / "run.yaml", folder=folder / "run")().folder


@pytest.fixture
def rated(rated_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rated_folder, tmp_path / "rated"))


def test_no_name_of_a_rater_leaves_in_any_file_row_card_or_export(rated: Path, tmp_path: Path) -> None:
    own = (rated / "certificate.json").read_text() + (rated / "manifest.json").read_text()
    assert all(name in own for name in NAMES), "at home everybody stands under their name"
    told = published_texts(rated, tmp_path)
    for name in ("Anna", "Schmidt", "Ben*", "Ben\\*", "Ben[", LONG[:20], "clara", "dora", "Erik"):
        assert name not in told, name
    for place in ('"rater": "judge"', '"name": "judge"', '"judge"]', '"judge",', "| judge  "):
        assert place not in told, "a word that is also somebody's name"
    assert {f"person-{number}" for number in range(1, 9)} <= set(re.findall(r"person-[0-9]+", told))


def test_a_pseudonym_means_the_same_person_in_rows_and_certificate(rated: Path) -> None:
    ready = prepare(rated, repo=PEOPLE, license="mit")
    certificate = json.loads(ready.files["certificate.json"])
    own = json.loads((rated / "certificate.json").read_text())
    votes = Counter(row["rater"] for rows in ready.configs["verdicts"].values() for row in rows)
    shown = {rater["name"]: rater["votes"] for rater in certificate["counts"]["raters"]}
    # 12 votes of each of five people and the bot are rows; of the 6 votes of either dora there are no texts. Erik's are
    # rows (6 were taken at most) that the audit, made of the run's own files, has not seen.
    assert {name: shown[name] for name in shown if name in votes} == {
        name: count for name, count in votes.items() if name in shown
    }
    assert sorted(shown.values()) == [6, 6, 12, 12, 12, 12, 12, 12]
    assert len(set(votes) - set(shown)) == 1
    by_name = {rater["name"]: rater for rater in own["counts"]["raters"]}
    mapping = Tables.of_run(rated).people.pseudonyms
    for name in NAMES:
        (there,) = [one for one in certificate["counts"]["raters"] if one["name"] == mapping[name]]
        assert {**there, "name": name} == by_name[name]
    names = [rater["name"] for rater in certificate["counts"]["raters"]]
    assert names == [*(f"person-{number}" for number in range(1, 8)), "bot"], "in an order that tells no alphabet"


def test_the_certificate_of_the_run_stands_on_the_card(rated: Path) -> None:
    ready = prepare(rated, repo=PEOPLE, license="mit")
    assert "\n### Audit\n" in ready.body, "a part of the chapter on the judge"
    assert "| bot " in ready.body
    assert "No certificate" not in ready.body
    assert json.loads(ready.files["certificate.json"])["files"][0]["name"].startswith("person-")


def test_only_a_certificate_that_the_audit_made_and_that_stands_is_published(people: Path, rated: Path) -> None:
    for name in ("certificate.json", "certificate.md"):
        (people / name).write_text("{}")
        (people / "audit").mkdir(exist_ok=True)
        (people / "audit" / name).write_text("{}")
    ready = prepare(people)
    assert not [name for name in ready.files if name.startswith("certificate")], "nobody's run has made it"
    assert "No certificate" in ready.body
    (rated / "audit/certificate.md").write_text("# Audit\n\nAll is well.\n")
    with pytest.raises(DataError, match=r"audit/certificate.md: changed since the run made it"):
        prepare(rated, repo=PEOPLE, license="mit")


def test_who_rated_is_told_apart_by_kind_and_not_by_how_the_name_is_spelled(rated: Path) -> None:
    configuration = Tables.of_run(rated).configuration
    votes = configuration["verdicts"][1]["columns"]["votes"]
    assert [name.startswith("person-") for name in votes] == [True, True, True, True, False]
    assert set(configuration["verdicts"][1]["people"]) == set(votes[:4])
    assert re.fullmatch(r"person-[0-9]\.csv", configuration["verdicts"][0]["path"])
    assert configuration["verdicts"][2]["path"] == "more.csv"
    assert read_manifest(rated)["configuration"]["verdicts"][0]["path"] == "clara.csv"


def test_people_whose_labels_look_wrongly_joined_are_not_named_either() -> None:
    # 200 items; everybody says A and B equally often, and any two agree on every second item: kappa 0.
    items = {str(n): Item(str(n)) for n in range(200)}
    said = {"Anna Schmidt": "AABB", "Ben*K": "ABAB", "bot": "ABBA"}
    votes = [
        Vote(str(n), name, "model" if name == "bot" else "person", "A" if words[n % 4] == "A" else "B")
        for name, words in said.items()
        for n in range(200)
    ]
    certificate = audit(items, votes, draws=10)
    assert {alarm.a for alarm in certificate.alarms.found} | {alarm.b for alarm in certificate.alarms.found} >= set(
        said
    )
    shown = certificate.renamed({"Anna Schmidt": "person-2", "Ben*K": "person-1"})
    told = json.dumps(shown.to_json()) + "\n".join(certificate_lines(shown))
    assert not [name for name in ("Anna", "Ben") if name in told]
    assert [rater.name for rater in shown.counts.raters] == ["person-1", "person-2", "bot"]
    back = shown.renamed({"person-2": "Anna Schmidt", "person-1": "Ben*K"})
    assert back.to_json() == certificate.to_json()


SECRET = "/home/anna.berg/secret-project/llama"


@pytest.fixture(scope="module")
def mixed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mixed")


@pytest.fixture
def mixed_answers(mixed_folder: Path, server: Any) -> Path:
    """A run with one answer of its own server's and two imported ones, under a license of theirs, to each prompt."""
    if not (mixed_folder / "run").exists():
        make_mixed(mixed_folder, server.url)
    return mixed_folder / "run"


def make_mixed(tmp_path: Path, url: str) -> None:
    from amendment.lilliput import sample_prompts

    asked = [prompt.text for prompt in sample_prompts(4, 0)]
    rows = [{"prompt": text, "candidate": f"{said} {text}"} for text in asked for said in ("yes", "because")]
    (tmp_path / "theirs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in asked))
    (tmp_path / "run.yaml").write_text(
        "name: licensed\nconstitution: lilliput\n"
        "models:\n"
        f"  far: {{provider: openai, base_url: '{url}', model: {SECRET}}}\n"
        "  sim: {provider: simulated}\n"
        "prompts: [{path: asked.jsonl, license: cc-by-4.0}]\n"
        "candidates: [{path: theirs.jsonl, license: cc-by-nc-4.0}, {model: far, per_prompt: 1}]\n"
        "judging: {judges: [{model: sim, protocol: label-tokens}], orders: random, ties: keep}\n"
        "dataset: {test_share: 0.25}\n"
    )
    Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")()


def test_licenses_of_answers_are_told_beside_those_of_prompts(mixed_answers: Path) -> None:
    ready = prepare(mixed_answers, repo=CHAIN, license="mit")
    noted = "\n".join(ready.look_at)
    assert "license of asked.jsonl (4 prompts): cc-by-4.0; the dataset's is mit" in noted
    told = "license of theirs.jsonl (8 answers): cc-by-nc-4.0, which asks for non-commercial use; the dataset's is mit"
    assert told in noted
    assert told in ready.body
    table = [row for row in ready.body.split("\n") if "cc-by-" in row and row.startswith("| ")]
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in table[:3]] == [
        ["prompts", "`asked.jsonl`", "`cc-by-4.0`", "4"],
        ["prompts", "`theirs.jsonl`", "`cc-by-nc-4.0`", "4"],
        ["answers", "`theirs.jsonl`", "`cc-by-nc-4.0`", "8"],
    ]
    whole = [row for rows in ready.configs["sft"].values() for row in rows]
    assert {row["license"] for row in whole if row["source"] == "theirs.jsonl"} == {"cc-by-nc-4.0"}
    assert {row["prompt_license"] for row in whole} == {"cc-by-4.0"}


def test_no_path_and_no_private_address_of_this_machine_leaves(mixed_answers: Path, tmp_path: Path) -> None:
    told = published_texts(mixed_answers, tmp_path)
    for secret in ("anna.berg", "secret-project", "127.0.0.1"):
        assert secret not in told, secret
    assert "far: provider openai, model llama" in prepare(mixed_answers, repo=CHAIN, license="mit").body
    assert "private-address" in "\n".join(plan_lines(prepare(mixed_answers, repo=CHAIN, license="mit")))


@pytest.mark.parametrize(
    ("address", "is_hidden"),
    [
        ("127.0.0.1:8000/v1", True),
        ("http://10.1.2.3/v1", True),
        ("[::1]:8000/v1", True),
        ("gpu17:8000/v1", True),
        ("https://models.corp.internal/v1", True),
        ("api.openai.com/v1", False),
        ("https://openrouter.ai/api/v1", False),
        ("8.8.8.8/v1", False),
    ],
)
def test_addresses_that_nobody_outside_can_reach_are_private(address: str, is_hidden: bool) -> None:
    assert is_private(address) is is_hidden


def test_the_card_counts_only_comparisons_that_were_read_in_both_orders(chain: Path, mixed_answers: Path) -> None:
    tables = Tables.of_run(chain)
    settings = prepare(chain, repo=CHAIN, license="mit").settings
    kept = tables.judgements[:3]
    both = [one.model_copy(update={"consistent": read}) for one, read in zip(kept, (True, False, None), strict=True)]
    tables.__dict__["judgements"] = both
    body = card_body(tables, settings, {}, [], None)
    assert "Of 3 comparisons 2 were read in both displayed orders, which agree on the winner in 50.0% of them" in body
    drawn = prepare(mixed_answers, repo=CHAIN, license="mit").body
    # Three answers to each of 4 prompts are 3 * 4 comparisons, each shown once.
    assert "Each of 12 comparisons was shown in one order, drawn at random: over 12 readable verdicts" in drawn
    assert "nothing is known of a preference" not in drawn


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
    resolved = (people / "run.yaml").read_text()
    link = f"license: other\n  license_name: ours\n  license_link: https://example.org/{key('OpenAI')}\n"
    (people / "run.yaml").write_text(resolved.replace("  license: cc-by-4.0\n  models:", f"  {link}  models:"))
    ready = prepare(people, environ={})
    assert key("OpenAI") not in ready.body, "it stands in the card's head alone"
    assert {"card", "sft: card"} <= {one.place for one in ready.secrets}
    with pytest.raises(DataError, match=r"card: OpenAI key, begins with sk-p…(.|\n)*--allow-secrets"):
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
    prompts, answers = [line for line in prepare(people).body.split("\n") if "votes" in line]
    assert prompts.startswith(f"| prompts | {code(HOSTILE)} | `cc-by-4.0` | 8 ")
    assert answers.startswith(f"| answers | {code(HOSTILE)} | `cc-by-4.0` | 16 ")
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


CALLED = """\
name: called
seed: 1
prompts: [{path: asked/ottokar-and-friends.csv, column: q}, {path: oskar.csv, column: q}]
verdicts:
  - {dataset: ./Irmtraud, kind: person, columns: {prompt: q, a: x, b: y, verdict: v}}
  - {path: Hildegard/labels.csv, kind: person, rater: Hildegard, columns: {prompt: q, a: x, b: y, verdict: Hildegard}}
  - {path: OTTOKAR.csv, kind: person, columns: {prompt: q, a: x, b: y, verdict: v, rater: who}}
"""


def test_files_and_folders_that_are_called_after_a_rater_are_shown_under_the_pseudonym(tmp_path: Path) -> None:
    texts = [(f"what is {i}", f"it is {i}", f"who knows {i}") for i in range(8)]
    for made in ("Irmtraud", "Hildegard", "asked"):
        (tmp_path / made).mkdir()
    table_of(tmp_path / "Irmtraud/a.csv", ["q", "x", "y", "v"], [(*text, "a") for text in texts])
    table_of(tmp_path / "Hildegard/labels.csv", ["q", "x", "y", "Hildegard"], [(*text, "a") for text in texts])
    table_of(tmp_path / "OTTOKAR.csv", ["q", "x", "y", "v", "who"], [(*text, "b", "Ottokar") for text in texts])
    for name in ("asked/ottokar-and-friends.csv", "oskar.csv"):
        table_of(tmp_path / name, ["q"], [(f"{name} {i}",) for i in range(3)])
    (tmp_path / "run.yaml").write_text(CALLED)
    folder = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")().folder
    told = published_texts(folder, tmp_path)
    # The texts of the prompts file itself hold its name: nobody looks inside texts.
    shown = re.sub(r"asked/ottokar-and-friends\.csv [0-9]", "", told)
    for name in ("irmtraud", "hildegard", "ottokar"):
        assert name not in shown.lower(), name
    pseudonyms = Tables.of_run(folder).people.pseudonyms
    configuration = Tables.of_run(folder).configuration
    first, second, third = configuration["verdicts"]
    assert first["dataset"] == pseudonyms["./Irmtraud"]
    assert second["path"] == f"{pseudonyms['Hildegard']}/labels.csv"
    assert third["path"] == f"{pseudonyms['Ottokar']}.csv"
    assert [one["path"] for one in configuration["prompts"]] == [
        f"asked/{pseudonyms['Ottokar']}-and-friends.csv",
        "oskar.csv",
    ]


def test_a_file_that_is_no_ones_name_keeps_its_own(tmp_path: Path) -> None:
    people = People(["Anna", "Anna Berg", "bo", "ben@example.org", "clara.csv", ".csv"], ["Person"])
    shown, hidden = people.pseudonyms, people.hiding({"clara.csv"})
    assert hidden("ANNA_berg-2.csv") == f"{shown['Anna Berg']}-2.csv", "the longer name first"
    assert hidden("anna.csv") == f"{shown['Anna']}.csv"
    assert hidden("ben.csv") == f"{shown['ben@example.org']}.csv"
    assert hidden("person.csv") == f"{shown['Person']}.csv", "and a pseudonym is not hidden again"
    for name in ("annales.csv", "bo.csv", "clara.csv", "susanna.csv", "labels.csv"):
        assert hidden(name) == name, name


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


@pytest.mark.parametrize("place", ["models/sft/config.json", "models/sft", "models", "dataset"])
def test_a_link_is_not_followed_even_to_the_same_content(people: Path, tmp_path: Path, place: str) -> None:
    (people / place).rename(tmp_path / "elsewhere")
    (people / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{place}: not written by the run \\(a link"):
        prepare(people)


def test_a_model_folder_that_is_not_published_may_hold_anything(people: Path) -> None:
    (people / "models/reward_model/notes.txt").write_text("mine")
    assert [one.name for one in prepare(people).models] == ["sft"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "/Ab3d" + "5" * 35),
        ("PGPASSWORD", "~tilde-and-more"),
        ("API_KEYS", "one two three"),
        ("MYAPIKEY", ".begins-with-a-dot"),
        ("DB_PASS", 'quo"ted\\back'),
        ("MYSQL_PWD", "plainvalue123"),
        ("GOOGLE_CREDENTIALS", '{"a": "b",\n "c": 1}'),
        ("PROXY_AUTHORIZATION", "Basic abcdefgh"),
    ],
)
def test_no_spelling_of_a_name_or_value_hides_a_key(name: str, value: str) -> None:
    scanner = Scanner({name: value})
    for text in (f"it is {value}, I think", json.dumps({"said": value})):
        (found,) = [one for one in scanner.scan("here", text) if one.is_value]
        assert found.kind == f"the value of {name}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin:/bin"),
        ("KEYBOARD_LAYOUT", "somelayout"),
        ("GIT_AUTHOR_NAME", "Irmtraud Weber"),
        ("XAUTHORITY", "/root/.Xauthority-none"),
        ("TOKENIZERS_PARALLELISM", "somewhat"),
        ("AUTH_PROVIDER", "anthropic"),
        ("USE_KEYCHAIN", "disabled"),
        ("OLDPWD", "/gone/away"),
    ],
)
def test_settings_and_other_words_are_no_keys(name: str, value: str) -> None:
    assert list(Scanner({name: value}).scan("here", f"it is {value}, I think")) == []


def test_a_path_that_is_there_is_no_key_and_one_that_is_not_may_be(tmp_path: Path) -> None:
    path = tmp_path / "service-account.json"
    scan = Scanner({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).scan
    assert [one.is_value for one in scan("here", f"from {path}")] == [True]
    path.touch()
    assert list(Scanner({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).scan("here", f"from {path}")) == []


def test_a_license_that_the_hub_does_not_know_is_told_and_then_refused(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    ready = prepare(chain, repo=CHAIN, license="cc-by-40")
    told = "license cc-by-40 of the dataset: not among the names of the Hub known here (did you mean cc-by-4.0"
    assert told in "\n".join(plan_lines(ready))
    assert plan_json(ready)["look at"][0].startswith(told)
    with pytest.raises(ConfigError, match=r"cc-by-40 of the dataset(.|\n)*nothing was sent"):
        push(ready)
    assert not prepare(chain, repo=CHAIN, license="CC-BY-4.0").license_faults


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
