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
    assert command("judge", "show") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(shipped_judges())
    assert command("judge", "show", "--json") == 0
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
    spec = "id: mine\nversion: 1.0.0\nprotocol: verdict\ntemplate: t.txt\n"
    (tmp_path / "judge.yaml").write_text(spec)
    (tmp_path / "t.txt").write_text("{conversation} {answer_a} {answer_b} \x1b[2J")
    assert command("judge", "show", str(tmp_path)) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown


def test_a_copied_judge_has_the_same_texts_under_an_id_of_its_own_and_overwrites_nothing(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in shipped_judges():
        assert command("judge", "show", name, "--copy", tmp_path / f"Our {name}") == 0
        copy, shipped = load_judge_folder(tmp_path / f"Our {name}"), load_judge_folder(name)
        assert copy.id == f"our-{name}"
        assert copy._replace(id=shipped.id, hash=shipped.hash, templates={}) == shipped._replace(templates={})
        assert [text.text for text in copy.templates.values()] == [text.text for text in shipped.templates.values()]
        assert copy.hash != shipped.hash
    capsys.readouterr()
    assert command("judge", "show", "verdict", "--copy", tmp_path / "Our score") == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert load_judge_folder(tmp_path / "Our score").protocol.name == "score"
