"""The commands about judges: what is shipped, and what one says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.preference import load_judge_folder, shipped_judges
from tests.command_line import called

Command = Callable[..., int]


@pytest.fixture
def command() -> Command:
    return called


def test_every_shipped_judge_is_listed(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("judge", "list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(shipped_judges())
    assert command("judge", "list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["hash"]) for one in found] == [(id, load_judge_folder(id).hash) for id in shipped_judges()]


def test_a_judge_is_shown_with_its_texts(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    folder = load_judge_folder("score")
    assert command("judge", "show", "score") == 0
    shown = capsys.readouterr().out
    for text in (folder.hash, "protocol: score", "shots: false", *folder.templates["written"].text.splitlines()):
        assert text in shown
    assert command("judge", "show", "score", "--json") == 0
    assert json.loads(capsys.readouterr().out)["templates"]["tokens"] == folder.template.text


def test_a_folder_whose_words_would_steer_a_terminal_is_shown_as_text(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = "id: mine\nversion: 1.0.0\nprotocol: verdict\nscale: pair\nparser: verdict-line\ntemplate: t.txt\n"
    (tmp_path / "judge.yaml").write_text(spec)
    (tmp_path / "t.txt").write_text("{answer_a} {answer_b} \x1b[2J")
    assert command("judge", "show", str(tmp_path)) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown
