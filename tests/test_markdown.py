"""Tables that are tables in a terminal and on a page."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from amendment.markdown import cell, table


def test_a_table_is_padded() -> None:
    assert table([("name", "n"), ("a", "100")]) == ["| name | n   |", "|------|-----|", "| a    | 100 |"]


def test_what_markdown_or_a_terminal_would_act_on_is_escaped() -> None:
    assert cell("a|b\\|c") == r"a\|b\\\|c"
    assert cell("<b>[x](y)`z`*w*\n") == r"\<b\>\[x\](y)\`z\`\*w\*\n"


def test_a_long_name_is_cut() -> None:
    assert cell("x" * 60) == "x" * 60
    assert cell("x" * 61) == "x" * 60 + "…"


@given(st.text(st.characters()) | st.text(st.sampled_from("\\|`<[*\n\x1b")))
def test_a_cell_never_opens_another(name: str) -> None:
    shown = cell(name)
    assert len(shown) <= 2 * 60 + 1
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", shown)
