"""The JSON Schema of a constitution file: what an editor completes and checks.

Covered: keys, types, bounds and the description of every key; `schemas/constitution.schema.json` is the
output, kept equal by a test. Not covered: what the linter finds.
"""

from __future__ import annotations

import json
from typing import Any

from amendment.constitutions._models import Constitution

__all__ = ["constitution_schema", "schema_text"]


def constitution_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a constitution file."""
    schema = Constitution.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(constitution_schema(), indent=2, ensure_ascii=False) + "\n"
