"""The JSON Schema of a run file: what an editor completes and checks.

Covered: keys, types, bounds and what each key is for; `schemas/run.schema.json` is the output, kept equal by a
test. Not covered: references between the parts of a file, which `amendment check` looks at.
"""

from __future__ import annotations

import json
from typing import Any

from amendment.run.runfile.config import RunFile


def run_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a run file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunFile.model_json_schema()}


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(run_schema(), indent=2, ensure_ascii=False) + "\n"
