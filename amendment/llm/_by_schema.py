"""A simulated answer as JSON by a schema: what is known by its name, the least value of its type for all else.

Covered: objects, enums, constants, texts, numbers, booleans, lists. Not covered: references and alternatives, which
are null here; patterns and bounds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["by_schema"]

_DEEPEST = 16
_LEAST: Mapping[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}


def by_schema(schema: Mapping[str, Any], said: str, values: Mapping[str, Any]) -> str:
    """The JSON text. A property takes the value of its name, or, where it is a free text, what is `said`.

    A value that the property's enum does not know gives way to the enum's first.
    """
    return json.dumps(_filled(schema, said, values, _DEEPEST), ensure_ascii=False)


def _filled(schema: Any, said: str, values: Mapping[str, Any], depth: int, name: str = "") -> Any:
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    if "const" in schema:
        return schema["const"]
    allowed = schema.get("enum")
    if isinstance(allowed, list) and allowed:
        return values[name] if values.get(name) in allowed else allowed[0]
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return {key: _filled(inner, said, values, depth - 1, key) for key, inner in properties.items()}
    if name in values:
        return values[name]
    kind = schema.get("type")
    return said if kind == "string" else _LEAST.get(kind) if isinstance(kind, str) else None
