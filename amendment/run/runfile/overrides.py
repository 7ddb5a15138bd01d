"""`--set a.b=value`: one value of a run file replaced or added, so that messages name its place in the file.

Covered: keys, entries of lists by their number from 0, values in YAML. Not covered: longer lists; write the
whole list, as in prompts=[{lilliput: 5}].
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from amendment.errors import ConfigError
from amendment.yamlfile import Document, Loc, Mark, parse_yaml


def override(document: Document, text: str) -> Document:
    """Return the document with one value replaced or added. Raises ConfigError for a place that cannot be."""
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise ConfigError(f"--set {text}: expected key.path=value, such as judging.principles_per_pair=1")
    new = parse_yaml(value.strip() or "~", f"--set {path}")
    data = copy.deepcopy(document.data)
    loc: Loc = ()
    place: Any = data
    *parents, last = path.split(".")
    try:
        for part in parents:
            key = _key(place, part)
            if isinstance(place, dict):
                place.setdefault(key, {})
            loc, place = (*loc, key), place[key]
        loc = (*loc, _key(place, last))
        place[loc[-1]] = new.data
    except (LookupError, TypeError):
        raise ConfigError(f"--set {path}: there is no such place in {document.path}") from None
    marks = {inner: mark for inner, mark in document.marks.items() if inner[: len(loc)] != loc}
    at = document.locate(loc)
    key_at = document.locate(loc, key=True)
    marks |= {loc[:depth]: Mark(at, at) for depth in range(len(loc)) if loc[:depth] not in marks}
    marks |= {(*loc, *inner): Mark(at, key_at, mark.text) for inner, mark in new.marks.items()}
    return replace(document, data=data, marks=marks)


def _key(place: Any, part: str) -> str | int:
    """Return the key of a mapping, or the index of an entry that a list has."""
    if isinstance(place, dict):
        return part
    if not (part.isascii() and part.isdecimal() and int(part) < len(place)):
        raise LookupError(part)
    return int(part)
