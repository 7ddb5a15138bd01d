"""The family of tests: planted biases, unbiased judges, the correction, and who may be tested."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from amendment.audit.certificate import audit
from amendment.audit.family import Family, family_of_tests
from amendment.audit.votes import Item, Vote
from amendment.errors import ConfigError
from amendment.statistics import Estimate

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def world(seed: int, n: int = 300, **sway: float) -> tuple[dict[str, Item], list[Vote]]:
    """Three people and a judge, each with noise, on items whose longer answer is a little better; `sway` is what the
    judge adds in log-odds."""
    random = np.random.default_rng(seed)
    items: dict[str, Item] = {}
    votes: list[Vote] = []
    for i in range(n):
        worth = random.normal()
        lengths = [500 + int(30 * worth + 100 * random.normal()), 500]
        bold, cited, mine = random.integers(0, 2, (3, 2))
        marks: list[dict[str, float]] = [{"bold": int(bold[k]), "citations": int(cited[k])} for k in (0, 1)]
        model_a, model_b = (("judge-model", "other")[k] for k in mine)
        items[f"i{i}"] = Item(f"p{i}", None, model_a, model_b, lengths[0], lengths[1], marks[0], marks[1])
        fixed = 1.5 * worth + sum(
            sway.get(name, 0) * float(by)
            for name, by in (
                ("length", np.tanh((lengths[0] - lengths[1]) / 100)),
                ("format", bold[0] - bold[1]),
                ("citations", cited[0] - cited[1]),
                ("self", mine[1] - mine[0]),
            )
        )
        for first, lean in (("A", 1), ("B", -1)):
            p = 1 / (1 + math.exp(-(fixed + lean * sway.get("position", 0) + 0.7 * random.normal())))
            votes.append(Vote(f"i{i}", "j", "model", "A" if p > 0.5 else "B", first, p))  # type: ignore[arg-type]
        for person in range(3):
            says = 2 * worth + random.logistic() > 0
            votes.append(Vote(f"i{i}", f"person {person}", "person", "A" if says else "B"))
    return items, votes


def judged(seed: int, **sway: float) -> Family:
    return family_of_tests(*world(seed, 300, **sway), models={"j": "judge-model"})


@pytest.mark.parametrize("bias", ["position", "length", "format", "citations", "self"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_bias_is_found_with_its_sign(bias: str, sign: int) -> None:
    for seed in range(3):
        found = judged(seed, **{bias: 1.0 * sign})
        assert f"{'+' if sign > 0 else '-'}{bias}" in found.alarms


def test_an_unbiased_judge_raises_hardly_an_alarm() -> None:
    # at 0.01 forty judges raise 0.4 in the mean; four or more have a chance below one in a thousand
    assert sum(bool(judged(seed).alarms) for seed in range(100, 140)) <= 3


def test_the_position_of_hard_verdicts_is_the_exact_binomial(said: Said, items: Items) -> None:
    # nine prompts where the first shown wins both times, one where the second does: 2 (1 + 10) / 2^10
    votes = [*said("j", "A" * 10 + "A" * 10, "model", "A"), *said("j", "B" * 9 + "A" * 10 + "A", "model", "B")]
    votes[9] = votes[9]._replace(value="B")
    position = family_of_tests(items(20), votes).of("position")
    assert position
    assert position.p == pytest.approx(22 / 1024)
    assert position.effect.value == pytest.approx((9 - 1) / 20)


def test_flips_within_one_prompt_are_one_throw(said: Said, items: Items) -> None:
    votes = [*said("j", "A" * 20, "model", "A"), *said("j", "B" * 20, "model", "B")]
    position = family_of_tests(items(20, per_prompt=5), votes).of("position")
    assert position
    assert position.p == pytest.approx(2 / 2**4)


def test_without_people_only_position_is_tested() -> None:
    items, votes = world(1)
    found = family_of_tests(items, [vote for vote in votes if vote.kind == "model"])
    assert [one.name for one in found.tests] == ["position"]


def test_experiments_join_the_family_and_are_corrected_with_it() -> None:
    items, votes = world(2)
    probed = {"authority": (Estimate(0.4, 0.3, 0.5, 50, 50), 1e-6), "bandwagon": (Estimate(0, -1, 1, 50, 50), 0.6)}
    alone, joined = family_of_tests(items, votes), family_of_tests(items, votes, probed=probed)
    assert len(joined.tests) == len(alone.tests) + 2
    assert "+authority" in joined.alarms
    authority = joined.of("authority")
    assert authority
    assert authority.adjusted == pytest.approx(1e-6 * len(joined.tests))


def test_which_answer_is_called_a_changes_nothing() -> None:
    items, votes = world(3, n=120, format=0.5)
    other: dict[Any, Any] = {"A": "B", "B": "A", None: None}
    turned = {
        name: Item(one.prompt, None, one.model_b, one.model_a, one.length_b, one.length_a, one.marks_b, one.marks_a)
        for name, one in items.items()
    }
    exchanged = [
        vote._replace(value=other[vote.value], first=other[vote.first], p_a=None if vote.p_a is None else 1 - vote.p_a)
        for vote in votes
    ]
    for one, two in zip(family_of_tests(items, votes).tests, family_of_tests(turned, exchanged).tests, strict=True):
        assert one.name == two.name
        assert one.effect.value == pytest.approx(two.effect.value)
        assert one.p == pytest.approx(two.p)


def test_a_judge_must_be_named_among_several(said: Said, items: Items) -> None:
    votes = [*said("j", "AB", "model"), *said("k", "AB", "model")]
    with pytest.raises(ConfigError, match=r"one of the judges \(j, k\), found None"):
        family_of_tests(items(2), votes)
    with pytest.raises(ConfigError, match="found 'x'"):
        family_of_tests(items(2), votes, judge="x")
    assert family_of_tests(items(2), votes, judge="k").tests == ()


def test_the_certificate_and_its_gates_have_the_same_tests() -> None:
    items, votes = world(4, citations=1.5)
    certificate = audit(items, votes, models={"j": "judge-model"}, draws=50)
    assert certificate.judges[0].bias.family.alarms == judged(4, citations=1.5).alarms
    outcomes = {gate.check: gate.outcome for gate in certificate.gates}
    assert (outcomes["style"], outcomes["length"], outcomes["self"]) == ("FAIL", "PASS", "PASS")
