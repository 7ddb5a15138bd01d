"""A file of an unknown shape: the run file that is printed says where the parts stand, and runs once it is complete."""

from __future__ import annotations

import csv
import json
import random
import shutil
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.errors import ConfigError, DataError
from amendment.pipeline import RunFile
from amendment.pipeline.checks import load_run_file
from amendment.pipeline.reading.audit_inputs import AuditInputs, read_votes, source_of
from amendment.pipeline.reading.guesses import no_prompt, not_recognised
from amendment.pipeline.reading.source_rows import FileFacts, SourceRows
from amendment.pipeline.runfile.sources import PairFile
from amendment.pipeline.runfile.verdict_files import VerdictColumns, VerdictFile
from amendment.tables import Row, read_rows
from amendment.terminal import plain
from amendment.yamlfile import parse_yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Rows = list[dict[str, Any]]


def prose(draw: random.Random, words: int) -> str:
    known = (
        "the",
        "cat",
        "sings",
        "under",
        "a",
        "blue",
        "house",
        "while",
        "people",
        "walk",
        "along",
        "rivers",
        "often",
    )
    return " ".join(draw.choice(known) for _ in range(words))


def save(path: Path, rows: Rows) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def told(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        source_of(path)
    return str(caught.value)


def pasted(text: str) -> str:
    """The run file in a message, as the terminal shows it and a user copies it."""
    shown = [plain(line, longest=2000) for line in text.split("\n")]
    begin = next(number for number, line in enumerate(shown) if line.startswith("    name: "))
    return "\n".join(shown[begin:]) + "\n"


def guess(path: Path) -> dict[str, Any]:
    """The first source of the printed run file. Two readers of YAML have to agree about it."""
    text = pasted(told(path))
    document = parse_yaml(text, "pasted.yaml").data
    assert yaml.safe_load(text) == document
    source: dict[str, Any] = document["verdicts"][0]
    assert source["path"] == path.name
    return source


def guess_of(folder: Path, rows: Rows, name: str = "votes.csv") -> dict[str, Any]:
    return guess(save(folder / name, rows))


def audited(path: Path, text: str) -> AuditInputs:
    run = path.with_name("pasted.yaml")
    run.write_text(text, encoding="utf-8")
    loaded = load_run_file(run)
    return read_votes(loaded.config, loaded.base)


def german(count: int = 40) -> Rows:
    draw = random.Random(1)
    return [
        {"Vorgang": f"V-{1000 + i // 2}-{'ab'[i % 2]}", "Aufgabe": prose(draw, 8)}
        | {"Text_L": prose(draw, 6 + i % 20), "Text_R": "3,67" if i % 4 == 0 else prose(draw, 15)}
        | {name: draw.choice(["L", "R", "R", "gleich", ""]) for name in ("Meier", "Schulz", "Yilmaz")}
        for i in range(count)
    ]


def german_log(count: int = 20) -> Rows:
    words = ["erste", "erste", "zweite", "???"]
    return [
        {"Vorgang": f"V-{1000 + i // 4}-{'ab'[i // 2 % 2]}", "reihenfolge": ["LR", "RL"][i % 2], "urteil": words[i % 4]}
        for i in range(2 * count)
    ]


# Whole files: what is printed runs.


def test_the_labels_of_the_examples_are_audited_by_what_is_printed_alone(tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / "people.csv", tmp_path))
    source = guess(path)
    assert source == {
        "path": "people.csv",
        "columns": {"item": "qid", "prompt": "question", "a": "reply_1", "b": "reply_2"}
        | {"votes": ["ann", "bo", "cleo"], "category": "topic"},
        "words": {"a": 1, "b": 2, "tie": "="},
        "kind": "person",
    }
    found = audited(path, pasted(told(path)))
    assert len(found.items) == 120
    assert {vote.rater for vote in found.votes} == {"ann", "bo", "cleo"}


def test_the_log_of_the_examples_waits_for_its_coordinates_and_for_nothing_else(tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / "judge_log.csv", tmp_path))
    source = guess(path)
    assert source["columns"] == {"item": "qid", "order": "shown", "verdict": "said"}
    assert source["words"] == {"a": "first", "b": "second", "invalid": "I cannot compare these."}
    assert source["orders"] == {"ab": 12, "ba": 21}
    assert (source["kind"], source["rater"], source["coordinates"]) == ("model", "judge_log", "?")
    text = pasted(told(path))
    with pytest.raises(ConfigError, match=r"coordinates: found the text '\?', expected one of displayed, content"):
        audited(path, text)
    found = audited(path, text.replace('"?"', "displayed", 1))
    assert Counter(vote.value for vote in found.votes)["invalid"] == 4


def test_own_pairs_are_audited_by_what_is_printed_alone(tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / "own_pairs.csv", tmp_path))
    source = guess(path)
    assert source["columns"] == {"prompt": ["instruction", "input"], "a": "response1", "b": "response2"} | {
        "votes": ["annotator1", "annotator2", "annotator3"]
    }
    assert source["words"] == {"a": 1, "b": 2, "tie": 0}
    assert len(audited(path, pasted(told(path))).votes) == 108, "36 rows of three people"


def test_german_labels_are_audited_by_what_is_printed_alone(tmp_path: Path) -> None:
    rows = german()
    path = save(tmp_path / "bewertungen.csv", rows)
    source = guess(path)
    assert source["columns"] == {"item": "Vorgang", "prompt": "Aufgabe", "a": "Text_L", "b": "Text_R"} | {
        "votes": ["Meier", "Schulz", "Yilmaz"]
    }
    assert source["words"] == {"a": "L", "b": "R", "tie": "gleich"}
    found = audited(path, pasted(told(path)))
    said = Counter(row[name] for row in rows for name in ("Meier", "Schulz", "Yilmaz"))
    assert Counter(vote.value for vote in found.votes) == {"A": said["L"], "B": said["R"], "tie": said["gleich"]}


@pytest.mark.parametrize(("coordinates", "first_of_rl"), [("displayed", "B"), ("content", "A")])
def test_a_german_log_runs_once_the_coordinates_are_said(tmp_path: Path, coordinates: str, first_of_rl: str) -> None:
    path = save(tmp_path / "log.jsonl", german_log())
    source = guess(path)
    assert source["columns"] == {"item": "Vorgang", "order": "reihenfolge", "verdict": "urteil"}
    assert source["orders"] == {"ab": "LR", "ba": "RL"}
    assert source["words"] == {"a": "erste", "b": "zweite", "invalid": "???"}
    found = audited(path, pasted(told(path)).replace('"?"', coordinates, 1))
    # Row 2 (order RL) says `erste`: the place on the screen, where R stood, or the column of L.
    assert found.votes[1].value == first_of_rl
    assert found.votes[1].kind == "model"


def test_labels_and_log_belong_into_one_list_as_the_message_says(tmp_path: Path) -> None:
    people, log = save(tmp_path / "leute.csv", german()), save(tmp_path / "log.jsonl", german_log())
    text = told(people)
    assert "Several files of one study" in text
    assert "`verdicts:`" in text
    assert "joined by `item`; docs/audit.md explains each key" in text
    second = pasted(told(log)).replace('"?"', "displayed", 1)
    found = audited(people, pasted(text) + second[second.index("      - path") :])
    assert {vote.rater for vote in found.votes} == {"Meier", "Schulz", "Yilmaz", "log"}
    assert len(found.items) == 40, "the log names 20 of the 40 comparisons that people labelled"


# Single parts.

ENGLISH = [
    {"case no": f"T{i}", "customer request": prose(random.Random(i), 7)}
    | {"draft left": prose(random.Random(i + 50), 12), "draft right": prose(random.Random(i + 90), 12)}
    | {"choice": ["left is better", "right is better", "both are equally good", "both bad"][i % 4]}
    | {"area": ["billing", "returns"][i // 20]}
    for i in range(40)
]


def test_english_labels_of_one_person_a_row(tmp_path: Path) -> None:
    source = guess_of(tmp_path, ENGLISH)
    assert source["columns"] == {"item": "case no", "prompt": "customer request", "a": "draft left"} | {
        "b": "draft right",
        "verdict": "choice",
        "category": "area",
    }
    assert source["words"] == {"a": "left is better", "b": "right is better"} | {
        "tie": "both are equally good",
        "both_bad": "both bad",
    }


def test_answers_are_found_by_their_texts_where_names_say_nothing(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [
        {"Anfrage": prose(draw, 6), "Alt": prose(draw, 20), "Neu": prose(draw, 20), "Sieger": ["Alt", "Neu"][i % 2]}
        for i in range(20)
    ]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"prompt": "Anfrage", "a": "Alt", "b": "Neu", "verdict": "Sieger"}
    assert source["words"] == {"a": "Alt", "b": "Neu"}


def test_the_prompt_is_the_text_that_repeats(tmp_path: Path) -> None:
    draw = random.Random(4)
    asked = [prose(draw, 9) for _ in range(5)]
    rows = [
        {"x1": prose(draw, 20), "x2": prose(draw, 20), "zz": asked[i % 5], "reason": prose(draw, 9), "v": "12"[i % 2]}
        for i in range(20)
    ]
    assert guess_of(tmp_path, rows)["columns"] == {"prompt": "zz", "a": "x1", "b": "x2", "verdict": "v"}


def test_a_key_that_stands_beside_several_answers_names_the_prompt_and_no_comparison(tmp_path: Path) -> None:
    draw = random.Random(5)
    rows = [
        {"question_id": i // 2, "question": f"why {i // 2}", "left": prose(draw, 9), "right": prose(draw, 9)}
        | {"winner": ["left", "right"][i % 2]}
        for i in range(20)
    ]
    columns = guess_of(tmp_path, rows)["columns"]
    assert columns["prompt_id"] == "question_id"
    assert "item" not in columns


@pytest.mark.parametrize(
    ("values", "orders"),
    [
        (("LR", "RL"), {"ab": "LR", "ba": "RL"}),
        (("BA", "AB"), {"ab": "AB", "ba": "BA"}),
        (("a,b", "b,a"), {"ab": "a,b", "ba": "b,a"}),
        (("left-right", "right-left"), {"ab": "left-right", "ba": "right-left"}),
        ((12, 21), {"ab": 12, "ba": 21}),
        (("01", "10"), {"ab": "01", "ba": 10}),
        (("xy", "yx"), {"ab": "...", "ba": "..."}),
    ],
)
def test_two_words_that_are_each_the_other_the_other_way_round_are_orders(
    tmp_path: Path, values: tuple[Any, Any], orders: dict[str, Any]
) -> None:
    rows = [{"key": f"k{i // 2}", "how": values[i % 2], "said": ["A", "B"][i // 3 % 2]} for i in range(20)]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"item": "key", "order": "how", "verdict": "said"}
    assert source["orders"] == orders
    assert source["coordinates"] == "?"


@pytest.mark.parametrize(
    ("name", "values", "orders"),
    [
        ("swapped", (False, True), {"ab": "false", "ba": "true"}),
        ("shown_first", ("left", "right"), {"ab": "left", "ba": "right"}),
        ("Reihenfolge", ("normal", "vertauscht"), {"ab": "normal", "ba": "vertauscht"}),
        ("order", ("Q", "Z"), {"ab": "...", "ba": "..."}),
    ],
)
def test_a_column_that_is_called_like_an_order_is_one(
    tmp_path: Path, name: str, values: tuple[Any, Any], orders: dict[str, Any]
) -> None:
    rows = [{"key": f"k{i // 2}", name: values[i % 2], "said": ["A", "B"][i // 3 % 2]} for i in range(20)]
    source = guess_of(tmp_path, rows, "log.jsonl")
    assert (source["columns"]["order"], source["orders"]) == (name, orders)


def test_two_columns_of_verdicts_are_the_two_orders_where_one_is_called_swapped(tmp_path: Path) -> None:
    rows = [{"item_id": i, "verdict": 1 + i % 2, "verdict_swapped": 1 + i // 2 % 2} for i in range(20)]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"item": "item_id", "verdict": "verdict", "swapped": "verdict_swapped"}
    assert (source["coordinates"], source["kind"]) == ("?", "model")
    columns = guess_of(tmp_path, [{**row, "gold": 1, "judge": "gpt-4"} for row in rows])["columns"]
    assert columns == {"item": "item_id", "verdict": "verdict", "swapped": "verdict_swapped", "rater": "judge"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["[[A]]", "[[B]]", "[[C]]"], {"a": "[[A]]", "b": "[[B]]", "tie": "[[C]]"}),
        (["model_a", "model_b", "tie", "tie (bothbad)"], {"a": "model_a", "b": "model_b", "tie": "tie"}),
        (["gauche", "droite", "égalité"], {"a": "gauche", "b": "droite", "tie": "égalité"}),
        (["Answer 1", "Answer 2", "n/a"], {"a": "Answer 1", "b": "Answer 2", "invalid": "n/a"}),
        (["A>B", "B>A", "A=B"], {"a": "A>B", "b": "B>A", "tie": "A=B"}),
        (["A", "a", "B"], {"a": ["A", "a"], "b": "B"}),
        (["yes", "no"], {"a": "...", "b": "..."}),
        ([0, 1], {"a": "...", "b": "..."}),
        ([-1, 0, 1], {"a": "...", "b": "...", "tie": "..."}),
        ([1, 2, 3, 4, 5], {"a": "...", "b": "...", "tie": "..."}),
    ],
)
def test_words_are_placed_where_they_can_mean_one_thing_only(
    tmp_path: Path, said: list[Any], words: dict[str, Any]
) -> None:
    rows = [{"key": f"k{i}", "verdict": said[i % len(said)]} for i in range(40)]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"item": "key", "verdict": "verdict"}
    assert {key: word for key, word in source["words"].items() if key != "both_bad"} == words


def test_nought_and_one_are_the_answers_where_the_columns_are_called_so(tmp_path: Path) -> None:
    rows = [
        {"question": f"why {i}", "response_0": f"so {i}", "response_1": f"or {i}", "label": i % 2} for i in range(9)
    ]
    assert guess_of(tmp_path, rows)["words"] == {"a": 0, "b": 1}


def test_words_are_shown_with_their_counts_and_what_is_not_placed_is_named(tmp_path: Path) -> None:
    rows = [{"key": f"k{i}", "verdict": ["A", "B", "A", "hm"][i % 4]} for i in range(40)]
    lines = [line.strip() for line in pasted(told(save(tmp_path / "v.csv", rows))).split("\n")]
    assert "# words found: A (20), B (10), hm (10)" in lines
    assert "# not placed yet: hm" in lines


def test_a_log_full_of_prose_takes_any_other_word_as_invalid(tmp_path: Path) -> None:
    draw = random.Random(6)
    said = ["first", "second", "first", "I would rather not say: "]
    rows = [{"key": f"k{i}", "verdict": said[i % 4] + (prose(draw, 9) if i % 4 == 3 else "")} for i in range(80)]
    path = save(tmp_path / "v.csv", rows)
    source = guess(path)
    assert source["unreadable"] == "invalid"
    assert source["words"] == {"a": "first", "b": "second"}
    assert Counter(vote.value for vote in audited(path, pasted(told(path))).votes) == {"A": 40, "B": 20, "invalid": 20}


@pytest.mark.parametrize(
    ("raters", "said"),
    [
        (["Anna", "Ben"], {"kind": "person"}),
        (["gpt-4o", "Qwen2.5-72B-Instruct"], {"kind": "model"}),
        (["gpt-4o", "Anna [1]", "Ben"], {"people": ["Anna [[]1]", "Ben"]}),
    ],
)
def test_raters_are_people_or_models_by_their_names(tmp_path: Path, raters: list[str], said: dict[str, Any]) -> None:
    rows = [{"ticket": f"T{i // 3}", "wer": raters[i % len(raters)], "wahl": "12"[i % 2]} for i in range(36)]
    path = save(tmp_path / "v.csv", rows)
    source = guess(path)
    assert source["columns"] == {"item": "ticket", "verdict": "wahl", "rater": "wer"}
    assert {key: source[key] for key in ("kind", "people") if key in source} == said
    kinds = {vote.rater: vote.kind for vote in audited(path, pasted(told(path))).votes}
    assert set(kinds) == set(raters)
    assert all((kind == "model") == ("gpt" in rater or "Qwen" in rater) for rater, kind in kinds.items())


def test_a_file_that_says_nothing_leaves_everything_open(tmp_path: Path) -> None:
    source = guess_of(tmp_path, [{"foo": 1.5, "bar": 2.25}, {"foo": 3.5, "bar": 7.75}])
    assert source["columns"] == {"item": "...", "verdict": "..."}
    assert source["words"] == {"a": "...", "b": "..."}


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


def test_what_is_printed_is_a_run_file_of_its_own(tmp_path: Path) -> None:
    for rows in (german(), ENGLISH):
        path = save(tmp_path / "v.csv", rows)
        RunFile.model_validate(parse_yaml(pasted(told(path)), "x").data)
        assert len(read_rows(path)) == len(rows)
