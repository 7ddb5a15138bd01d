"""The plugins of docs/extending.md, as they stand there, over the command line in processes of their own; plugins that
cannot be imported; and readers of a run's folder, which import none."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from amendment.results import read_summary
from tests import command_line
from tests.vendors import processes

PAGE = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"```(python|yaml|text)\n(.*?)```", PAGE, re.DOTALL)
SHOUTS = {"provider": "parrot", "model": "grey-2", "options": {"prefix": "You shout: "}}
GRADER = {"provider": "parrot", "model": "grey-3", "options": {"prefix": "[[A>B]]\n"}}
"""A judge whose reply is the grade, and then the question, which holds no line of a grade."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page, and prompts."""
    for name in ("parrot.py", "grades.py", "lengths.py"):
        (tmp_path / name).write_text(block("python", f"# {name}"))
    (tmp_path / "our-judge").mkdir()
    (tmp_path / "our-judge/judge.yaml").write_text(block("yaml", "protocol: grades"))
    (tmp_path / "our-judge/compare.txt").write_text(block("text", "{answer_a}"))
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "hello"}\n{"prompt": "good bye"}\n')
    return tmp_path


def block(kind: str, part: str) -> str:
    """The text of the page of this kind that has this part."""
    [found] = (text for other, text in BLOCKS if other == kind and part in text)
    return found


def write(folder: Path, **settings: Any) -> Path:
    """The page's run file of a provider with other settings."""
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(block("yaml", "name: parrots")), **settings}))
    return path


def judged(folder: Path) -> Path:
    """A run with all three: a provider, a protocol and a stage."""
    writer = yaml.safe_load(block("yaml", "name: parrots"))["models"]["writer"]
    return write(
        folder,
        plugins=["parrot.py", "grades.py", "lengths.py"],
        constitution="helpful-honest",
        models={"writer": writer, "other": SHOUTS, "judge": GRADER},
        candidates=[{"model": "writer"}, {"model": "other"}],
        judging={"judges": [{"model": "judge", "protocol": "./our-judge"}], "orders": "first"},
        lengths={"longest": 20},
    )


def run(path: Path, *options: str, code: int = 0) -> str:
    """What a start of the run says, in a process of its own."""
    done = processes.amendment("run", str(path), "--folder", str(path.parent / "run"), *options)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_a_provider_of_a_plugin_answers_and_is_not_asked_twice(folder: Path) -> None:
    path = write(folder)
    assert processes.amendment("check", str(path)).returncode == 0
    assert "2 model calls" in run(path)
    rows = pq.read_table(folder / "run/candidates/candidates.parquet").to_pylist()
    assert {json.loads(row["messages"])[-1]["content"] for row in rows} == {"You said: hello", "You said: good bye"}
    assert "0 model calls" in run(path, "--set", "name=again")


def test_a_protocol_of_a_plugin_judges_and_an_edit_of_it_reads_the_replies_again(folder: Path) -> None:
    path = judged(folder)
    run(path, "--until", "judging")
    assert [row["distribution"] for row in verdicts(folder)] == [{"A": 0.75, "B": 0.25}] * 2
    plugin = folder / "grades.py"
    plugin.write_text(plugin.read_text().replace("0.75", "0.875"))
    assert "ran judging; 0 model calls" in run(path, "--until", "judging")
    assert [row["distribution"] for row in verdicts(folder)] == [{"A": 0.875, "B": 0.125}] * 2


def verdicts(folder: Path) -> list[dict[str, Any]]:
    rows = pq.read_table(folder / "run/judging/verdicts.parquet").to_pylist()
    return [{**row, "distribution": json.loads(row["distribution"] or "null")} for row in rows]


def test_a_stage_of_a_plugin_has_its_place_in_the_chain_and_its_key_in_the_run_file(folder: Path) -> None:
    path = folder / "run.yaml"
    path.write_text(block("yaml", "name: measured"))
    assert "ran inputs, candidates" in run(path, "--until", "candidates")
    assert "ran lengths; 0 model calls" in run(path)
    lengths = pq.read_table(folder / "run/lengths/table.parquet")["characters"].to_pylist()
    assert len(lengths) == 8
    assert read_summary(folder / "run").stages["lengths"].count("too_long") == sum(length > 10 for length in lengths)
    assert json.loads((folder / "run/status.json").read_text())["stages"][-2:] == ["candidates", "lengths"]
    (folder / "lengths.py").write_text(
        (folder / "lengths.py").read_text().replace("row.characters >", "row.characters >=")
    )
    assert "ran lengths; 0 model calls" in run(path, "--set", "lengths.longest=1")
    refused = processes.amendment("check", str(path), "--set", "lengths.longest=0")
    assert (refused.returncode, "lengths.longest" in refused.stderr) == (2, True)


def test_an_installed_package_is_a_plugin_by_its_entry_point(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path_factory.mktemp("site")
    (folder / "parrot.py").rename(site / "our_parrots.py")
    (site / "ours-1.0.dist-info").mkdir()
    (site / "ours-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (site / "ours-1.0.dist-info/entry_points.txt").write_text("[amendment.plugins]\nparrots = our_parrots\n")
    monkeypatch.setitem(processes.ENVIRONMENT, "PYTHONPATH", f"{processes.ROOT}:{site}")
    assert "2 model calls" in run(write(folder, plugins=["parrots"]))
    refused = run(write(folder, plugins=["parots"]), code=2)
    assert "plugins[0]: parots: LookupError: found no such entry point" in refused
    assert "(did you mean 'parrots'?)" in refused


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import os\nimport no_such_module\n", ":2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1\ndef f(:\n", ": SyntaxError: invalid syntax (broken.py, line 2)"),
        ("import sys\n\nsys.exit(0)\n", ":3: SystemExit: 0"),
        (
            "from amendment.run import register_stage\nfrom amendment.stages.judging import JudgingStage\n"
            "register_stage(JudgingStage)\n",
            ":3: ConfigError: stage judging is shipped",
        ),
        (None, ": FileNotFoundError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_an_error_of_the_run_file_and_costs_nothing(
    code: str | None, complaint: str, folder: Path
) -> None:
    if code is not None:
        (folder / "broken.py").write_text(code)
    path = folder / "run.yaml"
    path.write_text(block("yaml", "name: parrots").replace("[parrot.py]", "[broken.py]"))
    for words in (("check", path), ("run", path, "--folder", folder / "run")):
        refused = command_line.amendment(*words)
        assert refused.code == 2
        assert f"{path}:2:11: plugins[0]: {folder / 'broken.py'}{complaint}" in refused.said
    assert not (folder / "run").exists()


def test_no_reader_of_a_folder_imports_the_plugins_that_are_named_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(judged(folder))
    theirs, seen = folder / "theirs", folder / "imported"
    shutil.move(folder / "run", theirs)
    for place in (theirs, folder):
        for plugin in ("parrot.py", "grades.py", "lengths.py"):
            (place / plugin).write_text(f"open({str(seen)!r}, 'w').close()\n")
    monkeypatch.chdir(theirs)
    assert command_line.amendment("check", "run.yaml").code == 2
    assert seen.exists(), "a check of the run file itself imports them"
    seen.unlink()
    for code, *words in (
        (0, "status", theirs),
        (0, "show", theirs),
        (0, "report", theirs),
        (0, "export", theirs, "--out", folder / "out"),
        (1, "verify", theirs),  # it finds the files that were added
        (0, "audit", theirs),
        (0, "ledger", "show", theirs),
        (2, "amend", theirs),  # it has no labels
    ):
        ended = command_line.amendment(*words)
        assert ended.code == code, ended.said
    assert not seen.exists()
