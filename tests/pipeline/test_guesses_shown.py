"""What is shown of a file of an unknown shape, where it is saved, and what no hostile file does to it."""

from __future__ import annotations

import random
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from amendment.pipeline.reading.guesses import no_prompt, not_recognised
from amendment.pipeline.reading.source_rows import FileFacts, SourceRows
from amendment.pipeline.runfile.sources import PairFile
from amendment.pipeline.runfile.verdict_files import VerdictColumns, VerdictFile
from amendment.tables import Row
from amendment.yamlfile import parse_yaml
from tests.pipeline.guessing import Rows, audited, german, german_log, guess, pasted, prose, save, told

# What is shown, and where it is saved.


def test_columns_are_shown_with_three_values_and_how_many_there_are(tmp_path: Path) -> None:
    rows = [{"qid": i, "topic": "sums", "input": "", "odd": "a | b\n\x1b[31m" if i else ""} for i in range(9)]
    lines = told(save(tmp_path / "v.csv", rows)).split("\n")
    assert "  qid: 0 / 1 / 2 (9 different)" in lines
    assert "  topic: sums (in all rows)" in lines
    assert "  input: (empty)" in lines
    assert "  odd: a \\| b\\n\\x1b[31m" in lines
    assert "  (in the first 1,000 rows)" not in lines
    assert "  (in the first 1,000 rows)" in told(save(tmp_path / "v.csv", rows * 200)).split("\n")


def test_two_files_never_go_to_the_same_run_file(tmp_path: Path) -> None:
    csv_file, log = save(tmp_path / "votes.csv", german()), save(tmp_path / "log.jsonl", german_log())
    assert "beside it as votes.yaml; then:" in told(csv_file)
    assert f"amendment audit {tmp_path / 'log.yaml'}" in told(log)
    assert parse_yaml(pasted(told(log)), "x").data["name"] == "log"
    twin = save(tmp_path / "votes.jsonl", german_log())
    assert "beside it as votes_csv.yaml; then:" in told(csv_file)
    assert "beside it as votes_jsonl.yaml; then:" in told(twin)
    (tmp_path / "log.yaml").write_text("name: mine\n")
    assert "beside it as log_jsonl.yaml; then:" in told(log)
    (tmp_path / "log_jsonl.yaml").write_text("name: mine too\n")
    assert "beside it as log_jsonl_2.yaml; then:" in told(log)


@pytest.mark.parametrize("name", ["Bewertung März 2024 (2).csv", "votes.1.csv", "12.csv", "-x.csv", "it's, ok?.csv"])
def test_any_file_name_gives_a_name_of_a_run_and_a_command(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, german())
    audited(path, pasted(told(path)))


def test_the_command_for_a_name_that_looks_like_an_option_names_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "\n  amendment audit ./-x.yaml\n" in told(save(Path("-x.csv"), german()))
    assert "\n  amendment audit 'my votes.yaml'\n" in told(save(Path("my votes.csv"), german()))


# Hostile files.

HOSTILE = [
    "col: on",
    "quo\"te'",
    "new\nline",
    "hash # tag",
    "{brace}",
    "[list]",
    "*anchor",
    "&alias",
    "!tag",
    "- dash",
    "%percent",
    "pipe|line",
    "back\\slash",
    "null",
    "yes",
    "0x1F",
    "1e5",
    "012",
    "\u202eright to left",
    "sep\u2028arated",
    "tab\there",
    "@at",
    "`tick",
    "~",
    "...",
    "---",
    "=",
    "emoji 🙂",
    " spaces ",
    "a" * 250,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_words_of_any_spelling_come_through_yaml_and_terminal(tmp_path: Path, name: str) -> None:
    rows = [{name: f"k{i}", "verdict": [f"{name}A", "B", "A"][i % 3]} for i in range(12)]
    path = save(tmp_path / "v.jsonl", rows)
    text = told(path)
    assert all(character.isprintable() or character == "\n" for character in text)
    item = guess(path)["columns"]["item"]
    assert item == ("..." if name == "..." else name)
    rows = [{f"id {name}": f"k{i}", f"vote {name}": ["A", "B", name][i % 3]} for i in range(12)]
    source = guess(save(tmp_path / "w.jsonl", rows))
    assert source["columns"] == {"item": f"id {name}", "verdict": f"vote {name}"}


@pytest.mark.parametrize("name", ["bell\x07", "esc\x1b[2J", "nul\0", "half \ud800", "b" * 5000, " "])
def test_a_column_that_no_run_file_can_name_is_guessed_to_be_nothing(tmp_path: Path, name: str) -> None:
    rows = [{name: f"k{i}", "verdict": "AB"[i % 2]} for i in range(12)]
    path = save(tmp_path / "v.jsonl", rows)
    assert guess(path)["columns"] == {"item": "...", "verdict": "verdict"}
    assert "\x1b" not in told(path)


def test_ten_thousand_columns_take_seconds_and_are_not_all_listed(tmp_path: Path) -> None:
    path = save(tmp_path / "wide.jsonl", [{f"c{n}": "LR"[n % 2] for n in range(10_000)}] * 40)
    began = time.perf_counter()
    text = told(path)
    assert time.perf_counter() - began < 20
    votes = parse_yaml(pasted(text), "x").data["verdicts"][0]["columns"]["votes"]
    assert (len(votes), votes[-1]) == (61, "..."), "what is left out is the user's to say"
    assert "  and 9,960 more columns" in text.split("\n")
    assert max(map(len, text.split("\n"))) < 500


def test_cells_of_a_megabyte_are_shown_in_short(tmp_path: Path) -> None:
    big = ["x" * 900_000, "y " * 450_000, "\x1b[2J" * 200_000]
    rows = [{"key": f"k{i}", "answer_1": big[i % 3], "answer_2": big[(i + 1) % 3], "v": "12"[i % 2]} for i in range(6)]
    path = save(tmp_path / "v.jsonl", rows)
    assert guess(path)["columns"] == {"item": "key", "a": "answer_1", "b": "answer_2", "verdict": "v"}
    assert len(told(path)) < 3000


# Pieces for a run file that exists.


def found_in(rows: Rows) -> SourceRows:
    listed = [Row(f"x.jsonl: line {n}", row) for n, row in enumerate(rows, start=1)]
    facts = FileFacts("x.jsonl", len(rows), None, None)
    return SourceRows("x.jsonl", listed, [], {name: None for row in rows for name in row}, facts, is_glimpse=False)


def piece(rows: Rows, wanted: Any) -> dict[str, Any]:
    """The lines to stand under a path, which all other lines of the message are indented less than."""
    lines = not_recognised(found_in(rows), wanted).message.split("\n")
    document: dict[str, Any] = parse_yaml(
        textwrap.dedent("\n".join(x for x in lines if x.startswith("    "))), "x"
    ).data
    return document


def test_a_piece_for_pairs_has_the_keys_of_pairs() -> None:
    rows = [
        {"Frage": f"why {i}", "Antwort 1": f"so {i}", "Antwort 2": f"or {i}", "Wahl": "12="[i % 3]} for i in range(9)
    ]
    source = piece(rows, "pairs")
    assert source == {
        "columns": {"prompt": "Frage", "a": "Antwort 1", "b": "Antwort 2", "votes": ["Wahl"]},
        "votes": {"a": 1, "b": 2, "tie": "="},
    }
    PairFile.model_validate({"path": "x", **source})


def test_a_piece_for_pairs_that_are_decided_names_the_better_answer() -> None:
    rows = [{"Frage": f"why {i}", "better": f"so {i}", "worse": f"or {i}"} for i in range(9)]
    assert piece(rows, "pairs") == {"columns": {"prompt": "Frage", "chosen": "better", "rejected": "worse"}}


def test_a_piece_for_candidates_has_the_keys_of_candidates() -> None:
    draw = random.Random(7)
    rows = [{"Aufgabe": f"task {i // 2}", "Modell": ["x", "y"][i % 2], "Ausgabe": prose(draw, 20)} for i in range(12)]
    assert piece(rows, "candidates") == {"columns": {"prompt": "Aufgabe", "candidate": "Ausgabe", "model": "Modell"}}


def test_a_piece_for_verdicts_validates() -> None:
    source = piece(german(), "verdicts")
    VerdictFile.model_validate({"path": "x", **source})
    VerdictColumns.model_validate(source["columns"])


@pytest.mark.parametrize(
    ("rows", "guess"),
    [
        ([{"n": 1, "Question": "Why?"}], "Question"),
        ([{"n": 1, "instruction": "Say", "input": "this"}], "[instruction, input]"),
        ([{"n": i, "blob": prose(random.Random(i), 12)} for i in range(9)], "blob"),
        ([{"n": 1}], "COLUMN"),
        ([{"n": 1, "pro: mpt": "why do cats sing at night, and where are they at noon?"}], '"pro: mpt"'),
    ],
)
def test_prompts_get_a_guess_in_one_line(rows: Rows, guess: str) -> None:
    message = str(no_prompt(found_in(rows)))
    assert message.endswith(f"Name it in the run file, such as column: {guess}")
    assert "\n" not in message
