"""Files of other people's making, read with care: what they hold, or every problem with its place.

Covered: size, encoding, JSON with duplicate keys or without end, values of the wrong type, texts that no constitution
file can hold. Not covered: what the values mean; see the modules of the formats.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from amendment.errors import ConfigError, DataError, Problem
from amendment.yamlfile import capped, parse_yaml

__all__ = [
    "Problems",
    "check_count",
    "check_file",
    "list_at",
    "mapping_at",
    "problem",
    "read_json",
    "read_text",
    "text_at",
]

MAX_BYTES = 10_000_000
"""Of a file to import; the constitution that is made of it must fit into a constitution file."""

MAX_ENTRIES = 2000
"""More principles or examples fit into no constitution file, and into no head."""

_KINDS = {type(None): "nothing", bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
Read = TypeVar("Read")


def problem(place: str, message: str) -> DataError:
    """An error about one place."""
    return DataError([Problem(place, message)])


def check_file(path: Path) -> None:
    """Raises DataError where there is no file to read, or too large a one."""
    name = str(path)
    try:
        if not path.is_file():
            raise problem(name, "this is no file" if path.exists() else "there is no such file")
        size = path.stat().st_size
    except (OSError, ValueError) as fault:
        raise _unreadable(name, fault) from None
    if size > MAX_BYTES:
        raise problem(name, f"found {size:,} bytes, expected a file of at most {MAX_BYTES:,}")
    if size == 0:
        raise problem(name, "the file is empty")


def _unreadable(name: str, fault: Exception) -> DataError:
    return problem(name, f"cannot be read: {(getattr(fault, 'strerror', None) or str(fault)).lower()}")


def read_text(path: Path) -> str:
    """The text of a file. Raises DataError where there is none, or too much of it."""
    check_file(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        found = f"found the byte 0x{raw[fault.start]:02x}, expected UTF-8; save the file as UTF-8"
        raise problem(f"{path}: line {line}", found) from None
    except OSError as fault:
        raise _unreadable(str(path), fault) from None
    if not text.strip():
        raise problem(str(path), "the file is empty")
    return text


def read_json(text: str, name: str) -> Any:
    """The JSON value of a file's text. Raises DataError where it is none, and for keys that stand twice."""
    twice: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(pairs)
        if len(seen) < len(pairs):
            twice.extend(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        return seen

    try:
        value = json.loads(text, object_pairs_hook=mapping, parse_constant=_not_finite)
    except json.JSONDecodeError as fault:
        raise problem(f"{name}:{fault.lineno}:{fault.colno}", f"this is not JSON: {fault.msg.lower()}") from None
    except (RecursionError, ValueError) as fault:
        reason = "found too many levels of nesting" if isinstance(fault, RecursionError) else str(fault)
        raise problem(name, f"cannot be read as JSON: {reason}") from None
    if twice:
        raise DataError(
            capped([Problem(name, f"the key '{key[:60]}' stands twice; keep one of them") for key in twice])
        )
    return value


def _not_finite(constant: str) -> float:
    raise ValueError(f"found {constant}, expected a finite number")


class Problems:
    """Gathers what is wrong with many entries, so that one error names all of it."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def attempt(self, read: Callable[[], Read]) -> Read | None:
        """What `read` gives, or None where it finds problems, which are kept."""
        try:
            return read()
        except DataError as error:
            self._found += error.problems
        return None

    def each(self, entries: Iterable[Any], place: str, read: Callable[[Any, str], Read]) -> list[Read]:
        """What `read` makes of each entry and its place, without those that have problems."""
        made = (self.attempt(partial(read, entry, f"{place}[{index}]")) for index, entry in enumerate(entries))
        return [each for each in made if each is not None]

    def check(self) -> None:
        """Raises DataError where there were problems."""
        if self._found:
            raise DataError(capped(self._found))


def text_at(value: Any, place: str) -> str:
    """A text that can stand in a constitution, as it is."""
    if not isinstance(value, str):
        raise problem(place, f"found {_kind(value)}, expected text")
    if not value.strip():
        raise problem(place, "found an empty text; write one, or drop the entry")
    if not value.replace("\n", "").isprintable():
        try:
            parse_yaml(json.dumps(value, ensure_ascii=False), place)
        except ConfigError as error:
            raise DataError(Problem(place, each.message) for each in error.problems) from None
    return value


def list_at(value: Any, place: str) -> list[Any]:
    """A list of at least one entry."""
    if not isinstance(value, list):
        raise problem(place, f"found {_kind(value)}, expected a list")
    if not value:
        raise problem(place, "found an empty list, expected at least one entry")
    check_count(len(value), place)
    return value


def check_count(count: int, place: str) -> None:
    """Raises DataError for more entries than any constitution has."""
    if count > MAX_ENTRIES:
        raise problem(place, f"found {count:,} entries, expected at most {MAX_ENTRIES:,}; choose among them")


def mapping_at(value: Any, place: str, *keys: str) -> dict[str, Any]:
    """A mapping that has these keys."""
    if not isinstance(value, dict):
        raise problem(place, f"found {_kind(value)}, expected a mapping")
    missing = [key for key in keys if key not in value]
    if missing:
        raise DataError(Problem(place, f"the key '{key}' is required and missing") for key in missing)
    return value


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a mapping")
