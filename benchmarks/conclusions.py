"""How often the certificate's first sentence is wrong, in worlds whose truth is known.

    python benchmarks/conclusions.py            # all worlds: 1,000 seeds on a boundary, 200 elsewhere
    python benchmarks/conclusions.py --seeds 40 --worlds "5 points below" "one annotator"

What is true in a world follows from its own generator, with every item labelled by every honest annotator: a judge must
not get "Use" if its agreement with people is 5 points or more below theirs with each other, if its kappa with them, or
theirs, is at most 0.2, or if its kappa is at most 0 in a category with a tenth of the items. It is as good as people if
it agrees with them as they do with each other in every category, and has no planted defect. "Use only where" is judged
within its condition. In the worlds marked `shown` nothing counts as wrong: labels cannot tell what they hold.
"""

from __future__ import annotations

import argparse
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.audit.ceiling import Requirements
from amendment.audit.certificate import audit
from amendment.audit.votes import ComparisonInfo, Vote

Array = NDArray[np.float64]
Truth = Literal["must not", "as good", "between", "shown"]
POPULATION = 200_000
NOTHING_ASKED = Requirements()
LEAST_SEEDS, BOUNDARY_SEEDS = 200, 1000


@dataclass
class Drawn:
    """A sample of a world: sides (+1, 0, -1), nan where nobody spoke."""

    people: Array
    """A row per annotator."""
    judge: Array
    asked: Array | None = None
    """What people said, as far as they were asked; all of `people` by default."""
    honest: Sequence[int] | None = None
    """Annotators who answer by themselves; all by default."""
    category: NDArray[np.str_] | None = None
    """An empty name where none is given."""
    cluster: NDArray[np.int64] | None = None
    """Items of one prompt."""
    swapped: Array | None = None
    """The judge asked in the other order."""


@dataclass(frozen=True)
class World:
    name: str
    draw: Callable[[np.random.Generator, int], Drawn]
    truth: Truth
    items: int = 500
    is_boundary: bool = False
    asked: Requirements = NOTHING_ASKED
    kind: Literal["person", "truth"] = "person"
    judges: int = 1
    """Judges of the same kind in one audit: "Use" counts if any gets it."""
    looks: tuple[int, ...] = ()
    """Numbers of items after which a conclusion is drawn; "Use" counts if it comes at any."""
    defect: bool = False
    """A defect that agreement does not show."""


def right(rng: np.random.Generator, truth: Array, *chances: float | Array) -> Array:
    """Raters who say the truth with these chances, independently."""
    return np.stack([np.where(rng.random(truth.size) < chance, truth, -truth) for chance in chances])


def sides(rng: np.random.Generator, n: int, share: float = 0.5) -> Array:
    return np.where(rng.random(n) < share, 1.0, -1.0)


def plain(people: Sequence[float], judge: float, rng: np.random.Generator, n: int, *, share: float = 0.5) -> Drawn:
    truth = sides(rng, n, share)
    return Drawn(right(rng, truth, *people), right(rng, truth, judge)[0])


def alone(person: float, judge: float, rng: np.random.Generator, n: int) -> Drawn:
    """One annotator was asked; two others like this one would have been honest too."""
    return unasked(plain([person] * 3, judge, rng, n))


def unasked(drawn: Drawn, count: int = 2) -> Drawn:
    """The last annotators were asked nothing."""
    rows = np.arange(len(drawn.people))[:, None]
    return partly(drawn, rows < len(drawn.people) - count)


def below(people: float, points: float) -> float:
    """How often a judge is right whose agreement with such people is so much below theirs: r (r - s) / 2 = points."""
    r = 2 * people - 1
    return 0.5 + r / 2 - points / r


def kappa_right(kappa: float) -> float:
    """How often equal raters are right whose kappa is this, with even sides: (2 a - 1) ** 2 = kappa."""
    return (1 + float(np.sqrt(kappa))) / 2


def partly(drawn: Drawn, spoke: NDArray[np.bool_]) -> Drawn:
    """The same where people were asked only about some items; a row per annotator, or one for all."""
    return replace(drawn, asked=np.where(spoke, drawn.people, np.nan))


def few_with_two(rng: np.random.Generator, n: int) -> Drawn:
    drawn = plain([0.985, 0.985], 0.88, rng, n)
    return partly(drawn, np.stack([np.ones(n, bool), np.arange(n) < 0.08 * n]))


def copying(people: Sequence[float], judge: float, share: float, rng: np.random.Generator, n: int) -> Drawn:
    """The first annotator says what the judge says on a share of the items."""
    drawn = plain([*people, people[-1], people[-1]], judge, rng, n)
    drawn.people[0] = np.where(rng.random(n) < share, drawn.judge, drawn.people[0])
    return unasked(replace(drawn, honest=range(1, len(people) + 2)))


def people_copying(rng: np.random.Generator, n: int) -> Drawn:
    """The second annotator copies the first."""
    drawn = plain([0.8, 0.8, 0.8], 0.8, rng, n)
    drawn.people[1] = drawn.people[0]
    return replace(drawn, honest=(0, 2))


def sliced(
    people: Sequence[float], judges: Sequence[float], shares: Sequence[float], rng: np.random.Generator, n: int
) -> Drawn:
    """Annotators are equally good in every category, the judge is right as often as `judges` says."""
    which = rng.choice(len(shares), n, p=np.array(shares) / sum(shares))
    truth = sides(rng, n)
    judge = right(rng, truth, np.array(judges)[which])[0]
    return Drawn(right(rng, truth, *people), judge, category=np.array([f"c{i}" for i in range(len(shares))])[which])


def noisy_slices(rng: np.random.Generator, n: int) -> Drawn:
    """People are right in 95 % of one category and in 70 % of another; so is the judge."""
    which = rng.random(n) < 0.3
    chance, truth = np.where(which, 0.72, 0.95), sides(rng, n)
    return Drawn(
        right(rng, truth, chance, chance, chance), right(rng, truth, chance)[0], category=np.where(which, "b", "a")
    )


def difficult(rng: np.random.Generator, n: int, *, judge_less: float = 0) -> Drawn:
    """Some items are hard, for people and judge alike."""
    chance, truth = np.where(rng.random(n) < 0.4, 0.65, 0.97), sides(rng, n)
    return Drawn(right(rng, truth, chance, chance, chance), right(rng, truth, chance - judge_less)[0])


def skipped(rng: np.random.Generator, n: int, *, labelled: float = 0.4) -> Drawn:
    """People label only the easy items; on the others the judge guesses, and they would not."""
    easy, truth = rng.random(n) < labelled, sides(rng, n)
    people = right(rng, truth, *[np.where(easy, 0.95, 0.85)] * 3)
    return partly(Drawn(people, right(rng, truth, np.where(easy, 0.95, 0.55))[0]), easy)


def by_confidence(rng: np.random.Generator, n: int) -> Drawn:
    """The labelled items are mostly those on which the judge is confident, and right."""
    sure, truth = rng.random(n), sides(rng, n)
    drawn = Drawn(right(rng, truth, *[0.9] * 3), right(rng, truth, 0.55 + 0.42 * sure)[0])
    return partly(drawn, rng.random(n) < sure**2)


def tied(share: float, judge: float, rng: np.random.Generator, n: int) -> Drawn:
    """Every rater calls a tie where the item is even, and else what is true in `judge` or 92 %."""
    even, truth = rng.random(n) < share, sides(rng, n)
    said = right(rng, truth, 0.92, 0.92, 0.92, judge)
    said[:, even] = np.where(rng.random((4, int(even.sum()))) < 0.9, 0, said[:, even])
    return Drawn(said[:3], said[3])


def random_among(  # noqa: PLR0917
    people: Sequence[float], judge: float, honest: Sequence[int], left: int, rng: np.random.Generator, n: int
) -> Drawn:
    """Some annotators answer at random; `left` of the last were asked nothing."""
    return unasked(replace(plain(people, judge, rng, n), honest=honest), left)


def longer(rng: np.random.Generator, n: int) -> Drawn:
    """People prefer the longer answer on a fifth of the items whatever is better; the judge does as they do."""
    truth, long = sides(rng, n), sides(rng, n)
    said = right(rng, truth, 0.9, 0.9, 0.9, 0.9)
    swayed = rng.random(said.shape) < 0.2
    said = np.where(swayed, long, said)
    return Drawn(said[:3], said[3])


def shared_errors(rng: np.random.Generator, n: int) -> Drawn:
    """On a fifth of the items judge and people are fooled alike."""
    truth = sides(rng, n)
    seen = np.where(rng.random(n) < 0.2, -truth, truth)
    return Drawn(right(rng, seen, 0.9, 0.9, 0.9), right(rng, seen, 0.9)[0])


def repeated(people: Sequence[float], judge: float, times: int, rng: np.random.Generator, n: int) -> Drawn:
    """Each comparison stands there several times, with the same verdicts."""
    drawn = plain(people, judge, rng, max(n // times, 1))
    cluster = np.repeat(np.arange(max(n // times, 1)), times)
    return Drawn(drawn.people[:, cluster], drawn.judge[cluster], cluster=cluster)


def uneven(rng: np.random.Generator, n: int) -> Drawn:
    """Prompts with very different numbers of items, and raters who err by prompt; the judge is 5 points below."""
    prompts = max(n // 5, 1)
    size = rng.pareto(1.5, prompts) + 0.2
    cluster = np.sort(rng.choice(prompts, n, p=size / size.sum()))
    drawn = plain([0.9, 0.9, 0.9], below(0.9, 0.05), rng, prompts)
    return Drawn(drawn.people[:, cluster], drawn.judge[cluster], cluster=cluster)


def swayed(rng: np.random.Generator, n: int, *, judge: float) -> Drawn:
    """The judge prefers what is shown first on a third of the items."""
    drawn = plain([0.88] * 3, judge, rng, n)
    flips = rng.random(n) < 0.35
    return replace(drawn, judge=np.where(flips, 1.0, drawn.judge), swapped=np.where(flips, -1.0, drawn.judge))


def constant(rng: np.random.Generator, n: int) -> Drawn:
    return replace(plain([0.97] * 3, 0.9, rng, n, share=0.97), judge=np.ones(n))


P = partial
WORLDS = (
    World("worthless labels", P(plain, [0.66] * 3, 0.60), "must not", 2000),
    World("40 of 500 with two people", few_with_two, "must not"),
    World("one annotator only", P(alone, 0.985, 0.88), "must not"),
    World("one annotator, judge as good", P(alone, 0.9, 0.9), "as good"),
    World("5 points below, people 98 %", P(plain, [0.98] * 3, below(0.98, 0.05)), "must not", 300, True),
    World("5 points below, people 95 %", P(plain, [0.95] * 3, below(0.95, 0.05)), "must not", 500, True),
    World("5 points below, two people 90 %", P(plain, [0.9] * 2, below(0.9, 0.05)), "must not", 1000, True),
    World("5 points below, people 80 %", P(plain, [0.8] * 3, below(0.8, 0.05)), "must not", 2000, True),
    World("5 points below, 60 items", P(plain, [0.99] * 3, below(0.99, 0.05)), "must not", 60, True),
    World("kappa exactly 0.2", P(plain, [kappa_right(0.2)] * 3, kappa_right(0.2)), "must not", 1500, True),
    World("kappa of the judge 0.2", P(plain, [0.95] * 3, (1 + 0.2 / 0.9) / 2), "must not", 500, True),
    World("a slice exactly at chance", P(sliced, [0.95] * 3, [0.97, 0.5], [0.88, 0.12]), "must not", 1500, True),
    World("a slice below chance", P(sliced, [0.95] * 3, [0.96, 0.33], [0.853, 0.147]), "must not", 600),
    World("ten slices, one at 40 %", P(sliced, [0.9] * 3, [0.92] * 9 + [0.4], [0.1] * 10), "must not", 1000),
    World("people noisier in a slice", noisy_slices, "as good", 1500),
    World("two people, a column that copies the judge", P(copying, [0.9] * 2, 0.75, 1.0), "must not"),
    World("two people, a copy on 98 %", P(copying, [0.9] * 2, 0.75, 0.98), "must not"),
    World("two people, a copy on half", P(copying, [0.9] * 2, 0.8, 0.5), "must not", 1000),
    World("three people, a column that copies the judge", P(copying, [0.9] * 3, 0.75, 1.0), "must not"),
    World("four people, a copy on half", P(copying, [0.9] * 4, 0.8, 0.5), "must not", 1000),
    World("people who copy each other", people_copying, "as good", 1500),
    World("two good and one random", P(random_among, [0.9, 0.9, 0.5], 0.65, (0, 1), 0), "must not", 1000),
    World("one good and two random", P(random_among, [0.9, 0.5, 0.5, 0.9], 0.7, (0, 3), 1), "must not", 1000),
    World("all random", P(plain, [0.5] * 3, 0.5), "must not", 1000),
    World("one with sides swapped", P(random_among, [0.9, 0.9, 0.1], 0.75, (0, 1), 0), "must not", 1000),
    World("two experts, two poor; judge as poor", P(plain, [0.95, 0.95, 0.7, 0.7], 0.7), "must not", 1000),
    World("two experts, two poor; judge as expert", P(plain, [0.95, 0.95, 0.7, 0.7], 0.95), "between", 1000),
    World("people 95 %, judge as good", P(plain, [0.95] * 3, 0.95), "as good"),
    World("people 90 %, judge as good", P(plain, [0.9] * 3, 0.9), "as good"),
    World("people 80 %, judge as good", P(plain, [0.8] * 3, 0.8), "as good", 1000),
    World("people 65 %, judge as good", P(plain, [0.65] * 3, 0.65), "must not", 1000),
    World("two people, judge as good", P(plain, [0.9] * 2, 0.9), "as good", 1000),
    World("judge far better than people", P(plain, [0.75] * 3, 0.97), "between", 1000),
    World("two people, judge far better", P(plain, [0.75] * 2, 0.97), "between", 1000),
    World("shared difficulty", difficult, "as good", 1000),
    World("shared difficulty, judge worse", P(difficult, judge_less=0.15), "must not", 1000),
    World("labels drawn by confidence", by_confidence, "must not", 1500),
    World("people skip the hard items", skipped, "must not", 1500),
    World("sides 90 : 10, judge as good", P(plain, [0.95] * 3, 0.95, share=0.9), "as good", 1000),
    World("sides 90 : 10, 5 points below", P(plain, [0.95] * 3, below(0.95, 0.05), share=0.9), "must not", 1000, True),
    World("constant judge, labels 97 : 3", constant, "must not"),
    World("ties in 30 %, judge as good", P(tied, 0.3, 0.92), "as good", 1000),
    World("ties in 90 %", P(tied, 0.9, 0.92), "must not", 1000),
    World("ties in 30 %, judge worse", P(tied, 0.3, 0.8), "must not", 1000),
    World("people and judge prefer length", longer, "as good", 1000),
    World("40 comparisons ten times each", P(repeated, [0.95] * 3, below(0.95, 0.05), 10), "must not", 400, True),
    World("uneven prompts, 5 points below", uneven, "must not", 1500, True),
    World("position bias, orders agree on the truth", P(swayed, judge=0.9), "must not", 1000),
    World("position bias, bad where orders agree", P(swayed, judge=0.72), "must not", 1000),
    World("40 judges, each 5 points below", P(plain, [0.95] * 3, below(0.95, 0.05)), "must not", 500, False, judges=40),
    World(
        "ten looks, 5 points below",
        P(plain, [0.95] * 3, below(0.95, 0.05)),
        "must not",
        1000,
        asked=Requirements(looks=10),
        looks=tuple(range(100, 1001, 100)),
    ),
    World(
        "truth, exactly at the bar",
        P(plain, [1.0], 0.85),
        "must not",
        500,
        True,
        Requirements(min_agreement=0.85),
        "truth",
    ),
    World(
        "truth, above the bar",
        P(plain, [1.0], 0.92),
        "between",
        500,
        asked=Requirements(min_agreement=0.85),
        kind="truth",
    ),
    World("truth, no bar named", P(plain, [1.0], 0.92), "must not", kind="truth"),
    World(
        "ten categories of fifteen items, one point below the bar",
        P(sliced, [1.0], [0.79] * 10, [0.1] * 10),
        "must not",
        150,
        True,
        Requirements(min_agreement=0.8),
        "truth",
    ),
    World("errors that judge and people share", shared_errors, "shown", 1000),
)


class Figures(NamedTuple):
    judge: float
    people: float
    judge_kappa: float
    people_kappa: float


def figures(drawn: Drawn, where: NDArray[np.bool_]) -> Figures:
    """Of the honest annotators, equally often, on these items."""
    honest = list(drawn.honest if drawn.honest is not None else range(len(drawn.people)))
    people, judge = drawn.people[honest][:, where], verdict(drawn)[where]
    pairs = [(people[i], people[j]) for i in range(len(people)) for j in range(i)]
    with_judge, among = (
        float(np.mean(people * judge)),
        float(np.mean([np.mean(x * y) for x, y in pairs])) if pairs else 1.0,
    )
    a, b = float(judge.mean()), float(people.mean())

    def beyond(product: float, chance: float) -> float:
        return (product - chance) / (1 - chance) if chance < 1 else 0.0

    return Figures((1 + with_judge) / 2, (1 + among) / 2, beyond(with_judge, a * b), beyond(among, b * b))


def verdict(drawn: Drawn) -> Array:
    """The judge's side after both orders: where they differ it is a tie."""
    return drawn.judge if drawn.swapped is None else np.where(drawn.judge == drawn.swapped, drawn.judge, 0.0)


def must_not(drawn: Drawn, where: NDArray[np.bool_], asked: Requirements, kind: str) -> bool:
    """The definition, on a part of the population; rounding counts as at the boundary."""
    found, slack = figures(drawn, where), 0.004
    if kind == "truth":
        return asked.min_agreement is None or found.judge <= asked.min_agreement + slack or found.judge_kappa <= 0.2
    if found.judge <= found.people - asked.margin + slack or min(found.judge_kappa, found.people_kappa) <= 0.2 + slack:
        return True
    names = np.unique(drawn.category[where]) if drawn.category is not None else ()
    parts = [where & (drawn.category == name) for name in names]
    return any(part.sum() >= 0.095 * where.sum() and figures(drawn, part).judge_kappa <= slack for part in parts)


def votes_of(
    drawn: Drawn, world: World, items: int, judges: Sequence[Array]
) -> tuple[dict[str, ComparisonInfo], list[Vote]]:
    said = drawn.people if drawn.asked is None else drawn.asked
    value = {1.0: "A", 0.0: "tie", -1.0: "B"}
    known = {
        f"i{i}": ComparisonInfo(
            None if drawn.cluster is None else f"p{drawn.cluster[i]}",
            None if drawn.category is None else str(drawn.category[i]) or None,
        )
        for i in range(items)
    }
    votes = [
        Vote(f"i{i}", f"person{row}", world.kind, value[side])  # type: ignore[arg-type]
        for row, column in enumerate(said)
        for i, side in enumerate(column[:items].tolist())
        if not np.isnan(side)
    ]
    for number, column in enumerate(judges):
        orders = [(column, None)] if drawn.swapped is None else [(column, "A"), (drawn.swapped, "B")]
        votes += [
            Vote(f"i{i}", f"judge{number}", "model", value[side], first)  # type: ignore[arg-type]
            for said_in, first in orders
            for i, side in enumerate(said_in[:items].tolist())
        ]
    return known, votes


class Run(NamedTuple):
    """One seed of one world."""

    form: str
    because: str
    is_wrong: bool


def run(world: World, seed: int) -> Run:
    """One sample; of several judges or looks the best form."""
    rng = np.random.default_rng([zlib.crc32(world.name.encode()), seed])
    drawn = world.draw(rng, world.items)
    size = drawn.judge.size
    judges = [drawn.judge]
    if world.judges > 1:
        truth = sides(rng, size)
        people = right(rng, truth, *[0.95] * 3)
        drawn = Drawn(people, drawn.judge)
        judges = list(right(rng, truth, *[below(0.95, 0.05)] * world.judges))
    found = []
    for items in world.looks or (size,):
        known, votes = votes_of(drawn, world, items, judges)
        found.append(audit(known, votes, draws=50, asked=world.asked).conclusions[0])
    best = next((one for form in ("use", "use only where") for one in found if one.form == form), found[-1])
    wrong = False
    if best.form == "use":
        wrong = world.truth == "must not"
    elif best.form == "use only where":
        wrong = world.truth != "shown" and not holds_within(
            world, best.where, tuple(part.name for part in best.categories if part.standing == "above chance")
        )
    elif best.form == "do not use":
        wrong = world.truth == "as good" and not world.defect
    return Run(best.form, best.because, wrong)


_populations: dict[str, Drawn] = {}


def holds_within(world: World, where: tuple[str, ...], categories: tuple[str, ...]) -> bool:
    """Whether the judge may be used under these conditions, by the whole population."""
    if world.name not in _populations:
        _populations[world.name] = world.draw(np.random.default_rng(1), POPULATION)
    drawn = _populations[world.name]
    mask = np.ones(drawn.judge.size, bool)
    for condition in where:
        if condition.startswith("where both orders"):
            mask &= drawn.judge == verdict(drawn)
        elif condition.startswith("for "):
            mask &= np.isin(np.asarray(drawn.category), categories)
        else:
            mask &= ~np.isnan(np.asarray(drawn.asked)).all(axis=0)
    return not must_not(drawn, mask, world.asked, world.kind)


def truth_of(world: World) -> bool:
    """Whether the world's own population is one in which the judge must not be used."""
    drawn = world.draw(np.random.default_rng(1), POPULATION)
    return must_not(drawn, np.ones(drawn.judge.size, bool), world.asked, world.kind)


def table(worlds: Sequence[World], seeds: int | None, run: Callable[[World, int], Run] = run) -> Iterator[str]:
    yield "| world | truth | seeds | Use | only where | nothing | Do not use | wrong | minutes |"
    yield "|---|---|---|---|---|---|---|---|---|"
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for world in worlds:
            count = seeds or (BOUNDARY_SEEDS if world.is_boundary else LEAST_SEEDS)
            start = time.monotonic()
            runs = list(pool.map(partial(run, world), range(count), chunksize=10))
            forms = Counter(one.form for one in runs)
            shown = " | ".join(
                f"{100 * forms[form] / count:.1f} %"
                for form in ("use", "use only where", "no conclusion", "do not use")
            )
            wrong = sum(one.is_wrong for one in runs)
            minutes = (time.monotonic() - start) / 60
            yield f"| {world.name} | {world.truth} | {count} | {shown} | {wrong} | {minutes:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--worlds", nargs="*")
    given = parser.parse_args()
    from benchmarks.conclusions_worlds import MORE

    def chosen(worlds: Sequence[World]) -> list[World]:
        return [world for world in worlds if not given.worlds or any(name in world.name for name in given.worlds)]

    for line in table(chosen(WORLDS), given.seeds):
        print(line, flush=True)
    if more := chosen(MORE):
        print("| **A reader of the definition wrote these:** |" + " |" * 8, flush=True)
        for line in islice(table(more, given.seeds), 2, None):
            print(line, flush=True)


if __name__ == "__main__":
    main()
