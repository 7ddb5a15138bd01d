"""One renderer for each form: what it says, and that nobody's text is Markdown, HTML or a command in it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from amendment.report.page import report_html
from amendment.report.render import markdown, terminal_line, value_shown
from amendment.results import Estimate, Figure, Funnel, Result, Sample, Summary, by_label, counted
from tests.report.folders import hostile_result, write_run

SHARE = Estimate(0.81, 0.76, 0.85, n=412, clusters=170)
NOTHING = Estimate(math.nan, math.nan, math.nan, 0, 0)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (SHARE, "share", "81.0 % (76.0 to 85.0; n = 412)"),
        (SHARE._replace(value=-0.25, low=-0.5, high=0.125, n=8), "points", "-25.0 points (-50.0 to +12.5; n = 8)"),
        (Estimate(0.5, math.nan, math.nan, 3, 2), "", "0.500 (no interval; n = 3)"),
        (
            NOTHING._replace(note="needs two annotators"),
            "share",
            "not measured: needs two annotators",
        ),
        (12345, "", "12,345"),
        (2.5, "USD", "2.5 USD"),
        (0.5, "share", "50.0 %"),
        ("PASS", "", "PASS"),
        (None, "", "-"),
    ],
)
def test_a_value_has_one_wording(value: object, unit: str, shown: str) -> None:
    assert value_shown(value, unit) == shown  # type: ignore[arg-type]


def test_figures_of_one_kind_stand_in_a_table_and_a_whole_funnel_in_a_line() -> None:
    figures = [*counted(held_out_prompts=3), *by_label("read", "what", {"rows": 8, "tasks": 2})]
    for principle, kept in (("r/a", 3), ("r/b", 1)):
        figures += by_label("kept", "answers", {"drafts": kept, "revisions": kept + 1}, principle=principle)
    figures.append(Figure(name="broken", value=2, of={"principle": "r/b", "answers": "drafts"}))
    pairs = Funnel(what="pairs", came_in=10, left_out={"tie": 3, "near copy": 1}, remained=6)
    prompts = Funnel(what="prompts", came_in=5, remained=5)
    lines = markdown(Result(figures=tuple(figures), funnels=(prompts, pairs), notes=("Look at r/b.",)))
    assert lines[:4] == ["- prompts: 5", "- held out prompts: 3", "- read: rows 8, tasks 2", "- note: Look at r/b."]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert rows == [
        ["pairs", "left out", "left"],
        ["before", "", "10"],
        ["tie", "3", "7"],
        ["near copy", "1", "6"],
        ["principle", "answers", "kept", "broken"],
        ["r/a", "drafts", "3", "-"],
        ["r/a", "revisions", "4", "-"],
        ["r/b", "drafts", "1", "2"],
        ["r/b", "revisions", "2", "-"],
    ]
    assert terminal_line(Result(figures=tuple(figures), funnels=(prompts,)).totals) == "prompts 5, held out prompts 3"


def test_no_text_is_markdown_or_a_command() -> None:
    text = "\n".join([*markdown(hostile_result()), terminal_line(hostile_result().totals)])
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"(?<!\\)<script", "\n".join(markdown(hostile_result())))


def test_no_text_is_html(tmp_path: Path) -> None:
    summary = Summary(name="t", seed=1, toolkit="1", stages={"inputs": hostile_result()})
    folder = write_run(tmp_path)
    (folder / "summary.json").write_text(json.dumps(summary.to_json()))
    page = report_html([folder])
    assert "\x1b" not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_samples_are_in_nothing_that_is_published() -> None:
    result = Result(figures=counted(pairs=1), samples=(Sample(title="t", head=("words",), rows=(("QUOTED",),)),))
    assert "QUOTED" in "\n".join(markdown(result))
    assert "QUOTED" not in "\n".join(markdown(result.published()))
