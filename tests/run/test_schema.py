"""The schema of a run file refuses what is not read, and tells an editor what each key is for."""

from __future__ import annotations

from amendment.run import run_schema


def test_unknown_keys_are_refused_everywhere() -> None:
    schema = run_schema()
    shared = {ref["$ref"].rpartition("/")[2] for part in schema["$defs"].values() for ref in part.get("allOf", ())}
    for name, part in [("RunFile", schema), *schema["$defs"].items()]:
        closed = [part.get(key) for key in ("additionalProperties", "unevaluatedProperties")]
        assert False in closed or "propertyNames" in part or name in shared, name


def test_a_list_of_one_can_be_written_as_a_text() -> None:
    kinds = [choice["type"] for choice in run_schema()["properties"]["constitution"]["anyOf"]]
    assert kinds == ["string", "array"]
