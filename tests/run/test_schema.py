"""The schema of a run file refuses what is not read, and tells an editor what each key is for."""

from __future__ import annotations

from amendment.run import run_schema


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
