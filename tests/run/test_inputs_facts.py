"""What a run keeps and tells of its inputs: how strict it is with verdicts, every license, every source's hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from amendment.records import text_of
from amendment.run import Run
from tests.run.own_files import LABELLED, LABELS, Read, Refused, preferences, save


def test_verdicts_without_texts_are_left_to_the_audit(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "log.csv", [{"id": i, "v": "a"} for i in range(5)])
    found = read("verdicts: [{path: log.csv, kind: model, columns: {item: id, verdict: v}}]\n")
    assert (len(found.prompts), len(found.verdicts)) == (0, 0)
    assert found.counts["verdicts without texts"] == 5


def test_texts_are_strict_for_a_run_and_skipped_rows_leave_nothing_behind(
    read: Read, refused: Refused, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [{"q": f"q{i}", "x": "x", "y": "y", "v": "a"} for i in range(4)]
    rows[1]["x"], rows[2]["q"], rows[3]["y"] = True, "", " "
    save(tmp_path / "v.jsonl", rows)
    text = "verdicts: [{path: v.jsonl, kind: person, columns: {prompt: q, a: x, b: y, verdict: v}%s}]\n"
    assert refused(text % "") == [
        "v.jsonl: line 2: x: expected text, found bool",
        "v.jsonl: line 3: q: is empty; fill it in or take the row out",
    ]
    found = read(text % ", bad_rows: skip")
    assert found.counts["bad rows left out"] == 2
    assert found.counts["verdicts with an empty answer"] == 1
    assert (len(found.prompts), len(found.candidates), len(found.verdicts)) == (1, 2, 1)


def test_what_a_log_could_not_read_is_judged_again(tmp_path: Path) -> None:
    rows = [{"q": f"please add {i} 3", "x": f"sum is {i + 3}", "y": "no idea", "v": "a" if i else ""} for i in range(3)]
    save(tmp_path / "v.jsonl", rows)
    found, counts = preferences(
        tmp_path,
        "constitution: lilliput\nmodels: {j: {provider: simulated}}\n"
        "verdicts: [{path: v.jsonl, kind: model, columns: {prompt: q, a: x, b: y, verdict: v, principle: v}}]\n"
        "candidates: [{path: v.jsonl, columns: {prompt: q, candidate: x}}]\n"
        "judging: {judges: [{model: j, protocol: label-tokens}]}\ndataset: {test_share: 0}\n",
    )
    assert counts["inputs"]["comparisons"] == 3
    assert counts["judging"]["comparisons"] == 1
    assert {row.raters for row in found if text_of(row.prompt) != "please add 0 3"} == {("v.jsonl",)}


def test_a_run_file_whose_verdicts_have_no_texts_makes_no_dataset(tmp_path: Path) -> None:
    save(tmp_path / "log.csv", [{"id": i, "v": "a"} for i in range(5)])
    path = tmp_path / "run.yaml"
    path.write_text("name: t\nverdicts: [{path: log.csv, kind: model, columns: {item: id, verdict: v}}]\n")
    result = Run.from_file(path, folder=tmp_path / "run")()
    assert "dataset" not in result.summary["stages"]
    assert result.summary["stages"]["inputs"]["verdicts without texts"] == 5


def test_a_second_license_of_a_prompt_or_an_answer_is_told_and_the_answers_keep_their_own(tmp_path: Path) -> None:
    save(tmp_path / "asked.jsonl", [{"prompt": f"question {i}"} for i in range(6)])
    save(tmp_path / "labels.csv", LABELS)
    again = [{"prompt": row["q"], "candidate": row["one"]} for row in LABELS[:3]]
    save(tmp_path / "again.jsonl", again)
    labelled = LABELLED.replace("license: mit", "license: cc-by-nc-4.0")
    found, counts = preferences(
        tmp_path,
        "prompts: [{path: asked.jsonl, license: apache-2.0}]\n"
        f"candidates: [{{path: again.jsonl, license: mit}}]\nverdicts:\n{labelled}dataset: {{test_share: 0}}\n",
    )
    # of eight prompts six came under apache-2.0 first, three of these under mit second, all under cc-by-nc-4.0
    assert counts["inputs"]["prompts under a further license"] == {"again.jsonl: mit": 3, "labels.csv: cc-by-nc-4.0": 6}
    assert counts["inputs"]["answers under a further license"] == {"labels.csv: cc-by-nc-4.0": 3}
    licenses = {text_of(row.prompt): row.license for row in found}
    assert licenses == {f"question {i}": "apache-2.0" if i < 6 else "cc-by-nc-4.0" for i in range(8)}
    from amendment.data.store import read_records
    from amendment.records import Candidate

    answers = read_records(tmp_path / "run" / "inputs/candidates.parquet", Candidate)
    own = {text_of(one.messages): (one.origin.license, one.origin.source) for one in answers}
    assert {name: own[name] for name in ("good 0", "bad 0", "good 5")} == {
        "good 0": ("mit", "again.jsonl"),
        "bad 0": ("cc-by-nc-4.0", "labels.csv"),
        "good 5": ("cc-by-nc-4.0", "labels.csv"),
    }


def test_two_files_of_verdicts_on_the_same_texts_both_tell_their_license(read: Read, tmp_path: Path) -> None:
    rows = [{"q": "why?", "x": "so", "y": "no", "v": "a"}]
    for name in ("one", "two"):
        save(tmp_path / f"{name}.jsonl", rows)
    columns = "kind: person, columns: {prompt: q, a: x, b: y, verdict: v}"
    found = read(
        f"verdicts: [{{path: one.jsonl, license: mit, {columns}}}, {{path: two.jsonl, license: gpl-3.0, {columns}}}]\n"
    )
    assert found.other_licenses() == {
        "prompts under a further license": {"two.jsonl: gpl-3.0": 1},
        "answers under a further license": {"two.jsonl: gpl-3.0": 2},
    }


def test_prompts_under_one_license_are_not_told(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a"}, {"prompt": "a"}])
    found = read("prompts: [{path: p.jsonl, license: mit}, {path: p.jsonl}, {path: p.jsonl, license: mit}]\n")
    assert found.other_licenses() == {}


def test_the_inputs_name_every_source_with_its_hash_and_its_license(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"question {i}"} for i in range(3)])
    save(tmp_path / "labels.csv", LABELS)
    (tmp_path / "more").mkdir()
    save(tmp_path / "more" / "p.jsonl", [{"prompt": "another"}])
    _, counts = preferences(
        tmp_path,
        "prompts: [{path: p.jsonl, take: 2}, {path: more/p.jsonl, license: mit}, {path: more/p.jsonl, license: mit}]\n"
        f"verdicts:\n{LABELLED}",
    )
    told = {name: one for name, one in counts["inputs"].items() if name.startswith("source ")}

    def sha256(name: str) -> str:
        return hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()

    assert told == {
        "source p.jsonl": {"rows": 2, "sha256": sha256("p.jsonl")},
        "source p.jsonl (2)": {"rows": 1, "sha256": sha256("more/p.jsonl"), "license": "mit"},
        "source labels.csv": {"rows": 8, "sha256": sha256("labels.csv"), "license": "mit"},
    }
    certificate = json.loads((tmp_path / "run" / "certificate.json").read_text(encoding="utf-8"))
    (file,) = certificate["files"]
    assert {key: file[key] for key in ("rows", "sha256")} == {"rows": 8, "sha256": sha256("labels.csv")}
    page = (tmp_path / "run" / "summary.md").read_text(encoding="utf-8")
    assert f"- source labels.csv: rows 8, sha256 {sha256('labels.csv')}, license mit" in page
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["stages"]["inputs"]["counts"]["source p.jsonl"]["rows"] == 2
