"""Gates at their thresholds, and faults planted in a file of labels."""

from __future__ import annotations

import numpy as np
import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote
from tests.audit.letters import items, said


def outcome(known: dict[str, Item], votes: list[Vote], check: str) -> str:
    found = audit(known, votes, draws=200)
    assert f"gate {check}" in found.glossary
    (gate,) = [gate for gate in found.gates if (gate.judge, gate.check) == ("j", check)]
    return gate.outcome


@pytest.mark.parametrize(
    ("same", "outcome_of_100"),
    [(100, "PASS"), (80, "PASS"), (79, "WARN"), (65, "WARN"), (64, "FAIL"), (0, "FAIL")],
)
def test_the_gate_of_order_at_its_thresholds(same: int, outcome_of_100: str) -> None:
    # A and B take turns, so that the rest flips to the first and to the second shown equally often
    first = "AB" * 50
    second = "".join(one if i < same else {"A": "B", "B": "A"}[one] for i, one in enumerate(first))
    votes = [*said("j", first, "model", "A"), *said("j", second, "model", "B")]
    assert outcome(items(100), votes, "order") == outcome_of_100


@pytest.mark.parametrize(("flips", "expected"), [(7, "PASS"), (8, "WARN"), (20, "WARN")])
def test_flips_to_one_side_alone_warn_from_p_below_one_percent(flips: int, expected: str) -> None:
    # all flips go to the first shown: p = 2 / 2^7 = 0.0156 with seven, 0.0078 with eight
    votes = [*said("j", "A" * 100, "model", "A"), *said("j", "B" * flips + "A" * (100 - flips), "model", "B")]
    assert outcome(items(100), votes, "order") == expected


def found_by(known: dict[str, Item], votes: list[Vote], check: str) -> str:
    return next(gate.found for gate in audit(known, votes, draws=200).gates if (gate.judge, gate.check) == ("j", check))


def other(letters: str) -> str:
    return letters.translate(str.maketrans("AB", "BA"))


@pytest.mark.parametrize(
    ("first", "turned", "asks"),
    [
        ("AB" * 50, 71, True),  # changes sides both ways in 71 of 100: read the other way it would agree in 71
        ("A" * 100, 80, True),  # always one way, kappa 0: such a bias, or every A was the better answer
        ("AB" * 50, 62, True),  # kappa -0.24 between the orders
        ("A" * 60 + "AB" * 20, 60, False),  # kappa 0.20, a strong bias: the rest is steady
        ("AB" * 50, 52, False),  # a coin
        ("AB" * 50, 10, False),  # steady as it is
    ],
)
def test_a_judge_that_mostly_changes_sides_is_asked_about_its_orders(first: str, turned: int, asks: bool) -> None:
    second = other(first[:turned]) + first[turned:]
    found = found_by(items(100), [*said("j", first, "model", "A"), *said("j", second, "model", "B")], "order")
    assert ("check coordinates and orders first" in found) == asks
    assert (f"it changes sides in {turned} %" in found) == asks


def test_a_warning_says_whether_it_is_bad_or_open() -> None:
    half = [*said("ann", "AB" * 50), *said("j", "AABB" * 25, "model")]  # right on half: kappa 0
    assert found_by(items(100), half, "chance").endswith("the data cannot tell")
    votes = [*said("j", "AB" * 50, "model", "A"), *said("j", "BA" * 14 + "AB" * 36, "model", "B")]
    assert found_by(items(100), votes, "order") == "consistency 0.720, below 0.80"  # 28 of 100 change
    lean = [*said("j", "A" * 100, "model", "A"), *said("j", "B" * 9 + "A" * 91, "model", "B")]
    assert found_by(items(100), lean, "order").endswith("it leans to the first shown")
    assert found_by(items(100), said("j", "?" * 3 + "A" * 97, "model"), "invalid") == "3.0 % of 100 verdicts, above 2 %"
    assert found_by(items(100), said("j", "?" * 20 + "A" * 80, "model"), "invalid").endswith("above 10 %")


@pytest.mark.parametrize(("unread", "expected"), [(2, "PASS"), (3, "WARN"), (12, "WARN"), (20, "FAIL")])
def test_the_gate_of_unread_votes_at_its_thresholds(unread: int, expected: str) -> None:
    assert outcome(items(100), said("j", "?" * unread + "A" * (100 - unread), "model"), "invalid") == expected


def people(apart: int) -> list[Vote]:
    """Two people on two hundred items who differ on the last `apart`."""
    ann = "AB" * 100
    bob = ann[: 200 - apart] + ann[200 - apart :].translate(str.maketrans("AB", "BA"))
    return [*said("ann", ann), *said("bob", bob)]


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ("AB" * 100, "PASS"),  # says what ann says: with single people 0.95, two people 0.9
        ("BA" * 50 + "AB" * 50, "FAIL"),  # wrong on half
        ("B" + "AB" * 100, "FAIL"),  # wrong nearly everywhere
        ("BA" * 6 + "AB" * 94, "WARN"),  # 0.89 beside 0.9: the interval reaches below -0.05
    ],
)
def test_the_gate_of_the_ceiling(judge: str, expected: str) -> None:
    votes = [*people(20), *said("j", judge[:200], "model")]
    assert outcome(items(200), votes, "ceiling") == expected


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        ("AB" * 50, "PASS"),  # the same everywhere
        ("AB" * 35 + "BA" * 15, "PASS"),  # 70 of 100: kappa 0.4
        ("AABB" * 25, "WARN"),  # half: kappa 0
        ("BA" * 35 + "AB" * 15, "FAIL"),  # 30 of 100: kappa -0.4
    ],
)
def test_the_gate_of_chance_with_one_person(judge: str, expected: str) -> None:
    assert outcome(items(100), [*said("ann", "AB" * 50), *said("j", judge, "model")], "chance") == expected


@pytest.mark.parametrize(("per_prompt", "expected"), [(12, "WARN"), (3, "PASS"), (60, "not measured")])
def test_agreement_everywhere_on_few_prompts_is_no_pass(per_prompt: int, expected: str) -> None:
    # 60 items of 5, 20 and 1 prompts, on which everybody always agrees: no draw of prompts can say anything else
    votes = [*said("ann", "AB" * 30), *said("bob", "AB" * 30), *said("j", "AB" * 30, "model")]
    known = items(60, per_prompt=per_prompt)
    assert outcome(known, votes, "chance") == expected
    assert outcome(known, votes, "ceiling") == expected
    if expected == "WARN":
        assert found_by(known, votes, "chance") == "1.00 in all of only 5 prompts: the data cannot tell"
    assert (
        "decides with 20 prompts or more, and warns with fewer" in audit(known, votes, draws=20).glossary["gate chance"]
    )


def test_people_who_always_oppose_each_other_are_no_ceiling() -> None:
    # two people never agree, and whatever the judge says one of them agrees: 0.5 - 0 = +0.5
    votes = [*said("ann", "AB" * 50), *said("bob", "BA" * 50), *said("j", "AABB" * 25, "model")]
    assert outcome(items(100), votes, "ceiling") == "WARN"
    # alpha: 100 units disagree wholly, classes 100 and 100 of 200: 1 - 199 * 200 / (200^2 - 2 * 100^2) = -0.99
    found = found_by(items(100), votes, "ceiling")
    assert found == "+0.500; people agree no better than chance (alpha -0.99)"


@pytest.mark.parametrize(
    ("person", "judge", "expected"),
    [
        ("AB" * 50, "t" * 21 + "A" * 79, "WARN"),  # 21 % of its verdicts, none of people's
        ("AB" * 50, "t" * 20 + "A" * 80, "PASS"),  # up to 20 %
        ("t" * 15 + "A" * 85, "t" * 30 + "A" * 70, "PASS"),  # twice as often as people
        ("t" * 15 + "A" * 85, "t" * 31 + "A" * 69, "WARN"),
        ("AB" * 50, "?" * 21 + "A" * 79, "PASS"),  # unreadable is no tie
        ("A" * 29 + "." * 71, "t" * 100, "not measured"),
    ],
)
def test_the_gate_of_ties_at_its_thresholds(person: str, judge: str, expected: str) -> None:
    assert outcome(items(100), [*said("ann", person), *said("j", judge, "model")], "ties") == expected


def test_the_gate_of_ties_counts_single_people_and_not_draws_of_their_votes() -> None:
    # where ann and bob differ their majority is a draw, and neither of them said tie
    votes = [*said("ann", "A" * 100), *said("bob", "B" * 50 + "A" * 50), *said("j", "t" * 50 + "A" * 50, "model")]
    assert outcome(items(100), votes, "ties") == "WARN"
    found = found_by(items(100), votes, "ties")
    assert found == "50.0 % of its 100 verdicts on items with people are ties; of people's, 0.0 %"


SWAP = str.maketrans("AB", "BA")


def letters(seed: int, n: int = 200) -> str:
    return "".join(np.random.default_rng(seed).choice(list("AABt"), n))


def noisy(truth: str, seed: int) -> str:
    """The truth with every tenth label drawn anew."""
    random = np.random.default_rng(seed)
    return "".join(one if random.random() > 0.1 else str(random.choice(list("AABt"))) for one in truth)


def rows_gate(certificate: Certificate, judge: str) -> str:
    (found,) = [gate.outcome for gate in certificate.gates if (gate.judge, gate.check) == (judge, "rows")]
    return found


@pytest.fixture
def truth() -> str:
    return letters(0)


def test_raters_who_agree_raise_no_alarm(truth: str) -> None:
    found = audit(
        items(200), [*said("ann", truth), *said("bob", noisy(truth, 1)), *said("j", noisy(truth, 2), "model")]
    )
    assert found.alarms.found == ()
    assert found.alarms.checked == ("ann", "bob", "j")
    assert rows_gate(found, "j") == "PASS"


def test_a_judge_whose_labels_were_shuffled_is_found(truth: str) -> None:
    shuffled = "".join(np.random.default_rng(5).permutation(list(truth)))
    found = audit(items(200), [*said("ann", truth), *said("bob", noisy(truth, 1)), *said("j", shuffled, "model")])
    (beside,) = found.alarms.found
    assert beside.rater == "j"
    assert beside.kappa.value < 0.1
    assert beside.marginals_differ < 0.1
    assert beside.hint == "labels may be joined to the wrong rows; a rater at chance looks the same"
    assert rows_gate(found, "j") == "WARN"


@pytest.mark.parametrize("rows", [1, -1])
def test_labels_that_slipped_by_one_row_are_told_as_shifted(truth: str, rows: int) -> None:
    slipped = noisy(truth, 3)[rows:] + noisy(truth, 3)[:rows]
    found = audit(items(200), [*said("ann", truth), *said("j", slipped, "model")])
    (alarm,) = found.alarms.found
    assert alarm.shifted > 0.7
    assert alarm.hint.endswith("its rows look shifted")


def test_sides_that_were_swapped_are_told_as_swapped(truth: str) -> None:
    found = audit(items(200), [*said("ann", truth), *said("j", noisy(truth, 3).translate(SWAP), "model")])
    (alarm,) = found.alarms.found
    assert alarm.kappa.value < 0
    assert alarm.swapped > 0.7
    assert "A and B are swapped" in alarm.hint


def test_fewer_than_a_hundred_items_are_not_compared() -> None:
    found = audit(items(99), [*said("ann", letters(1, 99)), *said("j", letters(2, 99), "model")])
    assert found.alarms.checked == ()
    assert rows_gate(found, "j") == "not measured"


def test_a_judge_that_does_not_agree_with_itself_is_noise_and_no_alarm(truth: str) -> None:
    votes = [*said("ann", truth), *said("j", letters(3), "model", "A"), *said("j", letters(4), "model", "B")]
    found = audit(items(200), votes)
    assert found.alarms.found == ()
    assert rows_gate(found, "j") == "not measured"


def test_raters_who_use_other_words_raise_no_alarm(truth: str) -> None:
    # kappa near 0, but one says A nine times in ten: no sign of a wrong join
    other = "".join(np.random.default_rng(9).choice(list("AAAAAAAAAB"), 200))
    assert audit(items(200), [*said("ann", truth), *said("j", other, "model")]).alarms.found == ()


@pytest.mark.parametrize("rows", [1, -1])
def test_shifted_labels_are_found_although_ties_make_the_shares_differ(rows: int) -> None:
    random = np.random.default_rng(11)
    truth = "".join(random.choice(list("AB"), 200))
    slipped = truth[rows:] + truth[:rows]
    judge = "".join("t" if random.random() < 0.25 else one for one in slipped)  # and people never say tie
    found = audit(items(200), [*said("ann", truth), *said("j", judge, "model")])
    (alarm,) = found.alarms.found
    assert alarm.marginals_differ > 0.2
    assert alarm.kappa.value < 0.1
    assert alarm.swapped < 0.3
    assert alarm.shifted >= 0.3
    assert rows_gate(found, "j") == "WARN"
    assert "or its rows moved by one" in found.glossary["alarm"]


def certified(people: int = 12, *judges: list[Vote]) -> Certificate:
    """One person on items i0, i1, ... and judges on what they voted on."""
    votes = [*said("ann", "AB" * (people // 2)), *(vote for own in judges for vote in own)]
    return audit({vote.item: Item(vote.item) for vote in votes}, votes, draws=20)


def elsewhere(rater: str, letters: str, prefix: str = "j") -> list[Vote]:
    return [vote._replace(item=f"{prefix}{vote.item[1:]}") for vote in said(rater, letters, "model")]


def test_a_judge_that_shares_no_item_with_people_is_told_first_with_a_key_of_each_side() -> None:
    found = certified(12, elsewhere("m", "AB" * 5), said("k", "AB" * 6, "model"))
    told = "Judge m shares no item with people. Check the item keys: 'j0' against 'i0'"
    lines = certificate_lines(found)
    assert lines[4] == f"- {told}. Ignore this if they saw different items."
    assert lines[6].startswith("| judge ")
    assert (rows_gate(found, "m"), rows_gate(found, "k")) == ("WARN", "not measured")
    assert "shares no item with any person" in found.glossary["gate rows"]
    (one,) = found.to_json()["unmatched"]
    assert (one["judge_items"], one["people_items"]) == (10, 12)


@pytest.mark.parametrize(("people", "letters"), [(8, "A" * 12), (12, "A" * 9)])
def test_fewer_than_ten_items_of_either_side_say_nothing(people: int, letters: str) -> None:
    found = certified(people, elsewhere("m", letters))
    assert found.unmatched == ()
    assert rows_gate(found, "m") == "not measured"


def test_many_such_judges_are_counted_and_hostile_keys_are_harmless() -> None:
    judges = [elsewhere(f"m{i}", "A" * 10, "<b>|\x1b[31m") for i in range(7)]
    lines = certificate_lines(certified(12, *judges))
    assert sum(line.startswith("- Judge m") for line in lines) == 5
    assert "- 2 more judges share no item with people." in lines
    assert "'\\<b\\>\\|\\x1b\\[31m0' against 'i0'" in lines[4]
