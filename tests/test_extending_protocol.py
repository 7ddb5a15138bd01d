"""The page on extending: its protocol is added by the page's own code, and judges by the page's own folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.preference import load_judge_folder
from amendment.preference.protocols import PROTOCOLS
from tests.preference.scripted_judge import Scripted, compare, judge, shown, written

PAGE = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## A judge protocol")[2].partition("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The page's judge, with its protocol until the test ends."""
    code, spec, template = (block for _, block in re.findall(r"```(python|yaml|text)\n(.*?)```", SECTION, re.DOTALL))
    exec(compile(code, "grades.py", "exec"), {"__name__": "grades"})
    (tmp_path / "judge.yaml").write_text(spec)
    (tmp_path / "compare.txt").write_text(template)
    yield tmp_path
    del PROTOCOLS["grades"]


def test_a_protocol_of_ones_own_judges_as_the_shipped_ones_do(folder: Path) -> None:
    provider = Scripted(lambda asked: written("[[A>>B]]" if shown(asked)[0] == "good" else "Hm.\n[[B>A]]"))
    made = compare(judge(provider, str(folder)))
    assert made.p_a == pytest.approx((1.0 + 0.75) / 2)
    assert made.consistent is True


def test_what_it_cannot_read_is_asked_for_once_more_and_then_invalid(folder: Path) -> None:
    provider = Scripted(lambda _: written("[[A>B]]\n[[B>A]]"))
    made = compare(judge(provider, str(folder), orders="first"))
    assert [verdict.invalid for verdict in made.verdicts] == ["2 grade lines, expected one"]
    assert "one line and nothing else: [[A>>B]]" in str(provider.asked[1].messages[-1].content)


def test_its_folder_is_checked_like_any_other(folder: Path) -> None:
    assert load_judge_folder(folder).unit == "pair"
    (folder / "compare.txt").write_text("{conversation} {answer_a}")
    with pytest.raises(ConfigError, match=r"lacks the placeholder \{answer_b\}"):
        load_judge_folder(folder)
