"""The certificate as people read it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise

import pytest

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]
BARS = re.compile(r"(?<!\\)(?:\\\\)*\|")


def section(lines: list[str], title: str) -> list[str]:
    start = lines.index(f"## {title}") + 2
    return lines[start : next(i for i in range(start, len(lines)) if lines[i].startswith("## "))]


def test_the_overview_has_a_line_per_judge_with_the_figures(said: Said, items: Items) -> None:
    # j: of 40 items in both orders the last 4 flip to the first shown and are ties: right on the other 36
    first, second = "AB" * 20, "AB" * 18 + "BBBB"
    truth = "AB" * 18 + "AAAA"
    votes = [*said("ann", truth), *said("j", first[:36] + "AAAA", "model", "A"), *said("j", second, "model", "B")]
    lines = certificate_lines(audit(items(40), votes))
    assert lines[2].startswith("1 judge and 1 person on 40 items; 120 votes. Items with a person's vote: 4")
    assert lines[2].endswith("clustered by prompt: 40 clusters.")
    cells = [cell.strip() for cell in lines[6].strip("|").split("|")]
    assert cells[1].startswith("100.0 % (")
    assert [cells[0], *cells[2:4]] == ["j", "36", "4 ties"]
    assert cells[5:] == ["-", "90.0 %", "-1.00*", "-", "0.0 %*", "PASS order, invalid, chance, ties; 8 not measured"]


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
def test_no_name_breaks_a_table_or_steers_a_terminal(said: Said, items: Items, name: str) -> None:
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


def test_a_figure_of_the_overview_whose_interval_holds_zero_says_so(said: Said, items: Items) -> None:
    # half of 100 items right: kappa 0. Of 100 pairs 10 go to the first and 10 to the second shown: index 0
    first, second = "AB" * 40 + "A" * 10 + "B" * 10, "AB" * 40 + "B" * 10 + "A" * 10
    known = items(100, length_a=[9] * 100, length_b=[1] * 100)
    people = [vote for name in ("ann", "bo") for vote in said(name, "AABB" * 25)]
    votes = [*people, *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    cells = [cell.strip() for cell in certificate_lines(audit(known, votes))[6].strip("|").split("|")]
    assert cells[4] == "0.00?"
    assert cells[7] == "+0.00?"
    assert re.fullmatch(r"[+-]0\.0 \(-\d+\.\d to \+\d+\.\d\)", cells[8])


def test_a_gate_says_its_whole_reason_and_counts_judges(said: Said, items: Items) -> None:
    # 40 items with one person: the two orders agree on 20 of 40 as chance would have it, kappa 0
    votes = [*said("ann", "AB" * 20), *said("j", "AB" * 20, "model", "A"), *said("j", "AABB" * 10, "model", "B")]
    lines = section(certificate_lines(audit(items(40), votes)), "Gates")
    assert "- order: 1 judge FAIL" in lines
    assert "- rows: 1 judge not measured" in lines
    assert any("its two orders hardly agree (kappa 0.00)" in line for line in lines)
    assert not any("…" in line for line in lines)
    short = section(certificate_lines(audit(items(40), votes[:80])), "Gates")
    assert any("| needs 100 items shared with people" in line for line in short)


def test_each_rule_of_ties_is_told_with_the_items_it_counts(said: Said, items: Items) -> None:
    # ann calls 2 of 120 a tie: 118 are left where ties are dropped
    votes = [*said("ann", "tt" + "AB" * 59), *said("bob", "AB" * 60)]
    (line,) = [
        line for line in section(certificate_lines(audit(items(120), votes)), "People") if "on one item agree" in line
    ]
    told = [part.rpartition(", ")[2] for part in line.split("; ")]
    assert told == ["n = 120 items", "n = 118 items", "n = 120 items"]


def test_terms_of_tables_are_defined_and_those_of_absent_ones_left_out(said: Said, items: Items) -> None:
    votes = [*said("ann", "AB" * 5), *said("j", "AB" * 5, "model")]
    terms = section([*certificate_lines(audit(items(10), votes)), "## End"], "Definitions")
    text = "\n".join(terms)
    for word in ("label:", "each call:", "of all:", "with people:", "people do:"):
        assert word in text
    assert "- slices:" not in text
    sliced = certificate_lines(audit(items(10, category=["x", "y"] * 5), votes))
    assert any(line.startswith("- slices:") for line in sliced)


def test_every_section_of_a_full_audit_is_there(said: Said, items: Items) -> None:
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


def test_without_people_it_says_what_is_missing(said: Said, items: Items) -> None:
    lines = certificate_lines(audit(items(3), said("j", "ABA", "model")))
    assert section(lines, "People")[0] == "Nobody labelled these items: nothing here says whether a judge is right."


def test_without_judges_it_speaks_of_people_alone(said: Said, items: Items) -> None:
    lines = certificate_lines(audit(items(3), [*said("ann", "ABA"), *said("bob", "ABB")]))
    assert "No judge voted: all figures below are about people." in lines
    assert "## Gates" not in lines


def test_repeated_votes_are_told(said: Said, items: Items) -> None:
    lines = certificate_lines(audit(items(2), [*said("ann", "AA"), *said("ann", "AB")]))
    assert "4 votes, 2 of them repeated" in lines[2]
    assert "- such groups of votes that contradict themselves: 1" in section(lines, "Votes")


def test_many_judges_have_a_row_each_and_no_list_of_pairs(said: Said, items: Items) -> None:
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


def test_a_crowd_of_people_is_summed_up(said: Said, items: Items) -> None:
    votes = [vote for i in range(40) for vote in said(f"person {i}", "AB" * 5)]
    lines = certificate_lines(audit(items(10), votes))
    assert "- 40 people, 400 votes, 10 to 10 items each" in section(lines, "Votes")
    assert not any(line.startswith("| person") for line in lines)


def test_a_long_table_is_cut_and_says_so(said: Said, items: Items) -> None:
    known = items(250, category=[f"c{i % 50}" for i in range(250)])  # 50 categories by 9 judges: 450 rows
    judges = [vote for j in range(9) for vote in said(f"j{j}", "A" * 250, "model")]
    lines = certificate_lines(audit(known, [*said("ann", "A" * 250), *judges], draws=10))
    assert "50 more rows stand in the JSON." in section(lines, "By principle, category and model")


def test_an_alarm_stands_above_the_figures(said: Said, items: Items) -> None:
    ann, judge = "AABt" * 50, "BBAt" * 50
    lines = certificate_lines(audit(items(200), [*said("ann", ann), *said("j", judge, "model")]))
    assert "1 of 1 raters look as if labels were joined to the wrong rows." in section(lines, "Alarms")
    assert any("A and B are swapped" in line for line in section(lines, "Alarms"))


def test_a_judge_that_hides_behind_ties_is_shown_with_what_it_decided(said: Said, items: Items) -> None:
    # people decided all of 200, the judge is right on 35 and calls the other 165 a tie
    votes = [*said("ann", "AB" * 100), *said("j", "AB" * 17 + "A" + "t" * 165, "model")]
    lines = certificate_lines(audit(items(200), votes))
    cells = [cell.strip() for cell in lines[6].strip("|").split("|")]
    assert cells[1].startswith("100.0 %")
    assert cells[2:4] == ["35", "165 ties"]
    assert "WARN ties" in cells[-1]
    (told,) = [line for line in lines if line.startswith("- j: ")]
    assert "82.5 % of its 200 verdicts on items with people are ties; of people's, 0.0 %" in told
    assert "both choose in 35 of 200 items" in told
