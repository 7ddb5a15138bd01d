"""The simulated judge: planted biases have the planted sign, and noise averages out over orders."""

import math
from statistics import mean

import pytest

from amendment.simulator import PRINCIPLES, Persona, draft, label_logprobs, prefer, sample_prompts, truth, word_verdict
from amendment.simulator.dice import dice_for, logistic

EXACT = Persona(noise=0, position_bias=0, leak=0)
RIGHT, WRONG = "the answer is 11 because sum", "the answer is 12"


def log_odds(first: str, second: str, persona: Persona, principles: tuple[str, ...] = (), seed: int = 0) -> float:
    return prefer("add 3 8", first, second, principles=principles, persona=persona, rng=dice_for(seed))


def pairs() -> list[tuple[str, str, str]]:
    """Prompts with two drafts of different worth, by different writers."""
    writers = [Persona(writer=name) for name in ("helpful-only", "careless", "evasive", "verbose")]
    found = []
    for prompt in sample_prompts(700, seed=12):
        rng = dice_for(prompt.text)
        first, second = rng.sample(writers, 2)
        a, b = (draft(prompt.text, persona=writer, rng=rng) for writer in (first, second))
        if not math.isclose(truth(prompt.text, a).utility, truth(prompt.text, b).utility):
            found.append((prompt.text, a, b))
    return found


def test_an_exact_judge_sees_the_principle_and_nothing_else() -> None:
    assert log_odds(RIGHT, WRONG, EXACT, ("lilliput/correct",)) == pytest.approx(EXACT.gain)
    assert log_odds(RIGHT, WRONG, EXACT, ("polite",)) == 0
    # two principles share the attention: gain * (1/2 * 1 + 1/2 * 0)
    assert log_odds(RIGHT, WRONG, EXACT, ("correct", "polite")) == pytest.approx(EXACT.gain / 2)


def test_a_principle_of_another_constitution_stands_for_the_overall_mix() -> None:
    gap = truth("add 3 8", RIGHT).utility - truth("add 3 8", WRONG).utility
    assert log_odds(RIGHT, WRONG, EXACT, ("house/be-kind",)) == pytest.approx(EXACT.gain * gap)
    assert log_odds(RIGHT, WRONG, EXACT) == pytest.approx(EXACT.gain * gap)


def test_the_leak_lets_the_rest_show_through() -> None:
    gap = truth("add 3 8", RIGHT).utility - truth("add 3 8", WRONG).utility
    leaky = EXACT.model_copy(update={"leak": 0.3})
    assert log_odds(RIGHT, WRONG, leaky, ("polite",)) == pytest.approx(EXACT.gain * 0.3 * gap)


@pytest.mark.parametrize("bias", [-1.5, 0.8])
def test_position_bias_favours_the_first_shown_by_its_sign(bias: float) -> None:
    persona = EXACT.model_copy(update={"position_bias": bias})
    assert log_odds(RIGHT, WRONG, persona) + log_odds(WRONG, RIGHT, persona) == pytest.approx(2 * bias)
    noisy = Persona(position_bias=bias)
    shown = [prefer(p, a, b, persona=noisy, rng=dice_for(p, a, b)) for p, a, b in pairs()]
    swapped = [prefer(p, b, a, persona=noisy, rng=dice_for(p, b, a)) for p, a, b in pairs()]
    assert mean(shown + swapped) == pytest.approx(bias, abs=0.15)


def test_length_and_style_biases_count_words_and_the_house_opening() -> None:
    long = EXACT.model_copy(update={"length_bias": 0.25})
    assert log_odds("the answer is 12 because sum", WRONG, long, ("polite",)) == pytest.approx(2 * 0.25)
    style = EXACT.model_copy(update={"style_bias": 0.7})
    assert log_odds(WRONG, "sure the answer is 12", style, ("polite",)) == pytest.approx(-0.7)


def test_request_noise_differs_between_orders_and_pair_noise_does_not() -> None:
    noisy = Persona(position_bias=0)
    assert log_odds(RIGHT, WRONG, noisy, seed=1) != -log_odds(WRONG, RIGHT, noisy, seed=2)
    stubborn = Persona(position_bias=0, noise=0, pair_noise=2.0)
    assert log_odds(RIGHT, WRONG, stubborn, seed=1) == pytest.approx(-log_odds(WRONG, RIGHT, stubborn, seed=2))
    assert log_odds(RIGHT, WRONG, stubborn) != log_odds(RIGHT, WRONG, EXACT)


def test_judges_share_pair_noise_when_they_name_one_source() -> None:
    one = Persona(noise=0, pair_noise=2.0, pair_noise_source="blind spot")
    twin = one.model_copy(update={"gain": 1.0})
    other = one.model_copy(update={"pair_noise_source": "another"})
    error = log_odds(WRONG, WRONG + " ", one)
    assert log_odds(WRONG, WRONG + " ", twin) == pytest.approx(error)
    assert log_odds(WRONG, WRONG + " ", other) != pytest.approx(error)


def test_asking_both_orders_is_more_accurate_than_asking_one() -> None:
    # measured on 1,373 such pairs with six principles each: .83 in one order, .88 over both
    single, both = [], []
    for prompt, a, b in pairs():
        rng = dice_for(prompt)
        is_a = truth(prompt, a).utility > truth(prompt, b).utility
        drawn = rng.sample(sorted(PRINCIPLES), 6)
        shown = [logistic(prefer(prompt, a, b, principles=[x], persona=Persona(), rng=rng)) for x in drawn]
        swapped = [1 - logistic(prefer(prompt, b, a, principles=[x], persona=Persona(), rng=rng)) for x in drawn]
        single.append((mean(shown) > 0.5) == is_a)
        both.append((mean(shown + swapped) > 0.5) == is_a)
    assert 0.77 < mean(single) < mean(both) < 0.93


def test_outside_the_world_only_bias_speaks() -> None:
    persona = EXACT.model_copy(update={"position_bias": 0.4})
    assert prefer("who are you", "a toy", "a world", persona=persona, rng=dice_for(0)) == pytest.approx(0.4)


def test_label_probabilities_follow_the_log_odds() -> None:
    found = label_logprobs(math.log(3), ("A", "B"))
    assert math.exp(found["A"] - found["B"]) == pytest.approx(3)
    assert sum(map(math.exp, found.values())) == pytest.approx(0.999)
    three = label_logprobs(0.0, ("1", "2", "tie"))
    assert list(three) == ["1", "2", "tie"]
    assert sum(map(math.exp, three.values())) <= 1


def test_extreme_log_odds_stay_finite() -> None:
    assert all(map(math.isfinite, label_logprobs(1e9, ("A", "B")).values()))


@pytest.mark.parametrize(("odds", "verdict"), [(2.0, "Verdict: A"), (-2.0, "Verdict: B"), (0.05, "Verdict: tie")])
def test_a_cold_verdict_in_words_names_the_likelier(odds: float, verdict: str) -> None:
    persona = Persona(unreadable=0)
    for seed in range(8):
        said = word_verdict(odds, temperature=0, persona=persona, rng=dice_for(seed))
        assert said.splitlines()[-1] == verdict
        assert len(said.splitlines()) <= 2


def test_a_warm_verdict_is_drawn_with_its_probability() -> None:
    persona = Persona(unreadable=0, explains=0)
    said = [word_verdict(1.0, temperature=1.0, persona=persona, rng=dice_for(seed)) for seed in range(1000)]
    # 1 / (1 + exp(-1)) = .731
    assert mean(text == "Verdict: A" for text in said) == pytest.approx(0.731, abs=0.05)


def test_a_planted_share_of_verdicts_cannot_be_read() -> None:
    said = [word_verdict(3.0, temperature=1.0, persona=Persona(unreadable=1), rng=dice_for(i)) for i in range(20)]
    assert all(text.count("Verdict: ") != 1 for text in said)
