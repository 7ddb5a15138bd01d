"""What a user must say for an import, and every fault of a file, told at its place; no file breaks it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.constitutions import load_constitution, write_constitution
from amendment.errors import DataError
from tests.constitutions.conftest import Files, imported, problems


def test_the_license_is_asked_for_and_the_head_is_checked(write: Any) -> None:
    path = write("s.txt", "Be kind.")
    assert problems(path, license=" ") == [
        "license: found none, expected an SPDX id such as CC0-1.0; it is never guessed"
    ]
    assert problems(path, id="Our Rules") == [
        "id: found 'Our Rules', expected lower-case letters, digits and hyphens, such as our-rules"
    ]
    one = imported(path, id="our-rules", license="CC-BY-4.0", title="Ours").constitution
    assert (one.title, one.license, one.source.kind, one.source.document) == ("Ours", "CC-BY-4.0", "imported", "s.txt")
    assert imported(path, id="our-rules").constitution.title == "Our rules"


def test_all_faults_of_all_files_come_in_one_pass(write: Any) -> None:
    requests = write(
        "r.json", {"a": {"prompt": [7, "\n\nCritiqueRequest: x\n\nCritique:"], "edit_request": " "}, "b": 1}
    )
    talks = write(
        "t.json", ["\n\nHuman: a\n\nAssistant: b\n\nCritiqueRequest: c\n\nCritique: d", "Hi \n\nCritiqueRequest:"]
    )
    pairs = write(
        "p.json", [{"prompt": "p", "corrects": ["same"], "incorrects": ["same"]}, {"prompt": "p", "corrects": []}]
    )
    assert problems(requests, talks, pairs) == [
        "r.json: a.prompt[0]: found a number, expected text",
        "r.json: a.edit_request: found an empty text; write one, or drop the entry",
        "r.json: b: found a number, expected a mapping",
        "t.json: [0]: there is no 'RevisionRequest:', expected CritiqueRequest, Critique, RevisionRequest, Revision"
        " in this order",
        "t.json: [1]: there is no 'Critique:', expected CritiqueRequest, Critique, RevisionRequest, Revision"
        " in this order",
        "p.json: [0]: the better and the worse answer are the same text",
        "p.json: [1]: the key 'incorrects' is required and missing",
    ]


def test_faults_of_chats_have_places(write: Any) -> None:
    turn = {"role": "user", "content": "x"}
    value = {
        "constitutions": [{"critic": "c"}, {"critic": "c", "revision": 3}],
        "system_chat": [[turn] * 6, [turn] * 5, {"role": "user"}, [{"role": "user"}] * 6],
    }
    assert problems(write("c.json", value)) == [
        "c.json: constitutions[0]: the key 'revision' is required and missing",
        "c.json: constitutions[1].revision: found a number, expected text",
        *(
            f"c.json: system_chat[0][{turn}].role: found 'user', expected 'assistant': the two take turns"
            for turn in (1, 3, 5)
        ),
        "c.json: system_chat[1]: found 5 turns, expected six or more, by two: prompt, answer, then request and"
        " critique, request and revision",
        "c.json: system_chat[2]: found a mapping, expected a list",
        *(f"c.json: system_chat[3][{turn}]: the key 'content' is required and missing" for turn in range(6)),
    ]


def test_faults_of_statements_have_lines_and_rows(write: Any) -> None:
    assert problems(write("s.txt", "Be kind.\n\n- Be kind.\n")) == [
        "s.txt: line 3: says 'Be kind.' a second time, first s.txt: line 1; keep one of them"
    ]
    table = "id,statement,weight\na,Be kind.,0\nb,,1\nc,Be brief.,much\n"
    assert problems(write("s.csv", table)) == [
        "s.csv: row 2: weight: found the text '0', expected a number above 0",
        "s.csv: row 3: statement: found an empty text; write one, or drop the entry",
        "s.csv: row 4: weight: found the text 'much', expected a number above 0",
    ]
    assert problems(write("t.csv", "id,statement\na,Be kind.\na,Be brief.\n")) == [
        "t.csv: row 3: says 'a' a second time, first t.csv: row 2; keep one of them"
    ]


def test_a_text_that_no_constitution_file_can_hold_is_named_where_it_stands(write: Any) -> None:
    path = write("s.json", ["Be kind.", "Ring the \u0007 bell.", "Half \ud800 a character."])
    first, second = problems(path)
    assert first == "s.json: [1]: found the control character U+0007, expected text; remove it"
    assert second.startswith("s.json: [2]: found a control character")


def test_formats_do_not_mix_and_kinds_come_once(write: Any, paper: Files, huggingface: Files) -> None:
    questions = write("q.json", paper["RLMadisonInstructions.json"])
    (told,) = problems(questions, write("c.json", huggingface))
    assert told.startswith("found several formats, expected one: ")
    again = write("r.json", paper["RLMadisonInstructions.json"])
    assert problems(questions, again)[0].startswith("r.json: the same kind of file as ")
    chats = write("d.json", huggingface)
    assert problems(chats, chats) == ["d.json: a second file, expected one; import each for itself"]


def test_worked_examples_without_principles_are_no_constitution(write: Any, paper: Files) -> None:
    (told,) = problems(write("t.json", paper["RLMadisonFewShotPrompts.json"]))
    assert told.startswith(
        "t.json: found worked examples and no principles; import CritiqueRevisionInstructions.json or"
    )


def test_a_constitution_needs_no_import(write: Any) -> None:
    assert "use it by its path, such as ./c.json" in problems(write("c.json", {"id": "x", "principles": []}))[0]
    assert "is used by its path and needs no import" in problems(write("c.yaml", "id: x"))[0]


def test_the_format_can_be_forced(write: Any) -> None:
    plain = write("RLMadisonInstructions.json", ["Which is kinder?"])
    assert imported(plain).format == "statements"
    assert imported(plain, format="cai-paper").constitution.principles[0].compare == ("Which is kinder?",)
    assert problems(write("x.json", ["Which?"]), format="cai-paper")[0].startswith("x.json: none of the paper's files:")
    assert problems(write("y.json", ["Which?"]), format="huggingface") == ["y.json: found a list, expected a mapping"]
    assert imported(write("s.txt", "[Be kind]"), format="statements").constitution.principles[0].id == "be-kind"
    assert imported(write("s.txt", "[Be kind]")).format == "statements"


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("e.json", b"", "the file is empty"),
        ("e.txt", b" \n ", "the file is empty"),
        ("c.txt", b"# only a comment", "no principles"),
        ("u.json", '["é"]'.encode("latin-1"), "found the byte 0xe9, expected UTF-8"),
        ("u.txt", "Be kind.".encode("utf-16"), "found the byte 0xff, expected UTF-8"),
        ("t.json", b'["a",', "this is not JSON"),
        ("n.json", b"[NaN]", "expected a finite number"),
        ("i.json", b"[" + b"9" * 5000 + b"]", "cannot be read as JSON"),
        ("d.json", deep(100_000), "too many levels of nesting"),
        ("k.json", b'{"a": {"edit_request": "x", "edit_request": "y"}}', "the key 'edit_request' stands twice"),
        ("l.json", b"[]", "found no shape that is known"),
        ("o.json", b'{"a": 1}', "found no shape that is known"),
        ("w.json", b'{"constitutions": {}}', "constitutions: found a mapping, expected a list"),
        ("h.json", b'{"constitutions": []}', "constitutions: found an empty list"),
        ("m.json", b'["a", 7, null]', "found a number, expected text"),
        ("h.csv", b"statement,statement\na,b\n", "names statement more than once"),
        ("r.csv", b"statement\na,b\n", "expected 1 cells as in the header, found 2"),
        ("q.csv", b'statement\n"a', "not CSV"),
        ("b.csv", bytes(range(256)), "not UTF-8"),
    ],
)
def test_a_hostile_file_gets_a_message(name: str, content: Any, told: str, write: Any) -> None:
    assert told in "\n".join(problems(write(name, content)))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for name in ("big.json", "big.txt", "big.csv"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(100_000_000)
        assert problems(tmp_path / name) == [f"{name}: found 100,000,000 bytes, expected a file of at most 10,000,000"]


def test_what_is_no_file_gets_a_message(tmp_path: Path) -> None:
    assert problems(tmp_path / "gone.json") == ["gone.json: there is no such file"]
    (tmp_path / "folder.json").mkdir()
    assert problems(tmp_path / "folder.json") == ["folder.json: this is no file"]
    assert "cannot be read" in problems(tmp_path / ("x" * 5000))[0]
    with pytest.raises(DataError, match="found no files"):
        imported()


def test_too_many_statements_are_refused_and_the_most_are_quick(write: Any, tmp_path: Path) -> None:
    lines = [f"Statement number {index} is about {index * 7}." for index in range(2001)]
    assert problems(write("s.txt", "\n".join(lines)))[0].startswith(
        "s.txt: found 2,001 entries, expected at most 2,000"
    )
    one = imported(write("s.txt", "\n".join(lines[:2000]))).constitution
    write_constitution(one, tmp_path / "s.yaml")
    assert load_constitution(tmp_path / "s.yaml") == one


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("x Options:"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=4)
            | st.sampled_from(
                ["constitutions", "system_chat", "critic", "revision", "prompt", "edit_request", "corrects", "role"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(junk, min_size=1, max_size=2), st.sampled_from(["auto", "cai-paper", "huggingface", "statements"]))
def test_no_json_makes_an_import_fail_in_another_way_than_with_a_message(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], format: Any
) -> None:
    folder = tmp_path_factory.mktemp("junk", numbered=True)
    for index, value in enumerate(values):
        (folder / f"{index}.json").write_text(json.dumps(value), encoding="utf-8")
    with suppress(DataError):
        made = imported(*sorted(folder.iterdir()), format=format)
        write_constitution(made.constitution, folder / "made.yaml")
        assert load_constitution(folder / "made.yaml") == made.constitution


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["x.txt", "x.json", "x.csv", "x.tsv", "x"]))
def test_no_bytes_make_an_import_fail_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("bytes", numbered=True) / name
    path.write_bytes(raw)
    told = ""
    try:
        imported(path)
    except DataError as fault:
        told = str(fault)
    assert name in told or not told


@pytest.mark.parametrize(
    "value",
    [
        [{"critic": "a", "revision": "b"}] * 200_000,
        [{"prompt": "{}" + "(A)[[[" * 1_000_000}],
        [{"prompt": "{}" + "(A)[[[" + "]]] (B" * 1_000_000}],
        ["x Options:"] * 200_000,
        ["\n\nCritiqueRequest:" * 400_000],
    ],
)
def test_a_file_that_is_made_to_take_long_does_not(value: Any, write: Any) -> None:
    is_pairs = isinstance(value[0], dict) and "critic" in value[0]
    assert problems(write("x.json", {"constitutions": value} if is_pairs else value))
