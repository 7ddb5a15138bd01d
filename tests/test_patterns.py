"""No text makes a pattern hang: every regular expression of the package takes at most a second for 1 MB of any text.

Patterns are collected from the code, so that a new one is tested without being listed: what modules hold, what is
written in a call of `re`, and the shapes of keys. A pattern that is put together when it is used has an example in
`MADE`. RE2, which runs the patterns of constitutions, is tested with them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import pytest

from amendment import keys
from amendment.preference.parsers import line_pattern

PACKAGE = Path(__file__).parents[1] / "amendment"
METHODS = ("search", "match", "fullmatch", "findall", "finditer", "sub", "split")
INNER = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
UNITS = ["\n", " ", "a", "1", "/", "-", "a ", "Ab1", "A", "(", "[", '"', "a\n", "a-", "1,", "* ", "```\n", "key ", "你"]
"""Hostile texts repeat one of them, or what the pattern itself names."""
WORDS = r"\bhouse rules\b|a\.b|a"
MADE = {
    "pattern": r"[a-z0-9]+(-[a-z0-9]+)*",
    r"f'\\b{_OTHER[match[1]]}\\b'": WORDS,
    r"re.escape(text).replace(re.escape('{X}'), '(\\w+)')": r"keeps (\w+) and (\w+)\.",
    r"f'({self._names})((?: \\(\\d+\\))?)'": r"(a|b c)((?: \(\d+\))?)",
    "'|'.join(map(re.escape, sorted(self._values, key=len, reverse=True))) or '(?!)'": WORDS,
    r"f'(?<![\\w.-]){re.escape(place)}(?![\\w-])'": rf"(?<![\w.-])(?:{WORDS})(?![\w-])",
    "'|'.join(map(re.escape, spellings)) or '(?!)'": WORDS,
    r"f'(?<!\\w)[{re.escape(marks)}]|[{re.escape(marks)}](?!\\w)'": r"""(?<!\w)["“”]|["“”](?!\w)""",
    "'|'.join(spelled) or '(?!)'": WORDS,
    r"f'(?<![\\w.-])({self._names})(?![\\w-])'": rf"(?<![\w.-])({WORDS})(?![\w-])",
    ast.unparse(
        next(n.args[0] for n in ast.walk(ast.parse(inspect.getsource(line_pattern))) if isinstance(n, ast.Call))
    ): line_pattern("verdict", r"[^\n]*").pattern,
}
"""An example of each pattern that is put together when it is used: mostly of words that are escaped."""


class Use(NamedTuple):
    """A pattern, and the ways in which it is applied."""

    pattern: re.Pattern[Any]
    method: str


def patterns_in(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, Mapping):
        yield from patterns_in(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from patterns_in(part)


@cache
def collected() -> tuple[dict[str, Use], set[str]]:
    """Every use of a pattern by its place, and the patterns in calls of `re` that are known only when they run."""
    uses: dict[str, Use] = {}
    made = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "__main__.py":
            continue
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        space = vars(importlib.import_module(name))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        applied = [(ast.unparse(call.func.value), call.func.attr) for call in calls]  # type: ignore[attr-defined]
        for variable, value in space.items():
            for number, pattern in enumerate(patterns_in(value)):
                methods = {method for named, method in applied if named == variable and method in METHODS}
                for method in (methods if value is pattern else ()) or ["finditer"]:
                    uses[f"{name}.{variable} {number} {method}"] = Use(pattern, method)
        inner = {id(node) for one in ast.walk(tree) if isinstance(one, INNER) for node in ast.walk(one)}
        for call, (module, method) in zip(calls, applied, strict=True):
            if module != "re" or id(call) not in inner or method not in (*METHODS, "compile"):
                continue
            given = [*call.args[1:], *(word.value for word in call.keywords)]
            try:
                flags = sum(_value(part, space) for part in given if re.match("re.[A-Z]{2}", ast.unparse(part)))
                pattern = re.compile(_value(call.args[0], space), flags)
            except NameError:
                made.add(ast.unparse(call.args[0]))
            else:
                uses[f"{name}:{call.lineno} {method}"] = Use(pattern, method.replace("compile", "finditer"))
    return uses, made


def _value(node: ast.expr, space: Mapping[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), "a pattern", "eval"), dict(space))


def parts_of(value: Any) -> Iterator[str]:
    """The literal texts of a parsed pattern, and a character of every class in it."""
    run = ""
    for part in value if isinstance(value, _parser.SubPattern | list | tuple) else ():
        match part:
            case (name, int(code)) if str(name) == "LITERAL":
                run += chr(code)
            case (name, (int(code), int())) if str(name) == "RANGE":
                yield chr(code)
            case (_, (int(least), _, _parser.SubPattern() as repeated)) if least > 1:
                yield run + "".join(parts_of(repeated))[:1] * min(least, 99)
                run = ""
            case _:
                yield run
                run = ""
                yield from parts_of(part)
    yield run


def hostile(source: str | bytes, flags: int, *more: str) -> Iterable[str]:
    """What is repeated to make the hostile texts for a pattern."""
    parsed = _parser.parse(source if isinstance(source, str) else source.decode(), flags & ~re.DEBUG)
    every = [*more, *filter(None, parts_of(parsed))]
    parts, sample = list(dict.fromkeys(every))[:4], "".join(every)[:99]
    pairs = [first + second for first in parts for second in (*UNITS[:6], *parts)]
    return dict.fromkeys([*UNITS, *parts, sample or "b", *(sample[:end] for end in range(2, len(sample), 4)), *pairs])


def seconds(run: Callable[[str], object], unit: str, size: int) -> float:
    text = unit * (size // len(unit)) + "\x01"
    began = time.process_time()
    run(text)
    return time.process_time() - began


LONGEST = 40 * min(seconds(re.compile(r"\w+").findall, "some words ", 1_000_000) for _ in range(3))
"""Seconds of processor time for 1 MB: forty times what a plain pattern takes to read it on this machine, about one
second on a quick one."""


def hanging(run: Callable[[str], object], units: Iterable[str]) -> list[str]:
    """The units of which a text of 1 MB takes too long."""
    return [unit for unit in units if not _is_quick(run, unit)]


def _is_quick(run: Callable[[str], object], unit: str) -> bool:
    """Two lengths tell what 1 MB takes: a cost grows with the length, and at worst with its square. 1 MB is read only
    where they leave a doubt, and again since a page fault or a collection of garbage may have fallen into it."""
    short = seconds(run, unit, 20_000)
    if short * 50**2 < LONGEST:
        return True
    longer = seconds(run, unit, 60_000)
    square = max(0.0, longer - 3 * short) / 6
    if longer > LONGEST or 50 * short + 50**2 * square < LONGEST / 2:
        return longer <= LONGEST
    return any(seconds(run, unit, 1_000_000) <= LONGEST for _ in range(2))


def applied(use: Use) -> Callable[[str], object]:
    method = getattr(use.pattern, use.method)
    call = (lambda text: deque(method(text), 0)) if use.method == "finditer" else method
    if use.method == "sub":
        call = lambda text: method("", text)  # noqa: E731
    return (lambda text: call(text.encode())) if isinstance(use.pattern.pattern, bytes) else call


def test_each_pattern_that_is_put_together_when_it_is_used_has_an_example() -> None:
    assert set(MADE) == collected()[1]


def test_no_text_makes_a_pattern_hang() -> None:
    made = {place: Use(re.compile(pattern, re.MULTILINE), "finditer") for place, pattern in MADE.items()}
    slow = {
        place: hanging(applied(use), hostile(use.pattern.pattern, use.pattern.flags))
        for place, use in (collected()[0] | made).items()
    }
    assert {place: units for place, units in slow.items() if units} == {}


@pytest.mark.long
@pytest.mark.parametrize("shape", keys.shapes(), ids=lambda shape: shape.kind)
def test_no_text_makes_the_shape_of_a_key_hang(shape: keys.Shape) -> None:
    units = hostile(shape.pattern, shape.flags, *shape.pieces[:4])
    assert hanging(lambda text: deque(shape.find(text, text.lower()), 0), units) == []
