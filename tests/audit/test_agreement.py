"""Agreement of judges with people, of people with each other, and whom a judge could stand in for, by hand."""

from __future__ import annotations

import pytest

from amendment.audit.ceiling import Requirements
from amendment.audit.certificate import Certificate, audit
from tests.audit.letters import items, said, table_lines


def test_three_rules_of_ties_with_invalid_left_out_and_counted_wrong() -> None:
    # people A A B t A, judge A t A t ?
    #   strict   A=A yes, t/A no, A/B no, t=t yes       2/4; wrong 2/5
    #   no ties  A=A yes, A/B no                        1/2; wrong 1/3: the unread one stands against a decision
    #   half     1, 0.5, 0, 1                           2.5/4; wrong 2.5/5
    (judge,) = audit(items(5), [*said("ann", "AABtA"), *said("j", "AtAt?", "model")]).judges
    assert judge.one_call
    assert {name: (one.value, one.n) for name, one in judge.one_call.by_rule.items()} == {
        "strict": (0.5, 4),
        "no_ties": (0.5, 2),
        "half": (0.625, 4),
    }
    wrong = {name: one.value for name, one in judge.one_call.invalid_wrong.items()}
    assert wrong == pytest.approx({"strict": 0.4, "no_ties": 1 / 3, "half": 0.5})
    # kappa of the four: p_o = 2/4; people A 2, t 1, B 1; judge A 2, t 2: p_e = (2*2 + 1*2) / 16 = 3/8; (1/8) / (5/8)
    assert judge.one_call.kappa.value == pytest.approx(0.2)
    assert judge.one_call.items == 4


def test_one_call_and_the_label_of_a_judge_that_leans() -> None:
    # people A A B B. A first: A A A B, 3 of 4 right; B first: A B B B, 3 of 4 right: one call 6/8.
    # both: A, tie, tie, B: no ties 2/2, strict 2/4, half 3/4
    votes = [*said("ann", "AABB"), *said("j", "AAAB", "model", "A"), *said("j", "ABBB", "model", "B")]
    (judge,) = audit(items(4), votes).judges
    assert judge.one_call
    assert judge.label
    assert (judge.label.items, judge.label.left_out) == (4, (2, 0))
    assert (judge.one_call.by_rule["strict"].value, judge.one_call.by_rule["strict"].n) == (0.75, 8)
    assert [judge.label.by_rule[name].value for name in ("strict", "no_ties", "half")] == [0.5, 1.0, 0.75]


def test_the_label_takes_items_of_one_order_too_and_none_with_an_unreadable_order() -> None:
    # labels A, A, B and unreadable; people A, A, A, A
    votes = [*said("ann", "AAAA"), *said("j", "AABA", "model", "A"), *said("j", "A..?", "model", "B")]
    (judge,) = audit(items(4), votes).judges
    assert judge.label
    assert judge.label.by_rule["no_ties"].value == pytest.approx(2 / 3)
    assert (judge.label.items, judge.label.left_out.unreadable) == (3, 1)


THREE = ("AAA", "AAt", "ABB")
"""What ann, bob and eve say of three items: AAA, AAB, AtB."""


def ceilings(times: int, judge: str = "ABt") -> Certificate:
    people = [
        vote for name, letters in zip(("ann", "bob", "eve"), THREE, strict=True) for vote in said(name, letters * times)
    ]
    votes = [*people, *said("j", judge * times, "model")]
    return audit(items(3 * times, per_prompt=2), votes, asked=Requirements(copies_allowed=True))


def test_the_ceiling_and_the_judge_beside_it_by_hand() -> None:
    # item AAA, judge A: with a person 1, two people 1
    # item AAB, judge B: 1/3; of three pairs one agrees: 1/3
    # item AtB, judge t: 1/2, as every tie; pairs (1/2 + 0 + 1/2) / 3 = 1/3
    (conclusion,) = ceilings(15).conclusions
    assert conclusion.agreement
    assert conclusion.two_annotators
    assert conclusion.gap
    assert conclusion.gap.n == 45
    assert conclusion.agreement.value == pytest.approx(11 / 18)
    assert conclusion.two_annotators.value == pytest.approx(5 / 9)
    assert conclusion.gap.value == pytest.approx(1 / 18)
    assert conclusion.gap.low < 1 / 18 < conclusion.gap.high


def test_two_people_by_hand() -> None:
    # A=A, A/B, B=B, t/A: strict 2/4, no ties 2/3, half 2.5/4
    # kappa: p_o = 2/4; A 2 B 1 t 1 and A 2 B 2: p_e = (4 + 2) / 16; (8/16 - 6/16) / (10/16)
    found = audit(items(5), [*said("ann", "AABtA"), *said("bob", "ABBA.")]).people
    assert found
    assert found.among
    (pair,) = found.among.pairs
    assert (pair.a, pair.b, pair.items) == ("ann", "bob", 4)
    shares = {name: one.value for name, one in pair.agreement.items()}
    assert shares == pytest.approx({"strict": 0.5, "no_ties": 2 / 3, "half": 0.625})
    assert pair.kappa.value == pytest.approx(0.2)
    assert {name: one.value for name, one in found.among.agreement.items()} == pytest.approx(shares)
    assert found.majority == {"A": 2, "tie": 2, "B": 1}
    # alpha of AA, AB, BB, A alone: 4/9, as worked out in the tests of alpha
    among = audit(items(4), [*said("ann", "AABA"), *said("bob", "ABB.")]).people
    assert among
    assert among.among
    assert among.among.alpha.value == pytest.approx(4 / 9)


def test_people_and_a_judge_by_hand() -> None:
    # i0 AAB: people 1/3; the judge's A meets {A, B}, {A, B} and {A, A}: 2/3. i1 BBB: people 1, the judge's A 0.
    # i2 has one person, i3 is not judged: people 1 there
    votes = [*said("ann", "ABAA"), *said("bob", "AB.A"), *said("eve", "BB.A"), *said("j", "AAA?", "model")]
    found = audit(items(4), votes, draws=20)
    assert found.people
    assert found.people.leave_one_out
    assert found.people.leave_one_out.value == pytest.approx((1 / 3 + 1 + 1) / 3)
    beside = found.judges[0].leave_one_out
    assert beside
    assert beside.judge.value == pytest.approx(1 / 3)
    assert beside.judge.n == 2
    assert beside.people.value == pytest.approx(2 / 3)
    assert beside.difference.value == pytest.approx(-1 / 3)


def shares(found: Certificate, by: str, rule: str = "strict") -> dict[tuple[str, str | None], tuple[float, int]]:
    return {(one.name, one.judge): (one.agreement[rule].value, one.labels) for one in found.labels if one.by == by}


def test_by_annotator_by_hand() -> None:
    # ann and bob agree on 3 of 4; the judge says what ann says except once, where she says tie
    votes = [*said("ann", "ABAt"), *said("bob", "ABBt"), *said("j", "ABAA", "model")]
    found = audit(items(4), votes, draws=20)
    assert shares(found, "annotator") == {
        ("ann", None): (0.75, 4),
        ("ann", "j"): (0.75, 4),
        ("bob", None): (0.75, 4),
        ("bob", "j"): (0.5, 4),
    }
    # a tie against a decision is a half; dropped where ties are
    assert shares(found, "annotator", "half")["ann", "j"] == (0.875, 4)
    assert shares(found, "annotator", "no_ties")["ann", "j"] == (1.0, 4)
    assert [one.agreement["no_ties"].n for one in found.labels] == [3, 3, 3, 3]


def test_by_confidence_by_hand() -> None:
    # sure on i0 and i1, where the judge is right; unsure on i2 and i3, where it is right once; i4 not told
    votes = [
        *said("ann", "AB", confidence=1.0),
        *said("ann", "..AB", confidence=1 / 3),
        *said("ann", "....A"),
        *said("j", "ABAAA", "model"),
    ]
    found = audit(items(5), votes, draws=20)
    assert shares(found, "confidence") == {
        ("unsure", "j"): (0.5, 2),
        ("sure", "j"): (1.0, 2),
        ("not told", "j"): (1, 1),
    }
    assert shares(found, "annotator") == {}  # one person: that is agreement with the majority
    lines = table_lines(found)
    assert any(line.startswith("| confidence | unsure ") for line in lines)


def test_ac1_of_two_coins_is_nothing_where_nobody_can_say_tie() -> None:
    # each says A on half of the items, whatever the other says: p_a = 1/2, and over A and B p_e = 2 * 1/2 * 1/2 = 1/2.
    # That the judge, asked in both orders, contradicts itself on a half does not make tie an answer that people have
    votes = [*said("ann", "AABB" * 10), *said("bob", "ABAB" * 10)]
    judge = [*said("j", "AABB" * 10, "model", "A"), *said("j", "ABAB" * 10, "model", "B")]
    people = audit(items(40), [*votes, *judge]).people
    assert people
    assert people.among
    assert (people.among.ac1.value, people.among.pairs[0].ac1.value) == (0, 0)
    # eve's one tie says that there were three answers: ann and bob have p_e = (1/4 + 1/4) / 2 = 1/4, AC1 1/4 / (3/4)
    people = audit(items(40), [*votes, *said("eve", "t")]).people
    assert people
    assert people.among
    assert people.among.pairs[0].ac1.value == pytest.approx(1 / 3)
