"""Faults planted in a file of labels, and what the alarm says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]
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


def test_raters_who_agree_raise_no_alarm(said: Said, items: Items, truth: str) -> None:
    found = audit(
        items(200), [*said("ann", truth), *said("bob", noisy(truth, 1)), *said("j", noisy(truth, 2), "model")]
    )
    assert found.alarms.found == ()
    assert found.alarms.checked == ("ann", "bob", "j")
    assert rows_gate(found, "j") == "PASS"


def test_a_judge_whose_labels_were_shuffled_is_found(said: Said, items: Items, truth: str) -> None:
    shuffled = "".join(np.random.default_rng(5).permutation(list(truth)))
    found = audit(items(200), [*said("ann", truth), *said("bob", noisy(truth, 1)), *said("j", shuffled, "model")])
    (beside,) = found.alarms.found
    assert beside.rater == "j"
    assert beside.kappa.value < 0.1
    assert beside.marginals_differ < 0.1
    assert beside.hint == "labels may be joined to the wrong rows; a rater at chance looks the same"
    assert rows_gate(found, "j") == "WARN"


@pytest.mark.parametrize("rows", [1, -1])
def test_labels_that_slipped_by_one_row_are_told_as_shifted(said: Said, items: Items, truth: str, rows: int) -> None:
    slipped = noisy(truth, 3)[rows:] + noisy(truth, 3)[:rows]
    found = audit(items(200), [*said("ann", truth), *said("j", slipped, "model")])
    (alarm,) = found.alarms.found
    assert alarm.shifted > 0.7
    assert alarm.hint.endswith("its rows look shifted")


def test_sides_that_were_swapped_are_told_as_swapped(said: Said, items: Items, truth: str) -> None:
    found = audit(items(200), [*said("ann", truth), *said("j", noisy(truth, 3).translate(SWAP), "model")])
    (alarm,) = found.alarms.found
    assert alarm.kappa.value < 0
    assert alarm.swapped > 0.7
    assert "A and B are swapped" in alarm.hint


def test_a_file_of_judges_joined_wrongly_as_a_whole_is_found_beside_people(
    said: Said, items: Items, truth: str
) -> None:
    shuffled = "".join(np.random.default_rng(5).permutation(list(truth)))
    judges = [vote for i in range(3) for vote in said(f"j{i}", noisy(shuffled, i), "model")]
    found = audit(items(200), [*said("ann", truth), *said("bob", noisy(truth, 8)), *judges])
    assert {alarm.rater for alarm in found.alarms.found} == {"j0", "j1", "j2"}
    assert [rows_gate(found, f"j{i}") for i in range(3)] == ["WARN"] * 3


def test_fewer_than_a_hundred_items_are_not_compared(said: Said, items: Items) -> None:
    found = audit(items(99), [*said("ann", letters(1, 99)), *said("j", letters(2, 99), "model")])
    assert found.alarms.checked == ()
    assert rows_gate(found, "j") == "not measured"


def test_a_judge_that_does_not_agree_with_itself_is_noise_and_no_alarm(said: Said, items: Items, truth: str) -> None:
    votes = [*said("ann", truth), *said("j", letters(3), "model", "A"), *said("j", letters(4), "model", "B")]
    found = audit(items(200), votes)
    assert found.alarms.found == ()
    assert rows_gate(found, "j") == "not measured"


def test_raters_who_use_other_words_raise_no_alarm(said: Said, items: Items, truth: str) -> None:
    # kappa near 0, but one says A nine times in ten: no sign of a wrong join
    other = "".join(np.random.default_rng(9).choice(list("AAAAAAAAAB"), 200))
    assert audit(items(200), [*said("ann", truth), *said("j", other, "model")]).alarms.found == ()


@pytest.mark.parametrize("rows", [1, -1])
def test_shifted_labels_are_found_although_ties_make_the_shares_differ(said: Said, items: Items, rows: int) -> None:
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
