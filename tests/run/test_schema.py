"""The schema of a run file is shipped, equal to what is read, and tells an editor what each key is for."""

from __future__ import annotations

from pathlib import Path

import amendment.run
from amendment.run import run_schema
from amendment.run.runfile.config import schema_text

SHIPPED = Path(amendment.run.__file__).parent / "schemas" / "run.schema.json"


def test_the_shipped_schema_is_what_is_read() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == schema_text(), f"{SHIPPED.name} drifted; run: make docs"


def test_unknown_keys_are_refused_everywhere() -> None:
    schema = run_schema()
    for name, part in [("RunFile", schema), *schema["$defs"].items()]:
        assert part["additionalProperties"] is False, name


def test_every_key_of_the_pipeline_says_what_it_is_for() -> None:
    schema = run_schema()
    for name, part in [("RunFile", schema), *schema["$defs"].items()]:
        if name == "TrlFields":  # TRL's own names, described there
            continue
        for key, entry in part["properties"].items():
            target = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
            told = entry.get("description") or target.get("description") or "const" in entry
            assert told or key == "learning_rate", f"{name}.{key}"
            assert "\n " not in str(told), f"{name}.{key}: indented as in the source"


def test_a_list_of_one_can_be_written_as_a_text() -> None:
    kinds = [choice["type"] for choice in run_schema()["properties"]["constitution"]["anyOf"]]
    assert kinds == ["string", "array"]
