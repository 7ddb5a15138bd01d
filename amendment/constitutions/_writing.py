"""A constitution as a YAML file that people like to read, and that reads back as the same constitution.

Covered: long texts in folded and literal blocks, short ones plain, every other one in double quotes; what is left at
its default is left out; parents are merged in, so that the file stands alone.
Not covered: comments, and texts with control characters, which no constitution file may hold.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from amendment.constitutions._models import Constitution
from amendment.errors import ConfigError, Problem
from amendment.files import write_text
from amendment.yamlfile import parse_yaml

__all__ = ["constitution_json", "constitution_yaml", "json_text", "refuse_to_replace", "write_constitution"]

WIDTH = 118
"""Columns that a line of text may take; a longer word stands alone."""

_SCHEMA = Path(__file__).parent / "schemas" / "constitution.schema.json"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_START = re.compile(r"[^\W\d_]|\d+\.\d+\.\d")
"""Of a text that needs no quotes: a letter, or a version, which is no number."""
_TAG = re.compile(r"[a-z]+([-_][a-z]+)*")
_RESERVED = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
"""Words that a reader of YAML 1.1 or 1.2 takes for something other than text."""
_BREAK = re.compile(r"(?<=[^ ]) (?=[^ ])")
_APART = ("principles", "few_shot")


def write_constitution(constitution: Constitution, path: str | Path, *, replace: bool = False) -> None:
    """Write the constitution to a YAML file that `load_constitution` reads back as it is.

    Raises ConfigError, and leaves what stands there, where a file stands already and `replace` is not set, and where
    no file can hold the constitution: control characters, more than 1 MB.
    """
    path = Path(path)
    refuse_to_replace(() if replace else [path])
    schema = os.path.relpath(_SCHEMA, path.resolve().parent)
    text = f"# yaml-language-server: $schema={Path(schema).as_posix()}\n\n{constitution_yaml(constitution)}"
    parse_yaml(text, str(path))
    write_text(path, text)


def refuse_to_replace(paths: Iterable[Path]) -> None:
    """Raises ConfigError with every path at which something stands."""
    standing = [
        Problem(str(path), "stands already; name another, or replace it with --force")
        for path in paths
        if path.exists()
    ]
    if standing:
        raise ConfigError(standing)


def constitution_yaml(constitution: Constitution) -> str:
    """The constitution as YAML text, its parents merged in."""
    content = content_of(constitution)
    if constitution.source.originals:  # long, and for an export alone: behind everything that people read
        content["source"] = content.pop("source")
    lines: list[str] = []
    for key, value in content.items():
        entry = _entry(f"{key}:", value, 0)
        lines += [""] if key in _APART or (key == "source" and constitution.source.originals) else []
        lines += _spaced(entry) if key == "principles" else entry
    return "\n".join(lines) + "\n"


def constitution_json(constitution: Constitution) -> str:
    """The same content as JSON text, which `load_constitution` reads too."""
    return json_text(content_of(constitution))


def content_of(constitution: Constitution) -> dict[str, Any]:
    """What the file says: no defaults, and no `extends`, since the parents' principles are in already."""
    content: dict[str, Any] = constitution.model_dump(exclude={"extends"}, exclude_none=True, exclude_defaults=True)
    return content


def json_text(value: Any) -> str:
    """Indented JSON that readers of YAML take as well: line separators and the like are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _spaced(lines: Iterator[str]) -> Iterator[str]:
    """An empty line before each item of a list but the first."""
    for index, line in enumerate(lines):
        if index > 1 and line.startswith("  - "):
            yield ""
        yield line


def _entry(head: str, value: Any, indent: int) -> Iterator[str]:
    """The lines of one entry; `head` is everything before its value, `indent` the column of the entry."""
    match value:
        case Mapping() if value:
            yield head
            yield from _mapping(value, indent + 2)
        case list() | tuple() if value and not _is_tags(value):
            yield head
            for item in value:
                yield from _item(item, indent + 2)
        case str():
            yield from _text(head, value, indent + 2)
        case _:
            yield f"{head} {_short(value)}"


def _mapping(mapping: Mapping[Any, Any], indent: int) -> Iterator[str]:
    for key, value in mapping.items():
        yield from _entry(f"{' ' * indent}{_key(key)}:", value, indent)


def _item(item: Any, indent: int) -> Iterator[str]:
    if not isinstance(item, Mapping):
        yield from _entry(f"{' ' * indent}-", item, indent)
        return
    for index, line in enumerate(_mapping(item, indent + 2)):
        yield line if index else f"{' ' * indent}- {line[indent + 2 :]}"


def _is_tags(values: Any) -> bool:
    """Whether a list is short words, which read best in one line."""
    are_words = all(isinstance(each, str) and _TAG.fullmatch(each) and _is_plain(each) for each in values)
    return are_words and sum(map(len, values)) <= WIDTH // 2


def _short(value: Any) -> str:
    match value:
        case list() | tuple():
            return f"[{', '.join(value)}]"
        case float() if value.is_integer() and value < 1e15:
            return str(int(value))
        case _:
            return str(value)


def _key(key: str | int) -> str:
    is_plain = isinstance(key, int) or (_PLAIN_KEY.fullmatch(key) and key.lower() not in _RESERVED)
    return str(key) if is_plain else _quoted(str(key))


def _text(head: str, text: str, indent: int) -> Iterator[str]:
    pad = " " * indent
    if _is_plain(text) and len(head) + len(text) < WIDTH:
        yield f"{head} {text}"
    elif "\n" in text and _fits_a_block(text):
        yield f"{head} |-"
        yield from (pad + line if line else "" for line in text.split("\n"))
    elif len(head) + len(text) >= WIDTH and _fits_a_block(text):
        yield f"{head} >-"
        yield from (pad + line for line in _folded(text, WIDTH - indent))
    else:
        yield f"{head} {_quoted(text)}"


def _is_plain(text: str) -> bool:
    """Whether the text means itself without quotes, also to a reader of YAML 1.1."""
    is_word = bool(_START.match(text)) and text.isprintable() and text.lower() not in _RESERVED
    return is_word and not re.search(r":( |$)| #| $", text)


def _fits_a_block(text: str) -> bool:
    """Whether a block scalar holds the text for sure: no space at either end of a line that a reader could lose."""
    lines = text.split("\n")
    is_visible = all(line.isprintable() and not line.endswith(" ") for line in lines)
    return is_visible and bool(lines[0]) and not lines[0].startswith(" ") and bool(lines[-1])


def _folded(text: str, width: int) -> Iterator[str]:
    """The text over lines that are broken at single spaces, which the reader puts back."""
    line = ""
    for word in _BREAK.split(text):
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _quoted(text: str) -> str:
    """In double quotes, with everything escaped that one cannot see."""
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08X}" for each in escaped)
