"""Tasks whose answers are known: arithmetic, algebra, small programs with tests, and mechanics in closed form.

Covered: the same tasks for the same seed on any machine; mechanics forward (what comes out), inverse (what went in) and
symbolic (the formula), as in Sim2Reason. A shortcut filter drops and counts tasks that are solved without their key
fact: by a solver of ours that ignores it (friction of 0, no second cart, the program without its exception), and by
your own, such as a model.
Not covered: hard mathematics; wording by a model.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

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
    """LaTeX, a number with its unit, or the calls of a program with their values as JSON."""
    category: str
    """The family; `mechanics-symbolic` where a formula is asked for."""
    without_key_fact: str
    """The question without the fact that it turns on."""
    is_shortcut: bool
    """A solver that ignores the key fact gives the known answer."""

    @property
    def prompt(self) -> Prompt:
        """The question as a prompt of a run."""
        source = f"tasks of {self.category.partition('-')[0]}"
        return Prompt(
            messages=user(self.question), category=self.category, answer=self.answer, source=source, license="cc0-1.0"
        )


class Tasks(NamedTuple):
    """Tasks without shortcuts, and how many were dropped."""

    kept: list[Task]
    shortcuts: int


def make_tasks(family: Family, count: int, seed: int) -> Tasks:
    """So many different tasks of a family; those with shortcuts are dropped and counted. Raises DataError where the
    family has fewer."""
    rng = random.Random(content_id(["tasks", family, seed]))  # noqa: S311 - a reproducible draw, not a secret
    make = _FAMILIES[family]
    kept: dict[str, Task] = {}
    dropped = set[str]()
    tries = 0
    while tries < TRIES:
        task, different = make(rng), len(kept)
        if task.is_shortcut:
            dropped.add(task.question)
        else:
            kept.setdefault(task.question, task)
        if len(kept) == count:
            return Tasks(list(kept.values()), len(dropped))
        tries = tries + 1 if len(kept) == different else 0
    raise DataError(f"tasks: found {len(kept)} different tasks of {family}, expected {count}; ask for fewer")


# Arithmetic and algebra. A text has its key fact between braces that are filled or left empty.


def _task(category: str, text: str, fact: str, answer: Any, guess: Any, *, ask: str = BOXED) -> Task:
    question, bare = (" ".join(f"{text.replace('@', part)} {ask}".split()) for part in (fact, ""))
    return Task(question, str(answer), category, bare, answer == guess)


def _arithmetic(rng: random.Random) -> Task:
    a, b, c, d = rng.randint(3, 40), rng.randint(3, 25), rng.randint(0, 9), rng.randint(0, 12)
    name, thing = rng.choice(["Ada", "Bo", "Chidi", "Dora", "Emil"]), rng.choice(["cups", "lamps", "bulbs", "jars"])
    total = a * b
    kinds: list[tuple[str, str, int | str, int | str]] = [
        (
            f"{name} packs {a} boxes with {b} {thing} each. @ How many {thing} are whole?",
            f"Of all, {c} break.",
            total - c,
            total,
        ),
        (
            f"{a} people pay {b} euros each. @ How many euros are left?",
            f"{name} spends {5 * c} percent of the sum.",
            _fraction(total * (100 - 5 * c), 100),
            _fraction(total, 1),
        ),
        (
            f"A bus starts with {a} people, and {b} get on. @ How many are on it?",
            f"At the next stop {c} get on and {d} get off.",
            a + b + c - d,
            a + b,
        ),
        (
            f"{name} reads {a} pages a day for {b} days. @ How many pages has {name} read?",
            f"On {min(d, b)} of these days {name} reads {c} pages more.",
            total + min(d, b) * c,
            total,
        ),
    ]
    text, fact, answer, guess = rng.choice(kinds)
    return _task("arithmetic", text, fact, answer, guess)


def _algebra(rng: random.Random) -> Task:
    x, y, a, b = rng.randint(-9, 9), rng.randint(-9, 9), rng.randint(2, 9), rng.randint(-6, 6)
    low, high = sorted((x, y))
    kinds: list[tuple[str, str, int | str, int | str]] = [
        (
            f"Two numbers add up to {x + y}. @ What is the first one?",
            f"The first minus the second is {x - y}.",
            x,
            _fraction(x + y, 2),
        ),
        (
            f"One root of $x^2{_term(-low - high, 'x')}{_term(low * high)} = 0$ is wanted. @",
            "It is the larger one.",
            high,
            low,
        ),
        (f"What is $x$ in $y = {a}x{_term(b)}$? @", f"It is known that $y = {a * x + b}$.", x, _fraction(-b, a)),
        (
            f"A number is multiplied by {a}. @ The result is {a * x + b}. What is the number?",
            f"Then {b} is added.",
            x,
            _fraction(a * x + b, a),
        ),
    ]
    text, fact, answer, guess = rng.choice(kinds)
    return _task("algebra", text, fact, answer, guess)


def _term(number: int, symbol: str = "") -> str:
    """A term of a sum, such as ` - 3x`; empty for 0."""
    size = "" if symbol and abs(number) == 1 else str(abs(number))
    return f" {'-' if number < 0 else '+'} {size}{symbol}" if number else ""


def _fraction(top: int, bottom: int) -> int | str:
    """In lowest terms, as LaTeX unless it is whole."""
    common = math.gcd(top, bottom)
    top, bottom = top // common, bottom // common
    return top if bottom == 1 else f"{'-' * (top < 0)}\\frac{{{abs(top)}}}{{{bottom}}}"


# Programs. The key fact is an exception; tests that a program without it passes too are a shortcut.

Function = Callable[[Any], Any]


def _programs(rng: random.Random) -> Task:
    k, t = rng.randint(2, 5), rng.randint(3, 15)
    letter = rng.choice("aeinorst")
    kinds: list[tuple[str, str, Function, Function, Function]] = [
        (
            f"the sum of those of `values`, a list of integers, that are divisible by {k}",
            f"Numbers above {t} count twice.",
            _integers(rng),
            lambda values: sum(v * (1 + (v > t)) for v in values if v % k == 0),
            lambda values: sum(v for v in values if v % k == 0),
        ),
        (
            f"each of `values`, a list of integers, with those above {t} replaced by {t}",
            "The list is in reverse order.",
            _integers(rng),
            lambda values: [min(v, t) for v in values][::-1],
            lambda values: [min(v, t) for v in values],
        ),
        (
            f"the number of small letters '{letter}' in the text `values`",
            f"A capital '{letter.upper()}' counts {k} times.",
            _words(rng),
            lambda text: text.count(letter) + k * text.count(letter.upper()),
            lambda text: text.count(letter),
        ),
        (
            "the longest word of the text `values`, of several the first",
            f"Words with the letter '{letter}', "
            "small or capital, do not count; without any other word the result is an empty text.",
            _words(rng),
            lambda text: max((w for w in text.split() if letter not in w.lower()), key=len, default=""),
            lambda text: max(text.split(), key=len, default=""),
        ),
    ]
    result, fact, draw, right, without = rng.choice(kinds)
    inputs = [draw(number) for number in range(6)]
    tests = {f"solve({given!r})": right(given) for given in inputs}
    text = f"Write a Python function `solve(values)` that returns {result}. @"
    ask = "Answer with one block of Python code."
    task = _task("programs", text, fact, tests, {f"solve({given!r})": without(given) for given in inputs}, ask=ask)
    return task._replace(answer=json.dumps(tests))


def _integers(rng: random.Random) -> Function:
    return lambda number: [rng.randint(-9, 30) for _ in range(number * 2)]


def _words(rng: random.Random) -> Function:
    words = ("Stone", "river", "Arrow", "note", "Inn", "eel", "ROSE", "tin", "oak", "sky", "Tea", "myth")
    return lambda number: " ".join(rng.choice(words) for _ in range(number * 2))


# Mechanics. The key fact of a scene is one of its quantities, and a solver that ignores it takes 0.


class _Quantity(NamedTuple):
    symbol: str
    unit: str
    name: str
    values: tuple[float, ...]


class _Scene(NamedTuple):
    text: str
    """With the symbols of the given quantities in braces, but that of the key fact."""
    key: _Quantity
    fact: str
    given: tuple[_Quantity, ...]
    result: _Quantity
    forward: Callable[[Mapping[str, float]], float]
    """The result, from all quantities."""
    formula: str
    """LaTeX."""


def _steps(low: int, high: int, unit: float = 1.0) -> tuple[float, ...]:
    return tuple(round(step * unit, 6) for step in range(low, high + 1))


_G = _Quantity("g", "m/s^2", "the gravitational acceleration", (9.81, 1.62, 3.71))
_SCENES = (
    _Scene(
        "Somebody throws a ball straight up at {v}. The gravitational acceleration is {g}; there is no air.",
        _Quantity("h", "m", "the height above the ground at which the ball is thrown", _steps(0, 20)),
        "The ball is thrown from a height of {h} above the ground.",
        (_Quantity("v", "m/s", "the speed of the throw", _steps(4, 20)), _G),
        _Quantity("H", "m", "the greatest height of the ball above the ground", ()),
        lambda q: q["h"] + q["v"] ** 2 / (2 * q["g"]),
        "h + \\frac{v^2}{2g}",
    ),
    _Scene(
        "Cart 1 of mass {m} moves at {v} and hits cart 2 of mass {n}. They stick together.",
        _Quantity("u", "m/s", "the speed of cart 2 before that", _steps(0, 12, 0.5)),
        "Cart 2 moves in the same direction as cart 1 at {u} before that.",
        (
            _Quantity("m", "kg", "", _steps(1, 12)),
            _Quantity("v", "m/s", "", _steps(13, 25)),
            _Quantity("n", "kg", "", _steps(1, 12)),
        ),
        _Quantity("w", "m/s", "their common speed", ()),
        lambda q: (q["m"] * q["v"] + q["n"] * q["u"]) / (q["m"] + q["n"]),
        "\\frac{m v + n u}{m + n}",
    ),
    _Scene(
        "A sled brakes to a stop over a distance of {s} at a constant deceleration. The gravitational acceleration is "
        "{g}; the coefficient of friction on the level ground is {k}.",
        _Quantity("b", "m/s^2", "the deceleration by its brake", _steps(0, 30, 0.1)),
        "Its brake adds a deceleration of {b} to that of friction.",
        (_Quantity("s", "m", "", _steps(5, 60)), _G, _Quantity("k", "", "", _steps(5, 60, 0.01))),
        _Quantity("v", "m/s", "its speed before it brakes", ()),
        lambda q: math.sqrt(2 * q["s"] * (q["k"] * q["g"] + q["b"])),
        "\\sqrt{2 s (k g + b)}",
    ),
    _Scene(
        "A block of mass {m} lies on a frictionless table against a spring of stiffness {k} that is compressed by {x}. "
        "The spring is released and pushes the block away.",
        _Quantity("u", "m/s", "the speed of the block at the release", _steps(0, 20, 0.25)),
        "At the release the block moves away from the spring at {u} already.",
        (
            _Quantity("m", "kg", "", _steps(1, 10, 0.5)),
            _Quantity("k", "N/m", "", _steps(5, 60, 10)),
            _Quantity("x", "m", "", _steps(5, 40, 0.01)),
        ),
        _Quantity("v", "m/s", "the speed of the block when the spring is relaxed", ()),
        lambda q: math.sqrt(q["u"] ** 2 + q["k"] * q["x"] ** 2 / q["m"]),
        "\\sqrt{u^2 + \\frac{k x^2}{m}}",
    ),
)


def _mechanics(rng: random.Random) -> Task:
    scene, form = rng.choice(_SCENES), rng.choice(["forward", "inverse", "symbolic"])
    values = {quantity.symbol: rng.choice(quantity.values) for quantity in (*scene.given, scene.key)}
    shown = {quantity.symbol: _amount(values[quantity.symbol], quantity) for quantity in (*scene.given, scene.key)}
    result, ignored = scene.forward(values), scene.forward(values | {scene.key.symbol: 0.0})
    if form == "symbolic":
        named = {symbol: f"${symbol}$" for symbol in shown}
        fact, ask = scene.fact.format(**named), f"State {scene.result.name} as a formula. {BOXED}"
        return _task("mechanics-symbolic", f"{scene.text.format(**named)} @", fact, scene.formula, None, ask=ask)
    if form == "forward":
        fact, ask = scene.fact.format(**shown), f"What is {scene.result.name}? {BOXED}"
        answer, guess, unit = result, ignored, scene.result
    else:
        fact = f"It is known that {scene.result.name} is {_amount(result, scene.result, 6)}."
        ask = f"What is {scene.key.name}? {BOXED}"
        answer, guess, unit = values[scene.key.symbol], 0.0, scene.key
    task = _task("mechanics", f"{scene.text.format(**shown)} @", fact, _amount(answer, unit), None, ask=ask)
    return task._replace(is_shortcut=abs(answer - guess) <= TOLERANCE * abs(answer))


def _amount(value: float, quantity: _Quantity, digits: int = 4) -> str:
    """A number of so many digits with its unit."""
    return f"{value:.{digits}g} {quantity.unit}".strip()


_FAMILIES: Mapping[str, Callable[[random.Random], Task]] = {
    "arithmetic": _arithmetic,
    "algebra": _algebra,
    "programs": _programs,
    "mechanics": _mechanics,
}
