"""The manifest of a run, and what `verify` makes of a folder that is not as the manifest says."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from amendment.cli import app
from amendment.constitutions import Constitution, load_constitution
from amendment.errors import ConfigError
from amendment.files import file_hash
from amendment.publishing.manifest import read_manifest
from amendment.publishing.metadata import card_text
from amendment.publishing.publication import prepare
from amendment.publishing.verify import verification_lines, verify
from amendment.run import Run


@pytest.fixture
def run_folder(undisturbed: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed.result.folder, tmp_path / "copy"))


def found(folder: Path) -> set[tuple[str, str]]:
    return {(one.kind, one.place) for one in verify(folder).findings}


def test_every_file_of_the_run_is_named_with_hash_size_and_rows(run_folder: Path) -> None:
    files = read_manifest(run_folder)["files"]
    own = ("manifest.json", "settings.json", "spending.json", "status.json", "run.lock", "ledger.sqlite", "stages/")
    lying = {path.relative_to(run_folder).as_posix() for path in run_folder.rglob("*") if path.is_file()}
    assert {name for name in lying if not name.startswith(own)} == set(files)
    for name, entry in files.items():
        raw = (run_folder / name).read_bytes()
        assert entry["sha256"] == hashlib.sha256(raw).hexdigest()
        assert entry["bytes"] == len(raw)
    assert files["dataset/train.parquet"]["rows"] == pq.read_metadata(run_folder / "dataset/train.parquet").num_rows


def test_settings_versions_seed_and_counts_stand_in_it(run_folder: Path) -> None:
    manifest = read_manifest(run_folder)
    summary = json.loads((run_folder / "summary.json").read_text())
    assert manifest["seed"] == 7
    assert manifest["configuration"]["judging"]["orders"] == "both"
    assert {"amendment", "python", "datasets", "pyarrow"} <= set(manifest["versions"])
    assert {name: stage["counts"] for name, stage in manifest["stages"].items()} == summary["stages"]


def test_equal_runs_have_equal_manifests(small: Path, tmp_path: Path) -> None:
    first, second = (Run.from_file(small, folder=tmp_path / name)().folder for name in ("one", "two"))
    assert (first / "manifest.json").read_bytes() == (second / "manifest.json").read_bytes()


def test_the_constitution_is_kept_in_full_under_its_hash(run_folder: Path) -> None:
    kept = Constitution.model_validate_json((run_folder / "constitutions/lilliput.json").read_bytes())
    assert [kept.reference] == read_manifest(run_folder)["constitutions"]
    assert kept.principles == load_constitution("lilliput").principles


def test_files_that_nobody_touched_are_not_read_again(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Run.from_file(small, folder=tmp_path / "run")().folder
    before = (folder / "manifest.json").read_bytes()
    read: list[str] = []

    def watched(path: Path) -> str:
        read.append(path.relative_to(folder).as_posix())
        return file_hash(path)

    monkeypatch.setattr("amendment.publishing.manifest.file_hash", watched)
    Run.from_file(small, folder=folder)()
    assert not [name for name in read if name.endswith(".parquet")]
    assert (folder / "manifest.json").read_bytes() == before


def test_a_manifest_that_somebody_edited_is_not_believed(run_folder: Path, small: Path) -> None:
    true = (run_folder / "manifest.json").read_bytes()
    manifest = json.loads(true)
    manifest["files"]["dataset/train.parquet"]["sha256"] = "0" * 64
    (run_folder / "manifest.json").write_text(json.dumps(manifest))
    assert ("changed", "dataset/train.parquet") in found(run_folder)
    Run.from_file(small, folder=run_folder)()
    assert (run_folder / "manifest.json").read_bytes() == true


def test_a_run_that_failed_has_a_manifest_of_what_stands(small: Path, run_folder: Path) -> None:
    Run.from_file(small, folder=run_folder, overrides=["dataset.test_share=0.5"])(until="inputs")
    manifest = read_manifest(run_folder)
    assert "dataset" not in manifest["stages"]
    assert "dataset" in manifest["out of date"]
    assert verify(run_folder).is_clean, "what is out of date lies there as it was left"


def test_an_untouched_run_is_as_its_manifest_says(run_folder: Path) -> None:
    result = verify(run_folder)
    assert result.is_clean
    assert not result.is_published
    assert result.files == len(read_manifest(run_folder)["files"])
    assert result.rows > 100
    assert verification_lines(result)[-1].endswith("all as the manifest says")


def test_missing_changed_and_added_files_are_all_named(run_folder: Path) -> None:
    (run_folder / "critique/critiques.parquet").unlink()
    table = run_folder / "judging/verdicts.parquet"
    raw = bytearray(table.read_bytes())
    raw[len(raw) // 2] ^= 1
    table.write_bytes(raw)
    (run_folder / "summary.md").write_text("all is well\n")
    (run_folder / "dataset/more.parquet").write_bytes(b"x")
    told = found(run_folder)
    assert ("missing", "critique/critiques.parquet") in told
    assert ("changed", "judging/verdicts.parquet") in told
    assert ("changed", "summary.md") in told
    assert ("added", "dataset/more.parquet") in told


def rewrite(folder: Path, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change rows of a table, and the manifest with it, as somebody who covers their tracks would."""
    path = folder / name
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    manifest = read_manifest(folder)
    manifest["files"][name] |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def swap(rows: list[dict[str, Any]]) -> None:
    rows[1]["chosen"], rows[1]["rejected"] = rows[1]["rejected"], rows[1]["chosen"]


@pytest.mark.parametrize("table", ["dataset/train.parquet", "export/train.parquet"])
def test_a_row_whose_answers_were_swapped_no_longer_bears_its_name(run_folder: Path, table: str) -> None:
    rewrite(run_folder, table, swap)
    (finding,) = verify(run_folder).findings
    assert (finding.kind, finding.place) == ("wrong id", f"{table}: row 2")
    assert finding.message == "chosen_id, rejected_id do not follow from the content"


def test_a_changed_word_in_a_stage_table_is_found_by_its_name(run_folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["text"] += " not"

    rewrite(run_folder, "critique/critiques.parquet", change)
    assert found(run_folder) == {("wrong id", "critique/critiques.parquet: row 1")}


def test_a_prompt_on_both_sides_is_found(run_folder: Path) -> None:
    borrowed = pq.read_table(run_folder / "dataset/train.parquet").slice(0, 1)
    path = run_folder / "dataset/test.parquet"
    both = pa.concat_tables([pq.read_table(path), borrowed])
    rewrite(run_folder, "dataset/test.parquet", lambda rows: rows.append(borrowed.to_pylist()[0]))
    assert both.num_rows == pq.read_metadata(path).num_rows
    (finding,) = verify(run_folder).findings
    assert finding.kind == "on both sides"
    assert borrowed["prompt_id"][0].as_py() in finding.message


def test_many_wrong_rows_are_counted_and_a_few_named(run_folder: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["chosen_id"] = "s2:" + "0" * 32

    rows = read_manifest(run_folder)["files"]["dataset/train.parquet"]["rows"]
    rewrite(run_folder, "dataset/train.parquet", change)
    told = verify(run_folder).findings
    assert len(told) == 6
    assert told[-1].message == f"and {rows - 5} further rows"


ENTRY = {"sha256": "0" * 64, "bytes": 1}
PUBLISHED: dict[str, Any] = {"complete": True, "repo": "org/x", "configs": {}, "files": {}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"files": {"../../etc/hosts": ENTRY}}, "files.../../etc/hosts: not a place inside this folder"),
        ({"files": {"/etc/hosts": ENTRY}}, "files./etc/hosts: not a place inside this folder"),
        ({"files": {"a": {"sha256": "0"}}}, "files.a.sha256: String should match pattern"),
        ({"files": None}, "files: Input should be a valid dictionary"),
        ({"stages": {"dataset": {}}}, "stages.dataset.key: Field required"),
        ({"constitutions": ["../x@1"]}, "constitutions.0: String should match pattern"),
        ({"published": {}}, "published.configs: Field required"),
        ({"published": {**PUBLISHED, "files": {"../x": ENTRY}}}, "published.files.../x: not a place inside"),
        ({"published": {**PUBLISHED, "configs": {"../x": {}}}}, "published.configs.../x: String should match pattern"),
        (
            {"published": {**PUBLISHED, "configs": {"x": {"*": {"rows": 1, "sha256": "0" * 64}}}}},
            "published.configs.x.*: String should match pattern",
        ),
    ],
)
def test_a_manifest_that_no_run_has_written_is_refused_by_place(
    run_folder: Path, change: dict[str, Any], told: str
) -> None:
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(ConfigError) as caught:
        verify(run_folder)
    assert told in str(caught.value)


def test_a_certificate_that_somebody_put_into_a_run_is_found(run_folder: Path, tmp_path: Path) -> None:
    report = (run_folder / "certificate.md").read_text()
    (run_folder / "certificate.md").write_text(report + "All is well.\n")
    (run_folder / "audit/more.md").write_text("All is well.\n")
    assert found(run_folder) == {("changed", "certificate.md"), ("added", "audit/more.md")}


def test_the_command_ends_with_0_1_or_2(run_folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["verify", str(run_folder)]).exit_code == 0
    (run_folder / "summary.md").unlink()
    told = runner.invoke(app, ["verify", str(run_folder), "--json"])
    assert told.exit_code == 1
    assert json.loads(told.stdout)["findings"][0]["kind"] == "missing"
    with pytest.raises(ConfigError, match=r"no manifest.json here; expected a run's folder"):
        verify(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "somebody-elses"}')
    with pytest.raises(ConfigError, match="found the format 'somebody-elses'"):
        verify(tmp_path)


@pytest.fixture
def downloaded(run_folder: Path, tmp_path: Path) -> Path:
    """What a client downloads of the published run: Parquet where the Hub's client puts it, files, the card's head."""
    ready = prepare(run_folder, repo="org/x", license="mit", environ={})
    folder, configs = tmp_path / "downloaded", []
    for name, splits in ready.configs.items():
        place = "data" if name == "default" else name
        (folder / place).mkdir(parents=True)
        for split, rows in splits.items():
            pq.write_table(rows.with_format("arrow")[:], folder / place / f"{split}-00000-of-00001.parquet")
        files = [{"split": split, "path": f"{place}/{split}-*"} for split in splits]
        configs.append({"config_name": name, "data_files": files})
    for name, text in ready.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "README.md").write_text(card_text({**ready.metadata, "configs": configs}, ready.body))
    (folder / ".cache/huggingface/download").mkdir(parents=True)
    (folder / ".cache/huggingface/download/README.md.metadata").write_text("of the client")
    (folder / ".gitattributes").write_text("")
    return folder


def test_an_untouched_copy_is_clean_and_its_card_may_be_edited(downloaded: Path) -> None:
    assert verify(downloaded).findings == []
    card = downloaded / "README.md"
    card.write_text(card.read_text().replace("license: mit", "language:\n- en\nlicense: mit") + "\nBy hand.\n")
    assert verify(downloaded).findings == []


@pytest.mark.parametrize(
    "name", ["publish/x.parquet", "stages/x.json", ".cache/x.parquet", ".huggingface/x", "data/more.csv", "x/y/z"]
)
def test_whatever_is_added_to_a_copy_is_named_wherever_it_lies(downloaded: Path, name: str) -> None:
    (downloaded / name).parent.mkdir(parents=True, exist_ok=True)
    (downloaded / name).write_text("{}")
    assert found(downloaded) == {("added", name)}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("path: data/train-*", "path: publish/train-*", "configs: default loads train: publish/train-*"),
        ("path: data/train-*", "path: https://example.org/x.parquet", "configs: default loads train: https://"),
        ("config_name: sft", "config_name: sft2", "configs: sft loads nothing, expected train: sft/train-*"),
        ("config_name: sft", "config_name: sft\n  default: true", "configs: sft is made the default"),
        ("config_name: sft", "config_name: sft\n  columns: [chosen]", "configs: sft has columns"),
        ("configs:", "settings:", "configs: default loads nothing"),
        ("pretty_name:", "pretty_name: [", "no card with YAML at its head"),
    ],
)
def test_a_card_that_leads_to_other_files_is_named(downloaded: Path, old: str, new: str, told: str) -> None:
    card = downloaded / "README.md"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new, 1))
    told_of = [one.message for one in verify(downloaded).findings if (one.kind, one.place) == ("changed", "README.md")]
    assert told_of
    assert any(message.startswith(told) for message in told_of), told_of


def test_a_copy_without_its_card_is_not_what_was_published(downloaded: Path) -> None:
    (downloaded / "README.md").unlink()
    assert found(downloaded) == {("changed", "README.md")}


def test_foreign_files_beside_the_notes_of_stages_and_links_to_folders_are_named(
    run_folder: Path, tmp_path: Path
) -> None:
    for name in ("stages/notes.txt", "stages/mine.json", "stages/more/inputs.json", ".cache/x"):
        (run_folder / name).parent.mkdir(exist_ok=True)
        (run_folder / name).write_text("{}")
    (tmp_path / "elsewhere").mkdir()
    (run_folder / "models").symlink_to(tmp_path / "elsewhere")
    (run_folder / "dataset/gone").symlink_to(tmp_path / "nowhere")
    (run_folder / "publish").mkdir()
    (run_folder / "publish/README.md").write_text("of a dry run")
    assert found(run_folder) == {
        ("added", name)
        for name in (
            "stages/notes.txt",
            "stages/mine.json",
            "stages/more/inputs.json",
            ".cache/x",
            "models",
            "dataset/gone",
        )
    }
