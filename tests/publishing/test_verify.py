"""The manifest of a run, and what `verify` makes of a folder that is not as the manifest says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amendment.constitutions import Constitution, load_constitution
from amendment.errors import ConfigError
from amendment.files import file_hash
from amendment.publishing.card import CARD, card_configs, card_text
from amendment.publishing.manifest import read_manifest
from amendment.publishing.publication import prepare, shards
from amendment.publishing.verify import verification_lines, verify
from amendment.results import Result, read_summary
from amendment.run import Run
from tests.command_line import called
from tests.run.conftest import SMALL


def findings_in(folder: Path) -> set[tuple[str, str]]:
    return {(finding.kind, finding.place) for finding in verify(folder).findings}


def again(folder: Path, *overrides: str, until: str | None = None) -> None:
    """The run once more."""
    file = folder.parent / "run.yaml"
    file.write_text(SMALL)
    Run.from_file(file, folder=folder, overrides=overrides)(until=until)


def test_a_manifest_names_every_file_with_hash_size_and_rows_and_how_it_came_about(chain: Path) -> None:
    manifest = read_manifest(chain)
    own = ("manifest.json", "report.html", "settings.json", "spending.json", "status.json", "run.lock", "ledger.sqlite")
    there = {path.relative_to(chain).as_posix() for path in chain.rglob("*") if path.is_file()}
    assert {name for name in there if not name.startswith((*own, "stages/"))} == set(manifest["files"])
    for name, entry in manifest["files"].items():
        raw = (chain / name).read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(raw).hexdigest(), len(raw))
    train = chain / "dataset/train.parquet"
    assert manifest["files"]["dataset/train.parquet"]["rows"] == pq.read_metadata(train).num_rows
    assert (manifest["seed"], manifest["configuration"]["judging"]["orders"]) == (7, "both")
    assert {"amendment", "python", "datasets", "pyarrow"} <= set(manifest["versions"])
    results = {name: Result.from_json(stage["counts"]) for name, stage in manifest["stages"].items()}
    assert results == {name: result.published() for name, result in read_summary(chain).stages.items()}
    kept = Constitution.model_validate_json((chain / "constitutions/lilliput.json").read_bytes())
    assert [kept.reference] == manifest["constitutions"]
    assert kept.principles == load_constitution("lilliput").principles


def test_equal_runs_have_equal_manifests_and_untouched_files_are_not_read_again(
    tmp_path: Path, chain_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    again(folder)
    before = (folder / "manifest.json").read_bytes()
    assert before == (chain_folder / "manifest.json").read_bytes()
    read: list[str] = []

    def watched(path: Path) -> str:
        read.append(path.name)
        return file_hash(path)

    monkeypatch.setattr("amendment.publishing.manifest.file_hash", watched)
    again(folder)
    assert not [name for name in read if name.endswith(".parquet")]
    assert (folder / "manifest.json").read_bytes() == before


def test_a_run_is_as_its_manifest_says_until_somebody_edits_the_manifest(chain: Path) -> None:
    result = verify(chain)
    manifest = read_manifest(chain)
    assert (result.findings, result.is_published, result.files) == ([], False, len(manifest["files"]))
    assert result.rows == 2 * 20, "of dataset and export"
    *_, uncovered, last = verification_lines(result)
    assert last.endswith("all as the manifest says")
    assert uncovered.startswith("not covered by the manifest: ledger.sqlite, ")
    assert set(result.uncovered) >= {"report.html", "settings.json", "spending.json", "stages/", "status.json"}
    edited = json.loads(json.dumps(manifest))
    edited["files"]["dataset/train.parquet"]["sha256"] = "0" * 64
    (chain / "manifest.json").write_text(json.dumps(edited))
    assert ("changed", "dataset/train.parquet") in findings_in(chain)
    again(chain, "dataset.test_share=0.5", until="inputs")
    manifest = read_manifest(chain)
    assert "dataset" in manifest["out of date"]
    assert "dataset" not in manifest["stages"]
    assert verify(chain).is_clean, "what is out of date is as it was left"


def test_whatever_is_missing_changed_or_added_is_named(chain: Path, tmp_path: Path) -> None:
    (chain / "critique/critiques.parquet").unlink()
    table = chain / "judging/verdicts.parquet"
    raw = bytearray(table.read_bytes())
    raw[len(raw) // 2] ^= 1
    table.write_bytes(raw)
    (chain / "certificate.md").write_text("All is well.\n")
    added = ("dataset/more.parquet", "audit/more.md", "stages/notes.txt", "stages/mine.json", "labels.csv", ".cache/x")
    for name in (*added, "stages/more/inputs.json", "publish/README.md", "labels-seal.sqlite-wal"):
        (chain / name).parent.mkdir(exist_ok=True)
        (chain / name).write_text("{}")
    (chain / "models").symlink_to(tmp_path)
    (chain / "dataset/gone").symlink_to(tmp_path / "nowhere")
    assert findings_in(chain) == {
        ("missing", "critique/critiques.parquet"),
        ("changed", "judging/verdicts.parquet"),
        ("changed", "certificate.md"),
        *(("added", name) for name in (*added, "stages/more/inputs.json", "models", "dataset/gone")),
    }


def test_a_file_that_is_only_called_like_one_that_grows_is_found(chain: Path) -> None:
    grown = ("ledger.sqlite-wal", "labels.sqlite.lock", "labels-evaluate-seal.sqlite-journal", "amend/evidence.json")
    shown = ("publish/certificate.json", "publish/models/dpo/README.md", "publish/constitutions/our-rules.json")
    evil = [
        *("ledger.sqlite.evil.parquet", "ledger.sqlite-wal.parquet", "labels.sqlite-shm/evil.parquet"),
        *("publish/evil.parquet", "publish/data/train.parquet", "publish/models/dpo/model.safetensors"),
        *("models/dpo/model.safetensors", "amend/models/dpo/model.safetensors"),
        *("labels-evil.sqlite", "amend/evil.parquet", "publish/constitutions/a/evil.json"),
    ]
    for name in (*grown, *shown, *evil):
        (chain / name).parent.mkdir(parents=True, exist_ok=True)
        (chain / name).write_text("{}")
    assert findings_in(chain) == {("added", name) for name in evil}


def rewrite(folder: Path, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change rows of a table, and the manifest with it, as somebody who covers their tracks would."""
    path = folder / name
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    manifest = read_manifest(folder)
    manifest["files"][name] |= {"sha256": file_hash(path), "bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def swap(rows: list[dict[str, Any]]) -> None:
    rows[1]["chosen"], rows[1]["rejected"] = rows[1]["rejected"], rows[1]["chosen"]


def test_a_row_whose_answers_were_swapped_and_a_prompt_on_both_sides_are_found(chain: Path) -> None:
    rewrite(chain, "export/train.parquet", swap)
    (finding,) = verify(chain).findings
    assert (finding.kind, finding.place) == ("wrong id", "export/train.parquet: row 2")
    assert finding.message == "chosen_id, rejected_id do not follow from the content"
    rewrite(chain, "export/train.parquet", swap)
    borrowed = pq.read_table(chain / "dataset/train.parquet").to_pylist()[0]
    rewrite(chain, "dataset/test.parquet", lambda rows: rows.append(borrowed))
    (finding,) = verify(chain).findings
    assert finding.kind == "on both sides"
    assert borrowed["prompt_id"] in finding.message
    rewrite(chain, "dataset/test.parquet", lambda rows: rows.extend([{**borrowed, "chosen_id": ""}] * 9))
    assert [finding.message for finding in verify(chain).findings if finding.kind == "wrong id"][5:] == [
        "and 4 further rows"
    ]


ENTRY = {"sha256": "0" * 64, "bytes": 1}
PUBLISHED: dict[str, Any] = {"repo": "org/x", "configs": {}, "files": {}, "metadata": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": {"../../etc/hosts": ENTRY}}, "files.../../etc/hosts: not a path inside this folder"),
        ({"files": {"/etc/hosts": ENTRY}}, "files./etc/hosts: not a path inside this folder"),
        ({"files": {"a": {"sha256": "0"}}}, "files.a.sha256: String should match pattern"),
        ({"files": None}, "files: Input should be a valid dictionary"),
        ({"constitutions": ["../x@1"]}, "constitutions.0: String should match pattern"),
        ({"published": {}}, "published.configs: Field required"),
        ({"published": {**PUBLISHED, "files": {"../x": ENTRY}}}, "published.files.../x: not a path inside"),
        ({"published": {**PUBLISHED, "configs": {"../x": []}}}, "published.configs.../x: String should match pattern"),
    ],
)
def test_a_manifest_that_no_run_has_written_is_refused_by_place(
    chain_folder: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    manifest = json.loads((chain_folder / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(ConfigError) as caught:
        verify(tmp_path)
    assert message in str(caught.value)


def test_the_command_ends_with_0_1_or_2(chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("verify", chain) == 0
    (chain / "summary.md").unlink()
    capsys.readouterr()
    assert called("verify", chain, "--json") == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "missing"
    assert called("verify", tmp_path) == 2
    assert "no manifest.json here; expected a run's folder" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text('{"format": "somebody-elses"}')
    with pytest.raises(ConfigError, match="found the format 'somebody-elses'"):
        verify(tmp_path)


@pytest.fixture
def downloaded(chain_folder: Path, tmp_path: Path) -> Path:
    """What a client downloads of the published run, with files of its own."""
    ready = prepare(chain_folder, repo="org/x", license="mit", environ={})
    folder = tmp_path / "downloaded"
    texts = {name: text.encode() for name, text in ready.files.items()}
    card = card_text({**ready.metadata, "configs": card_configs(ready.configs)}, ready.body)
    own = {".cache/huggingface/download/README.md.metadata": b"of the client", ".gitattributes": b""}
    for name, content in {**texts, **dict(shards(ready.configs)), CARD: card.encode(), **own}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_copy_is_clean_and_its_card_may_be_edited_but_for_where_its_configs_lead(downloaded: Path) -> None:
    result = verify(downloaded)
    assert (result.findings, result.is_published) == ([], True)
    card = downloaded / CARD
    whole = card.read_text().replace("license: mit", "language:\n- en\nlicense: mit") + "\nBy hand.\n"
    card.write_text(whole)
    assert verify(downloaded).findings == []
    for old, new in (
        ("path: data/train-*", "path: https://example.org/x.parquet"),
        ("config_name: sft", "config_name: sft2"),
        ("config_name: sft", "config_name: sft\n  columns: [chosen]"),
        ("configs:", "settings:"),
        ("pretty_name:", "pretty_name: ["),
    ):
        assert old in whole
        card.write_text(whole.replace(old, new, 1))
        assert findings_in(downloaded) == {("changed", CARD)}, new
    card.unlink()
    assert findings_in(downloaded) == {("changed", CARD)}


def test_whatever_is_changed_in_a_copy_or_added_to_it_is_named(downloaded: Path) -> None:
    added = ("publish/x.parquet", "stages/x.json", ".cache/x.parquet", ".huggingface/x", "data/more.csv", "x/y/z")
    for name in added:
        (downloaded / name).parent.mkdir(parents=True, exist_ok=True)
        (downloaded / name).write_text("{}")
    (downloaded / "constitutions/lilliput.json").unlink()
    shard = downloaded / "sft/train-00000-of-00001.parquet"
    shard.write_bytes((downloaded / "sft/test-00000-of-00001.parquet").read_bytes())
    assert {finding for finding in findings_in(downloaded) if finding[0] != "on both sides"} == {
        ("missing", "constitutions/lilliput.json"),
        ("changed", "sft/train-00000-of-00001.parquet"),
        *(("added", name) for name in added),
    }
