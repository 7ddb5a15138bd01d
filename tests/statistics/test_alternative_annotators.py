"""The alternative annotator test by hand, against the paper's procedure written out, and against libraries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from amendment.statistics.alternative_annotators import (
    AlternativeAnnotator,
    alternative_annotator,
)

Rows = Sequence[Sequence[int | None]]
"""A row per item, a column per person; None where there is no label."""


def outcome(
    rows: Rows, judged: list[int], clusters: list[int] | None = None, epsilon: float = 0.2
) -> AlternativeAnnotator | str:
    labels = [(i, j, label) for i, row in enumerate(rows) for j, label in enumerate(row) if label is not None]
    item, person, label = zip(*labels, strict=True) if labels else ((), (), ())
    groups = clusters or list(range(len(judged)))
    return alternative_annotator((item, person, label), judged, groups, "abcd", epsilons=[epsilon])


def run(rows: Rows, judged: list[int], clusters: list[int] | None = None, epsilon: float = 0.2) -> AlternativeAnnotator:
    found = outcome(rows, judged, clusters, epsilon)
    assert isinstance(found, AlternativeAnnotator)
    return found


def p_better(found: AlternativeAnnotator) -> list[float]:
    return [p for person in found.people for p in person.p.values()]


def test_who_wins_by_hand() -> None:
    # people 0 0 1, the judge 0. Person 0: the others say 0 1, so judge and person score 1/2 both: both win. Person 1
    # the same. Person 2 says 1, the others 0 0: the judge 1, the person 0.
    found = run([[0, 0, 1]] * 40, [0] * 40)
    assert [(one.advantage.value, one.person_advantage) for one in found.people] == [(1, 1), (1, 1), (1, 0)]
    assert found.advantage.value == 1
    # d is 0, 0 and -1 on every item, without variance: p is 0 since 0 < 0.2
    assert p_better(found) == [0, 0, 0]
    assert (found.winning_rate, found.passes) == ({"0.2": 1}, {"0.2": True})


def test_rows_of_one_prompt_are_one_observation() -> None:
    # each of 32 prompts stands there twice: the clustered test sees 32, the plain one 64 and is too sure
    rows, judged = [[0, 0, 0]] * 64, ([1] * 8 + [0] * 24) * 2
    plain, clustered = run(rows, judged, epsilon=0.5), run(rows, judged, list(range(32)) * 2, epsilon=0.5)
    once = run(rows[:32], judged[:32], epsilon=0.5)
    assert p_better(clustered) == pytest.approx(p_better(once))
    assert p_better(plain)[0] < p_better(once)[0]


def test_a_person_with_fewer_than_thirty_items_is_not_measured() -> None:
    rows: Rows = [*[[0, 0, 0]] * 29, *[[0, 0, None]] * 11]
    found = run(rows, [0] * 40)
    assert ([one.person for one in found.people], found.not_measured) == (["a", "b"], {"c": "29 of 30 items"})
    assert run([*rows, [0, 0, 0]], [0] * 41).not_measured == {}


def by_the_paper(rows: Rows, judged: list[int], epsilon: float, q: float = 0.05) -> tuple[float, float, list[float]]:
    """Omega, rho and p-values as the paper's pages say them, label by label, with libraries."""
    from scipy.stats import ttest_1samp

    oracle = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels comes with the dev extra")
    p_values, advantages = [], []
    for j in range(len(rows[0])):
        wins, losses = [], []
        for row, said in zip(rows, judged, strict=True):
            others = [label for k, label in enumerate(row) if k != j and label is not None]
            if row[j] is None or not others or said < 0:
                continue
            judge, person = (sum(label == x for label in others) / len(others) for x in (said, row[j]))
            wins.append(judge >= person)
            losses.append(person >= judge)
        d = np.array(losses, float) - np.array(wins, float)
        p_values.append(float(ttest_1samp(d, epsilon, alternative="less").pvalue))
        advantages.append(float(np.mean(wins)))
    won = oracle.multipletests(p_values, alpha=q, method="fdr_by")[0]
    return float(np.mean(won)), float(np.mean(advantages)), p_values


@pytest.mark.parametrize(("seed", "epsilon"), [(0, 0.1), (1, 0.2), (2, 0.1), (3, 0.2)])
def test_it_is_the_procedure_of_the_paper(seed: int, epsilon: float) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, 120)

    def noisy(flips: float) -> list[int]:
        said: list[int] = np.where(random.random(120) < flips, random.integers(0, 3, 120), truth).tolist()
        return said

    columns = [noisy(0.3) for _ in range(4)]
    rows: Rows = [[None if random.random() < 0.2 else label for label in row] for row in zip(*columns, strict=True)]
    judged = [-1 if random.random() < 0.1 else said for said in noisy(0.1 * (seed % 4))]
    found, (omega, rho, p_values) = run(rows, judged, epsilon=epsilon), by_the_paper(rows, judged, epsilon)
    assert [*found.winning_rate.values()] == [pytest.approx(omega)]
    assert found.advantage.value == pytest.approx(rho)
    assert p_better(found) == pytest.approx(p_values)


@pytest.mark.parametrize(
    ("rows", "judged", "reason"),
    [
        ([[0, None], [None, 0]] * 20, [0] * 40, "no item has labels of two people and the judge's"),
        ([[0, 0]] * 4, [0] * 4, "4 of 30 items"),
        ([[0]] * 40, [0] * 40, "needs two people, found 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(rows: Rows, judged: list[int], reason: str) -> None:
    assert outcome(rows, judged) == reason
