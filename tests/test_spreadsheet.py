"""Cells that no spreadsheet runs, and the texts that they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.spreadsheet import safe_cell, text_of_cell

TEXTS = st.text(st.sampled_from("'=+-@\t\r\n \u00a0\ufeff\uff1dab1")) | st.text()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("a=1", "a=1"),
        ("", ""),
        ("ok\x00", "ok\ufffd"),
    ],
)
def test_no_cell_is_run_by_a_spreadsheet(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


@given(TEXTS.filter(lambda text: "\x00" not in text))
def test_reading_takes_off_what_writing_put_there_and_nothing_else(text: str) -> None:
    assert text_of_cell(safe_cell(text)) == text
    assert safe_cell(text) in (text, f"'{text}")
    assert safe_cell(text).lstrip(" \u00a0\ufeff")[:1] not in {*"=+-@\t\r\n", "\uff1d"}
