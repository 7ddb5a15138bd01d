"""What goes to the Hub: one commit or nothing, nothing of another run, no broken license, no private address."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chat_server import ChatServer, saying
from tests.command_line import Ended, amendment
from tests.hub_standin import Hub, Repo, publishes
from tests.rows import save

REPO = "org/pairs"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as made:
        yield made


def pushes(hub: Any, home: Path, *calls: Sequence[object]) -> list[Ended]:
    """`amendment publish ... --push` by the unmodified client, one after another."""
    return publishes(hub, home, *([*call, "--repo", REPO, "--push"] for call in calls))


def pairs_run(folder: Path, *sources: str, rows: int = 8) -> Path:
    """A run of pairs that somebody brought: a file of some for each of the sources, by default one of people."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for n, source in enumerate(sources or ("kind: person",)):
        asked = [f"what is {rows * n + i}" for i in range(rows)]
        save(folder / f"{n}.csv", [{"prompt": f"{q}?", "chosen": f"it is {q}", "rejected": f"who {q}"} for q in asked])
        entries.append(f"  - {{path: {n}.csv, {source}}}\n")
    text = f"name: pairs\nseed: 4\npairs:\n{''.join(entries)}dataset: {{test_share: 0.25}}\n"
    (folder / "run.yaml").write_text(text)
    ended = amendment("run", folder / "run.yaml", "--folder", folder / "run")
    assert ended.code == 0, ended.said
    return folder / "run"


def head_of(hub: Any) -> dict[str, Any]:
    text = hub.text("datasets", REPO, "README.md")
    return dict(yaml.safe_load(text.split("---\n")[1]))


@pytest.mark.slow
def test_a_commit_of_somebody_else_is_never_tagged_as_ours(hub: Any, tmp_path: Path) -> None:
    run = pairs_run(tmp_path, "kind: person, license: cc0-1.0")
    foreign: list[str] = []

    def somebody_commits(request: str) -> None:
        repo = hub.repos.get(("datasets", REPO))
        if request.endswith("/commit/main") and not foreign:
            foreign.append(repo.add({**repo.commits[-1][1], "evil.txt": hub.keep(b"theirs")}, "theirs"))

    hub.before = somebody_commits
    asked = [run, "--license", "cc0-1.0", "--tag", "v1.0"]
    first, again = pushes(hub, tmp_path / "home", asked, [*asked, "--replace"])
    repo = hub.repos[("datasets", REPO)]
    assert first.code == 1, first.said
    assert "again" in first.said
    assert [name for name, *_ in repo.commits][-1] == foreign[0], "nothing of ours came after it"
    assert repo.tags == {}
    assert again.code == 2, "the repository is theirs now"
    assert "evil.txt" in again.said

    del hub.repos[("datasets", REPO)]
    foreign.clear()
    hub.before = lambda request: None
    (whole,) = pushes(hub, tmp_path / "home", asked)
    assert whole.code == 0, whole.said
    repo = hub.repos[("datasets", REPO)]
    assert len(repo.commits) == 2, "the initial one, and one with everything"
    assert repo.tags == {"v1.0": repo.head}
    assert {"README.md", "manifest.json", "data/train-00000-of-00001.parquet"} <= set(repo.files("v1.0"))


@pytest.mark.slow
def test_another_run_needs_replace_and_leaves_nothing_of_the_run_before(hub: Any, tmp_path: Path) -> None:
    made_up = tmp_path / "made_up"
    made_up.mkdir()
    (made_up / "run.yaml").write_text(
        "name: made-up\nseed: 7\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{lilliput: 6}]\ncandidates: [{model: m, per_prompt: 2}]\n"
        "judging: {judges: [{model: m, protocol: label-tokens}], ties: keep}\ndataset: {test_share: 0.2}\n".replace(
            ", license: cc0-1.0", ""
        )
    )
    ended = amendment("run", made_up / "run.yaml", "--folder", made_up / "run")
    assert ended.code == 0, ended.said
    pairs = pairs_run(tmp_path / "pairs", "kind: person, license: cc0-1.0")

    first, edited = pushes(hub, tmp_path / "home", [made_up / "run", "--license", "cc0-1.0"]), head_of(hub)
    assert first[0].code == 0, first[0].said
    assert {"simulated", "rlaif"} <= set(edited["tags"])
    repo = hub.repos[("datasets", REPO)]
    card = hub.text("datasets", REPO, "README.md").replace("pretty_name:", "language:\n- en\npretty_name:")
    repo.add(
        {**repo.commits[-1][1], "README.md": hub.keep(card.replace("- dpo\n", "- dpo\n- ours\n").encode())}, "hand"
    )

    asked = [pairs, "--license", "mit"]
    refused, replaced = pushes(hub, tmp_path / "home", asked, [*asked, "--replace"])
    assert refused.code == 2
    assert "--replace" in refused.said
    assert replaced.code == 0, replaced.said
    head = head_of(hub)
    assert {"simulated", "rlaif", "constitutional-ai", "synthetic"} & set(head["tags"]) == set()
    assert "ours" in head["tags"]
    assert (head["pretty_name"], head["license"], head["language"]) == ("pairs", "mit", ["en"])
    assert head["annotations_creators"] == ["other"]
    assert {one["config_name"] for one in head["configs"]} == {"default", "candidates", "verdicts", "sft"}
    assert "made-up" not in hub.text("datasets", REPO, "README.md")
    assert not [name for name in repo.files() if name.startswith("constitutions/")]


@pytest.mark.slow
def test_a_license_that_forbids_it_stops_the_push_unless_it_is_named(hub: Any, tmp_path: Path) -> None:
    run = pairs_run(tmp_path, "kind: person, license: cc-by-nc-nd-4.0")
    asked = [run, "--license", "apache-2.0"]
    (stopped, other) = pushes(hub, tmp_path / "home", asked, [*asked, "--allow-license", "cc-by-nc-4.0"])
    for ended in (stopped, other):
        assert ended.code == 2
        assert "cc-by-nc-nd-4.0" in ended.said
        assert "non-commercial" in ended.said
        assert "adapted" in ended.said
    assert hub.requests == []
    (allowed,) = pushes(hub, tmp_path / "home", [*asked, "--allow-license", "cc-by-nc-nd-4.0"])
    assert allowed.code == 0, allowed.said


@pytest.mark.slow
def test_an_unknown_license_stops_the_push_until_it_is_named_and_what_is_left_to_look_at_is_said(
    hub: Any, tmp_path: Path
) -> None:
    run = pairs_run(tmp_path, "kind: person, license: LicenseRef-Internal", "kind: person, license: cc-by-4.0")
    asked = [run, "--license", "apache-2.0", "--public"]
    (stopped,) = pushes(hub, tmp_path / "home", asked)
    assert stopped.code == 2, stopped.said
    assert "--allow-license 'LicenseRef-Internal'" in stopped.err
    assert hub.requests == []
    private = Repo("datasets", REPO, private=True)
    private.add({}, "initial commit")
    hub.repos["datasets", REPO] = private
    (allowed,) = pushes(hub, tmp_path / "home", [*asked, "--allow-license", "licenseref-internal"])
    assert allowed.code == 0, allowed.said
    assert "license of 1.csv (8 prompts): cc-by-4.0; the dataset's is apache-2.0" in allowed.err
    assert f"{REPO}: stays private" in allowed.err
    assert private.private


LICENSES = [
    ("cc-by-nc-4.0", "apache-2.0", True),
    ("cc-by-nc-4.0", "cc-by-nc-4.0", False),
    ("cc-by-nd-4.0", "cc-by-4.0", True),
    ("cc-by-sa-4.0", "apache-2.0", True),
    ("cc-by-sa-3.0", "cc-by-sa-4.0", False),
    ("cc-by-nc-sa-4.0", "cc-by-nc-4.0", True),
    ("gpl-3.0", "mit", True),
    ("GPL-2.0-only", "gpl-3.0", True),
    ("GPL-2.0-only", "gpl-2.0", False),
    ("GPL-2.0-or-later", "gpl-3.0", False),
    ("deepfloyd-if-license", "mit", True),
    ("Aladdin", "apache-2.0", True),
    ("SSPL-1.0", "mit", True),
    ("LicenseRef-AcmeNC-1.0", "mit", True),
    ("LicenseRef-CCBYND", "apache-2.0", True),
    ("LicenseRef-acme-nc", "apache-2.0", True),
    ("LicenseRef-Standard-Vendor", "mit", True),
    ("LicenseRef-Proprietary", "apache-2.0", True),
    ("LicenseRef-evaluation-only", "apache-2.0", True),
    ("LicenseRef-ResearchOnly", "cc-by-nc-4.0", True),
    ("LicenseRef-no-derivatives", "apache-2.0", True),
    ("BUSL-1.1", "apache-2.0", True),
    ("Elastic-2.0", "apache-2.0", True),
    ("BSD-3-Clause-No-Nuclear-License", "apache-2.0", True),
    ("other", "mit", True),
    ("unknown", "mit", True),
    ("cc", "cc-by-4.0", True),
    ("MIT OR LicenseRef-Proprietary", "mit", False),
    ("MIT AND LicenseRef-Proprietary", "mit", True),
    ("CC-BY-SA-3.0-DE", "cc-by-sa-4.0", False),
    ("GPL-2.0-or-later WITH Classpath-exception-2.0", "gpl-3.0", False),
    ("0BSD", "mit", False),
    ("MIT-0", "mit", False),
    ("ODC-By-1.0", "mit", False),
    ("OGL-UK-3.0", "mit", False),
    ("llama3.1", "mit", False),
    ("CC-BY-NC-4.0", "mit", True),
    ("MIT AND CC-BY-NC-4.0", "mit", True),
    ("MIT OR CC-BY-NC-4.0", "mit", False),
    ("cc-by-4.0", "mit", False),
]
"""Of a source, of the dataset, and whether the one forbids the other, or is not known."""


def test_the_dry_run_names_every_license_that_forbids_it(tmp_path: Path) -> None:
    sources = list(dict.fromkeys(source for source, _, _ in LICENSES))
    run = pairs_run(tmp_path, *(f"kind: person, license: '{source}'" for source in sources))
    for dataset in {dataset for _, dataset, _ in LICENSES}:
        plan = json.loads(amendment("publish", run, "--repo", REPO, "--license", dataset, "--json").out)
        conflicts = {conflict["license"] for conflict in plan["conflicts"]}
        for source, _, is_forbidden in (row for row in LICENSES if row[1] == dataset):
            assert (source in conflicts) == is_forbidden, (source, dataset)
            begins = f"license of {sources.index(source)}.csv (8 prompts): {source}"
            is_noted = any(note.startswith(begins) for note in plan["look at"])
            assert is_noted == (source.lower() != dataset), (source, dataset)


def test_no_private_address_is_in_anything_that_is_published(server: ChatServer, tmp_path: Path) -> None:
    address = f"127.0.0.1:{server.server_port}"
    server.usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    server.answer = saying("One is as good as the other.\n\nVerdict: A")
    (tmp_path / "run.yaml").write_text(
        "name: private\nseed: 7\nconstitution: lilliput\nmodels:\n  w: {provider: simulated}\n"
        f"  j: {{provider: openai, base_url: 'http://{address}/v1', model: m, price: {{input: 0, output: 0}}}}\n"
        "prompts: [{lilliput: 4}]\ncandidates: [{model: w, per_prompt: 2}]\n"
        "judging: {judges: [{model: j, protocol: reasoned}], ties: keep}\n"
        "dataset: {test_share: 0}\n"
    )
    ended = amendment("run", tmp_path / "run.yaml", "--folder", tmp_path / "run")
    assert ended.code == 0, ended.said
    certificate = json.loads((tmp_path / "run" / "audit" / "certificate.json").read_text())
    assert [row["model"] for row in certificate["cost"]] == ["m"]
    ended = amendment("publish", tmp_path / "run", "--repo", REPO, "--license", "mit")
    assert ended.code == 0, ended.said
    outgoing = [*(tmp_path / "run" / "publish").rglob("*"), *(tmp_path / "run" / "audit").rglob("*")]
    texts = {path: path.read_text() for path in outgoing if path.is_file()}
    assert {path.name for path in texts} >= {"README.md", "manifest.json", "certificate.json", "certificate.md"}
    assert [path for path, text in texts.items() if address in text or "127.0.0.1" in text] == []


def test_answers_of_a_kto_export_take_turns_in_an_order_of_the_seed(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    orders = []
    for seed in (4, 5):
        run = pairs_run(tmp_path / str(seed), "kind: person", rows=20)
        resolved = run / "run.yaml"
        resolved.write_text(resolved.read_text().replace("seed: 4", f"seed: {seed}"))
        ended = amendment("export", run, "--format", "kto", "--out", tmp_path / str(seed) / "out")
        assert ended.code == 0, ended.said
        rows = pq.read_table(tmp_path / str(seed) / "out" / "train.parquet").to_pylist()
        assert [row["label"] for row in rows] == [True, False] * (len(rows) // 2)
        neighbours = itertools.pairwise(rows)
        assert not [one for one, other in neighbours if one["prompt_id"] == other["prompt_id"]]
        assert set(Counter(row["comparison_id"] for row in rows).values()) == {2}
        orders.append([row["candidate_id"] for row in rows])
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


@pytest.mark.parametrize(
    ("source", "decided_by", "creators"),
    [
        ("license: mit", "unknown", ["other"]),
        ("license: mit, kind: unknown", "unknown", ["other"]),
        ("license: mit, kind: person", "person", ["other"]),
        ("license: mit, kind: model", "judge", ["machine-generated"]),
    ],
)
def test_who_decided_imported_pairs_is_published_as_the_run_file_says(
    tmp_path: Path, source: str, decided_by: str, creators: list[str]
) -> None:
    import pyarrow.parquet as pq

    run = pairs_run(tmp_path, source)
    checked = amendment("check", tmp_path / "run.yaml")
    assert checked.code == 0, checked.said
    assert ("warning:" in checked.said) == ("kind" not in source)
    assert ("0.csv" in checked.said.partition("\n")[0]) == ("kind" not in source)
    rows = pq.read_table(run / "export" / "train.parquet").to_pylist()
    assert {row["decided_by"] for row in rows} == {decided_by}
    ended = amendment("publish", run, "--repo", REPO, "--license", "mit")
    assert ended.code == 0, ended.said
    card = (run / "publish" / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert ("human-feedback" in head["tags"]) == (decided_by == "person")
    assert head["annotations_creators"] == creators
    assert ("decided by people" in card) == (decided_by == "person")


def test_weights_that_no_manifest_knows_are_found_wherever_they_are_in_a_run(tmp_path: Path) -> None:
    run = pairs_run(tmp_path)
    assert amendment("publish", run, "--repo", REPO, "--license", "mit").code == 0
    assert amendment("verify", run).code == 0, "what the dry run writes is the run's own"
    for folder in ("models/dpo", "publish/models/dpo", "amend/models/dpo"):
        (run / folder).mkdir(parents=True)
        (run / folder / "model.safetensors").write_bytes(b"weights of somebody")
        ended = amendment("verify", run)
        assert ended.code == 1, folder
        assert f"{folder}/model.safetensors" in ended.said
        (run / folder / "model.safetensors").unlink()
    alone = amendment("verify", run / "models" / "dpo")
    assert alone.code == 2
    assert "manifest.json" in alone.said
