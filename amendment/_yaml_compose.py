"""From YAML text to nodes: parser events are put together here, by the core schema of YAML 1.2.

Covered: everything that is refused in a file is collected with its place before anything is raised; no
recursion, so that no nesting can exhaust the stack.
Not covered: bytes, encodings and sizes (see `yamlfile`).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from amendment._yaml_document import Entry, Key, Loc, Node, format_place

__all__ = ["CONTROL", "MAX_DEPTH", "Composer", "Found", "bad_character"]

MAX_DEPTH = 50
"""Levels of nesting."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INT_DIGITS = 19
"""Most digits of a signed 64-bit number."""

_HINTS = {
    "mapping values are not allowed": "put a text that contains ': ' in quotes, and check the indentation",
    "expected key": "check the indentation, and put texts with ': ' or ' #' in quotes",
    "expected ':'": "check the indentation, and put texts with special characters in quotes",
    "expected <block end>": "check the indentation",
    "unexpected end of stream": "a quote or a bracket is not closed",
    "expected ',' or": "a bracket is not closed, or a comma is missing",
    "cannot start any token": "indent with spaces, not tabs, and put texts that begin with a special sign in quotes",
}


def bad_character(character: str) -> str:
    return f"found the control character U+{ord(character):04X}, expected text; remove it"


class Found(NamedTuple):
    line: int
    column: int
    place: str
    message: str


class _Frame:
    """A list or mapping that is still open; `key` waits for its value."""

    __slots__ = ("is_skipped", "key", "loc", "node")

    def __init__(self, node: Node, loc: Loc) -> None:
        self.node = node
        self.loc = loc
        self.key: tuple[Key, int, int] | None = None
        self.is_skipped = False

    @property
    def wants_key(self) -> bool:
        return self.node.entries is not None and self.key is None and not self.is_skipped

    def next_loc(self) -> Loc:
        """Where the value that comes next will stand."""
        if self.node.items is not None:
            return (*self.loc, len(self.node.items))
        return (*self.loc, self.key[0]) if self.key else self.loc


class Composer:
    """Builds nodes from parser events without recursion, and collects what is wrong on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root: Node | None = None
        self.found: list[Found] = []
        self._stack: list[_Frame] = []
        self._documents = 0

    def compose(self, text: str) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            for event in yaml.parse(text, Loader=loader):
                if not self._take(event):
                    return
        except yaml.MarkedYAMLError as error:
            self._syntax(error, text)
        except yaml.YAMLError as error:
            self.found.append(Found(1, 1, f"{self.name}:1:1", f"this is not YAML: {error}"))

    def _take(self, event: yaml.Event) -> bool:
        """False when reading cannot usefully go on."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._report(event.start_mark, "found a second document ('---'), expected one per file")
                    return False
            case yaml.AliasEvent():
                self._report(event.start_mark, f"aliases (*{event.anchor}) are not read; write the value out")
                self._add(Node(*_position(event.start_mark)))
            case yaml.ScalarEvent():
                self._refuse_properties(event)
                self._add_scalar(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                return self._open(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._stack.pop()
        return True

    def _open(self, event: yaml.CollectionStartEvent) -> bool:
        self._refuse_properties(event)
        if len(self._stack) >= MAX_DEPTH:
            self._report(
                event.start_mark, f"found more than {MAX_DEPTH} levels of nesting, expected at most {MAX_DEPTH}"
            )
            return False
        node = Node(*_position(event.start_mark))
        if isinstance(event, yaml.SequenceStartEvent):
            node.items = []
        else:
            node.entries = {}
        frame = _Frame(node, self._loc())
        self._add(node)
        self._stack.append(frame)
        return True

    def _refuse_properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._report(
                event.start_mark, f"anchors (&{event.anchor}) are not read; write the value out where it is used"
            )
        if event.tag is not None:
            self._report(event.start_mark, f"tags ({_short_tag(event.tag)}) are not read; put texts in quotes instead")

    def _add_scalar(self, event: yaml.ScalarEvent) -> None:
        line, column = _position(event.start_mark)
        bad = CONTROL.search(event.value)
        if bad:
            self._report(event.start_mark, bad_character(bad[0]))
        if event.style or event.tag is not None:  # libyaml calls the plain style ""
            return self._add(Node(line, column, event.value))
        try:
            value = _resolve(event.value)
        except ValueError as error:
            self._report(event.start_mark, str(error))
            value = None
        raw = None if isinstance(value, str) else event.value
        if value == "<<" and self._stack and self._stack[-1].wants_key:
            self._report(event.start_mark, "merge keys (<<) are not read; write the keys out")
        return self._add(Node(line, column, value, raw))

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
        elif self._stack[-1].wants_key:
            self._set_key(self._stack[-1], node)
        else:
            self._set_value(self._stack[-1], node)

    def _set_key(self, frame: _Frame, node: Node) -> None:
        key, entries = node.value, frame.node.entries or {}
        if isinstance(key, bool) or not isinstance(key, str | int):
            shown = f"'{node.text}'" if node.text else "no text"
            self._report_at(node.line, node.column, f"found {shown} as a key, expected text; put it in quotes")
            frame.is_skipped = True
            return
        frame.key = (key, node.line, node.column)
        if key in entries:
            message = f"the key '{key}' stands here a second time, first on line {entries[key].line}; keep one of them"
            self._report_at(node.line, node.column, message)

    def _set_value(self, frame: _Frame, node: Node) -> None:
        if frame.node.items is not None:
            frame.node.items.append(node)
        elif frame.key is not None and frame.node.entries is not None:
            key, line, column = frame.key
            frame.node.entries.setdefault(key, Entry(line, column, node))
        frame.key, frame.is_skipped = None, False

    def _loc(self) -> Loc:
        return self._stack[-1].next_loc() if self._stack else ()

    def _report(self, mark: Any, message: str) -> None:
        self._report_at(*_position(mark), message)

    def _report_at(self, line: int, column: int, message: str) -> None:
        self.found.append(Found(line, column, format_place(self.name, line, column, self._loc()), message))

    def _syntax(self, error: yaml.MarkedYAMLError, text: str) -> None:
        mark = error.problem_mark or error.context_mark
        line, column = _position(mark) if mark else (1, 1)
        what = error.problem or "cannot be read"
        since = f" ({error.context}, from line {error.context_mark.line + 1})" if error.context_mark else ""
        hint = next((f"; {hint}" for sign, hint in _HINTS.items() if sign in what), "")
        self.found.append(Found(line, column, f"{self.name}:{line}:{column}", f"this is not YAML: {what}{since}{hint}"))


def _position(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _resolve(text: str) -> Any:
    """The value of an unquoted scalar in YAML 1.2's core schema. Raises ValueError for numbers out of range."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return _integer(text)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"found {text}, expected a finite number; put it in quotes if it is a text")
    if _FLOAT.fullmatch(text):
        return _float(text)
    return text


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    digits = text.lstrip("+-0ox")
    if len(digits) <= (_INT_DIGITS if base == 10 else 22):
        number = int(text, base)
        if -(2**63) <= number < 2**63:
            return number
    raise ValueError("found a whole number that does not fit into 64 bits; put it in quotes if it is a text")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"found {text[:40]}, expected a finite number; put it in quotes if it is a text")
    return number
