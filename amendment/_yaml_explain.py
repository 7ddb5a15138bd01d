"""Pydantic's errors in plain words, each at its place in the YAML file, all at once.

Covered: models in lists, mappings and unions (plain and discriminated), keys by name and by alias, values
that a validator of the model brings into shape first. A union's errors become those of the alternative that
fits best, or one line that names all alternatives.
Not covered: error types that a model of ours does not raise keep pydantic's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from amendment._yaml_document import Document, Key, Loc, Node, capped, did_you_mean
from amendment._yaml_model import flatten, known_keys, narrow, step
from amendment.errors import ConfigError, Problem

__all__ = ["validate"]

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of at most 64 bits",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_sub_type": "text",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "dataclass_type": "a mapping (key: value)",
    "path_type": "a path",
    "none_required": "nothing",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} {entries}",
    "too_long": "at most {max_length} {entries}",
    "invalid_key": "text as a key",
}
_SHAPES = frozenset(name for name in _EXPECTED if name.endswith(("_type", "_parsing"))) | {
    "none_required",
    "literal_error",
    "enum",
    "int_from_float",
}
"""Errors that say: this alternative of a union was not meant."""
_LISTS = frozenset(["list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"])
_QUOTED = re.compile(r"'([^']*)'")


def validate(document: Document, model: type[Model]) -> Model:
    """The document as a model. Raises ConfigError with every problem, sorted by place."""
    faults: list[_Fault] = []
    value: Model | None = None
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        faults = _collapse([_trace(dict(each), document.root, model) for each in errors])
    flags = list(_flags_as_numbers(document.root, (model,), ()))
    flagged = {fault.loc for fault in flags}
    faults = [fault for fault in faults if fault.loc not in flagged] + flags
    if faults or value is None:
        raise ConfigError(capped(_problems(document, faults)))
    return value


class _Fault(NamedTuple):
    """One error, with its place in the file and the union members it passed on the way."""

    loc: Loc
    kind: str
    found: Any
    context: dict[str, Any]
    message: str
    known: tuple[str, ...] = ()
    """Keys that may stand here, for an unknown one."""
    labels: tuple[tuple[int, str], ...] = ()
    """Of union members: how deep they stand, and their names."""
    expected: tuple[str, ...] = ()
    """In place of the expectation that goes with the kind."""
    is_key: bool = False
    """The key itself is wrong, not its value."""


# Where an error stands.


def _trace(error: dict[str, Any], root: Node, model: type[BaseModel]) -> _Fault:
    """Follows pydantic's location through the file and the model side by side."""
    node, loc, labels, kind = root, [], [], error["type"]
    here: tuple[Any, ...] = (model,)
    owner = here
    parts = [part for part in error["loc"] if part != "[key]"]
    for index, part in enumerate(parts):
        child = node.child(part)
        if child is not None:
            owner, here = here, step(here, part)
            loc.append(part)
            node = child
        elif kind == "missing" and index == len(parts) - 1:
            owner = here
            loc.append(part)
        else:
            labels.append((len(loc), str(part)))
            here = narrow(here, str(part))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        loc.append(error["ctx"]["discriminator"].strip("'"))
    context = {**error.get("ctx", {}), "entries": "keys" if isinstance(error["input"], dict) else "entries"}
    known = known_keys(owner if kind == "extra_forbidden" else ())
    is_key = kind in ("extra_forbidden", "invalid_key") or "[key]" in error["loc"]
    return _Fault(tuple(loc), kind, error["input"], context, error["msg"], known, tuple(labels), is_key=is_key)


# Unions: one line, or the lines of the alternative that fits best.


def _collapse(faults: list[_Fault]) -> list[_Fault]:
    kept = [fault for fault in faults if not fault.labels]
    groups: dict[Loc, dict[str, list[_Fault]]] = {}
    for fault in faults:
        if fault.labels:
            (depth, label), rest = fault.labels[0], fault.labels[1:]
            group = groups.setdefault(fault.loc[:depth], {})
            group.setdefault(label, []).append(fault._replace(labels=rest))
    for at, branches in groups.items():
        kept += _best(at, [_collapse(branch) for branch in branches.values()])
    return kept


def _best(at: Loc, branches: list[list[_Fault]]) -> list[_Fault]:
    meant = [branch for branch in branches if not any(fault.loc == at and fault.kind in _SHAPES for fault in branch)]
    if meant or len(branches) == 1:
        return min(meant or branches, key=len)
    first = [branch[0] for branch in branches]
    expected = tuple(phrase for fault in first for phrase in _expectations(fault))
    return [first[0]._replace(kind="union", expected=tuple(dict.fromkeys(expected)))]


def _flags_as_numbers(node: Node, annotations: tuple[Any, ...], loc: Loc) -> Iterator[_Fault]:
    """True and false where only numbers are meant: pydantic would read them as 1 and 0."""
    if isinstance(node.value, bool):
        flat = set(map(_hashable, flatten(annotations)))
        if flat & {int, float} and flat <= {int, float, type(None)}:
            yield _Fault(loc, "int_type" if int in flat else "float_type", node.value, {}, "")
    children: Iterable[tuple[Key, Node]] = enumerate(node.items or ())
    if node.entries is not None:
        children = ((key, entry.node) for key, entry in node.entries.items())
    for part, child in children:
        inner = step(annotations, part)
        if inner:
            yield from _flags_as_numbers(child, inner, (*loc, part))


def _hashable(annotation: Any) -> Any:
    return annotation if isinstance(annotation, type) else None


# What a line says.


def _problems(document: Document, faults: list[_Fault]) -> list[Problem]:
    placed = [(document.locate(fault.loc, key=fault.is_key), fault) for fault in faults]
    lines = dict.fromkeys(
        document.problem(fault.loc, _say(fault, document), key=fault.is_key)
        for _, fault in sorted(placed, key=lambda each: each[0])
    )
    return list(lines)


def _say(fault: _Fault, document: Document) -> str:
    match fault.kind:
        case "extra_forbidden":
            return _unknown_key(fault)
        case "missing" | "union_tag_not_found" | "union_tag_invalid":
            return _missing_or_other(fault)
        case "value_error" | "assertion_error":
            return str(fault.context.get("error", fault.message))
    expected = _expectations(fault)
    if not expected:
        return f"found {_show(fault, document)}: {fault.message[:1].lower()}{fault.message[1:]}"
    return f"found {_show(fault, document)}, expected {' or '.join(expected)}{_hint(fault, expected, document)}"


def _missing_or_other(fault: _Fault) -> str:
    """Of keys that must stand, among them the one that tells the alternatives of a union apart."""
    tags = fault.context.get("expected_tags", "")
    expected = f", expected {_list(tags)}" if tags else ""
    if fault.kind != "union_tag_invalid":
        return f"the key '{fault.loc[-1]}' is required and missing{expected}"
    found = fault.context["tag"]
    return f"found '{found}'{expected}{did_you_mean(found, _QUOTED.findall(tags))}"


def _unknown_key(fault: _Fault) -> str:
    name = fault.loc[-1] if fault.loc else ""
    near = did_you_mean(name, fault.known)
    known = f"; known keys are {', '.join(fault.known)}" if fault.known and not near else ""
    return f"unknown key '{name}'{near}{known}"


def _expectations(fault: _Fault) -> tuple[str, ...]:
    if fault.expected:
        return fault.expected
    if fault.kind in ("literal_error", "enum"):
        return (_list(fault.context["expected"]),)
    if fault.kind == "string_too_short" and fault.context.get("min_length") == 1:
        return ("text that is not empty",)
    template = _EXPECTED.get(fault.kind)
    context = {name: f"{value:g}" if isinstance(value, float) else value for name, value in fault.context.items()}
    return (template.format(**context),) if template else ()


def _list(quoted: str) -> str:
    """Of pydantic's `'a', 'b' or 'c'` the same with one separator."""
    names = _QUOTED.findall(quoted)
    return f"one of {', '.join(names)}" if len(names) > 1 else quoted


def _show(fault: _Fault, document: Document) -> str:
    value = fault.found
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple() | set():
            return f"a list of {len(value)}" if fault.kind in ("too_short", "too_long") else "a list"
        case str():
            return (
                f"the text '{value if len(value) <= 60 else value[:57] + '...'}'" if value.strip() else "an empty text"
            )
        case Enum():
            return str(value.value)
    return _as_written(fault, document)


def _as_written(fault: _Fault, document: Document) -> str:
    node: Node | None = document.root
    for part in fault.loc:
        node = node.child(part) if node else None
    if node is not None and node.text is not None:
        return node.text
    return str(fault.found).lower() if isinstance(fault.found, bool) else str(fault.found)


def _hint(fault: _Fault, expected: tuple[str, ...], document: Document) -> str:
    if isinstance(fault.found, bool | int | float) and "text" in expected:
        return f'; as text it needs quotes: "{_as_written(fault, document)}"'
    if fault.kind in _LISTS and isinstance(fault.found, str | int | float):
        return "; write it as a list: [...]"
    words = [name for phrase in expected for name in re.split(r", | or ", phrase.removeprefix("one of "))]
    return did_you_mean(fault.found, (word.strip("'") for word in words if " " not in word))
