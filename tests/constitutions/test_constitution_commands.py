"""The commands about constitutions: what they print, where, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from amendment.constitutions import Constitution, Principle, load_constitution, shipped
from amendment.yamlfile import parse_yaml
from tests.command_line import called
from tests.constitutions.conftest import PAPER, Write


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Runs `amendment constitution ...` in an empty folder; gives the exit code."""
    monkeypatch.chdir(tmp_path)
    return partial(called, "constitution")


Command = Callable[..., int]
Captured = pytest.CaptureFixture[str]


def test_the_list_says_license_and_size_of_each(command: Command, capsys: Captured) -> None:
    assert command("show") == 0
    lines = capsys.readouterr().out.strip().split("\n")
    assert [line.split()[0] for line in lines] == list(shipped())
    assert all(" CC0-1.0  " in line for line in lines)
    assert command("show", "--json") == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == list(shipped())


def test_show_writes_a_constitution_or_one_principle_as_yaml(command: Command, capsys: Captured) -> None:
    one = load_constitution("helpful-honest")
    assert command("show", "helpful-honest") == 0
    out = capsys.readouterr().out
    assert out.split("\n")[0] == f"# {one.reference}"
    assert Constitution.model_validate(parse_yaml(out, "shown").data) == one
    assert command("show", "helpful-honest", "--principle", "calibrated") == 0
    assert Principle.model_validate(parse_yaml(capsys.readouterr().out, "shown").data) == one.principle("calibrated")


def test_import_writes_a_file_that_passes_lint(
    command: Command, write: Write, tmp_path: Path, capsys: Captured
) -> None:
    files = [write(name, content).name for name, content in PAPER.items()]
    head = ["--id", "paper", "--license", "LicenseRef-x", "--out", "paper.yaml"]
    assert command("import", *files, *head) == 0
    told = capsys.readouterr()
    assert told.out == "paper.yaml: 5 principles; worked examples: 2 critiques, 2 revisions, 3 comparisons\n"
    assert (
        "left out: RLMadisonPrecogFewShotPrompts.json: 2 worked comparisons with reasoning, which no judge is shown\n"
        in told.err
    )
    assert called("check", "paper.yaml") == 0
    assert command("import", *files, *head) == 2
    assert capsys.readouterr().err == "paper.yaml: already exists; name another file, or replace it with --force\n"
    assert command("import", *files, *head, "--force") == 0
    assert command("import", *files, "--id", "ours", "--out", "ours.yaml") == 2
    assert "--license" in capsys.readouterr().err
    assert not (tmp_path / "ours.yaml").exists()
