"""The certificate as people read it: tables, and what it says in plain words."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.figures import Section
from amendment.audit.sections import sections
from amendment.audit.text import certificate_lines
from amendment.audit.votes import ComparisonInfo, Vote
from tests.audit.letters import items, said, table_lines

BARS = re.compile(r"(?<!\\)(?:\\\\)*\|")


def section(certificate: Certificate, title: str) -> Section:
    (found,) = [section for section in sections(certificate) if section.title == title]
    return found


def page(known: dict[str, ComparisonInfo], votes: list[Vote], draws: int = 300) -> str:
    return "\n".join(certificate_lines(audit(known, votes, draws=draws)))


HOSTILE = [
    "a | b\\|c",
    "line\nbreak\x1b[31m",
    "\u202egnp.exe",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "`code` **bold**",
    "x" * 5000,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_a_table_or_steers_a_terminal(name: str) -> None:
    known = items(4, category=[name, "y"] * 2, model_a=[name] * 4, model_b=["n"] * 4)
    votes = [
        *said(f"{name}p", "ABAB"),
        *said("bob", "ABAA"),
        *said(name, "ABBA", "model", "A"),
        *said("k", "AAAA", "model"),
    ]
    certificate = audit(known, votes)
    lines = [*certificate_lines(certificate), *table_lines(certificate)]
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert len(BARS.findall(above)) == len(BARS.findall(line))
    for line in lines:
        assert not {unicodedata.category(sign) for sign in line} & {"Cc", "Cf", "Zl", "Zp"}
        assert not re.search(r"(?<!\\)[<\[`]", line)
        assert "x" * 400 not in line


def test_a_long_table_is_cut_and_says_so() -> None:
    known = items(250, category=[f"c{i % 50}" for i in range(250)])  # 50 categories by 9 judges: 450 rows
    judges = [vote for j in range(9) for vote in said(f"j{j}", "A" * 250, "model")]
    certificate = audit(known, [*said("ann", "A" * 250), *judges], draws=10)
    slices = section(certificate, "By principle, category and model")
    assert len(slices.rows) == 400
    assert slices.notes == ("50 more rows are left out; certificate.json has all figures.",)


@pytest.mark.parametrize("errs", [40, 0])
def test_a_taste_for_length_is_told(errs: int) -> None:
    # the first answer is longer; both people prefer the shorter in 100 of 200, and there the judge errs
    known = items(200, length_a=[9] * 200, length_b=[1] * 200)
    people = [vote for name in ("ann", "bo") for vote in said(name, "B" * 100 + "A" * 100)]
    found = page(known, [*people, *said("j", "A" * errs + "B" * (100 - errs) + "A" * 100, "model")])
    words = "it errs towards the longer answer more often than towards the shorter, by 40.0 points ("
    assert (words in found) == (errs == 40)
    assert ("errs towards" in found) == (errs == 40)
