"""`--set a.b=value`: one value of a run file replaced or added, so that messages name its place in the file.

Covered: keys, entries of lists by their number from 0, values in YAML. Not covered: longer lists; write the
whole list, as in prompts=[{lilliput: 5}].
"""

from __future__ import annotations

import copy
from dataclasses import replace

from amendment.errors import ConfigError
from amendment.yamlfile import Document, Entry, Node, parse_yaml

__all__ = ["override"]


def override(document: Document, text: str) -> Document:
    """The document with one value replaced or added. Raises ConfigError for a place that cannot be."""
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise ConfigError(f"--set {text}: expected key.path=value, such as judging.principles_per_pair=1")
    new = parse_yaml(value, f"--set {path}").root if value.strip() else Node(1, 1)
    root = copy.deepcopy(document.root)
    *parents, last = path.split(".")
    try:
        place = root
        for part in parents:
            place = _inside(place, part)
        _put(place, last, new)
    except LookupError:
        raise ConfigError(f"--set {path}: there is no such place in {document.path}") from None
    return replace(document, data=root.to_data(), root=root)


def _inside(node: Node, part: str) -> Node:
    """What stands under a key or a number; a mapping grows the key."""
    if node.entries is not None and part not in node.entries:
        _put(node, part, Node(node.line, node.column, entries={}))
    child = node.child(_number(part) if node.items is not None else part)
    if child is None:
        raise LookupError(part)
    return child


def _put(node: Node, part: str, new: Node) -> None:
    if node.items is not None:
        number = _number(part)
        _move(new, node.items[number].line, node.items[number].column)
        node.items[number] = new
    elif node.entries is not None:
        old = node.entries.get(part)
        line, column = (old.node.line, old.node.column) if old else (node.line, node.column)
        _move(new, line, column)
        node.entries[part] = old._replace(node=new) if old else Entry(line, column, new)
    else:
        raise LookupError(part)


def _number(part: str) -> int:
    if not (part.isascii() and part.isdecimal()):
        raise LookupError(part)
    return int(part)


def _move(node: Node, line: int, column: int) -> None:
    """Give a value the place of the one that it replaces."""
    node.line, node.column = line, column
    for child in (*(node.items or ()), *(entry.node for entry in (node.entries or {}).values())):
        _move(child, line, column)
    if node.entries is not None:
        node.entries = {key: Entry(line, column, entry.node) for key, entry in node.entries.items()}
