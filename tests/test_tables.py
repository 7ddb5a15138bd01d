"""Users' files: what is read, and how what cannot be read is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tracemalloc
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amendment._table_text import MAX_ROW
from amendment.errors import DataError, Problem
from amendment.tables import MAX_CELL, Row, iter_rows, read_rows


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


TEXTS = ["plain", "two\nlines", "sep\u2028arated\u2029\x85\x0c", 'quo"ted, comma', "漢字 🙂", " spaces "]


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    rows = [{"prompt": text, "n": str(i)} for i, text in enumerate(TEXTS)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    cells = "\n".join(",".join(f'"{cell}"' for cell in (row["prompt"].replace('"', '""'), row["n"])) for row in rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert values(written(tmp_path, "rows.jsonl", lines)) == rows
    assert values(written(tmp_path, "rows.json", json.dumps(rows))) == rows
    assert values(written(tmp_path, "rows.csv", f"prompt,n\n{cells}\n")) == rows
    assert values(tmp_path / "rows.parquet") == rows


def test_places_count_as_an_editor_does(tmp_path: Path) -> None:
    path = written(tmp_path, "rows.jsonl", '{"a": "x\u2028y"}\n\n{"a": 2}\n')
    assert [row.place for row in read_rows(path)] == [f"{path}: line 1", f"{path}: line 3"]
    path = written(tmp_path, "rows.csv", "a\n1\n\n2\n")
    assert [row.place for row in read_rows(path)] == [f"{path}: row 2", f"{path}: row 4"]


def test_a_complaint_names_row_and_column() -> None:
    problem = Row("pairs.csv: row 3", {}).problem("chosen", "found a number, expected text")
    assert str(problem) == "pairs.csv: row 3: chosen: found a number, expected text"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_windows_files_read_alike(tmp_path: Path, mark: bytes, end: str) -> None:
    lines = end.join(['{"a": "1"}', '{"a": "2"}', ""])
    assert values(written(tmp_path, "rows.jsonl", mark + lines.encode())) == [{"a": "1"}, {"a": "2"}]
    cells = end.join(["a", "1", "2", ""])
    assert values(written(tmp_path, "rows.csv", mark + cells.encode())) == [{"a": "1"}, {"a": "2"}]
    assert values(written(tmp_path, "rows.json", mark + b'[{"a": "1"}]')) == [{"a": "1"}]


def test_the_ending_of_a_name_may_be_in_capitals(tmp_path: Path) -> None:
    assert values(written(tmp_path, "ROWS.CSV", "a\n1\n")) == [{"a": "1"}]


def test_nested_values_stay_nested(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}], "n": 1}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    assert values(tmp_path / "rows.parquet") == [row]
    assert values(written(tmp_path, "rows.jsonl", json.dumps(row))) == [row]


def test_all_bad_lines_are_named_at_once(tmp_path: Path) -> None:
    lines = ['{"a": 1}', '{"a": ', "[1]", '{"a": 2}', "null", '"text"', "[" * 100_000]
    text = refusal(written(tmp_path, "rows.jsonl", "\n".join(lines)))
    assert [line.split(": ")[1] for line in text.splitlines()] == ["line 2", "line 3", "line 5", "line 6", "line 7"]
    assert "line 3: expected an object with named columns, found list" in text


def test_all_bad_rows_of_a_json_list_are_named(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, "rows.json", '[{"a": 1}, 2, {"a": 3}, null]'))
    assert text.splitlines() == [
        "rows.json: row 2: expected an object, found int",
        "rows.json: row 4: expected an object, found NoneType",
    ]


def test_ragged_rows_are_named_with_a_broken_quote_behind_them(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, "rows.csv", 'a,b\n1,2\n1\n1,2,3\n"1" x,2\n'))
    assert text.splitlines()[:2] == [
        "rows.csv: row 3: expected 2 cells as in the header, found 1",
        "rows.csv: row 4: expected 2 cells as in the header, found 3",
    ]
    assert text.splitlines()[2].startswith("rows.csv: line 5: not CSV (")


def test_a_quote_that_never_ends_is_named(tmp_path: Path) -> None:
    assert "not CSV (unexpected end of data)" in refusal(written(tmp_path, "rows.csv", 'a\n"1\n2\n'))


def test_a_giant_cell_is_refused(tmp_path: Path) -> None:
    assert "not CSV (field larger than" in refusal(written(tmp_path, "rows.csv", "a\n" + "x" * (MAX_CELL + 1)))


def test_a_header_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, "rows.csv", "a,b,a,b,c\n1,2,3,4,5\n"))
    assert text == "rows.csv: the header names a, b more than once"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_text_in_another_encoding_is_refused(tmp_path: Path, name: str) -> None:
    text = refusal(written(tmp_path, name, '[{"a": "é"}]'.encode("latin-1")))
    assert text == f"{name}: not UTF-8 text (byte 8); save the file as UTF-8"


@pytest.mark.parametrize(
    ("name", "content"), [("rows.jsonl", ""), ("rows.jsonl", "\n \n"), ("rows.json", "[]"), ("rows.csv", "a,b\n")]
)
def test_a_file_without_rows_is_refused(tmp_path: Path, name: str, content: str) -> None:
    assert refusal(written(tmp_path, name, content)) == f"{name}: the file has no rows; expected at least one"


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "rows.parquet")
    assert "the file has no rows" in refusal(tmp_path / "rows.parquet")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("rows.txt", "a", "unknown kind of file '.txt'; expected one of .jsonl, .json, .csv, .parquet"),
        ("rows", "a", "unknown kind of file ''"),
        ("rows.json", '{"a": 1}', "expected a list of objects, found dict"),
        ("rows.json", "[1", "not JSON ("),
        ("rows.json", "[" * 100_000, "not JSON ("),
        ("rows.parquet", "PAR1 not really", "not a Parquet file ("),
        ("rows.parquet", "", "not a Parquet file ("),
    ],
)
def test_a_file_of_the_wrong_kind_says_what_was_expected(
    tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    assert refusal(written(tmp_path, name, content)).startswith(f"{name}: {complaint}")


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "rows.csv") == "rows.csv: no such file"
    (tmp_path / "rows.json").mkdir()
    assert refusal(tmp_path / "rows.json") == "rows.json: a folder; expected a file, so name one that lies in it"
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")
    assert refusal(tmp_path / "circle.csv").startswith("circle.csv: cannot be read (")
    (tmp_path / "link.csv").symlink_to("gone.csv")
    assert refusal(tmp_path / "link.csv") == "link.csv: a link to gone.csv, which is not there"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_named_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.jsonl")
    assert refusal(tmp_path / "rows.jsonl") == (
        "rows.jsonl: a pipe; expected a file, so save what comes out of it as one"
    )


def packed_endless(path: Path, begin: bytes) -> Path:
    """A small packed file that unpacks to a line of three times the longest row."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(begin)
        for _ in range(3 * MAX_ROW // 1_000_000):
            file.write(b"x" * 1_000_000)
        file.write(b"\n")
    return path


@pytest.mark.parametrize(
    ("name", "begin"), [("a.jsonl.gz", b'{"a": 1}\n{"a": "'), ("a.csv.gz", b'a,b\n"'), ("a.tsv.gz", b"a\n")]
)
def test_an_endless_line_is_refused_before_it_is_held(tmp_path: Path, name: str, begin: bytes) -> None:
    path = packed_endless(tmp_path / name, begin)
    tracemalloc.start()
    text = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text.startswith(f"{name}: line 2: more than {MAX_ROW:,} characters in one row")
    assert peak < 2.5 * MAX_ROW, "a row is held twice at most, while its parts are joined; the line is three times that"


def test_a_csv_row_over_endless_lines_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amendment._table_text.MAX_ROW", 1000)
    begin = "a,b\n" + "1,2\n" * 2000  # 8000 characters, in rows of 4
    assert len(values(written(tmp_path, "rows.csv", begin))) == 2000
    text = refusal(written(tmp_path, "rows.csv", begin + '"1' + '\n","' * 2000))
    assert "rows.csv: line 2" in text
    assert "characters in one row" in text


def test_a_document_too_long_to_be_held_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amendment.tables.MAX_DOCUMENT", 10)
    assert values(written(tmp_path, "rows.json", '[{"a": 1}]')) == [{"a": 1}]
    assert refusal(written(tmp_path, "rows.json", '[{"a": 12}]')) == (
        "rows.json: more than 10 characters in one piece; save it as .jsonl, a row a line"
    )


def test_texts_packed_with_gzip_and_tables_with_tabs_read_alike(tmp_path: Path) -> None:
    rows = [{"a": "1", "b": "two, three"}, {"a": "2", "b": "Ünïcode"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    tabs = "".join(f"{row['a']}\t{row['b']}\n" for row in [{"a": "a", "b": "b"}, *rows]).encode()
    assert values(written(tmp_path, "rows.tsv", tabs)) == rows
    assert values(written(tmp_path, "rows.tsv.gz", gzip.compress(tabs))) == rows
    assert values(written(tmp_path, "rows.jsonl.gz", gzip.compress(lines))) == rows
    assert values(written(tmp_path, "rows.json.gz", gzip.compress(json.dumps(rows).encode()))) == rows
    path = written(tmp_path, "rows.CSV.GZ", gzip.compress(b"a\n1\n\n2\n"))
    assert [row.place for row in read_rows(path)] == [f"{path}: row 2", f"{path}: row 4"]


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.jsonl.gz", "rows.json.gz"])
def test_a_gzip_file_that_is_cut_off_or_none_is_named(tmp_path: Path, name: str) -> None:
    whole = gzip.compress(b'[{"a": 1}]\n' * 5000)
    for content in (whole[: len(whole) // 2], b"a\n1\n", whole[:-20] + b"x" * 20):
        text = refusal(written(tmp_path, name, content))
        assert text.startswith(f"{name}: damaged or cut off, not a whole gzip file ("), text
        assert text.endswith("; fetch it again")


def test_a_packed_parquet_file_is_refused(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, "rows.parquet.gz", b"")).startswith("rows.parquet.gz: unknown kind of file '.parq")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_bad_byte_far_behind_is_counted_from_the_beginning(tmp_path: Path, name: str) -> None:
    before = b'{"a": "\xc3\xa9"}\n' * 20_000
    text = refusal(written(tmp_path, name, before + b"\xff\n"))
    assert f"not UTF-8 text (byte {len(before)})" in text


def test_parquet_cells_of_structs_and_lists_are_objects_and_lists(tmp_path: Path) -> None:
    rows = [
        {"votes": [{"who": "ann", "n": [1, 2]}], "meta": {"topic": "x", "inner": {"deep": True}}},
        {"votes": None, "meta": {"topic": None, "inner": None}},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=1)
    assert values(tmp_path / "rows.parquet") == rows
    assert [row.place.rpartition(": ")[2] for row in read_rows(tmp_path / "rows.parquet")] == ["row 1", "row 2"]


def test_the_rest_of_a_file_is_not_read_where_the_first_rows_are_enough(tmp_path: Path) -> None:
    path = written(tmp_path, "rows.jsonl", '{"a": 1}\n{"a": 2}\nnot JSON\n')
    problems: list[Problem] = []
    assert [row.values["a"] for row in islice(iter_rows(path, problems), 2)] == [1, 2]
    assert problems == []


# CSV as programs of other countries write it.

ROWS = [{"Nr": "1", "Frage": "Wie viel; und wann?", "Wert": "3,67"}, {"Nr": "2", "Frage": 'a "b"\nc, d', "Wert": "0,5"}]


def cut_by(delimiter: str, rows: list[dict[str, str]] = ROWS) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([list(rows[0]), *(row.values() for row in rows)])
    return text.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_delimiter_is_told_by_the_rows_and_decimal_commas_stay_text(
    tmp_path: Path, delimiter: str, mark: bytes
) -> None:
    text = mark + cut_by(delimiter).encode()
    assert values(written(tmp_path, "rows.csv", text)) == ROWS
    assert values(written(tmp_path, "rows.csv.gz", gzip.compress(text))) == ROWS


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_utf_16_with_its_mark_reads_alike(tmp_path: Path, codec: str) -> None:
    def packed(text: str) -> bytes:
        return text.encode(codec) if codec == "utf-16" else ("\ufeff" + text).encode(codec)

    rows = [*ROWS, {"Nr": "3", "Frage": "漢字 🙂 \u0a0d sep\u2028arated", "Wert": ""}]
    assert values(written(tmp_path, "rows.csv", packed(cut_by("\t", rows)))) == rows
    assert values(written(tmp_path, "rows.tsv", packed(cut_by("\t", rows)))) == rows
    assert values(written(tmp_path, "rows.csv", packed(cut_by(";", rows)))) == rows
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows)
    assert values(written(tmp_path, "rows.jsonl", packed(lines))) == rows
    assert values(written(tmp_path, "rows.json", packed(json.dumps(rows)))) == rows


def test_utf_16_that_is_cut_off_is_named_with_its_byte(tmp_path: Path) -> None:
    content = "a\tb\n1\t2\n".encode("utf-16")
    text = refusal(written(tmp_path, "rows.csv", content[:-1]))
    # Mark of 2 bytes, 8 characters of 2: the last whole one ends at 2 + 7 * 2 = 16, where half of the eighth stands.
    assert text == "rows.csv: not UTF-16 text (byte 16); save the file as UTF-8"
    lone = "a\tb\n1\t".encode("utf-16") + b"\x00\xd8\x41\x00"
    assert refusal(written(tmp_path, "rows.csv", lone)).startswith("rows.csv: not UTF-16 text (byte ")


def test_text_of_windows_is_refused_by_its_byte_with_semicolons_too(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, "rows.csv", "Frage;Wert\nfür;1\n".encode("cp1252")))
    assert text == "rows.csv: not UTF-8 text (byte 12); save the file as UTF-8"


def test_a_ragged_row_of_a_file_with_semicolons_is_named(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, "rows.csv", "a;b\n1;2,5\n1\n2;3\n4;5;6\n"))
    assert text.splitlines() == [
        "rows.csv: row 3: expected 2 cells as in the header, found 1",
        "rows.csv: row 5: expected 2 cells as in the header, found 3",
    ]
    assert refusal(written(tmp_path, "rows.csv", "a;b;a\n1;2;3\n")) == "rows.csv: the header names a more than once"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a,b\n1;2,3;4\n1;2\n", "row 3: expected 2 cells as in the header, found 1"),
        ("a,b\n1\n1;2\n1|2\n", "row 2: expected 2 cells as in the header, found 1"),
        ('a,b\n1,2\n"1;2\n', "line 3: not CSV (unexpected end of data)"),
        ("text\none; two\nthree, four\n", "row 3: expected 1 cells as in the header, found 2"),
    ],
)
def test_a_file_with_commas_that_is_broken_is_no_other_kind_of_table(
    tmp_path: Path, content: str, complaint: str
) -> None:
    assert complaint in refusal(written(tmp_path, "rows.csv", content))


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
    path = written(tmp_path, "rows.csv", "a;b\n" + f"{cell};1,5\n" * 60 + "1\n")
    problems: list[Problem] = []
    assert len([row for row in iter_rows(path, problems) if row.values["b"] == "1,5"]) == 60
    assert [problem.place for problem in problems] == [f"{path}: row 62"]
