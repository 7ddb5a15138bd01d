"""Checks of programs that a model wrote: the calls of a test, made in the sandbox, and their values compared outside.

Not covered: programs that read input or print, and libraries outside of Python's own.
"""

from __future__ import annotations

import ast
import json
import re
from functools import lru_cache
from typing import Any

from amendment.verification.sandbox import Outcome, run_python

REMEMBERED = 10_000
"""Programs whose outcomes are kept, since stages check the same answers."""
_BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tests_in(known: dict[str, Any] | str) -> dict[str, Any]:
    """Return calls with their values, such as `{"area(2, 3)": 6}`, or the JSON text of them. Raises ValueError."""
    try:
        tests = json.loads(known) if isinstance(known, str) else known
    except (ValueError, RecursionError):
        tests = known
    if not isinstance(tests, dict) or not tests:
        raise ValueError(f'found {str(tests)[:60]!r}, expected calls with their values, such as {{"area(2, 3)": 6}}')
    for call in tests:
        try:
            ast.parse(call, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"found {call[:60]!r}, expected an expression in Python, such as area(2, 3)") from None
    return tests


def passes_tests(text: str, known: dict[str, Any] | str) -> bool:
    """Return whether each call gives its value. Raises ConfigError where no program can be run."""
    tests = tests_in(known)
    outcomes = _outcomes(_program_in(text), tuple(tests))
    return all(outcome.equals(value) for outcome, value in zip(outcomes, tests.values(), strict=True))


def record_behaviour(text: str, known: dict[str, Any] | str) -> tuple[str, ...]:
    """Return what each call gives, as one text each: equal where two programs behave alike."""
    outcomes = _outcomes(_program_in(text), tuple(tests_in(known)))
    return tuple((outcome.error and "error") or json.dumps(outcome.value, sort_keys=True) for outcome in outcomes)


def _program_in(text: str) -> str:
    """Return the fenced blocks of an answer, or the whole of one without any."""
    return "\n".join(_BLOCK.findall(text)) or text


@lru_cache(maxsize=REMEMBERED)
def _outcomes(code: str, calls: tuple[str, ...]) -> tuple[Outcome, ...]:
    return run_python(code, calls)
