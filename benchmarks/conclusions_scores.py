"""How often the first sentence about labels of single answers is wrong, in worlds whose truth is known.

    python -m benchmarks.conclusions_scores     # all worlds: 1,000 seeds on a boundary, 200 elsewhere
    python -m benchmarks.conclusions_scores --seeds 40 --worlds "0.05 below" "always"

An item has a true class, and a rater says what a row of its matrix gives: the chances of each label by the true class.
The alpha of two raters follows from their matrices without a draw. A judge must not get "Use" if its alpha with one
person is 0.05 or more below that of two people, or if either is at most 0.2; it is as good as people if it has their
matrix. A label that cannot be read counts as chance.
"""

from __future__ import annotations

import argparse
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from amendment.audit.single import RaterLabel, SingleLabels, label_certificate
from amendment.data.verdict_files import Scale
from benchmarks.conclusions import Array, Drawn, Run, Truth, World, table

UNREADABLE = -1.0
EVEN, MIDDLE, TOP = np.full(5, 0.2), np.array([0.05, 0.15, 0.6, 0.15, 0.05]), np.array([0.02, 0.03, 0.05, 0.2, 0.7])
THREE, RARE = np.array([0.5, 0.3, 0.2]), np.array([0.97, 0.03])


@dataclass(frozen=True)
class LabelWorld(World):
    """A world of labels; `Drawn` has classes from 0 in the place of sides."""

    scale: Scale = "ordinal"


def noisy(right: float, otherwise: Array) -> Array:
    """A rater who is right with this chance, and else says what these rows give."""
    matrix: Array = right * np.eye(len(otherwise)) + (1 - right) * otherwise
    return matrix


def at_random(shares: Array) -> Array:
    return np.tile(shares, (len(shares), 1))


def one_step(classes: int) -> Array:
    steps = np.eye(classes, k=1) + np.eye(classes, k=-1)
    rows: Array = steps / steps.sum(1, keepdims=True)
    return rows


def mirrored(classes: int) -> Array:
    return np.fliplr(np.eye(classes))


def far_end(classes: int) -> Array:
    return np.eye(classes)[[classes - 1 if 2 * place < classes - 1 else 0 for place in range(classes)]]


def always(place: int, classes: int) -> Array:
    return np.tile(np.eye(classes)[place], (classes, 1))


def alpha(shares: Array, first: Array, second: Array, scale: Scale = "ordinal") -> float:
    """Krippendorff's alpha of two raters on infinitely many items."""
    joint = np.einsum("t,tc,tk->ck", shares, first, second)
    labels = (joint.sum(0) + joint.sum(1)) / 2
    rank = np.cumsum(labels) - labels / 2
    distance = (rank[:, None] - rank) ** 2 if scale != "nominal" else 1 - np.eye(len(labels))
    return 1 - float((joint * distance).sum() / (labels @ distance @ labels))


def solved(reaches: Callable[[float], float], target: float) -> float:
    """The chance at which an increasing function of it has this value."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if reaches(middle) < target else (low, middle)
    return low


def below(shares: Array, person: Array, otherwise: Array, scale: Scale = "ordinal") -> Array:
    """A judge who sees what a person sees, and then errs so often that its alpha is 0.05 below that of two people."""
    target = alpha(shares, person, person, scale) - 0.05
    often = solved(lambda chance: alpha(shares, person @ noisy(chance, otherwise), person, scale), target)
    judge: Array = person @ noisy(often, otherwise)
    return judge


def labelled(  # noqa: PLR0917
    shares: Array,
    person: Array,
    judge: Array,
    people: int,
    judges: int,
    per_prompt: int,
    unread: float,
    rng: np.random.Generator,
    n: int,
) -> Drawn:
    """Labels by the matrices, the rows of further judges after those of people; a rater says the same of all items of a
    prompt."""
    prompts = -(-n // per_prompt)
    truth = rng.choice(len(shares), prompts, p=shares)

    def said(matrix: Array) -> Array:
        drawn = (rng.random((prompts, 1)) > matrix[truth].cumsum(1)[:, :-1]).sum(1).astype(np.float64)
        return np.repeat(drawn, per_prompt)[:n]

    of_judge = said(judge)
    of_judge[rng.random(n) < unread] = UNREADABLE
    rows = np.stack([said(matrix) for matrix in [*[person] * people, *[judge] * (judges - 1)]])
    return Drawn(rows, of_judge, cluster=np.repeat(np.arange(prompts), per_prompt)[:n])


def world(  # noqa: PLR0917
    name: str,
    truth: Truth,
    items: int,
    shares: Array,
    person: Array,
    judge: Array,
    *,
    people: int = 2,
    per_prompt: int = 1,
    unread: float = 0.0,
    judges: int = 1,
    is_boundary: bool = False,
    scale: Scale = "ordinal",
) -> LabelWorld:
    draw = partial(labelled, shares, person, judge, people, judges, per_prompt, unread)
    return LabelWorld(name, draw, truth, items, is_boundary, judges=judges, scale=scale)


def at_boundary(
    name: str,
    sizes: tuple[int, ...],
    shares: Array,
    person: Array,
    otherwise: Array,
    *,
    scale: Scale = "ordinal",
    judges: int = 1,
    per_prompt: int = 1,
    people: int = 2,
) -> list[LabelWorld]:
    """The judge exactly 0.05 below, at several sizes."""
    judge = below(shares, person, otherwise, scale)
    return [
        world(
            f"{name}, {items} items",
            "must not",
            items,
            shares,
            person,
            judge,
            is_boundary=True,
            scale=scale,
            judges=judges,
            per_prompt=per_prompt,
            people=people,
        )
        for items in sizes
    ]


def as_good(name: str, shares: Array, person: Array, scale: Scale = "ordinal") -> list[LabelWorld]:
    return [
        world(f"{name}, judge as good, {items} items", "as good", items, shares, person, person, scale=scale)
        for items in (100, 300, 1000)
    ]


STEPS, PERFECT = noisy(0.9, one_step(5)), np.eye(5)
RANDOM, CLASSES = at_random(EVEN), noisy(0.9, at_random(THREE))
FIFTH = np.sqrt(0.2)
"""Right so often, and else at random, two raters have an alpha of 0.2."""
SIZES = (60, 200, 500)
NOMINAL: Scale = "nominal"
WORLDS = (
    world("always says 3", "must not", 300, EVEN, STEPS, always(2, 5)),
    world("always says 3, most are 3", "must not", 300, MIDDLE, STEPS, always(2, 5)),
    world("draws 3, 3, 3, 4", "must not", 300, EVEN, STEPS, at_random(np.array([0, 0, 0.75, 0.25, 0]))),
    world("draws 3, 3, 3, 4, most are 3", "must not", 300, MIDDLE, STEPS, at_random(np.array([0, 0, 0.75, 0.25, 0]))),
    world("80 % beside people of 93 %", "must not", 35, EVEN, noisy(0.93, RANDOM), noisy(0.8, RANDOM)),
    *at_boundary("0.05 below, errors at random", SIZES, EVEN, noisy(0.9, RANDOM), RANDOM),
    *at_boundary("0.05 below, people of 60 %", SIZES, EVEN, noisy(0.6, one_step(5)), RANDOM),
    *at_boundary("0.05 below, one step", SIZES, EVEN, STEPS, one_step(5)),
    *at_boundary("0.05 below, perfect people, mirrored", (*SIZES, 1000), EVEN, PERFECT, mirrored(5)),
    *at_boundary("0.05 below, far misses", SIZES, EVEN, noisy(0.95, one_step(5)), far_end(5)),
    *at_boundary("0.05 below, most are 3", SIZES, MIDDLE, STEPS, one_step(5)),
    *at_boundary("0.05 below, most are 3, far misses", SIZES, MIDDLE, noisy(0.97, one_step(5)), far_end(5)),
    *at_boundary("0.05 below, most are 5, always 5", SIZES, TOP, STEPS, always(4, 5)),
    *at_boundary("0.05 below, three classes", SIZES, THREE, CLASSES, at_random(THREE), scale=NOMINAL),
    *at_boundary("0.05 below, classes 97 : 3", SIZES, RARE, np.eye(2), at_random(RARE), scale=NOMINAL),
    *at_boundary("0.05 below, prompts of five items", (500,), EVEN, noisy(0.9, RANDOM), RANDOM, per_prompt=5),
    *at_boundary("0.05 below, ten judges", (500,), EVEN, noisy(0.9, RANDOM), RANDOM, judges=10),
    *at_boundary("0.05 below, five people", (300,), EVEN, noisy(0.9, RANDOM), RANDOM, people=5),
    world("alpha of people 0.2, perfect judge", "must not", 500, EVEN, noisy(FIFTH, RANDOM), PERFECT, is_boundary=True),
    world(
        "alpha of people 0.2, judge as good", "must not", 2000, EVEN, noisy(FIFTH, RANDOM), noisy(FIFTH, RANDOM),
        is_boundary=True,
    ),
    world("alpha of the judge 0.2", "must not", 500, EVEN, noisy(0.95, RANDOM), noisy(0.2 / 0.95, RANDOM)),
    world("one annotator", "must not", 500, EVEN, STEPS, STEPS, people=1),
    world("a tenth cannot be read", "must not", 1000, EVEN, STEPS, STEPS, unread=0.1),
    *as_good("people of 90 %, one step", EVEN, STEPS),
    *as_good("people of 60 %, one step", EVEN, noisy(0.6, one_step(5))),
    *as_good("people of 90 %, errors at random", EVEN, noisy(0.9, RANDOM)),
    *as_good("people of 90 %, most are 3", MIDDLE, STEPS),
    *as_good("people of 90 %, three classes", THREE, CLASSES, NOMINAL),
    world("three people of 90 %, judge as good", "as good", 500, EVEN, STEPS, STEPS, people=3),
    world("judge far better than people", "between", 500, EVEN, noisy(0.6, one_step(5)), PERFECT),
)  # fmt: skip


def run(label_world: World, seed: int) -> Run:
    """One sample; of several judges the best form."""
    rng = np.random.default_rng([zlib.crc32(label_world.name.encode()), seed])
    drawn = label_world.draw(rng, label_world.items)
    people = len(drawn.people) - label_world.judges + 1
    judges = [drawn.judge, *drawn.people[people:]]
    scale = label_world.scale if isinstance(label_world, LabelWorld) else "ordinal"
    raters = [(f"person{row}", True, column) for row, column in enumerate(drawn.people[:people])]
    raters += [(f"judge{number}", False, column) for number, column in enumerate(judges)]
    labels = [
        RaterLabel(f"i{place}", name, is_person, None if value == UNREADABLE else value)
        for name, is_person, column in raters
        for place, value in enumerate(column.tolist())
    ]
    clusters = drawn.cluster if drawn.cluster is not None else np.arange(label_world.items)
    prompts = {f"i{place}": f"p{cluster}" for place, cluster in enumerate(clusters.tolist())}
    inputs = SingleLabels("world", scale, list("12345"), labels, prompts, Counter(), [], [], {})
    found = label_certificate(inputs, label_world.asked)[0]["conclusion"][0]
    is_wrong = {"use": label_world.truth == "must not", "do not use": label_world.truth == "as good"}
    return Run(found["form"], found["because"], is_wrong.get(found["form"], False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--worlds", nargs="*")
    given = parser.parse_args()
    chosen = [world for world in WORLDS if not given.worlds or any(name in world.name for name in given.worlds)]
    for line in table(chosen, given.seeds, run):
        print(line, flush=True)


if __name__ == "__main__":
    main()
