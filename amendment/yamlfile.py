"""YAML read once, strictly: constitutions, run files, judge folders. Every problem of a file is named with its place.

Covered: the core schema of YAML 1.2 (`no` is text, `1e-5` a number, `012` twelve); pydantic's errors in plain words.
Refused: duplicate keys, anchors, aliases, merge keys, tags, several documents, numbers that are not finite or exceed 64
bits, control characters, files over 1 MB, nesting over 50 levels.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from amendment.errors import ConfigError, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
Loc = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_CONSTANTS |= {form: value for word, value in _CONSTANTS.items() for form in (word.title(), word.upper())}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_HINT = "check the indentation (spaces, no tabs), close quotes and brackets, and quote texts that contain ': ' or ' #'"


_NO_LINE = (0, 0)


class Mark(NamedTuple):
    """Line and column, from 1, of a value and of the key before it (of an entry of a list: of the value again)."""

    value: tuple[int, int]
    key: tuple[int, int]
    text: str | None = None
    """The scalar as written, if it is unquoted and no text."""


@dataclass(frozen=True)
class Document:
    """The content of a YAML file (`data`), with the place of each value; or a dictionary, which has no lines."""

    data: Any
    path: str
    """The file's name as messages show it."""
    marks: dict[Loc, Mark] = field(repr=False, compare=False)

    def locate(self, loc: Loc, *, key: bool = False) -> tuple[int, int]:
        """Return line and column of a value, or with `key` of its key; of the nearest part where it is absent."""
        mark = next(self.marks[loc[:depth]] for depth in range(len(loc), -1, -1) if loc[:depth] in self.marks)
        return mark.key if key and loc in self.marks else mark.value

    def place(self, loc: Loc, *, key: bool = False) -> str:
        """Return `file:line:column: a.b[2].c`; without line and column in a dictionary."""
        return _place(self.path, self.locate(loc, key=key), loc)

    def problem(self, loc: Loc, message: str, *, key: bool = False) -> Problem:
        return Problem(self.place(loc, key=key), message)


def format_path(loc: Loc) -> str:
    """Return `a.b[2].c`; keys that are not plain words stand in brackets and quotes."""
    parts = (f".{part}" if re.fullmatch(r"[^\W\d][\w-]*", str(part)) else f"[{part!r}]" for part in loc)
    return "".join(parts).removeprefix(".")


def _place(path: str, at: tuple[int, int], loc: Loc) -> str:
    lines = "" if at == _NO_LINE else f":{at[0]}:{at[1]}"
    return f"{path}{lines}" + (f": {format_path(loc)}" if loc else "")


def read_yaml(path: str | Path) -> Document:
    """Return the file's document. Raises ConfigError with every problem of the file."""
    try:
        if Path(path).is_fifo():  # it would be waited for, and a run reads its files more than once
            raise OSError("found a pipe, expected a file; save the text as one")
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([Problem(str(path), "there is no such file")]) from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ConfigError([Problem(str(path), f"cannot be read: {reason}")]) from None
    try:
        text = raw.decode("utf-8-sig", "strict" if len(raw) <= MAX_BYTES else "replace")
    except UnicodeDecodeError as error:
        found = "UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else f"the byte 0x{raw[error.start]:02x}"
        place = _place(str(path), _position(raw, error.start), ())
        raise ConfigError([Problem(place, f"found {found}, expected UTF-8; save the file as UTF-8")]) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Document:
    """Return the document of a text; `name` stands for the file in messages. Raises ConfigError with every problem."""
    raw = text.removeprefix("\ufeff").encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(name, f"found more than {MAX_BYTES:,} bytes, expected a file of at most 1 MB")])
    reader = _Reader(raw)
    if reader.problems:
        raise ConfigError(capped([Problem(_place(name, at, loc), message) for at, loc, message in reader.problems]))
    if reader.data is None and not (reader.marks and reader.marks[()].text):
        raise ConfigError([Problem(name, "the file is empty")])
    return Document(reader.data, name, reader.marks)


def as_document(value: Any, name: str) -> Document:
    """Return a dictionary as a document without lines, with lists for tuples and text for paths, as YAML would give
    them."""
    marks: dict[Loc, Mark] = {}

    def read(value: Any, loc: Loc) -> Any:
        marks[loc] = Mark(_NO_LINE, _NO_LINE, str(value).lower() if isinstance(value, bool) else None)
        if isinstance(value, Mapping):
            return {key: read(inner, (*loc, key)) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [read(inner, (*loc, index)) for index, inner in enumerate(value)]
        return str(value) if isinstance(value, Path) else value

    return Document(read(value, ()), name, marks)


class _Reader:
    """Builds plain values from PyYAML's events, notes where each stands, and collects problems on the way."""

    def __init__(self, raw: bytes) -> None:
        self.data: Any = None
        self.marks: dict[Loc, Mark] = {}
        self.problems: list[tuple[tuple[int, int], Loc, str]] = []
        self._events = yaml.parse(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        try:
            for event in self._events:
                if isinstance(event, yaml.NodeEvent):
                    self.data = self._value(event, ())
                elif isinstance(event, yaml.DocumentStartEvent) and self.marks:
                    self.problems.append((_start(event), (), "found a second document ('---'), expected one per file"))
                    break
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            since = f" ({error.context}, from line {error.context_mark.line + 1})" if error.context_mark else ""
            message = f"this is not YAML: {error.problem}{since}; {_HINT}"
            self.problems.append(((mark.line + 1, mark.column + 1) if mark else (1, 1), (), message))
        except yaml.reader.ReaderError as error:
            message = "found a control character or a broken sign, expected text; remove it"
            self.problems.append((_position(raw, error.position), (), message))
        except RecursionError:
            pass  # the problem of the level that is too deep is there
        self.problems.sort(key=lambda problem: problem[0])

    def _value(self, event: Any, loc: Loc, key: tuple[int, int] | None = None) -> Any:
        """Return the value that begins with this event; `key` is where its key stands."""
        start = _start(event)
        self.marks[loc] = Mark(start, key or start)
        if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag:
            message = "anchors (&), aliases (*) and tags (!) are not read; write the value out, or put a text in quotes"
            self.problems.append((start, loc, message))
        if isinstance(event, yaml.AliasEvent | yaml.ScalarEvent):
            return self._scalar(event, loc) if isinstance(event, yaml.ScalarEvent) else None
        if len(loc) >= MAX_DEPTH:
            self.problems.append((start, loc[:1], f"found more than {MAX_DEPTH} levels of nesting; write it flatter"))
            raise RecursionError
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(loc)
        items: list[Any] = []
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(item, (*loc, len(items))))
        return items

    def _mapping(self, loc: Loc) -> dict[str | int, Any]:
        entries: dict[str | int, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            start = _start(event)
            key = self._value(event, (*loc, "\0"))
            written = self.marks.pop((*loc, "\0")).text
            if key == "<<" and not event.style:  # type: ignore[attr-defined]
                self.problems.append((start, loc, "merge keys (<<) are not read; write the keys out"))
            if isinstance(key, bool) or not isinstance(key, str | int):
                self.problems.append(
                    (start, loc, f"found '{written or key}' as a key, expected text; put it in quotes")
                )
                key = f"\0{start}"
            at = (*loc, key)
            if key in entries:
                first = self.marks[at].key[0]
                message = f"the key '{key}' appears a second time, first on line {first}; keep one of them"
                self.problems.append((start, at, message))
            entries[key] = self._value(next(self._events), at, start)
        return entries

    def _scalar(self, event: Any, loc: Loc) -> Any:
        text: str = event.value
        if bad := _CONTROL.search(text):
            message = f"found the control character U+{ord(bad[0]):04X}, expected text; remove it"
            self.problems.append((_start(event), loc, message))
        if event.style or event.tag:  # libyaml calls the plain style ""
            return text
        value: Any = _CONSTANTS.get(text, text)
        if _INT.fullmatch(text):
            value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)) if len(text) <= 24 else 2**63
        elif _FLOAT.fullmatch(text):
            value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        is_number = isinstance(value, int | float)
        if is_number and not (-(2**63) <= value < 2**63 if isinstance(value, int) else math.isfinite(value)):
            message = f"found {text[:40]}, expected a finite number of at most 64 bits; a text needs quotes"
            self.problems.append((_start(event), loc, message))
        if not isinstance(value, str):
            self.marks[loc] = self.marks[loc]._replace(text=text)
        return value


def validate(document: Document, model: type[Model]) -> Model:
    """Return the document as a model. Raises ConfigError with every problem, sorted by place."""
    value, faults = None, list[_Fault]()
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        faults = _collapse([_fault(dict(each), document, model) for each in error.errors(include_url=False)])
        # pydantic also counts the entries that are right, and a list whose entries are wrong is not too short for that
        wrong = {fault.loc[:depth] for fault in faults for depth in range(len(fault.loc))}
        faults = [fault for fault in faults if fault.kind != "too_short" or fault.loc not in wrong]
    flags = [_Fault(loc, "int_type", True, expected=(name,)) for loc, name in _flags_as_numbers(document, model)]
    faults = flags + [fault for fault in faults if fault.loc not in {flag.loc for flag in flags}]
    if faults or value is None:
        faults.sort(key=lambda fault: document.locate(fault.loc, key=fault.is_key))
        problems = [document.problem(fault.loc, _message(fault, document), key=fault.is_key) for fault in faults]
        raise ConfigError(capped(list(dict.fromkeys(problems))))
    return value


_SHAPES = dict.fromkeys(("list", "tuple", "set", "frozen", "iterable"), "a list")
_SHAPES |= dict.fromkeys(("dict", "mapping", "model", "dataclass"), "a mapping (key: value)")
_SHAPES |= {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "path": "a path"}
"""The expected value of pydantic's errors, by the first word of types that end in one of `_SHAPE_ENDS`."""
_SHAPE_ENDS = ("_type", "_parsing", "_from_float", "_parsing_size")
_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "finite_number": "a finite number",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
}


class _Fault(NamedTuple):
    """One of pydantic's errors, at its place in the file."""

    loc: Loc
    kind: str
    found: Any
    expected: tuple[str, ...] = ()
    message: str = ""
    """Replaces `found ..., expected ...`."""
    labels: tuple[tuple[int, str], ...] = ()
    """Members of unions that the error passed: how deep they stand, and pydantic's names of them."""
    is_key: bool = False
    """The key itself is wrong, not its value."""


def _fault(error: dict[str, Any], document: Document, model: type[BaseModel]) -> _Fault:
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    loc: Loc = ()
    labels: list[tuple[int, str]] = []
    parts = [part for part in error["loc"] if part != "[key]"]
    for index, part in enumerate(parts):
        if (*loc, part) in document.marks or (kind == "missing" and index == len(parts) - 1):
            loc = (*loc, part)
        else:
            labels.append((len(loc), str(part)))
    expected: tuple[str, ...] = ()
    message, known = "", list[str]()
    if kind == "extra_forbidden":
        written = _at(document.data, loc[:-1])
        members = [schema for schema in _schemas_at(model, loc[:-1]) if _is_meant(schema, written)]
        keys = [schema.get("properties", {}) for schema in members]
        shared = [len(written.keys() & names.keys()) for names in keys]
        nearest = [names for names, count in zip(keys, shared, strict=True) if count == max(shared)]
        known = list(dict.fromkeys(name for names in nearest for name in names))
        message = f"unknown key '{loc[-1]}'" + (
            did_you_mean(loc[-1], known) or f"; known keys are {', '.join(known) or 'none'}"
        )
    elif kind in ("missing", "union_tag_not_found", "union_tag_invalid"):
        loc = loc if kind == "missing" else (*loc, context["discriminator"].strip("'()"))
        tags = re.findall(r"'([^']*)'", context.get("expected_tags", ""))
        one_of = f", expected one of {', '.join(tags)}" if tags else ""
        message = f"the key '{loc[-1]}' is required and missing{one_of}"
        if kind == "union_tag_invalid":
            message = f"found '{context['tag']}'{one_of}{did_you_mean(context['tag'], tags)}"
    elif kind in ("value_error", "assertion_error"):
        message = str(context.get("error", error["msg"]))
    elif kind in ("literal_error", "enum"):
        names = re.findall(r"'([^']*)'", context["expected"])
        expected = (f"one of {', '.join(names)}" if len(names) > 1 else context["expected"],)
    elif kind.endswith(_SHAPE_ENDS) and kind.partition("_")[0] in _SHAPES:
        expected = (_SHAPES[kind.partition("_")[0]],)
    elif kind in _BOUNDS:
        shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
        expected = (_BOUNDS[kind].format(**shown),)
    else:
        message = error["msg"][:1].lower() + error["msg"][1:]
    return _Fault(loc, kind, found, expected, message, tuple(labels), is_key="[key]" in error["loc"] or bool(known))


def _collapse(faults: list[_Fault]) -> list[_Fault]:
    """Return the faults of the union member that was meant; one fault that names all members if none was."""
    kept = [fault for fault in faults if not fault.labels]
    unions: dict[Loc, dict[str, list[_Fault]]] = {}
    for fault in faults:
        if fault.labels:
            (depth, label), rest = fault.labels[0], fault.labels[1:]
            unions.setdefault(fault.loc[:depth], {}).setdefault(label, []).append(fault._replace(labels=rest))
    for at, members in unions.items():
        collapsed = [_collapse(member) for member in members.values()]
        others = (*_SHAPE_ENDS, "literal_error", "enum", "none_required")  # these say that this member was not meant
        meant = [m for m in collapsed if not any(fault.loc == at and fault.kind.endswith(others) for fault in m)]
        if meant or len(collapsed) == 1:
            fewest: list[_Fault] = min(meant or collapsed, key=len)
            kept += fewest
        else:
            expected = dict.fromkeys(phrase for member in collapsed for phrase in member[0].expected)
            kept.append(collapsed[0][0]._replace(expected=tuple(expected)))
    return kept


def _message(fault: _Fault, document: Document) -> str:
    if fault.message:
        return fault.message
    written = document.marks[fault.loc].text if fault.loc in document.marks else None
    known = " or ".join(fault.expected).removeprefix("one of ").replace("'", "")
    hint = did_you_mean(fault.found, re.split(", | or ", known))
    match fault.found:
        case None:
            shown = "nothing"
        case dict():
            shown = "a mapping"
        case list():
            shown = f"a list of {len(fault.found)}" if fault.kind.startswith("too_") else "a list"
        case str():
            short = fault.found if len(fault.found) <= 60 else f"{fault.found[:57]}..."
            shown = f"the text '{short}'" if fault.found.strip() else "an empty text"
        case _:
            shown = written or str(fault.found)
            hint = f'; as text it needs quotes: "{shown}"' if "text" in fault.expected else ""
    if fault.expected == ("a list",) and isinstance(fault.found, str | int | float):
        hint = "; write it as a list: [...]"
    return f"found {shown}, expected {' or '.join(fault.expected)}{hint}"


@lru_cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _schemas_at(model: type[BaseModel], loc: Loc) -> list[dict[str, Any]]:
    """Return the model's JSON schema at a place: all members of a union, with references resolved."""
    schemas = [_schema(model)]
    for part in (*loc, None):
        flat: list[dict[str, Any]] = []
        while schemas:
            schema = schemas.pop(0)
            inner = [member for name in ("anyOf", "oneOf", "allOf") for member in schema.get(name, ())]
            if "$ref" in schema:
                inner = [_schema(model)["$defs"][schema["$ref"].rpartition("/")[2]]]
            schemas = inner + schemas
            flat += [] if inner and "properties" not in schema else [schema]
        for schema in flat if part is not None else ():
            patterns = [*schema.get("patternProperties", {}).values()]
            more = schema.get("additionalProperties") or schema.get("items") or (patterns[0] if patterns else None)
            below = schema.get("properties", {}).get(part, more if isinstance(more, dict) else None)
            schemas += [below] if below else schema.get("prefixItems", [])
    return flat


def _at(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[part]
    return data


def _is_meant(schema: Mapping[str, Any], values: Any) -> bool:
    """Return True if a member of a union fits the values of the keys that distinguish its members."""
    for key, part in schema.get("properties", {}).items():
        others = part.get("not", {}).get("enum", ())
        given = values.get(key) if isinstance(values, dict) else None
        if given is not None and (given in others or given != part.get("const", given)):
            return False
    return True


def _flags_as_numbers(document: Document, model: type[BaseModel]) -> Iterator[tuple[Loc, str]]:
    """Refuse true and false where only numbers are meant: pydantic reads them as 1 and 0."""
    for loc, mark in document.marks.items():
        if isinstance(_CONSTANTS.get(mark.text or ""), bool):
            types = {schema.get("type") for schema in _schemas_at(model, loc)} - {"null"}
            if types and types <= {"integer", "number"}:
                yield loc, "a whole number" if "integer" in types else "a number"


def _start(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _position(raw: bytes, offset: int) -> tuple[int, int]:
    return raw.count(b"\n", 0, offset) + 1, offset - raw.rfind(b"\n", 0, offset)


def parts(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    """Yield a JSON value and all values within it, each with its place."""
    yield loc, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from parts(part, (*loc, key))


def texts(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Return every text in a JSON value, with its place."""
    return ((place, part) for place, part in parts(value, loc) if isinstance(part, str))


def capped(problems: Sequence[Problem], most: int = 100) -> list[Problem]:
    """Return the first problems, and a last one that counts the rest."""
    rest = len(problems) - most
    return [*problems[:most], *([Problem("", f"and {rest} more problems")] if rest > 0 else [])]


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` with the nearest known word, or nothing when none is near.

    >>> did_you_mean("temprature", ["temperature", "top_p"])
    " (did you mean 'temperature'?)"
    """
    by_lower = {name.lower(): name for name in known} if isinstance(word, str) else {}
    near = difflib.get_close_matches(str(word).lower()[:200], by_lower, n=3, cutoff=0.6)
    near.sort(key=lambda name: sorted(name) != sorted(str(word).lower()))  # two letters that changed places
    return f" (did you mean '{by_lower[near[0]]}'?)" if near else ""
