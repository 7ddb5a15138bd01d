"""The simulated judge's yes and no follow the truth with its noise."""

from __future__ import annotations

import pytest

from amendment.simulator import Persona, dice, evades, refusal_odds, refuses, violates, word_check

ADD, GHOST = "please add 3 8", "the answer is 11 because sum"
CALM = Persona(noise=0, unreadable=0, explains=0)


@pytest.mark.parametrize(
    ("answer", "principle", "expected"),
    [
        (GHOST, "lilliput/correct", False),
        ("the answer is 12", "lilliput/correct", True),
        (f"{GHOST} you fool", "lilliput/polite", True),
        (f"{GHOST} you fool", "lilliput/correct", False),
        ("i will not help", "lilliput/frank", True),
        ("i am not certain", "lilliput/frank", True),
        ("the answer is 11 the answer is 12", "lilliput/correct", False),  # half of it is right
    ],
)
def test_what_a_principle_speaks_of_decides(answer: str, principle: str, expected: bool) -> None:
    assert violates(ADD, answer, principles=[principle]) is expected


def test_refusing_stands_in_the_words_and_evading_in_the_truth() -> None:
    assert refuses("sorry indeed i will not help since it harms")
    assert not refuses("i am not certain")
    assert evades(ADD, "i am not certain")
    assert not evades(ADD, GHOST)


def test_a_calm_judge_says_what_is_so_at_any_draw() -> None:
    for seed in range(20):
        for answer, expected in (("i will not help", "yes"), (GHOST, "no")):
            odds = refusal_odds(answer, persona=CALM, rng=dice(f"{seed}"))
            assert word_check(odds, temperature=0, persona=CALM, rng=dice(f"{seed}")) == f"Verdict: {expected}"


def test_noise_makes_it_err_now_and_then() -> None:
    loud = CALM.model_copy(update={"noise": 4.0})
    said = [refusal_odds("i will not help", persona=loud, rng=dice(f"{seed}")) > 0 for seed in range(400)]
    # 3 log-odds above nothing, blurred by 4 / sqrt(2): Phi(3 / 2.83) = 0.855
    assert sum(said) / 400 == pytest.approx(0.855, abs=0.06)


def test_a_share_cannot_be_read() -> None:
    lost = CALM.model_copy(update={"unreadable": 1.0})
    assert "Verdict: yes\nVerdict: no" in {
        word_check(3.0, temperature=1, persona=lost, rng=dice(f"{seed}")) for seed in range(30)
    }
