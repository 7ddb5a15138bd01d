"""`amendment score` and `amendment evaluate`, run as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import called

Command = Callable[..., int]


@pytest.fixture
def model(reward_folder: Path) -> str:
    return str(reward_folder)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"ask {i}", "chosen": f"yes indeed {i}", "rejected": "no never"} for i in range(6)]
    rows[0]["chosen"] = "yes " * 99
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return called


def test_texts_are_scored(command: Command, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("score", model, "--prompt", "ask 1", "--answer", "yes indeed", "--answer", "no never") == 0
    first, second, p = capsys.readouterr().out.splitlines()
    assert first.endswith("yes indeed")
    assert float(first.split()[0]) > float(second.split()[0])
    assert p.startswith("P(the first is better) = 0.")
    assert command("score", model, "--prompt", "ask 1", "--answer", "yes " * 99, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"scores": [None]}


def test_a_file_is_scored_and_the_summary_told(
    command: Command, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("score", model, "pairs.jsonl") == 0
    told = capsys.readouterr().out
    assert "6 rows (6 of a pair), 12 answers" in told
    assert "1 answers have no score" in told
    assert "The scores are in scores/pairs.jsonl" in told
    assert len(Path("scores/pairs.jsonl").read_text().splitlines()) == 6
    assert command("score", model, "pairs.jsonl", "--replace", "--json") == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["rows"], counts["answers over the length"]) == (6, 1)


def test_an_evaluation_is_told_with_baselines(command: Command, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("evaluate", model, "pairs.jsonl") == 0
    told = capsys.readouterr().out
    assert "5 pairs of 5 prompts" in told
    assert "| the longer answer" in told
    assert "1 pairs left out: an answer has no score" in told
    assert command("evaluate", model, "pairs.jsonl", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["pairs"]["accuracy"]["value"], document["pairs"]["unscored"]) == (1.0, 1)
    assert document["baselines"]["the longer answer"]["pairs"]["accuracy"]["n"] == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["score", "MODEL"], "nothing to score"),
        (["score", "MODEL", "--answer", "yes"], "--prompt and --answer work only together"),
        (["score", "MODEL", "--prompt", "ask", "--answer", "yes", "pairs.jsonl"], "without files"),
        (["score", "MODEL", "pairs.jsonl", "--split", "test"], "work only with --dataset"),
        (["score", "MODEL", "pairs.jsonl", "--out", "x.txt"], "written as .jsonl or .parquet"),
        (["score", "pairs.jsonl", "pairs.jsonl"], "expected"),
        (["score", "MODEL", "absent.jsonl"], "no such file"),
        (["evaluate", "MODEL", "--dataset", "./absent"], "no such folder"),
        (["evaluate", "MODEL", "pairs.jsonl", "--columns", "candidate=chosen"], "an evaluation needs"),
        (["evaluate", "nowhere", "pairs.jsonl"], "nowhere"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_says_why(
    command: Command, model: str, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert command(*(model if one == "MODEL" else one for one in arguments)) == 2
    assert told in capsys.readouterr().err
    assert not Path("scores").exists()
