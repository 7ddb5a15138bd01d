"""Files of unknown layout and files of names: what the data do not determine is asked, and never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command_line import amendment
from tests.people.other_tools import import_answers, questions_of
from tests.rows import Rows, save


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def printed_run_file(path: str) -> dict[str, Any]:
    """The run file that an audit of a file of unknown layout prints to paste."""
    ended = amendment("audit", path)
    assert ended.code == 2, ended.err
    lines = ended.err.split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith("    name: "))
    Path("pasted.yaml").write_text("\n".join(lines[begin:]) + "\n", encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(Path("pasted.yaml").read_text(encoding="utf-8"))
    return document


def audited(document: dict[str, Any]) -> int:
    """The exit code of an audit of this run file."""
    Path("answered.yaml").write_text(json.dumps(document), encoding="utf-8")
    return amendment("audit", "answered.yaml", "--folder", "audited").code


@pytest.mark.parametrize("column", ["verdict", "label"])
def test_what_0_1_and_2_mean_is_asked_and_refused_until_it_is_answered(column: str) -> None:
    # as Auto-J publishes it: 0 for the first response, 1 for the second, 2 for a tie
    rows = [
        {"prompt": f"Task {n}?", "response 1": f"So {n}.", "response 2": f"Or {n}.", column: n % 3} for n in range(30)
    ]
    save("autoj.jsonl", rows)
    document = printed_run_file("autoj.jsonl")
    [source] = document["verdicts"]
    assert (source["columns"]["prompt"], source["columns"]["a"]) == ("prompt", "response 1")
    assert source["columns"]["b"] == "response 2"
    assert source["words"]["a"] == source["words"]["b"] == "?"
    assert source["words"].get("tie", "?") == "?"
    assert source["kind"] == "?"
    source["columns"]["verdict"], source["kind"] = column, "person"
    assert audited(document) == 2  # the words are still open
    source["words"] = {"a": 0, "b": "?", "tie": 2}
    assert audited(document) == 2
    source["words"] = {"a": 0, "b": 1, "tie": 2}
    assert audited(document) in (0, 1)
    assert Path("audited/certificate.json").is_file()


HOSTILE = [
    "col: on",
    "quo\"te'",
    "hash # tag",
    "{brace}",
    "*anchor",
    "pipe|line",
    "yes",
    "\u202eleft",
    "tab\there",
    "?",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_of_any_spelling_passes_terminal_and_yaml_or_is_asked(name: str) -> None:
    save("odd.jsonl", [{name: f"k{n}", "verdict": ["A", "B", name][n % 3]} for n in range(12)])
    ended = amendment("audit", "odd.jsonl")
    assert ended.code == 2
    assert all(sign.isprintable() or sign == "\n" for sign in ended.err)
    document = printed_run_file("odd.jsonl")
    assert document["verdicts"][0]["columns"] == {"item": "?", "verdict": "verdict"}
    assert document["verdicts"][0]["words"]["b"] == "B"


def test_ten_thousand_columns_and_cells_of_a_megabyte_are_shown_in_short() -> None:
    save("wide.jsonl", [{f"c{n}": "LR"[n % 2] for n in range(10_000)} | {"big": "x" * 900_000}] * 3)
    ended = amendment("audit", "wide.jsonl")
    assert len(ended.err) < 10_000


# Names of annotators.


def votes_of(*names: str) -> Rows:
    return [{"item": f"k{n}", "rater": name, "verdict": "ab"[n % 2]} for n in range(12) for name in names]


@pytest.mark.parametrize("twin", ["Ada ", "ada", "ADA ", "A da"])
@pytest.mark.parametrize("table", ["votes.csv", "votes.jsonl"])
def test_annotators_whose_names_differ_in_case_or_white_space_only_are_refused(twin: str, table: str) -> None:
    save(table, votes_of("Ada", twin, "Bo"))
    ended = amendment("audit", table, "--people", "*")
    assert ended.code == 2
    assert "'Ada'" in ended.err
    save(table, votes_of("Ada ", "Ada B", "Bo"))  # white space in every cell hides nobody
    assert amendment("audit", table, "--people", "*").code in (0, 1)


def test_they_are_refused_across_files_and_under_verdicts_of_a_run() -> None:
    save("one.csv", [{"item": f"k{n}", "Ada": "ab"[n % 2]} for n in range(12)])
    save("two.csv", [{"item": f"k{n}", "ada": "ab"[n % 2]} for n in range(12)])
    source = {"kind": "person", "words": {"a": "a", "b": "b"}}
    files = [
        {"path": f"{name}.csv", "columns": {"item": "item", "votes": [who]}, **source}
        for name, who in (("one", "Ada"), ("two", "ada"))
    ]
    assert audited({"name": "both", "verdicts": files}) == 2
    Path("run.yaml").write_text(json.dumps({"name": "both", "verdicts": files}), encoding="utf-8")
    ended = amendment("run", "run.yaml")
    assert ended.code == 2
    assert "'Ada' and 'ada'" in ended.err


def test_they_are_refused_when_labels_are_imported_and_rater_makes_them_one() -> None:
    run_file = {
        "name": "imported",
        "constitution": "lilliput",
        "models": {"writer": {"provider": "simulated"}, "judge": {"provider": "simulated"}},
        "prompts": [{"lilliput": 12}],
        "candidates": [{"model": "writer", "per_prompt": 2}],
        "judging": {"judges": [{"model": "judge", "protocol": "label-tokens"}]},
        "spot_check": {"items": 8, "sealed": 0, "overlap": 8, "annotators": 2, "repeats": 0},
    }
    Path("run.yaml").write_text(json.dumps(run_file), encoding="utf-8")
    ended = amendment("run", "run.yaml", "--until", "labels")
    assert ended.code == 3, ended.said
    folder = Path("runs/imported")
    ada, twin = ([{**row, "choice": "A", "annotator": name} for row in questions_of(folder)] for name in ("Ada", "ada"))
    assert import_answers(folder, ada).code == 0
    ended = import_answers(folder, twin)
    assert ended.code == 2
    assert "'Ada'" in ended.err
    assert "--rater" in ended.err
    assert import_answers(folder, twin, "--rater", "ada=Ada").code == 0
