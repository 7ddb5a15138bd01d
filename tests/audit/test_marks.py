"""Markdown and citations, counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.audit.bias import marks_of

TEXT = """# Title

Some **bold** and __more__ words, 2 * 3 * 4 = 24, a_b_c.

- one
- two
  1. three

## End
See https://example.org and [1]; Smith et al. found it (Jones, 2020).
"""


def test_a_text_by_hand() -> None:
    # citations: the link, [1], et al., (Jones, 2020)
    assert marks_of(TEXT) == {"headers": 2, "lists": 3, "bold": 2, "citations": 4}


@pytest.mark.parametrize(
    "text", ["", "plain words", "#hashtag", "-5 degrees", "2*3*4", "1.5 metres", "(see below)", "a ** b"]
)
def test_what_only_looks_alike_is_none(text: str) -> None:
    assert marks_of(text) == {}


@given(st.text(alphabet="#*-_ \n1.[]()ab", max_size=200), st.text(alphabet="#*-_ \n1.[]()ab", max_size=200))
def test_two_texts_on_lines_of_their_own_have_the_marks_of_both(one: str, other: str) -> None:
    together = marks_of(f"{one}\n\n{other}")
    for name in ("headers", "lists", "bold"):
        assert together.get(name, 0) == marks_of(one).get(name, 0) + marks_of(other).get(name, 0)


def test_a_hostile_text_is_counted_quickly() -> None:
    assert marks_of("**" * 200_000) == {}
    assert marks_of("(" * 200_000) == {}
