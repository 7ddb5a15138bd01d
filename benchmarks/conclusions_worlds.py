"""Twenty worlds more, written by a reader of the definition of the truth who had not read the certificate's rules.

A product of two sides has the mean e where their agreement is (1 + e) / 2: "5 points" of agreement are 0.1 of e. Raters
who are right in p of the items, independently, have r = 2 p - 1, and the product of two of them has the mean r s.
`benchmarks/conclusions.py` runs these after its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchmarks.conclusions import Drawn, World, below, partly, plain, right, sides, sliced


def level(people: Sequence[float], points: float = 0) -> float:
    """How often a judge is right whose mean agreement with these people is so much below theirs with each other."""
    r = [2 * chance - 1 for chance in people]
    among = float(np.mean([x * y for x, y in combinations(r, 2)]))
    return 0.5 + (among - 2 * points) / float(np.mean(r)) / 2


def some(rng: np.random.Generator, raters: int, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Who was asked when each item goes to so many raters, drawn by lot."""
    return rng.random((raters, counts.size)).argsort(axis=0).argsort(axis=0) < counts


def same_errors(rng: np.random.Generator, n: int) -> Drawn:
    """Two of three are fooled alike on 12 % of the items, and only a fifth of the items went to both of them."""
    truth = sides(rng, n)
    fooled = np.where(rng.random(n) < 0.12, -truth, truth)
    people = np.concatenate([right(rng, fooled, 0.97, 0.97), right(rng, truth, 0.93)])
    which = rng.random(n)
    spoke = np.stack([which < 0.6, (which < 0.2) | (which >= 0.6), which >= 0.2])
    return partly(Drawn(people, right(rng, truth, 0.895)[0]), spoke)


def settled(person: float, judge: float, rng: np.random.Generator, n: int) -> Drawn:
    """A third annotator is asked only where the first two differ."""
    drawn = plain([person] * 3, judge, rng, n)
    both = np.ones(n, bool)
    return partly(drawn, np.stack([both, both, drawn.people[0] != drawn.people[1]]))


def good_where_three(rng: np.random.Generator, n: int) -> Drawn:
    """A quarter of the items has three labels, and there the judge is better; the others have one."""
    three, truth = rng.random(n) < 0.25, sides(rng, n)
    judge = right(rng, truth, np.where(three, 0.95, 0.815))[0]
    return partly(Drawn(right(rng, truth, *[0.92] * 3), judge), some(rng, 3, np.where(three, 3, 1)))


def mostly_one(rng: np.random.Generator, n: int) -> Drawn:
    """The poorest of five annotators gives 80 % of the labels."""
    people = [0.8, 0.97, 0.97, 0.97, 0.97]
    spoke = rng.random((5, n)) < 1 / 16
    spoke[0] = True
    return partly(plain(people, level(people, 0.06), rng, n), spoke)


def unnamed(rng: np.random.Generator, n: int) -> Drawn:
    """On 60 % of the items no category is named; in one with 12 % the judge says A in 90 % whatever is true, as is."""
    which = rng.random(n)
    bad = which < 0.12
    truth = np.where(bad, sides(rng, n, 0.9), sides(rng, n))
    judge = np.where(bad, sides(rng, n, 0.9), right(rng, truth, 0.95)[0])
    category = np.where(bad, "b", np.where(which < 0.4, "a", ""))
    return Drawn(right(rng, truth, *[0.95] * 3), judge, category=category)


def by_prevalence(knows: float, rng: np.random.Generator, n: int) -> Drawn:
    """The judge knows what is true on a share of the items, and else says A as often as A is true."""
    truth = sides(rng, n, 0.97)
    judge = np.where(rng.random(n) < knows, truth, sides(rng, n, 0.97))
    return Drawn(right(rng, truth, *[0.98] * 3), judge)


def abstaining(rng: np.random.Generator, n: int) -> Drawn:
    """The judge calls a tie on the hard quarter and is better than people on the rest."""
    hard, truth = rng.random(n) < 0.25, sides(rng, n)
    people = right(rng, truth, *[np.where(hard, 0.85, 0.97)] * 3)
    return Drawn(people, np.where(hard, 0.0, right(rng, truth, 0.98)[0]))


def silent(people: Sequence[float], judge: float, share: float, rng: np.random.Generator, n: int) -> Drawn:
    """The judge says nothing that can be read, or a tie, on a share of the items."""
    drawn = plain(people, judge, rng, n)
    return Drawn(drawn.people, np.where(rng.random(n) < share, 0.0, drawn.judge))


def lazy(people: float, judge: float, rng: np.random.Generator, n: int) -> Drawn:
    """Raters who take the first answer on a share of the items, each on others, and else are right in 97 %."""
    truth = sides(rng, n)
    said = right(rng, truth, *[0.97] * 4)
    shares = np.array([people, people, people, judge])[:, None]
    said = np.where(rng.random(said.shape) < shares, 1.0, said)
    return Drawn(said[:3], said[3])


def dialects(rng: np.random.Generator, n: int) -> Drawn:
    """Three people and the judge speak one dialect, two another; 85 % of the items went to one person of each."""
    first = sides(rng, n)
    second = np.where(rng.random(n) < 0.2, -first, first)
    people = np.concatenate([right(rng, first, *[0.95] * 3), right(rng, second, *[0.95] * 2)])
    one = np.ones(n, np.int64)
    spoke = np.concatenate([some(rng, 3, one), some(rng, 2, one)]) | (rng.random(n) < 0.15)
    return partly(Drawn(people, right(rng, first, 0.841)[0]), spoke)


def failing_prompts(rng: np.random.Generator, n: int) -> Drawn:
    """Prompts of ten items; on 6.5 % of the prompts the judge says the contrary."""
    cluster = np.arange(n) // 10
    drawn = plain([0.95] * 3, 0.95, rng, n)
    fails = (rng.random(n // 10 + 1) < 0.065)[cluster]
    return Drawn(drawn.people, np.where(fails, -drawn.judge, drawn.judge), cluster=cluster)


def two_of_five(people: Sequence[float], points: float, rng: np.random.Generator, n: int) -> Drawn:
    """Each item went to two or three of the people, by lot."""
    return partly(plain(people, level(people, points), rng, n), some(rng, len(people), rng.integers(2, 4, n)))


def parts(rng: np.random.Generator, n: int) -> Drawn:
    """Two experts label one half and two poorer annotators the other; a tenth went to all four."""
    people = [0.98, 0.98, 0.7, 0.7]
    half, everyone = rng.random(n) < 0.5, rng.random(n) < 0.1
    spoke = np.stack([half, half, ~half, ~half]) | everyone
    return partly(plain(people, level(people), rng, n), spoke)


def drifting(rng: np.random.Generator, n: int) -> Drawn:
    """The third annotator is right in 98 % at the beginning and in 60 % at the end."""
    truth = sides(rng, n)
    people = right(rng, truth, 0.93, 0.93, np.linspace(0.98, 0.6, n))
    return Drawn(people, right(rng, truth, level([0.93, 0.93, 0.79]))[0])


def copying_with_noise(rng: np.random.Generator, n: int) -> Drawn:
    """The second annotator copies the first on 90 % of the items, with 5 % of slips."""
    drawn = plain([0.85] * 3, 0.85, rng, n)
    copied = right(rng, drawn.people[0], 0.95)[0]
    drawn.people[1] = np.where(rng.random(n) < 0.9, copied, drawn.people[1])
    return Drawn(drawn.people, drawn.judge, honest=(0, 2))


def contested(raters: int, rng: np.random.Generator, n: int) -> Drawn:
    """Each item has its own share of people who say A, mostly near none or all; the judge is one more of them."""
    said = np.where(rng.random((raters + 1, n)) < rng.beta(0.5, 0.5, n), 1.0, -1.0)
    return Drawn(said[:-1], said[-1])


def many_categories(rng: np.random.Generator, n: int) -> Drawn:
    """Forty categories of the same size, five unequal people of whom two or three label an item."""
    drawn = two_of_five([0.95, 0.92, 0.88, 0.84, 0.8], 0, rng, n)
    drawn.category = np.array([f"c{i}" for i in range(40)])[rng.integers(0, 40, n)]
    return drawn


def hard_prompts(rng: np.random.Generator, n: int) -> Drawn:
    """Prompts of very different size, of which 30 % are hard; 6 % of the verdicts cannot be read, the rest make up."""
    prompts = max(n // 10, 1)
    size = rng.pareto(2.0, prompts) + 0.3
    cluster = np.sort(rng.choice(prompts, n, p=size / size.sum()))
    truth, r = sides(rng, n), np.where(rng.random(prompts) < 0.3, 0.4, 0.92)[cluster]
    people = right(rng, truth, *[(1 + r) / 2] * 3)
    judge = np.where(rng.random(n) < 0.06, 0.0, right(rng, truth, (1 + r / 0.94) / 2)[0])
    return Drawn(people, judge, cluster=cluster)


P = partial
MORE: tuple[World, ...] = (
    # People (0.94^2 + 2 * 0.94 * 0.76 * 0.86) / 3 = 0.704, judge 0.79 (2 * 0.94 * 0.76 + 0.86) / 3 = 0.603: 5.1 points.
    # Weighted by the pairs that were seen: 0.668 and 0.610, 2.9 points.
    World("two of three with the same errors", same_errors, "must not", 1000, True),
    # In all pairs that were seen people agree in 66 % (truly 74.5 %), the judge with the labels in 69.5 %.
    World("a third label where two differ, 5 below", P(settled, 0.85, below(0.85, 0.05)), "must not", 1000, True),
    # People 0.84^2 = 0.706, judge 0.84 (0.25 * 0.9 + 0.75 * 0.63) = 0.586: 6 points; above them where three labels are.
    World("judge good only where three label", good_where_three, "must not", 1200),
    # People (6 * 0.94^2 + 4 * 0.94 * 0.6) / 10 = 0.756, judge 0.12 less; the pairs seen are those with the poor one.
    World("one annotator with 80 % of the labels", mostly_one, "must not", 1200),
    # In b side and judge are independent: kappa 0 in 12 % of all. Overall 0.12 (0.81 - 0.8 * 0.72) / 2: 1.4 points.
    World("categories unnamed on 60 %, one at chance", unnamed, "must not", 1500, True),
    # Overall 0.81 - 0.9 * 0.94 * 0.9 = 0.049: 2.4 points.
    World(
        "a category of 10 % at chance among 31",
        P(sliced, [0.95] * 3, [0.97] * 30 + [0.5], [0.03] * 30 + [0.1]),
        "must not",
        1500,
        True,
    ),
    # Mean sides 0.94 and 0.96 * 0.94; kappa 0.96 * 0.27 (1 - 0.94^2) / (1 - 0.96 * 0.94^2) = 0.199; 2.2 points below.
    World("sides 97 : 3, judge says the prevalence", P(by_prevalence, 0.27), "must not", 1500, True),
    # People 0.75 * 0.94^2 + 0.25 * 0.7^2 = 0.785, judge 0.75 * 0.94 * 0.96 = 0.677: 5.4 points.
    World("judge abstains on the hard quarter", abstaining, "must not", 1000),
    # People 0.81, judge 0.81 (1 - 0.1235) = 0.71: 5 points, none of them where the judge decides.
    World("5 points below by ties only, 70 items", P(silent, [0.95] * 3, 0.95, 0.1235), "must not", 70, True),
    # Given A or B is true: people 0.97 and 0.03, judge 0.985 and 0.515. Products 0.471 and 0.485, so the judge agrees
    # more, but its kappa is (0.4855 - 0.5 * 0.75) / (1 - 0.375) = 0.177.
    World("people half lazy, judge three quarters", P(lazy, 0.5, 0.75), "must not", 1000),
    # People 0.81 (4 + 6 * 0.6) / 10 = 0.616, judge 0.9 * 0.682 (3 + 2 * 0.6) / 5 = 0.516. In pairs of both dialects
    # people have 0.486 and the judge 0.491.
    World("two dialects, judge speaks the majority's", dialects, "must not", 1500, True),
    # 0.81 * 2 * 0.065 / 2: 5.3 points, from 4 of 60 prompts.
    World("judge fails whole prompts", failing_prompts, "must not", 600),
    World(
        "5 points below five unequal people", P(two_of_five, [0.99, 0.95, 0.9, 0.85, 0.8], 0.05), "must not", 800, True
    ),
    # Mean over items people seem to agree in 78.7 %, truly in 68 %; the judge with them in 70 %.
    World("a third label where two differ, judge as good", P(settled, 0.8, 0.8), "as good", 1000),
    # People (0.96^2 + 0.4^2 + 4 * 0.96 * 0.4) / 6 = 0.436 as the judge; in the pairs seen mostly (0.922 + 0.16) / 2.
    World("experts and others label different parts", parts, "as good", 1000),
    # The third has r = 0.58 on average over the items: people (0.86^2 + 2 * 0.86 * 0.58) / 3 = 0.579 as the judge.
    World("an annotator who drifts, judge as good", drifting, "as good", 600),
    # The honest two and the judge have 0.49 pairwise; the copy has 0.859 with its source.
    World("a noisy copy of a person, judge as good", copying_with_noise, "as good", 1000),
    # Exchangeable raters; 4 * 0.125 = 0.5.
    World("contested items, two people, 80 items", P(contested, 2), "as good", 80),
    World("40 categories, five people, judge as good", many_categories, "as good", 1000),
    # On an item people have r^2, the judge 0.94 r (r / 0.94), easy or hard.
    World("hard prompts, 6 % unreadable, as good", hard_prompts, "as good", 600),
)
