"""Tasks whose answers are known: arithmetic, algebra, small programs with tests, and mechanics in closed form.

Covered: the same tasks for the same seed on any machine; mechanics forward (what comes out), inverse (what went in) and
symbolic (the formula), as in Sim2Reason. Each task turns on one fact, and tasks whose answer stays the same without it
are dropped and counted.
Not covered: hard mathematics; wording by a model.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from amendment.errors import DataError
from amendment.hashing import content_id
from amendment.records import Prompt, user

Family = Literal["arithmetic", "algebra", "programs", "mechanics"]
TOLERANCE = 0.05
"""The relative error within which a number counts as solved."""
TRIES = 10_000
"""A family is taken to have no more tasks after so many in a row that are not new."""
BOXED = "Give the result as \\boxed{}."


class Task(NamedTuple):
    """A question with its known answer."""

    question: str
    answer: str
    """LaTeX, a number, or the calls of a program with their values as JSON."""
    category: str
    """The family; `mechanics-symbolic` where a formula is asked for."""
    is_shortcut: bool
    """A solver that ignores the key fact gives the known answer."""

    @property
    def prompt(self) -> Prompt:
        """Return the question as a prompt of a run."""
        source = f"tasks of {self.category.partition('-')[0]}"
        return Prompt(
            messages=user(self.question), category=self.category, answer=self.answer, source=source, license="cc0-1.0"
        )


class Tasks(NamedTuple):
    """Tasks without shortcuts, and how many were dropped."""

    kept: list[Task]
    shortcuts: int


def make_tasks(family: Family, count: int, seed: int) -> Tasks:
    """Return so many different tasks of a family; those with shortcuts are dropped and counted. Raises DataError where
    the family has fewer."""
    rng = random.Random(content_id(["tasks", family, seed]))  # noqa: S311 - a reproducible draw, not a secret
    kept: dict[str, Task] = {}
    dropped = set[str]()
    tries = 0
    while tries < TRIES:
        different = len(kept)
        task = _program_task(rng) if family == "programs" else _number_task(family, rng)
        if task.is_shortcut:
            dropped.add(task.question)
        else:
            kept.setdefault(task.question, task)
        if len(kept) == count:
            return Tasks(list(kept.values()), len(dropped))
        tries = tries + 1 if len(kept) == different else 0
    raise DataError(f"tasks: found {len(kept)} different tasks of {family}, expected {count}; ask for fewer")


class _TaskKind(NamedTuple):
    """Tasks with one number as their result."""

    text: str
    """With the names of the values in braces, and `@` in the place of the key fact."""
    fact: str
    values: Mapping[str, Sequence[float]]
    """The last is that of the key fact, and a solver that ignores the fact takes 0."""
    wanted: str
    solve: Callable[..., float]
    """The result from all values, by their names."""
    key: str = ""
    """For mechanics: the value of the key fact, in words."""
    formula: str = ""
    """For mechanics: the result as LaTeX."""


_KINDS: Mapping[str, Sequence[_TaskKind]] = {
    "arithmetic": (
        _TaskKind(
            text="Ada packs {a} boxes with {b} cups each. @",
            fact="Of all cups, {c} break.",
            values={"a": range(3, 41), "b": range(3, 26), "c": range(10)},
            wanted="the number of whole cups",
            solve=lambda a, b, c: a * b - c,
        ),
        _TaskKind(
            text="A bus starts with {a} people, and {b} get on. @",
            fact="At the next stop {c} get off.",
            values={"a": range(3, 41), "b": range(3, 26), "c": range(13)},
            wanted="the number of people on the bus",
            solve=lambda a, b, c: a + b - c,
        ),
    ),
    "algebra": (
        _TaskKind(
            text="Two numbers add up to {s}. @",
            fact="The first minus the second is {d}.",
            values={"s": range(-80, 81, 2), "d": range(-80, 81, 2)},
            wanted="the first one",
            solve=lambda s, d: (s + d) / 2,
        ),
        _TaskKind(
            text="A number is doubled. @ The result is {y}.",
            fact="Then {b} is subtracted.",
            values={"y": range(-80, 81, 2), "b": range(0, 81, 2)},
            wanted="the number",
            solve=lambda y, b: (y + b) / 2,
        ),
    ),
    "mechanics": (
        _TaskKind(
            text="A ball is thrown straight up at {v} m/s. Gravity accelerates it by {g} m/s^2; there is no air. @",
            fact="The ball is thrown from a height of {h} m above the ground.",
            values={"v": range(4, 21), "g": (9.81, 1.62, 3.71), "h": range(21)},
            wanted="the greatest height of the ball above the ground in m",
            solve=lambda v, g, h: h + v**2 / (2 * g),
            key="the height above the ground in m at which the ball is thrown",
            formula="h + \\frac{v^2}{2g}",
        ),
        _TaskKind(
            text="Cart 1 of mass {m} kg moves at {v} m/s and hits cart 2 of mass {n} kg. They stick together. @",
            fact="Cart 2 moves in the same direction as cart 1 at {u} m/s before that.",
            values={"m": range(1, 13), "v": range(13, 26), "n": range(1, 13), "u": range(13)},
            wanted="their common speed in m/s",
            solve=lambda m, v, n, u: (m * v + n * u) / (m + n),
            key="the speed of cart 2 in m/s before that",
            formula="\\frac{m v + n u}{m + n}",
        ),
    ),
}


def _number_task(family: Family, rng: random.Random) -> Task:
    kind = rng.choice(_KINDS[family])
    form = rng.choice(["forward", "inverse", "symbolic"]) if kind.formula else "forward"
    values = {name: rng.choice(choices) for name, choices in kind.values.items()}
    result, key = kind.solve(**values), list(values)[-1]
    if form == "symbolic":
        named = {name: f"${name}$" for name in values}
        ask = f"What is {kind.wanted} as a formula? {BOXED}"
        return _task(f"{family}-symbolic", kind.text.format(**named), kind.fact.format(**named), ask, kind.formula)
    text = kind.text.format(**values)
    fact = kind.fact.format(**values)
    answer, guess, wanted = result, kind.solve(**{**values, key: 0}), kind.wanted
    if form == "inverse":
        fact = f"It is known that {kind.wanted} is {result:.6g}."
        answer, guess, wanted = values[key], 0, kind.key
    tolerance = TOLERANCE * abs(answer) if kind.formula else 0
    task = _task(family, text, fact, f"What is {wanted}? {BOXED}", f"{answer:.4g}")
    return task._replace(is_shortcut=abs(answer - guess) <= tolerance)


def _program_task(rng: random.Random) -> Task:
    """Return a function with an exception as its key fact: tests that it passes without the exception are a
    shortcut."""
    divisor, limit = rng.randint(2, 9), rng.randint(3, 25)
    tests, guesses = dict[str, int](), dict[str, int]()
    for size in range(0, 12, 2):
        values = [rng.randint(-9, 30) for _ in range(size)]
        divisible = [value for value in values if value % divisor == 0]
        guesses[f"solve({values})"] = sum(divisible)
        tests[f"solve({values})"] = sum(divisible) + sum(value for value in divisible if value > limit)
    text = (
        "Write a Python function `solve(values)` that returns the sum of those of `values`, a list of integers, that "
    )
    ask = "Answer with one block of Python code."
    fact = f"Numbers above {limit} count twice."
    task = _task("programs", f"{text}are divisible by {divisor}. @", fact, ask, json.dumps(tests))
    return task._replace(is_shortcut=tests == guesses)


def _task(category: str, text: str, fact: str, ask: str, answer: str) -> Task:
    question = " ".join(f"{text.replace('@', fact)} {ask}".split())
    return Task(question, answer, category, is_shortcut=False)
