"""The certificate as people read it: tables, and what it says in plain words."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import ComparisonInfo, Vote
from tests.audit.letters import items, said

BARS = re.compile(r"(?<!\\)(?:\\\\)*\|")


def section(lines: list[str], title: str) -> list[str]:
    start = lines.index(f"## {title}") + 2
    return lines[start : next(i for i in range(start, len(lines)) if lines[i].startswith("## "))]


def test_the_overview_has_a_line_per_judge_with_the_figures() -> None:
    # j: of 40 items in both orders the last 4 flip to the first shown and are ties: right on the other 36
    first, second = "AB" * 20, "AB" * 18 + "BBBB"
    truth = "AB" * 18 + "AAAA"
    votes = [*said("ann", truth), *said("j", first[:36] + "AAAA", "model", "A"), *said("j", second, "model", "B")]
    lines = certificate_lines(audit(items(40), votes))
    assert lines[2].startswith("1 judge and 1 person on 40 items; 120 votes. Items with a person's vote: 4")
    assert lines[2].endswith("clustered by prompt: 40 clusters.")
    cells = [cell.strip() for cell in lines[6].strip("|").split("|")]
    assert cells[1].startswith("100.0 % (")
    assert [cells[0], *cells[2:4]] == ["j", "36", "4 tied"]
    assert cells[5:] == ["-", "90.0 %", "-1.00*", "-", "0.0 %*", "PASS order, invalid, chance, ties; 7 not measured"]


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
    lines = certificate_lines(audit(known, votes))
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert len(BARS.findall(above)) == len(BARS.findall(line))
    for line in lines:
        assert not {unicodedata.category(sign) for sign in line} & {"Cc", "Cf", "Zl", "Zp"}
        assert not re.search(r"(?<!\\)[<\[`]", line)
        assert "x" * 200 not in line


def test_a_figure_of_the_overview_whose_interval_holds_zero_says_so() -> None:
    # half of 100 items right: kappa 0. Of 100 pairs 10 go to the first and 10 to the second shown: index 0
    first, second = "AB" * 40 + "A" * 10 + "B" * 10, "AB" * 40 + "B" * 10 + "A" * 10
    known = items(100, length_a=[9] * 100, length_b=[1] * 100)
    people = [vote for name in ("ann", "bo") for vote in said(name, "AABB" * 25)]
    votes = [*people, *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    cells = [cell.strip() for cell in certificate_lines(audit(known, votes))[6].strip("|").split("|")]
    assert cells[4] == "0.00?"
    assert cells[7] == "+0.00?"
    assert re.fullmatch(r"[+-]0\.0 \(-\d+\.\d to \+\d+\.\d\)", cells[8])


def test_terms_of_tables_are_defined_and_those_of_absent_ones_left_out() -> None:
    votes = [*said("ann", "AB" * 5), *said("j", "AB" * 5, "model")]
    terms = section([*certificate_lines(audit(items(10), votes)), "## End"], "Definitions")
    text = "\n".join(terms)
    for word in ("label:", "each call:", "of all:", "with people:", "people do:"):
        assert word in text
    assert "- slices:" not in text
    sliced = certificate_lines(audit(items(10, category=["x", "y"] * 5), votes))
    assert any(line.startswith("- slices:") for line in sliced)


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
    lines = certificate_lines(audit(known, votes, draws=50))
    assert [line[3:] for line in lines if line.startswith("## ")] == [
        "Gates",
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
        "Definitions",
    ]
    assert "- no decided vote with a known displayed order: k" in section(lines, "Position")
    assert any("(small)" in line for line in section(lines, "By principle, category and model"))


def test_many_judges_have_a_row_each_and_no_list_of_pairs() -> None:
    votes = [vote for i in range(12) for vote in said(f"judge {i:02}", "AB" * 20, "model")]
    lines = certificate_lines(audit(items(40, category=["x", "y"] * 20), [*said("ann", "AB" * 20), *votes], draws=20))
    assert sum(line.startswith("| judge ") for line in lines[:20]) == 13  # with the head
    among = section(lines, "Judges among themselves")
    assert "- 12 judges: with more than 8 their pairs are not listed one by one" in among
    assert sum("| judge " in line for line in section(lines, "By principle, category and model")) == 24 + 1
    agreement = section(lines, "Agreement of judges and people")
    assert sum("| judge " in line for line in agreement) == 24 + 1  # headline and kappa
    assert agreement[-2] == (
        "- agreement with one person not measured for 12 judges: needs two people on at least 30 items that the judge "
        "was read on, found 0"
    )


def test_a_long_table_is_cut_and_says_so() -> None:
    known = items(250, category=[f"c{i % 50}" for i in range(250)])  # 50 categories by 9 judges: 450 rows
    judges = [vote for j in range(9) for vote in said(f"j{j}", "A" * 250, "model")]
    lines = certificate_lines(audit(known, [*said("ann", "A" * 250), *judges], draws=10))
    assert "50 more rows stand in the JSON." in section(lines, "By principle, category and model")


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


def sentences(known: dict[str, ComparisonInfo], votes: list[Vote]) -> str:
    """What is said of judge j before the first section."""
    lines = certificate_lines(audit(known, votes, draws=300))
    (line,) = [line for line in lines[: lines.index("## Gates")] if line.startswith("- j: ")]
    return line.removeprefix("- j: ")


TRUTH = "AB" * 50


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        # on 29 items it picks whatever is shown first; on the other 71 it is right but for 2
        (
            "A" * 29 + other(TRUTH[29:31]) + TRUTH[31:],
            "B" * 29 + other(TRUTH[29:31]) + TRUTH[31:],
            [
                "^Ask it in both orders: in 29 % of comparisons it picks whatever is shown first.",
                "When it and the majority of people both choose, they choose the same answer in 97 % (",
                "; both choose in 71 of 100 items.",
            ],
        ),
        ("B" * 100, "A" * 40 + "B" * 60, ["in 40 % of comparisons it picks whatever is shown second"]),
        (
            TRUTH,
            other(TRUTH[:40]) + TRUTH[40:],
            ["^Ask it in both orders: in 40 % of comparisons its verdict changes with"],
        ),
        (
            TRUTH,
            other(TRUTH[:4]) + TRUTH[4:],
            ["^The displayed order changes little: it says the same in both in 96 % ("],
        ),
        (
            TRUTH[:40],
            other(TRUTH[:8]) + TRUTH[8:40],
            ["^These data do not show how much the displayed order sways it (the same in 80 % ("],
        ),
        (
            TRUTH[:20],
            TRUTH[:20],
            ["^Position bias is not measured: 20 items were read in both orders, and it takes 30."],
        ),
        # always right, its displayed words read as content: the second order is turned
        (
            TRUTH,
            other(TRUTH),
            [
                "^Its orders may be read the wrong way round: in 100 % of comparisons it changes sides",
                "(kappa -1.00). Check coordinates and orders of its file before you believe any figure here.$",
            ],
        ),
    ],
)
def test_what_is_said_of_the_displayed_order(first: str, second: str, words: list[str]) -> None:
    votes = [*said("ann", TRUTH[: len(first)]), *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    found = f"^{sentences(items(len(first)), votes)}$"
    assert all(part in found for part in words), found


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        # two people agree on 0.9; the judge with each of them on average
        ("BA" * 25 + "AB" * 75, "It agrees with a person less than another person does, by 20.0 points ("),  # 0.70
        ("AB" * 100, "It agrees with a person more than another person does, by 5.0 points ("),  # 0.95
        ("BA" * 6 + "AB" * 94, "These data do not show whether it is worse than a person (-1.0 points, -"),  # .89
        ("BA" * 100, "It agrees with people no better than chance (kappa -"),
        ("AABB" * 50, "These data do not show whether it agrees with people better than chance (kappa"),
        ("AB" * 30 + "t" * 140, "It often calls a tie: 70.0 % of its 200 verdicts on items with people are ties; of"),
        ("AB" * 95 + "?" * 10, "Too many of its votes could not be read: 5.0 % of 200 verdicts, above 2 %."),
    ],
)
def test_beside_people_it_is_worse_or_better_or_nobody_knows(judge: str, words: str) -> None:
    people = [*said("ann", "AB" * 100), *said("bob", "AB" * 90 + "BA" * 10)]
    assert words in sentences(items(200), [*people, *said("j", judge, "model")])


@pytest.mark.parametrize("errs", [40, 0])
def test_a_taste_for_length_is_told(errs: int) -> None:
    # the first answer is longer; both people prefer the shorter in 100 of 200, and there the judge errs
    known = items(200, length_a=[9] * 200, length_b=[1] * 200)
    people = [vote for name in ("ann", "bo") for vote in said(name, "B" * 100 + "A" * 100)]
    found = sentences(known, [*people, *said("j", "A" * errs + "B" * (100 - errs) + "A" * 100, "model")])
    words = "It errs towards the longer answer more often than towards the shorter, by 40.0 points ("
    assert (words in found) == (errs == 40)
    assert ("errs towards" in found) == (errs == 40)


def test_at_most_ten_judges_have_three_sentences_each() -> None:
    votes = [vote for i in range(12) for vote in said(f"j{i:02}", "?" * 20 + "A" * 80, "model")]
    known = items(100, length_a=[9] * 100, length_b=[1] * 100)
    lines = certificate_lines(audit(known, [*said("ann", "AB" * 50), *votes], draws=20))
    said_of = [line for line in lines[: lines.index("## Gates")] if line.startswith("- j")]
    assert len(said_of) == 10
    assert all(line.count(". ") == 2 for line in said_of)
    assert "- 2 more judges are in the tables only." in lines
