"""Users' files: what is read, and how what cannot be read is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tracemalloc
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amendment.errors import DataError, Problem
from amendment.tables import MAX_CELL, MAX_ROW, Row, iter_rows, read_rows

TEXTS = [
    "plain",
    "two\nlines",
    "sep\u2028arated\u2029\x85\x0c",
    'quo"ted; comma,',
    "漢字 🙂 \u0a0d",
    " spaces ",
    "3,67",
]
ROWS = [{"Frage": text, "Nr": str(i)} for i, text in enumerate(TEXTS)]
MARK = "\ufeff"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values(path: Path) -> list[dict[str, Any]]:
    return [row.values for row in read_rows(path)]


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def cells(delimiter: str, end: str = "\r\n") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([list(ROWS[0]), *(row.values() for row in ROWS)])
    return text.getvalue()


LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
KINDS = {
    "rows.jsonl": LINES,
    "windows.jsonl": LINES.replace("\n", "\r\n"),
    "rows.json": json.dumps(ROWS),
    "rows.csv": cells(",", "\n"),
    "ROWS.CSV": cells(","),
    "semicolons.csv": cells(";"),
    "bars.csv": cells("|"),
    "tabs.csv": cells("\t"),
    "rows.tsv": cells("\t"),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_same_rows_in_every_encoding_with_a_mark_and_packed(
    name: str, tmp_path: Path
) -> None:
    text = KINDS[name]
    utf_16 = [(MARK + text).encode(codec) for codec in ("utf-16-le", "utf-16-be")]
    for content in (text.encode(), (MARK + text).encode(), text.encode("utf-16"), *utf_16):
        assert values(written(tmp_path, name, content)) == ROWS
        assert values(written(tmp_path, f"{name}.gz", gzip.compress(content))) == ROWS


def test_nested_values_stay_nested(tmp_path: Path) -> None:
    rows = [
        {"votes": [{"who": "ann", "n": [1, 2]}], "meta": {"topic": "x", "inner": {"deep": True}}},
        {"votes": None, "meta": {"topic": None, "inner": None}},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=1)
    assert values(tmp_path / "rows.parquet") == rows
    assert [row.place.rpartition(": ")[2] for row in read_rows(tmp_path / "rows.parquet")] == ["row 1", "row 2"]
    assert values(written(tmp_path, "rows.jsonl", "\n".join(map(json.dumps, rows)))) == rows


def test_places_count_as_an_editor_does(tmp_path: Path) -> None:
    path = written(tmp_path, "rows.jsonl", '{"a": "x\u2028y"}\n\n{"a": 2}\n')
    assert [row.place for row in read_rows(path)] == [f"{path}: line 1", f"{path}: line 3"]
    path = written(tmp_path, "rows.csv.gz", gzip.compress(b"a\n1\n\n2\n"))
    assert [row.place for row in read_rows(path)] == [f"{path}: row 2", f"{path}: row 4"]
    problem = Row("pairs.csv: row 3", {}).problem("chosen", "found a number, expected text")
    assert str(problem) == "pairs.csv: row 3: chosen: found a number, expected text"


BROKEN: list[tuple[str, str | bytes, str]] = [
    ("r.txt", "a", "unknown kind of file '.txt'; expected one of .jsonl, .json, .csv, .parquet"),
    ("r", "a", "unknown kind of file ''"),
    ("r.parquet.gz", b"", "unknown kind of file '.parq"),
    ("r.json", '{"a": 1}', "expected a list of objects, found dict"),
    ("r.json", "[1", "not JSON ("),
    ("r.json", "[" * 100_000, "not JSON ("),
    ("r.json", '[{"a": 1}, 2, null]', "row 2: expected an object, found int\nr.json: row 3: expected an object, found"),
    ("r.parquet", "PAR1 not really", "not a Parquet file ("),
    ("r.parquet", "", "not a Parquet file ("),
    ("r.jsonl", "", "the file has no rows; expected at least one"),
    ("r.jsonl", "\n \n", "the file has no rows"),
    ("r.json", "[]", "the file has no rows"),
    ("r.csv", "a,b\n", "the file has no rows"),
    ("r.csv", 'a\n"1\n2\n', "line 3: not CSV (unexpected end of data)"),
    ("r.csv", "a\n" + "x" * (MAX_CELL + 1), "line 2: not CSV (field larger than"),
    ("r.csv", "a,b,a,b,c\n1,2,3,4,5\n", "the header names a, b more than once"),
    ("r.csv", "a;b;a\n1;2;3\n", "the header names a more than once"),
    ("r.csv", "a;b\n1;2,5\n1\n2;3\n", "row 3: expected 2 cells as in the header, found 1"),
    # a file with commas that is broken is no other kind of table
    ("r.csv", "a,b\n1;2,3;4\n1;2\n", "row 3: expected 2 cells as in the header, found 1"),
    ("r.csv", "a,b\n1\n1;2\n1|2\n", "row 2: expected 2 cells as in the header, found 1"),
    ("r.csv", 'a,b\n1,2\n"1;2\n', "line 3: not CSV (unexpected end of data)"),
    ("r.csv", "text\none; two\nthree, four\n", "row 3: expected 1 cells as in the header, found 2"),
    ("r.jsonl", '{"a": "Ответ лучше"}'.encode("cp1251"), "line 1: not UTF-8 text; save the file as UTF-8"),
    ("r.json", b'[{"a": "\x81"}]', "line 1: not UTF-8 text; save the file as UTF-8"),
    ("r.csv", "Frage;Wert\nfür;1\n".encode("cp1252") + "für;2\n".encode(), "line 2: not UTF-8 text; save the file"),
    ("r.csv", "a\tb\n1\t2\n".encode("utf-16")[:-1], "not UTF-16 text; save the file as UTF-8"),
    ("r.csv", "a\tb\n1\t".encode("utf-16") + b"\x00\xd8\x41\x00", "not UTF-16 text; "),
    ("r.jsonl", b'{"a": "\xc3\xa9"}\n' * 20_000 + b"\xff\n", "line 20001: not UTF-8 text"),
]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "text"), [("r.csv", "Wer;Urteil\nJürgen;“gut” – 5 €\n"), ("r.jsonl", '{"Wer": "Jürgen"}')]
)
def test_a_text_is_read_in_the_encodings_that_office_programs_write(
    name: str, text: str, codec: str, tmp_path: Path
) -> None:
    (row,) = read_rows(written(tmp_path, name, text.encode(codec)))
    assert row.values["Wer"] == "Jürgen"
    assert row.values.get("Urteil", "“gut” – 5 €") == "“gut” – 5 €"


@pytest.mark.parametrize(("name", "content", "complaint"), BROKEN)
def test_a_broken_file_is_named_with_the_place_and_what_was_expected(
    name: str, content: str | bytes, complaint: str, tmp_path: Path
) -> None:
    assert refusal(written(tmp_path, name, content)).startswith(f"{name}: {complaint}")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"a": "x", "verdict": NaN}', "NaN is no number of JSON; write null"),
        ('{"a": [{"p": -Infinity}]}', "-Infinity is no number of JSON"),
        ('{"verdict": "A", "verdict": "B"}', "the key 'verdict' appears twice in one object; keep one of them"),
        ('{"a": {"x\\n": 1, "x\\n": 1}}', r"the key 'x\\n' appears twice"),
        (r'{"a": "\ud83d oh"}', r"\ud83d is half of a surrogate pair; write the whole character"),
        (r'{"\uDE00": 1}', r"\ude00 is half of a surrogate pair"),
    ],
)
def test_what_python_takes_for_json_and_is_none_is_refused_with_its_line(
    line: str, complaint: str, tmp_path: Path
) -> None:
    path = written(tmp_path, "rows.jsonl", f'{{"a": "\\ud83d\\ude00 NaN"}}\n{line}\n')
    assert refusal(path).startswith(f"rows.jsonl: line 2: not JSON ({complaint}")
    assert refusal(written(tmp_path, "rows.json", f"[{line}]")).startswith(f"rows.json: not JSON ({complaint}")


def test_all_bad_rows_are_named_at_once(tmp_path: Path) -> None:
    lines = ['{"a": 1}', '{"a": ', "[1]", '{"a": 2}', "null", '"text"', "[" * 100_000]
    text = refusal(written(tmp_path, "rows.jsonl", "\n".join(lines)))
    assert [line.split(": ")[1] for line in text.splitlines()] == ["line 2", "line 3", "line 5", "line 6", "line 7"]
    assert "line 3: expected an object with named columns, found list" in text
    text = refusal(written(tmp_path, "rows.csv", 'a,b\n1,2\n1\n1,2,3\n"1" x,2\n'))
    assert [line.split(": ")[1] for line in text.splitlines()] == ["row 3", "row 4", "line 5"]


def test_a_file_that_is_not_there_or_is_none_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "rows.csv") == "rows.csv: no such file"
    (tmp_path / "rows.json").mkdir()
    assert refusal(tmp_path / "rows.json") == "rows.json: a folder; expected a file, so name one in it"
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")
    (tmp_path / "link.csv").symlink_to("gone.csv")
    assert [refusal(tmp_path / f"{name}.csv").split(": ")[0] for name in ("circle", "link")] == [
        "circle.csv",
        "link.csv",
    ]
    if hasattr(os, "mkfifo"):  # which is never waited for
        os.mkfifo(tmp_path / "rows.jsonl")
        assert refusal(tmp_path / "rows.jsonl").startswith("rows.jsonl: a pipe or a device; expected a file")
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "rows.parquet")
    assert "the file has no rows" in refusal(tmp_path / "rows.parquet")


def test_a_flipped_bit_in_a_parquet_file_with_checksums_never_changes_or_loses_a_row(tmp_path: Path) -> None:
    path, rows = tmp_path / "rows.parquet", [{"prompt": f"question {number}"} for number in range(9)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3, write_page_checksum=True)
    whole = path.read_bytes()
    end_of_pages = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8
    for place in range(4, end_of_pages):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x02]) + whole[place + 1 :])
        with suppress(DataError):
            assert values(path) == rows


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.jsonl.gz", "rows.json.gz"])
def test_a_gzip_file_that_is_cut_off_or_none_is_named(tmp_path: Path, name: str) -> None:
    whole = gzip.compress(b'[{"a": 1}]\n' * 5000)
    for content in (whole[: len(whole) // 2], b"a\n1\n", whole[:-20] + b"x" * 20):
        text = refusal(written(tmp_path, name, content))
        assert text.startswith(f"{name}: damaged or cut off, not a whole gzip file ("), text
        assert text.endswith("; fetch it again")


@pytest.mark.parametrize(("name", "begin"), [("a.jsonl.gz", b'{"a": 1}\n{"a": "'), ("a.csv.gz", b'a,b\n"')])
def test_an_endless_line_is_refused_before_it_is_held(tmp_path: Path, name: str, begin: bytes) -> None:
    """A small packed file that unpacks to a line of three times the longest row."""
    with gzip.open(tmp_path / name, "wb", compresslevel=1) as file:
        file.write(begin)
        for _ in range(3 * MAX_ROW // 1_000_000):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    text = refusal(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text.startswith(f"{name}: line 2: more than {MAX_ROW:,} characters in one row")
    assert peak < 2.5 * MAX_ROW, "a row is held twice at most, while its parts are joined; the line is three times that"


def test_rows_and_documents_have_a_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amendment.tables.MAX_ROW", 1000)
    monkeypatch.setattr("amendment.tables.MAX_DOCUMENT", 10)
    begin = "a,b\n" + "1,2\n" * 2000  # 8000 characters, in rows of 4
    assert len(values(written(tmp_path, "rows.csv", begin))) == 2000
    text = refusal(written(tmp_path, "rows.csv", begin + '"1' + '\n","' * 2000))
    assert "rows.csv: line 2" in text
    assert "characters in one row" in text
    assert values(written(tmp_path, "rows.json", '[{"a": 1}]')) == [{"a": 1}]
    longer = refusal(written(tmp_path, "rows.json", '[{"a": 12}]'))
    assert longer == "rows.json: more than 10 characters in one piece; save it as .jsonl, a row a line"


def test_the_rest_of_a_file_is_not_read_where_the_first_rows_are_enough(tmp_path: Path) -> None:
    path = written(tmp_path, "rows.jsonl", '{"a": 1}\n{"a": 2}\nnot JSON\n')
    problems: list[Problem] = []
    assert [row.values["a"] for row in islice(iter_rows(path, problems), 2)] == [1, 2]
    assert problems == []


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("prompt\nWhy; and when?\nHow; then?\n", {"prompt": "Why; and when?"}),
        ('"a;b"\n1;2\n', {"a;b": "1;2"}),
        ("a,b\n1;2,3|4\n5;6,7|8\n", {"a": "1;2", "b": "3|4"}),
        ("n;v\n1;2,5\n2;3,5\n", {"n": "1", "v": "2,5"}),
        ("a,b;c\n1;2\n3;4\n", {"a,b": "1", "c": "2"}),
    ],
)
def test_a_comma_parts_cells_unless_another_sign_alone_makes_a_table(
    tmp_path: Path, content: str, row: dict[str, str]
) -> None:
    assert values(written(tmp_path, "rows.csv", content))[0] == row


def test_the_delimiter_is_told_by_few_rows_of_a_long_file(tmp_path: Path) -> None:
    cell = '"' + "two\nlines; " * 20_000 + '"'
    path = written(tmp_path, "rows.csv", "a;b\n" + f"{cell};1,5\n" * 12 + "1\n")
    problems: list[Problem] = []
    assert len([row for row in iter_rows(path, problems) if row.values["b"] == "1,5"]) == 12
    assert [problem.place for problem in problems] == [f"{path}: row 14"]
