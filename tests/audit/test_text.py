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


def test_the_first_line_concludes_the_second_has_the_gates_and_one_table_the_agreement() -> None:
    # j: of 40 items in both orders the last 4 flip to the first shown and are ties: right on the other 36
    truth = "AB" * 18 + "AAAA"
    votes = [
        *said("ann", truth),
        *said("j", truth, "model", "A"),
        *said("j", "AB" * 18 + "BBBB", "model", "B"),
    ]
    certificate = audit(items(40), votes)
    lines = certificate_lines(certificate, title="Certificate: ours", about=("2026-11-23", "data a.csv"))
    assert lines[:3] == ["# Certificate: ours", "", "2026-11-23; data a.csv; judge j and 1 annotator on 40 items."]
    # ties count one half: (36 + 2) / 40
    assert lines[4].startswith("**Nothing can be concluded about j: it agrees with the annotator ann on 95.0 % (")
    assert lines[6].startswith("Gates: PASS: order, invalid, chance, ties; not measured: constant, repetition, ")
    cells = [cell.strip() for cell in lines[12].strip("|").split("|")]
    assert cells[1].startswith("95.0 % (")
    assert [*cells[:1], *cells[2:4], cells[5], cells[7]] == ["j", "-", "-", "40", "4 tied"]
    assert cells[6].startswith("100.0 % (")
    assert "clustered by prompt: 40 clusters." in lines[-3]
    glance = section(certificate, "Judges").rows[0]
    assert glance[5:] == ("-", "90.0 %", "-1.00*", "-", "0.0 %*", "PASS order, invalid, chance, ties; 9 not measured")


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


def test_a_figure_of_the_overview_whose_interval_holds_zero_says_so() -> None:
    # half of 100 items right: kappa 0. Of 100 pairs 10 go to the first and 10 to the second shown: index 0
    first, second = "AB" * 40 + "A" * 10 + "B" * 10, "AB" * 40 + "B" * 10 + "A" * 10
    known = items(100, length_a=[9] * 100, length_b=[1] * 100)
    people = [vote for name in ("ann", "bo") for vote in said(name, "AABB" * 25)]
    votes = [*people, *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    row = section(audit(known, votes), "Judges").rows[0]
    assert row[4] == "0.00?"
    assert row[7] == "+0.00?"
    assert re.fullmatch(r"[+-]0\.0 \(-\d+\.\d to \+\d+\.\d\)", row[8])


def test_every_section_of_a_full_audit_is_there() -> None:
    known = items(
        40, category=["x", "y"] * 20, model_a=["m"] * 40, model_b=["n"] * 40, length_a=[9] * 40, length_b=[1] * 40
    )
    votes = [
        *said("ann", "AB" * 20),
        *said("bob", "AAAB" * 10),
        *said("j", "AB" * 20, "model", "A"),
        *said("j", "AABB" * 10, "model", "B"),
        *said("k", "AB" * 20, "verifier"),
    ]
    certificate = audit(known, votes, draws=50)
    assert [section.title for section in sections(certificate)] == [
        "Judges",
        "People",
        "Agreement of judges and people",
        "Alternative annotator test",
        "People's labels by annotator and confidence",
        "Position",
        "Biases",
        "Who wins at equal lengths",
        "Judges among themselves",
        "By principle, category and model",
        "Votes",
    ]
    assert "no decided vote with a known displayed order: k" in section(certificate, "Position").notes
    slices = section(certificate, "By principle, category and model")
    assert any("(small)" in cell for row in slices.rows for cell in row)


def test_many_judges_have_a_row_each_and_no_list_of_pairs() -> None:
    votes = [vote for i in range(12) for vote in said(f"judge {i:02}", "AB" * 20, "model")]
    certificate = audit(items(40, category=["x", "y"] * 20), [*said("ann", "AB" * 20), *votes], draws=20)
    assert len(section(certificate, "Judges").rows) == 12
    among = section(certificate, "Judges among themselves")
    assert "12 judges: with more than 8 their pairs are not listed one by one" in among.notes
    assert len(section(certificate, "By principle, category and model").rows) == 24
    agreement = section(certificate, "Agreement of judges and people")
    assert len(agreement.rows) == 24  # headline and kappa
    # on the page: conclusions, gates and agreement of ten, details of three
    lines = certificate_lines(certificate)
    assert len(lines) <= 90
    assert [sum(line.startswith(start) for line in lines) for start in ("- Gates of", "| judge ", "## What")] == [
        10,
        11,
        3,
    ]
    assert "- 2 more judges are in certificate.json only." in lines


def test_a_long_table_is_cut_and_says_so() -> None:
    known = items(250, category=[f"c{i % 50}" for i in range(250)])  # 50 categories by 9 judges: 450 rows
    judges = [vote for j in range(9) for vote in said(f"j{j}", "A" * 250, "model")]
    certificate = audit(known, [*said("ann", "A" * 250), *judges], draws=10)
    slices = section(certificate, "By principle, category and model")
    assert len(slices.rows) == 400
    assert slices.notes == ("50 more rows are left out; certificate.json has all figures.",)


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


TRUTH = "AB" * 50


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        # on 29 items it picks whatever is shown first
        ("A" * 29 + TRUTH[29:], "B" * 29 + TRUTH[29:], "; on 29 % it picks whatever is shown first."),
        ("B" * 100, "A" * 40 + "B" * 60, "; on 40 % it picks whatever is shown second."),
        (TRUTH, other(TRUTH[:45]) + TRUTH[45:], "Position (FAIL): the same verdict in both orders on 55.0 % ("),
        (TRUTH, other(TRUTH[:4]) + TRUTH[4:], "Position: the same verdict in both orders on 96.0 % ("),
        (TRUTH[:40], other(TRUTH[:8]) + TRUTH[8:40], "; the data cannot tell whether that is 80 % or more; where the"),
        # of the first 4 items the truth is A, B, A, B: each position wins twice
        (TRUTH, other(TRUTH[:4]) + TRUTH[4:], "answers, the first shown wins 2 times and the second 2 times."),
        (TRUTH[:20], TRUTH[:20], "Position: not measured: 20 items were read in both orders, and 30 are needed."),
        # always right, its displayed words read as content: the second order is turned
        (
            TRUTH,
            other(TRUTH),
            "its orders may be read the wrong way round: it changes sides in 100 % of the items (kappa -1.00 between",
        ),
    ],
)
def test_what_is_said_of_the_displayed_order(first: str, second: str, words: str) -> None:
    votes = [*said("ann", TRUTH[: len(first)]), *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    assert words in page(items(len(first)), votes)


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        # two people agree on 0.9; the judge with each of them on average
        (
            "BA" * 25 + "AB" * 75,  # 0.70
            "on 70.0 % of 200 items, and two annotators agree on 90.0 %; the difference is -20.0 (",
        ),
        ("AB" * 100, "j and ann agree on 100.0 %"),  # a copy, or a very good judge: two people cannot tell
        ("BA" * 6 + "AB" * 94, "the labels do not show that it is within the margin"),
        ("A" * 200, "Do not use j: every verdict is the same."),
        ("AB" * 30 + "t" * 140, "Ties (WARN): 70.0 % of its 200 verdicts on items with people are ties; of people's"),
        ("AB" * 95 + "?" * 10, "Unreadable (WARN): 5.0 % ("),
    ],
)
def test_beside_people_it_is_worse_or_better_or_nobody_knows(judge: str, words: str) -> None:
    people = [*said("ann", "AB" * 100), *said("bob", "AB" * 90 + "BA" * 10)]
    assert words in page(items(200), [*people, *said("j", judge, "model")])


@pytest.mark.parametrize("errs", [40, 0])
def test_a_taste_for_length_is_told(errs: int) -> None:
    # the first answer is longer; both people prefer the shorter in 100 of 200, and there the judge errs
    known = items(200, length_a=[9] * 200, length_b=[1] * 200)
    people = [vote for name in ("ann", "bo") for vote in said(name, "B" * 100 + "A" * 100)]
    found = page(known, [*people, *said("j", "A" * errs + "B" * (100 - errs) + "A" * 100, "model")])
    words = "it errs towards the longer answer more often than towards the shorter, by 40.0 points ("
    assert (words in found) == (errs == 40)
    assert ("errs towards" in found) == (errs == 40)
