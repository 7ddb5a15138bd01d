"""May the judge be used: the rules case by case, and the sentence with the figures that it states."""

from __future__ import annotations

from typing import Any

import pytest

from amendment.audit.certificate import audit
from amendment.audit.conclusion import Conclusion, Evidence, decide, refused
from amendment.audit.gates import Gate, GateOutcome
from amendment.audit.votes import ComparisonInfo, Vote
from tests.audit.letters import items, said

CHECKS = ["order", "invalid", "chance", "ceiling", "ties", "rows", "constant", "repetition", "length", "style", "self"]
GOOD = Evidence(contradicts=False, has_order=True, both_orders=30, decided=30, least_agreement=0.5, doubts_people=False)
BOTH = "use where both orders agree"


@pytest.mark.parametrize(
    ("outcomes", "evidence", "form", "because"),
    [
        # everything passes
        ({}, {}, "use", "agreement"),
        # position bias, asked in both orders on 30 items, or on 29
        ({"order": "WARN"}, {}, BOTH, "order"),
        ({"order": "FAIL"}, {}, BOTH, "order"),
        ({"order": "WARN"}, {"both_orders": 29}, "do not use", "one order"),
        ({"order": "FAIL"}, {"both_orders": 0}, "do not use", "one order"),
        # position not measured: a judge of single answers has no order
        ({"order": "not measured"}, {}, "no conclusion", "order not measured"),
        ({"order": "not measured"}, {"has_order": False}, "use", "agreement"),
        # nobody checked it, or too few did
        ({"chance": "not measured", "ceiling": "not measured"}, {}, "no conclusion", "few labels"),
        (
            {"chance": "not measured", "ceiling": "not measured"},
            {"least_agreement": 0.9},
            "no conclusion",
            "few labels",
        ),
        ({}, {"decided": 29}, "no conclusion", "few choices"),
        ({"order": "FAIL"}, {"decided": 29}, "no conclusion", "few choices"),
        # the ceiling is open or absent: an agreement above 0.80 is enough
        ({"ceiling": "WARN"}, {"least_agreement": 0.8}, "no conclusion", "open"),
        ({"ceiling": "WARN"}, {"least_agreement": 0.801}, "use", "agreement"),
        ({"ceiling": "not measured"}, {"least_agreement": 0.801}, "use", "agreement"),
        ({"ceiling": "not measured", "order": "WARN"}, {"least_agreement": 0.801}, BOTH, "order"),
        ({"ceiling": "not measured"}, {"least_agreement": float("nan")}, "no conclusion", "open"),
        ({"ceiling": "FAIL"}, {"least_agreement": 0.9}, "do not use", "ceiling"),
        # people who agree at random measure nobody
        ({"ceiling": "WARN"}, {"least_agreement": 0.9, "doubts_people": True}, "no conclusion", "people"),
        # no better than chance, or not shown to be
        ({"chance": "WARN"}, {"least_agreement": 0.9}, "do not use", "chance"),
        ({"chance": "FAIL", "ceiling": "FAIL"}, {}, "do not use", "chance"),
        ({"chance": "FAIL", "order": "FAIL"}, {"decided": 0}, "do not use", "chance"),
        # an unreadable judge needs no people to be refused
        ({"invalid": "FAIL", "chance": "not measured"}, {}, "do not use", "invalid"),
        *(
            ({check: "FAIL"}, {}, "do not use", check)
            for check in ("constant", "repetition", "length", "style", "self")
        ),
        # warnings alone forbid nothing
        (
            dict.fromkeys(("invalid", "ties", "constant", "length", "style", "self"), "WARN"),
            {},
            "use",
            "agreement",
        ),
        # a wrong join is the first thing to look at
        ({"rows": "WARN", "invalid": "FAIL", "chance": "FAIL"}, {}, "no conclusion", "rows"),
        ({"order": "FAIL", "chance": "FAIL"}, {"contradicts": True}, "no conclusion", "contradicting orders"),
    ],
)
def test_the_form_follows_from_the_gates(
    outcomes: dict[str, Any], evidence: dict[str, Any], form: str, because: str
) -> None:
    passed: dict[str, Any] = dict.fromkeys(CHECKS, "PASS")
    assert decide(passed | outcomes, GOOD._replace(**evidence)) == (form, because)


def concluded(known: dict[str, ComparisonInfo], votes: list[Vote]) -> tuple[Conclusion, ...]:
    return audit(known, votes, draws=200).conclusions


TRUTH = "AB" * 50


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


def people(agree_on: int = 100) -> list[Vote]:
    """Two annotators who agree on so many of 100 items; where they do not, their majority is a tie."""
    return [*said("ann", TRUTH), *said("bo", TRUTH[:agree_on] + other(TRUTH[agree_on:]))]


def test_a_judge_that_flips_is_used_where_its_orders_agree() -> None:
    # of 100 items it picks the first shown on 22 whatever it is; on the other 78 it errs on 7: right on 71 of 78
    first = "A" * 22 + other(TRUTH[22:29]) + TRUTH[29:]
    second = "B" * 22 + first[22:]
    votes = [*people(), *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    (found,) = concluded(items(100), [vote for vote in votes if vote.rater != "bo"])
    assert (found.form, found.agreed, found.agreement and found.agreement.n, found.coverage) == (BOTH, 71, 78, 0.78)
    assert found.sentence == (
        "Use j only where both orders agree: 22 % of its verdicts change with the order; where both orders agree, it "
        "agrees with the annotators' majority on 91 % of the items where both choose (71 of 78); both orders agree on "
        "78 % of its items."
    )


def test_items_of_one_order_say_nothing_of_where_both_agree() -> None:
    # the first 50 were asked in both orders, where it always picks the first shown on 20 and is right on 30;
    # the last 50 in one order alone, where it is right on all
    first, second = "A" * 20 + TRUTH[20:], "B" * 20 + TRUTH[20:50]
    votes = [*people(), *said("j", first, "model", "A"), *said("j", second, "model", "B")]
    (found,) = concluded(items(100), votes)
    assert (found.agreed, found.agreement and found.agreement.n, found.coverage) == (30, 30, 0.6)


def test_the_best_judge_stands_first_and_each_has_its_reason() -> None:
    judges = {
        "blind": "A" * 100,
        "best": TRUTH,
        "good": other(TRUTH[:4]) + TRUTH[4:],
        "unread": "?" * 60 + TRUTH[60:],
        "unchecked": "",
    }
    votes = people()
    for name, letters in judges.items():
        votes += [*said(name, letters, "model", "A"), *said(name, letters, "model", "B")]
    votes += [Vote(f"i{i}", "unchecked", "model", "A", order) for i in range(100, 140) for order in ("A", "B")]
    found = concluded(items(140), votes)
    assert [(one.judge, one.form, one.because) for one in found] == [
        ("best", "use", "agreement"),
        ("good", "use", "agreement"),
        ("unchecked", "no conclusion", "rows"),
        ("unread", "do not use", "invalid"),
        ("blind", "do not use", "chance"),
    ]
    assert found[1].sentence == (
        "Use good: it agrees with the annotators' majority on 96 % of the items where both choose (96 of 100); it "
        "chooses on 100 % of its items; two annotators agree on 100 %."
    )


def test_a_judge_that_nobody_checked_is_not_recommended() -> None:
    votes = [*said("j", "A" * 40, "model", "A"), *said("j", "B" * 40, "model", "B")]
    (found,) = concluded(items(40), votes)
    assert found.sentence == (
        "Nothing can be concluded about j: people labelled none of its items, and 30 are needed; 100 % of its verdicts "
        "change with the order."
    )
    (alone,) = concluded(items(40), said("ann", "A" * 40))
    assert (alone.judge, alone.form) == (None, "no conclusion")


@pytest.mark.parametrize(("outcome", "form"), [("FAIL", "do not use"), ("WARN", "use"), ("PASS", "use")])
def test_a_run_whose_labels_people_refuse_recommends_no_judge(outcome: GateOutcome, form: str) -> None:
    votes = [*people(), *said("j", TRUTH, "model", "A"), *said("j", TRUTH, "model", "B")]
    gates = [Gate("the judge's labels", "people", outcome, "-0.300"), Gate("the judge's labels", "orders", "FAIL", "")]
    (found,) = refused(concluded(items(100), votes), gates)
    assert found.form == form
    assert found.sentence.startswith("Do not use j: " if outcome == "FAIL" else "Use j: ")
