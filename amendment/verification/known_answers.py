"""Checks that maintained libraries make: mathematics, numbers with units, JSON Schema, the language of a text.

Covered: they run in a process of their own, one answer after another, within a bound on processor time, time and
memory, since an answer such as 9^9^9^9 may keep a library busy for ever. So they work in any thread, and what exceeds
the bound is a reason, never a pass. That process imports nothing of this package.
Not covered: results that a text states without a number, LaTeX or `\\boxed{}`, such as "twelve".
"""

from __future__ import annotations

import atexit
import json
import math
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CPU_SECONDS = 3.0
"""Processor time for one answer."""
SECONDS = 30.0
"""Time for one answer, and for the process to start."""
MEMORY = 4 * 1024**3
"""Address space of the process in bytes."""
REMEMBERED = 10_000
"""Outcomes that are kept, since stages check the same answers."""
_CODES = """
af am an ar as az ba be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fo fr fy ga gd gl gu ha he hi hr ht hu
hy id ig is it ja jv ka kk km kn ko ku ky la lb lg ln lo lt lv mg mk ml mn mr ms mt my ne nl nn no oc om or pa pl ps
pt qu ro ru rw sa se si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz vi vo wa xh yo zh zu
"""
LANGUAGES = frozenset(_CODES.split())
"""ISO 639-1 codes that py3langid knows."""
DIGITS = 6
"""Decimals that two results have to share."""
TOLERANCE = 0.01
"""The relative error that a number may have by default."""
_WORD = re.compile(r"(?<![\\{A-Za-z])(?=[A-Za-z]{3})(?!and\b)(?=\w{0,40}[aeiouAEIOU])[A-Za-z]+")
LIBRARIES = {"math": "math_verify", "number": "pint", "json_schema": "jsonschema", "language": "py3langid"}
"""The module that each kind of check needs."""


def missing(kind: str) -> str | None:
    """Return what to install for this kind of check; None if it is there."""
    if find_spec(LIBRARIES[kind]) is not None:
        return None
    return f"checks of kind {kind} need {LIBRARIES[kind].replace('_', '-')}; pip install 'amendment[verify]'"


def passes(kind: str, text: str, value: Any, **options: float) -> bool:
    """Return whether a text passes a check of this kind. Raises ValueError for a known answer that cannot be read, and
    TimeoutError for a text that takes too long."""
    reply = _remembered(json.dumps([kind, text, value, options]))
    if error := reply.get("error"):
        raise TimeoutError(error) if reply.get("is_late") else ValueError(error)
    return bool(reply["passes"])


@lru_cache(maxsize=REMEMBERED)
def _remembered(request: str) -> dict[str, Any]:
    with _LOCK:
        try:
            return _HELPER.ask(request)
        except TimeoutError:
            _HELPER.stop()
            return {"error": f"took longer than {SECONDS:g} s", "is_late": True}
        except BaseException:  # Ctrl-C: its reply would be read as that to the next request
            _HELPER.stop()
            raise


class _Helper:
    """The process; started when it is first asked, and again after it was stopped."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, request: str) -> dict[str, Any]:
        """Return its reply. Raises TimeoutError; a process that dies is an error in the reply."""
        if self._process is None or self._owner != os.getpid():
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
        line = self._line()
        if not line:
            self.stop()
            return {"error": "the library gave up, as where it runs out of memory"}
        reply: dict[str, Any] = json.loads(line)
        return reply

    def stop(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _start(self) -> None:
        command = [sys.executable, "-P", str(Path(__file__))]
        quiet = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603 - this file
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet
        )
        self._owner = os.getpid()
        self._line()

    def _line(self) -> bytes:
        """Return its next line; empty if it ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], SECONDS)
            if not ready:
                raise TimeoutError
            part = os.read(self._process.stdout.fileno(), 65536)
            if not part:
                return b""
            line += part
        return line


_LOCK = threading.Lock()
_HELPER = _Helper()
atexit.register(_HELPER.stop)


# What runs in the process.


class _OutOfTime(BaseException):
    """No library catches it."""


def _serve() -> None:
    """Answer requests, a line of JSON each, until the input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print elsewhere
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGVTALRM, _stop)
    replies.write("\n")
    replies.flush()
    for line in sys.stdin:
        replies.write(json.dumps(_reply(*json.loads(line))) + "\n")
        replies.flush()


def _stop(*_: object) -> None:
    raise _OutOfTime


def _reply(kind: str, text: str, value: Any, options: dict[str, float]) -> dict[str, Any]:
    try:
        _LOADERS[kind]()  # the time to import counts for no answer
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        try:
            return {"passes": _KINDS[kind](text, value, **options)}
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _OutOfTime:
        return {"error": f"took longer than {CPU_SECONDS:g} s", "is_late": True}
    except (Exception, MemoryError) as fault:
        return {"error": f"{type(fault).__name__}: {fault}"[:300]}


def _states_result(text: str, known: str | float) -> bool:
    """Return whether the final expression of a text equals a known one in any equivalent form."""
    library = _mathematics()
    gold, digits = str(known), DIGITS
    with suppress(InvalidOperation):
        number = Decimal(gold)
        if not number.is_finite():
            raise ValueError(f"cannot read the known answer {known!r:.60}; expected a finite number or LaTeX")
        gold = format(number, "f")  # not 1e-05, which LaTeX reads as e - 5
        digits -= min(0, number.adjusted()) if number else 0
    if not any(mark in gold for mark in ("$", "\\boxed", "\\[", "\\(", "####")):
        if word := _WORD.search(gold):  # it would be read as a product of letters
            raise ValueError(
                f"cannot read {word[0]!r:.60} in the known answer {known!r:.60}; expected a number or LaTeX, such as "
                "12, a*b*c or \\sin x"
            )
        gold = f"${gold}$"
    expected = library.parse(gold, parsing_timeout=None)
    if not expected:
        raise ValueError(f"cannot read the known answer {known!r:.60}; expected a number or LaTeX")
    letters = set(re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])", gold))
    if both := sorted(letter for letter in letters if letter.isupper() and letter.lower() in letters):
        same = f"{both[0]} and {both[0].lower()}"
        raise ValueError(
            f"the known answer {known!r:.60} has {same}, which count as the same symbol; use other letters"
        )
    if "$" not in text and "\\" not in text:
        text = _SUM.sub(_as_latex, text)  # or 3 + 2x is read as 3
    stated = library.parse(text, parsing_timeout=None)
    if stated and _holds_false_equation(stated[0], text):
        return False
    return bool(library.verify(expected, stated, float_rounding=digits, timeout_seconds=None))


_TERM = r"(?:\d+(?:\.\d+)?[A-DF-Za-df-z]?|(?<!\s)[A-Za-z]|(?![aAI])[A-Za-z])(?:\^\d+)?\)?"
_SUM = re.compile(rf"(?<![\w.])-?\(?(?=\d){_TERM}(?:\s*(?:[-+*]\s*\(?{_TERM}|/\s*\d+))+(?![\w-])")
"""Terms in plain text that begin with a number; "a" and "I" between spaces are words, and 2e-5 is a number."""


def _as_latex(terms: re.Match[str]) -> str:
    return f"${terms[0]}$" if re.search("[A-Za-z]", terms[0]) else terms[0]


def _holds_false_equation(stated: Any, text: str) -> bool:
    """Return whether a parsed answer has an equation of two different numbers, such as 5 = 4. A rounded decimal is
    none."""
    import sympy

    if not isinstance(stated, sympy.Basic):
        return False
    places = max(map(len, re.findall(r"\.(\d+)", text[max(0, text.rfind("\\boxed")) :])), default=DIGITS)
    sides = [equation.args for equation in stated.atoms(sympy.Eq) if not equation.free_symbols]
    return any(abs(complex(sympy.N((left - right).doit()))) > 0.501 * 10.0**-places for left, right in sides)


def _states_number(text: str, known: str | float, tolerance: float = TOLERANCE) -> bool:
    """Return whether the last number of a text is a known one. If the known one has a unit, numbers with units of
    another dimension do not count; if it has none, units do not count."""
    units = _units()
    whole = _NUMBER.fullmatch(_plain(str(known)).strip())
    try:
        expected = float(whole[1].replace(",", "")) if whole else math.nan
        unit = (whole and whole[2]) or ""
        units.parse_units(unit)
    except Exception:
        expected = math.nan
    if not math.isfinite(expected):
        raise ValueError(f"cannot read the known answer {known!r:.60}; expected one number, and a unit if it has one")
    boxed = re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    for value, own in reversed(list(_numbers(boxed[-1] if boxed else text))):
        if not unit:
            return abs(value - expected) <= tolerance * (abs(expected) or 1)
        with suppress(Exception):  # a unit that is none, or has another dimension
            converted = float(units.Quantity(value, units.parse_units(own)).to(units.parse_units(unit)).magnitude)
            return abs(converted - expected) <= tolerance * (abs(expected) or 1)
    return False


_UNIT = r"[A-Za-zµμΩ%]+(?:\^-?\d)?"
_NUMBER = re.compile(
    rf"(?<![\w.])([-+]?(?:(?:\d{{1,3}}(?:,\d{{3}})+\d*|\d+)(?:\.\d*)?|\.\d+)(?:e[-+]?\d{{1,3}})?)"
    rf"(?![\d])(?:\s*({_UNIT}(?:\s*[*/]\s*{_UNIT}|\s+[A-Za-z]+\^-?\d)*))?"
)
_PLAIN = [
    (re.compile(r"\^\s*\{\s*(-?\d)\s*\}"), r"^\1"),
    (re.compile(r"\\(?:text|mathrm|mathbf|operatorname|mbox)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\[,;:! ]|~|\\left|\\right|\$"), " "),
    (re.compile(r"(?<!\s)\s*(?:\\times|\\cdot|×|\*)\s*10\s*(?:\^|\*\*)\s*\{?\s*([-+]?\d{1,3})\s*\}?"), r"e\1"),
    (re.compile(r"\\cdot|\\times|·|⋅"), "*"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<!\s)\s+per\s+"), "/"),
    (re.compile(r"°\s*([CF])\b"), r" deg\1"),
    (re.compile(r"°|\^\s*\{?\\circ\}?"), " degree"),
]
_RAISED = str.maketrans({"−": "-", "⁻": "^-", "¹": "^1", "²": "^2", "³": "^3", "⁴": "^4"})


def _plain(text: str) -> str:
    """Return a text with LaTeX and signs of numbers and units in one plain form."""
    text = text.translate(_RAISED).replace("^-^", "^-")
    for pattern, plain in _PLAIN:
        text = pattern.sub(plain, text)
    return text


def _numbers(text: str) -> Iterator[tuple[float, str]]:
    """Yield the numbers in a text, with what may be their units."""
    for match in _NUMBER.finditer(_plain(text)):
        with suppress(ValueError):
            yield float(match[1].replace(",", "")), match[2] or ""


def _fits_schema(text: str, schema: dict[str, Any]) -> bool:
    """Return whether a text, or the one fenced block in it, is JSON of this schema."""
    library, registry = _schemas()
    fenced = re.findall(r"```(?:json)?[^\S\n]*\n(.*?)```", text, re.DOTALL | re.IGNORECASE)
    try:
        parsed = json.loads(fenced[0] if len(fenced) == 1 else text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return False
    validator = library.validators.validator_for(schema, default=library.Draft202012Validator)
    return bool(validator(schema, registry=registry).is_valid(parsed))


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _is_in_language(text: str, code: str) -> bool:
    """Return whether a text reads as the language of this ISO 639-1 code."""
    found, _ = _languages().classify(text)
    return bool(found == code)


@cache
def _mathematics() -> Any:
    import math_verify

    return math_verify


@cache
def _units() -> Any:
    import pint

    return pint.UnitRegistry()


@cache
def _schemas() -> Any:
    import jsonschema
    import referencing

    return jsonschema, referencing.Registry()  # which fetches nothing


@cache
def _languages() -> Any:
    import py3langid

    py3langid.classify("Load the model.")
    return py3langid


_KINDS: dict[str, Callable[..., bool]] = {
    "math": _states_result,
    "number": _states_number,
    "json_schema": _fits_schema,
    "language": _is_in_language,
}
_LOADERS = {"math": _mathematics, "number": _units, "json_schema": _schemas, "language": _languages}


if __name__ == "__main__":
    _serve()
