"""What code can check in an answer, by the kinds that a principle names under `check`.

Covered: words, patterns, JSON, lists; known answers (see `proof`, `programs`); and a function by its name, registered
in Python or by an installed package (entry points of the group `amendment.checks`); no file of a constitution names
code to import. A kind or value that is wrong fails when the file is read. Patterns are those of RE2, whose time grows
only with the length of the text, so neither a stranger's pattern nor a hostile answer can hang a run.
Not covered: whether a check means what its principle says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from importlib import metadata
from inspect import getsource, iscoroutinefunction
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from amendment.hashing import content_id
from amendment.records import Part
from amendment.text import plain, words
from amendment.verification.known_answers import LANGUAGES, missing, passes
from amendment.verification.programs import passes_tests, tests_in

ENTRY_POINTS = "amendment.checks"
"""The group of entry points through which an installed package provides functions."""
MOST_WORDS = 1_000_000
LONGEST_PATTERN = 2000
"""Characters."""

_FUNCTIONS: dict[str, Callable[[str], bool]] = {}
_LIST = re.compile(r"^[ \t>]*(?:[-*+\u2022\u2023\u25e6\u2043]|\(?[0-9]{1,3}[.)])[ \t]+\S", re.MULTILINE)
"""Matches a line that begins with a bullet or a number, as in Markdown, quoted and nested lists among them."""


class Checked(NamedTuple):
    """The outcome of a check of one answer."""

    is_kept: bool | None
    """None where nothing could be checked."""
    reason: str = ""
    """Why nothing could be checked."""


class Check(Part):
    """One thing that code can check in an answer."""

    kind: Literal[
        "max_words",
        "min_words",
        "matches",
        "forbids",
        "json",
        "no_list",
        "math",
        "number",
        "json_schema",
        "language",
        "tests",
        "function",
    ]
    """max_words and min_words: the number of words. matches and forbids: a regular expression (RE2) that matches in the
    answer, or does not. json: the whole answer is JSON. no_list: no line begins with a bullet or a number. math: the
    final expression equals the known answer in any equivalent form. number: the final number, with its unit, is the
    known answer within `tolerance`. json_schema: JSON that fits a schema. language: the language of the answer.
    tests: a Python program whose calls give known values, in a sandbox. function: a function registered with
    `register_check`, or provided by an installed package."""
    value: int | float | str | dict[str, Any] | None = Field(default=None, validate_default=True)
    """The number of words, the regular expression, the JSON schema, the ISO 639-1 code of the language, or the
    function's name; nothing for json and no_list. For math, number and tests the known answer, such as
    `\\frac{v^2}{2g}`, `9.81 m/s^2` or `{"area(2, 3)": 6}`; by default that of each prompt (`columns.answer`)."""
    tolerance: float | None = Field(default=None, ge=0, lt=1)
    """For number: the relative error that passes; 0.01 by default."""

    @field_validator("value", mode="before")
    @classmethod
    def _fits_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        if kind := info.data.get("kind"):
            KINDS[kind].validate(value)
        return value

    @field_validator("tolerance")
    @classmethod
    def _check_tolerance(cls, tolerance: float | None, info: ValidationInfo) -> float | None:
        if tolerance is not None and info.data.get("kind") not in ("number", None):
            raise ValueError(f"only checks of kind number have a tolerance, and this is {info.data['kind']}")
        return tolerance

    @property
    def needs_answer(self) -> bool:
        """Return True if it checks against the known answer of each prompt."""
        return self.value is None and KINDS[self.kind].has_answer

    def unreadable(self, answer: str) -> str | None:
        """Say why no answer can be compared with this known one; None if one can, and for checks that do not need
        it."""
        if not self.needs_answer:
            return None
        try:
            KINDS[self.kind].validate(answer)
        except ValueError as fault:
            return plain(str(fault))
        return None if self.kind == "tests" else self.run(f"\\boxed{{{answer}}}", answer).reason or None

    def run(self, text: str, answer: str | None = None) -> Checked:
        """Return whether an answer with this text passes; `answer` is the prompt's known one. A function that fails is
        a reason, never a pass."""
        if self.needs_answer and answer is None:
            return Checked(None, f"{self.kind}: the prompt has no known answer")
        options = {} if self.tolerance is None else {"tolerance": self.tolerance}
        try:
            return Checked(KINDS[self.kind].passes(text, answer if self.needs_answer else self.value, **options))
        except (Exception, SystemExit) as fault:  # a function of the user's that exits ends no run
            return Checked(None, f"{self}: {type(fault).__name__}: {plain(str(fault))}")

    def __str__(self) -> str:
        return self.kind if self.value is None else f"{self.kind} {plain(str(self.value), longest=60)}"


def run_checks(checks: tuple[Check, ...], text: str, answer: str | None = None) -> Checked:
    """Return whether an answer with this text passes all checks: one that fails decides, whatever the others say."""
    results = [check.run(text, answer) for check in checks]
    if any(result.is_kept is False for result in results):
        return Checked(False)
    reasons = [result.reason for result in results if result.is_kept is None]
    return Checked(None, reasons[0] if reasons else "no check") if reasons or not results else Checked(True)


def fails_for_good(checks: tuple[Check, ...], text: str) -> bool:
    """Return whether an answer that begins with this text fails with any continuation, so a cut answer has already
    failed.

    A pattern that looks at the end of the text (`$`, `\\z`) cannot tell. One that looks for the end of a word (`\\b`)
    is also tried with a letter after the last word, which may be the beginning of a longer one.
    """
    return any(
        KINDS[check.kind].fails_for_good
        and not any(end in str(check.value) for end in ("$", r"\z"))
        and all(check.run(begun).is_kept is False for begun in (text, f"{text}x", f"{text} "))
        for check in checks
    )


def register_check(name: str, function: Callable[[str], bool]) -> None:
    """Let principles name your own function: `check: [{kind: function, value: NAME}]`.

    The function gets the text of an answer, and returns True where it keeps the principle and False where it does not.
    Register it before the constitution is loaded. Raises ValueError for a name that is taken, and for what is no
    function, or one that has to be awaited.
    """
    if not callable(function) or iscoroutinefunction(function):
        raise ValueError(f"check {name}: found {function!r:.80}, expected a function from a text to True or False")
    if name in _FUNCTIONS:
        raise ValueError(f"there is a check {name} already; choose another name")
    _FUNCTIONS[name] = function


def _function(name: str) -> Callable[[str], bool]:
    """Return the function of this name. Raises ValueError where there is none, or where its package cannot be
    loaded."""
    if name not in _FUNCTIONS:
        brought = [entry for entry in metadata.entry_points(group=ENTRY_POINTS) if entry.name == name]
        if not brought:
            raise ValueError(
                f"no check named '{plain(name, longest=60)}' is registered; call register_check before the file is "
                f"read, or install the package that provides it (entry point group {ENTRY_POINTS})"
            )
        if len(brought) > 1:
            packages = ", ".join(sorted(entry.dist.name for entry in brought if entry.dist))
            raise ValueError(f"found the check '{name}' in several packages ({packages}), expected only one of them")
        try:
            _FUNCTIONS[name] = brought[0].load()
        except Exception as fault:
            raise ValueError(
                f"the check '{name}' cannot be loaded from {brought[0].value}: {plain(repr(fault))}"
            ) from None
    return _FUNCTIONS[name]


def hash_source(name: str) -> str | None:
    """Return a hash of the source of a registered function, so that results of an older version count as out of date.

    None if Python has no source, as for a function that was typed in. The code that it calls is not covered.
    """
    try:
        return content_id(getsource(_function(name)))
    except (OSError, TypeError):
        return None


class _CheckKind(NamedTuple):
    validate: Callable[[Any], None]
    """Raises ValueError for a value that does not fit."""
    passes: Callable[..., bool]
    """Whether a text passes, by that value."""
    fails_for_good: bool = False
    """A text that fails fails with any words behind it too."""
    has_answer: bool = False
    """Its value may be the known answer of each prompt."""


def _is_number(value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_WORDS:
        raise ValueError(f"found {_shown(value)}, expected a number of words from 1, such as 60")


def _is_pattern(value: Any) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_PATTERN:
        raise ValueError(
            f"found {_shown(value)}, expected a regular expression of at most {LONGEST_PATTERN:,} characters"
        )
    try:
        _matches("", value)
    except ValueError as fault:
        reason = plain(str(fault).removeprefix("Invalid regular expression: "))
        raise ValueError(
            f"found the pattern '{plain(value, longest=60)}', expected a regular expression of RE2, which has neither "
            f"lookaround nor backreferences: {reason}"
        ) from None


def _is_name(value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"found {_shown(value)}, expected the name of a registered function")
    _function(value)


def _is_nothing(value: Any) -> None:
    if value is not None:
        raise ValueError(f"found {_shown(value)}, expected no value for this kind; delete the key")


def _is_known_answer(value: Any, *, kind: str) -> None:
    if (isinstance(value, dict | list | bool)) or value == "":
        raise ValueError(f"found {_shown(value)}, expected the known answer, or no value for that of each prompt")
    _is_installed(kind)


def _are_tests(value: Any) -> None:
    if value is not None:
        tests_in(value)


def _is_schema(value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"found {_shown(value)}, expected a JSON schema, such as {{type: object, required: [name]}}")
    _is_installed("json_schema")
    from jsonschema import SchemaError, validators

    try:
        validators.validator_for(value, default=validators.Draft202012Validator).check_schema(value)
    except SchemaError as fault:
        raise ValueError(f"found an invalid JSON schema: {plain(fault.message, longest=200)}") from None


def _is_language(value: Any) -> None:
    if not isinstance(value, str) or value not in LANGUAGES:
        raise ValueError(f"found {_shown(value)}, expected the two letters of a language (ISO 639-1), such as de")
    _is_installed("language")


def _is_installed(kind: str) -> None:
    if problem := missing(kind):
        raise ValueError(problem)


def _shown(value: Any) -> str:
    return "nothing" if value is None else plain(repr(value), longest=60)


def _matches(text: str, pattern: str) -> bool:
    """Raise ValueError for a pattern that RE2 refuses: one that it cannot match in linear time, or is too large."""
    import pyarrow
    import pyarrow.compute

    texts = pyarrow.array([text.encode(errors="replace").decode()], pyarrow.string())
    return bool(pyarrow.compute.match_substring_regex(texts, pattern)[0].as_py())


def _is_json(text: str, _: None) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _call(text: str, name: str) -> bool:
    result = _function(name)(text)
    if not isinstance(result, bool):
        raise TypeError(f"returned {_shown(result)}, expected True or False")
    return result


KINDS = {
    "max_words": _CheckKind(_is_number, lambda text, most: len(words(text)) <= most, fails_for_good=True),
    "min_words": _CheckKind(_is_number, lambda text, fewest: len(words(text)) >= fewest),
    "matches": _CheckKind(_is_pattern, _matches),
    "forbids": _CheckKind(_is_pattern, lambda text, pattern: not _matches(text, pattern), fails_for_good=True),
    "json": _CheckKind(_is_nothing, _is_json),
    "no_list": _CheckKind(_is_nothing, lambda text, _: _LIST.search(text) is None, fails_for_good=True),
    "math": _CheckKind(partial(_is_known_answer, kind="math"), partial(passes, "math"), has_answer=True),
    "number": _CheckKind(partial(_is_known_answer, kind="number"), partial(passes, "number"), has_answer=True),
    "json_schema": _CheckKind(_is_schema, partial(passes, "json_schema")),
    "language": _CheckKind(_is_language, partial(passes, "language")),
    "tests": _CheckKind(_are_tests, passes_tests, has_answer=True),
    "function": _CheckKind(_is_name, _call),
}
"""Kinds of checks."""
