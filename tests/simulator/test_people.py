"""The simulated panel."""

from itertools import combinations
from statistics import mean

from amendment.simulator import Persona, draft, panel, sample_prompts, truth
from amendment.simulator.dice import dice_for

RIGHT, WRONG = "the answer is 11 because sum", "the answer is 12 you fool"


def test_votes_repeat_and_belong_to_raters() -> None:
    votes = panel("add 3 8", RIGHT, WRONG, seed=1, raters=5)
    assert votes == panel("add 3 8", RIGHT, WRONG, seed=1, raters=5)
    assert votes[:3] == panel("add 3 8", RIGHT, WRONG, seed=1, raters=3)
    assert set(votes) <= {"A", "B"}


def test_swapping_the_answers_swaps_the_votes() -> None:
    turned = {"A": "B", "B": "A"}
    for seed in range(30):
        votes = panel("add 3 8", "the answer is 11", "i am not certain", seed=seed)
        assert panel("add 3 8", "i am not certain", "the answer is 11", seed=seed) == tuple(turned[v] for v in votes)


def test_a_clear_case_is_clear_to_everybody() -> None:
    assert all(set(panel("add 3 8", RIGHT, WRONG, seed=seed)) == {"A"} for seed in range(20))


def test_three_votes_are_better_than_one_and_people_agree_among_themselves_less_than_with_the_truth() -> None:
    # measured: one rater .846, majority of three .873, rater with rater .805
    one, three, agreement = [], [], []
    for prompt in sample_prompts(800, seed=31):
        rng = dice_for(prompt.text)
        writers = rng.sample(["helpful-only", "careless", "evasive", "verbose"], 2)
        a, b = (draft(prompt.text, persona=Persona.model_validate({"writer": w}), rng=rng) for w in writers)
        gap = truth(prompt.text, a).utility - truth(prompt.text, b).utility
        if abs(gap) < 1e-9:
            continue
        votes = panel(prompt.text, a, b, seed=2)
        right = "A" if gap > 0 else "B"
        one += [vote == right for vote in votes]
        three.append(votes.count(right) >= 2)
        agreement += [x == y for x, y in combinations(votes, 2)]
    assert 0.79 < mean(one) < 0.89
    assert mean(one) < mean(three) < 0.92
    assert 0.70 < mean(agreement) < mean(one)
