"""What goes to the Hub: one commit or nothing, nothing of another run, no broken license, no private address."""

from __future__ import annotations

import csv
import itertools
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.command_line import called
from tests.hub_standin import Hub

REPO = "org/pairs"
WRITER = "hf_" + "w" * 34
DRIVER = """\
import contextlib, io, json, sys
from amendment import cli

ended = []
for argv in json.load(sys.stdin):
    sys.argv, out = ["amendment", *argv], io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            cli.main()
    except SystemExit as end:
        ended.append({"code": end.code or 0, "output": out.getvalue()})
print(json.dumps(ended))
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as made:
        yield made


class Ended(NamedTuple):
    code: int
    output: str


def pushes(hub: Any, home: Path, *calls: Sequence[object]) -> list[Ended]:
    """`amendment publish ... --push` by the unmodified client, one after another."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_TOKEN": WRITER,
    }
    asked = [["publish", *map(str, call), "--repo", REPO, "--push"] for call in calls]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(asked), capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    return [Ended(**one) for one in json.loads(done.stdout)]


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """The command line in this process."""
    code, told = called(*arguments), capsys.readouterr()
    return Ended(code, told.out + told.err)


def pairs_run(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    *,
    name: str = "pairs",
    source: str = "rater: person",
    rows: int = 8,
) -> Path:
    """A run of pairs that somebody brought."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "chosen", "rejected"])
        writer.writerows([f"what is {i}?", f"it is {i}", f"who knows {i}"] for i in range(rows))
    (folder / "run.yaml").write_text(
        f"name: {name}\nseed: 4\npairs: [{{path: pairs.csv, {source}}}]\ndataset: {{test_share: 0.25}}\n"
    )
    ended = command(capsys, "run", folder / "run.yaml", "--folder", folder / "run")
    assert ended.code == 0, ended.output
    return folder / "run"


def head_of(hub: Any) -> dict[str, Any]:
    text = hub.text("datasets", REPO, "README.md")
    return dict(yaml.safe_load(text.split("---\n")[1]))


@pytest.mark.slow
def test_a_commit_of_somebody_else_is_never_tagged_as_ours(
    hub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pairs_run(capsys, tmp_path, source="rater: person, license: cc0-1.0")
    foreign: list[str] = []

    def somebody_commits(request: str) -> None:
        repo = hub.repos.get(("datasets", REPO))
        if request.endswith("/commit/main") and not foreign:
            foreign.append(repo.add({**repo.commits[-1][1], "evil.txt": hub.keep(b"theirs")}, "theirs"))

    hub.before = somebody_commits
    asked = [run, "--license", "cc0-1.0", "--tag", "v1.0"]
    first, again = pushes(hub, tmp_path / "home", asked, [*asked, "--replace"])
    repo = hub.repos[("datasets", REPO)]
    assert first.code == 1, first.output
    assert "again" in first.output
    assert [name for name, *_ in repo.commits][-1] == foreign[0], "nothing of ours came after it"
    assert repo.tags == {}
    assert again.code == 2, "the repository is theirs now"
    assert "evil.txt" in again.output

    del hub.repos[("datasets", REPO)]
    foreign.clear()
    hub.before = lambda request: None
    (whole,) = pushes(hub, tmp_path / "home", asked)
    assert whole.code == 0, whole.output
    repo = hub.repos[("datasets", REPO)]
    assert len(repo.commits) == 2, "the initial one, and one with everything"
    assert repo.tags == {"v1.0": repo.head}
    assert {"README.md", "manifest.json", "data/train-00000-of-00001.parquet"} <= set(repo.files("v1.0"))


@pytest.mark.slow
def test_another_run_needs_replace_and_leaves_nothing_of_the_run_before(
    hub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up = tmp_path / "made_up"
    made_up.mkdir()
    (made_up / "run.yaml").write_text(
        "name: made-up\nseed: 7\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{lilliput: 6}]\ncandidates: [{model: m, per_prompt: 2}]\n"
        "judging: {judges: [{model: m, protocol: label-tokens}], ties: keep}\ndataset: {test_share: 0.2}\n".replace(
            ", license: cc0-1.0", ""
        )
    )
    ended = command(capsys, "run", made_up / "run.yaml", "--folder", made_up / "run")
    assert ended.code == 0, ended.output
    pairs = pairs_run(capsys, tmp_path / "pairs", source="rater: person, license: cc0-1.0")

    first, edited = pushes(hub, tmp_path / "home", [made_up / "run", "--license", "cc0-1.0"]), head_of(hub)
    assert first[0].code == 0, first[0].output
    assert {"simulated", "rlaif"} <= set(edited["tags"])
    repo = hub.repos[("datasets", REPO)]
    card = hub.text("datasets", REPO, "README.md").replace("pretty_name:", "language:\n- en\npretty_name:")
    repo.add(
        {**repo.commits[-1][1], "README.md": hub.keep(card.replace("- dpo\n", "- dpo\n- ours\n").encode())}, "hand"
    )

    asked = [pairs, "--license", "mit"]
    refused, replaced = pushes(hub, tmp_path / "home", asked, [*asked, "--replace"])
    assert refused.code == 2
    assert "--replace" in refused.output
    assert replaced.code == 0, replaced.output
    head = head_of(hub)
    assert {"simulated", "rlaif", "constitutional-ai", "synthetic"} & set(head["tags"]) == set()
    assert "ours" in head["tags"]
    assert (head["pretty_name"], head["license"], head["language"]) == ("pairs", "mit", ["en"])
    assert head["annotations_creators"] == ["other"]
    assert {one["config_name"] for one in head["configs"]} == {"default", "candidates", "verdicts", "sft"}
    assert "made-up" not in hub.text("datasets", REPO, "README.md")
    assert not [name for name in repo.files() if name.startswith("constitutions/")]


@pytest.mark.slow
def test_a_license_that_forbids_it_stops_the_push_unless_it_is_named(
    hub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pairs_run(capsys, tmp_path, source="rater: person, license: cc-by-nc-nd-4.0")
    asked = [run, "--license", "apache-2.0"]
    (stopped, other) = pushes(hub, tmp_path / "home", asked, [*asked, "--allow-license", "cc-by-nc-4.0"])
    for ended in (stopped, other):
        assert ended.code == 2
        assert "cc-by-nc-nd-4.0" in ended.output
        assert "non-commercial" in ended.output
        assert "adapted" in ended.output
    assert hub.requests == []
    (allowed,) = pushes(hub, tmp_path / "home", [*asked, "--allow-license", "cc-by-nc-nd-4.0"])
    assert allowed.code == 0, allowed.output


@pytest.mark.parametrize(
    ("source", "dataset", "forbidden"),
    [
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
        ("LicenseRef-Standard-Vendor", "mit", False),
        ("CC-BY-NC-4.0", "mit", True),
        ("MIT AND CC-BY-NC-4.0", "mit", True),
        ("MIT OR CC-BY-NC-4.0", "mit", False),
        ("cc-by-4.0", "mit", False),
    ],
)
def test_the_dry_run_names_every_license_that_forbids_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, dataset: str, forbidden: bool
) -> None:
    run = pairs_run(capsys, tmp_path, source=f"rater: person, license: '{source}'")
    plan = json.loads(command(capsys, "publish", run, "--repo", REPO, "--license", dataset, "--json").output)
    assert {one["license"] for one in plan["conflicts"]} == ({source} if forbidden else set())
    assert any(source in note for note in plan["look at"]) == (source.lower() != dataset)


class _Judge(BaseHTTPRequestHandler):
    """Always says that the answers are as good as each other."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "One is as good as the other.\n\nVerdict: A"}
        reply = {
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
        }
        raw = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # the parent's name
        """Say nothing."""


def test_no_private_address_is_in_anything_that_is_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Judge) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        (tmp_path / "run.yaml").write_text(
            "name: private\nseed: 7\nconstitution: lilliput\nmodels:\n  w: {provider: simulated}\n"
            f"  j: {{provider: openai, base_url: 'http://{address}/v1', model: m, price: {{input: 0, output: 0}}}}\n"
            "prompts: [{lilliput: 4}]\ncandidates: [{model: w, per_prompt: 2}]\n"
            "judging: {judges: [{model: j, protocol: reasoned}], ties: keep}\n"
            "dataset: {test_share: 0}\n"
        )
        ended = command(capsys, "run", tmp_path / "run.yaml", "--folder", tmp_path / "run")
        server.shutdown()
    assert ended.code == 0, ended.output
    certificate = json.loads((tmp_path / "run" / "audit" / "certificate.json").read_text())
    assert [row["model"] for row in certificate["cost"]] == ["m"]
    ended = command(capsys, "publish", tmp_path / "run", "--repo", REPO, "--license", "mit")
    assert ended.code == 0, ended.output
    outgoing = [*(tmp_path / "run" / "publish").rglob("*"), *(tmp_path / "run" / "audit").rglob("*")]
    texts = {path: path.read_text() for path in outgoing if path.is_file()}
    assert {path.name for path in texts} >= {"README.md", "manifest.json", "certificate.json", "certificate.md"}
    assert [path for path, text in texts.items() if address in text or "127.0.0.1" in text] == []


def test_answers_of_a_kto_export_take_turns_in_an_order_of_the_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet as pq

    orders = []
    for seed in (4, 5):
        run = pairs_run(capsys, tmp_path / str(seed), source="rater: person", rows=20)
        resolved = run / "run.yaml"
        resolved.write_text(resolved.read_text().replace("seed: 4", f"seed: {seed}"))
        ended = command(capsys, "export", run, "--format", "kto", "--out", tmp_path / str(seed) / "out")
        assert ended.code == 0, ended.output
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
        ("license: mit, rater: unknown", "unknown", ["other"]),
        ("license: mit, rater: person", "person", ["other"]),
        ("license: mit, rater: model", "judge", ["machine-generated"]),
    ],
)
def test_who_decided_imported_pairs_is_published_as_the_run_file_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, decided_by: str, creators: list[str]
) -> None:
    import pyarrow.parquet as pq

    run = pairs_run(capsys, tmp_path, source=source)
    checked = command(capsys, "check", tmp_path / "run.yaml")
    assert checked.code == 0, checked.output
    assert ("warning:" in checked.output) == ("rater" not in source)
    assert ("pairs.csv" in checked.output.partition("\n")[0]) == ("rater" not in source)
    rows = pq.read_table(run / "export" / "train.parquet").to_pylist()
    assert {row["decided_by"] for row in rows} == {decided_by}
    ended = command(capsys, "publish", run, "--repo", REPO, "--license", "mit")
    assert ended.code == 0, ended.output
    card = (run / "publish" / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert ("human-feedback" in head["tags"]) == (decided_by == "person")
    assert head["annotations_creators"] == creators
    assert ("decided by people" in card) == (decided_by == "person")


def test_weights_that_no_manifest_knows_are_found_wherever_they_are_in_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pairs_run(capsys, tmp_path)
    assert command(capsys, "publish", run, "--repo", REPO, "--license", "mit").code == 0
    assert command(capsys, "verify", run).code == 0, "what the dry run writes is the run's own"
    for folder in ("models/dpo", "publish/models/dpo", "amend/models/dpo"):
        (run / folder).mkdir(parents=True)
        (run / folder / "model.safetensors").write_bytes(b"weights of somebody")
        ended = command(capsys, "verify", run)
        assert ended.code == 1, folder
        assert f"{folder}/model.safetensors" in ended.output
        (run / folder / "model.safetensors").unlink()
    alone = command(capsys, "verify", run / "models" / "dpo")
    assert alone.code == 2
    assert "manifest.json" in alone.output
