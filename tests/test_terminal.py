"""Other people's text where people read it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.terminal import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, Ünïcödé, 漢字", "plain words, Ünïcödé, 漢字"),
        ("two\nlines\r\tand a tab", r"two\nlines\r\tand a tab"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),  # the same control in one C1 sign
        ("\x85\x7f\x00", r"\x85\x7f\x00"),
        ("safe\u202egpj.exe", r"safe\u202egpj.exe"),  # written from right to left
        ("\u2066a\u2069\u200b\ufeff", r"\u2066a\u2069\u200b\ufeff"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),  # an invisible tag
        ("\ue000", r"\ue000"),
        ("a | b", r"a \| b"),
        ("", ""),
    ],
)
def test_what_could_steer_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * 200) == "x" * 200
    assert plain("x" * 201) == "x" * 200 + "…"
    assert plain("abcdef", longest=3) == "abc…"


def test_escapes_count_in_the_length() -> None:
    assert plain("\x1b" * 200) == (r"\x1b" * 50) + "…"


@given(st.text(st.characters()) | st.text(st.sampled_from("\x00\x1b\u202e\ud800|\\\nab")), st.integers(1, 30))
def test_whatever_the_text_one_short_harmless_line_comes_out(text: str, longest: int) -> None:
    shown = plain(text, longest=longest)
    assert len(shown) <= longest + 1
    assert not {unicodedata.category(sign) for sign in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1
    assert plain(text[:longest], longest=10 * longest) == "".join(plain(sign) for sign in text[:longest])
