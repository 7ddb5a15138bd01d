"""Write what is made from the code: `python -m docs.build`, or `make docs`, which builds the site too.

The pages with every key, command and public name are not committed; the schemas for editors are part of the package. A
key, command, option or public name without words is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from amendment.cli import app
from amendment.constitutions.model import constitution_schema
from amendment.run import RunFile
from amendment.run.runfile import config as run_file
from amendment.schema import json_schema
from docs.reference import api_page

ROOT = Path(__file__).resolve().parent.parent
PLAIN_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def pages() -> dict[str, str]:
    """Return the pages of the reference by their place."""
    return {"docs/run-file.md": run_file_page(), "docs/commands.md": commands_page(), "docs/api.md": api_page()}


def schemas() -> dict[str, str]:
    """Return the schemas for editors by their place."""
    return {
        "amendment/run/schemas/run.schema.json": run_file.schema_text(),
        "amendment/constitutions/schemas/constitution.schema.json": json.dumps(
            constitution_schema(), indent=2, ensure_ascii=False
        )
        + "\n",
    }


def run_file_page() -> str:
    """A table for each section of the run file, made from its schema."""
    schema = json_schema(RunFile)
    parts = ["# The run file", "", "Made from the schema by `make docs`. Every key but `name` is optional.", ""]
    parts += section("run file", schema)
    for name, part in schema["$defs"].items():
        if "properties" in part:
            parts += section(name, part)
        elif "propertyNames" in part:
            parts += [f"## {name}", "", *(f"{line}  " for line in part["description"].split("\n")), ""]
    return "\n".join(parts)


def section(name: str, part: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    if "description" in part:
        yield part["description"].split("\n\n")[0].replace("\n", " ")
        yield ""
    if "allOf" in part:
        yield f"Has the keys of {' and '.join(map(_kind, part['allOf']))} too."
        yield ""
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    required = part.get("required", ())
    for key, value in part["properties"].items():
        default = "required" if key in required else _shown(value.get("default"))
        if "description" not in value and "const" not in value:
            raise LookupError(f"{name}: the key {key!r} has no description")
        meaning = value.get("description", "").replace("\n", " ").replace("|", "\\|")
        yield f"| `{key}` | {_kind(value)} | {default} | {meaning} |"
    yield ""


def _shown(default: Any) -> str:
    return "" if default is None or default in ({}, []) or isinstance(default, dict) else f"`{default}`"


def _kind(value: dict[str, Any]) -> str:
    """What may stand there, in words, with links to the sections of this page."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    choices = value.get("enum") or ([value["const"]] if "const" in value else [])
    if choices:
        return " \\| ".join(f"`{one}`" for one in choices)
    several = [one for one in value.get("anyOf", value.get("oneOf", ())) if one.get("type") != "null"]
    if several:
        return " or ".join(dict.fromkeys(_kind(one) for one in several))
    return _container(value) or PLAIN_TYPES.get(value.get("type", ""), "any")


def _container(value: dict[str, Any]) -> str:
    """Of lists and mappings; empty for anything else."""
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}))}"
    if value.get("type") != "object":
        return ""
    inside = [value.get("additionalProperties"), *value.get("patternProperties", {}).values()]
    kinds = [_kind(one) for one in inside if isinstance(one, dict)]
    return f"mapping of names to {kinds[0]}" if kinds else "mapping"


def commands_page() -> str:
    """The help of every command, as the command prints it."""
    root = get_command(app)
    parts = ["# Commands", "", "Made from the command line by `make docs`.", ""]
    panel = ""
    for path, command in _commands(root, ("amendment",)):
        context = command.make_context(path[-1], ["--help"], resilient_parsing=True)
        if panel != (panel := command_panel(root, path)):
            parts += [f"## {panel}", ""]
        parts += [
            f"### {' '.join(path)}",
            "",
            (command.help or "").strip(),
            "",
            "```",
            f"{' '.join(path)} {_usage(command, context)}",
            "```",
            "",
        ]
        for described in (command, *command.params):
            if not described.help:
                raise LookupError(f"{' '.join(path)}: {described.name} has no help")
        parts += [f"- `{' / '.join(option.opts)}`: {option.help}" for option in command.params]
        parts.append("")
    return "\n".join(parts)


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name in command.list_commands(None) if children else ():
        yield from _commands(children[name], (*path, name))


def command_panel(root: Any, path: tuple[str, ...]) -> str:
    """The group of commands under which `--help` shows this one."""
    return str(root.commands[path[1]].rich_help_panel)


def _usage(command: Any, context: Any) -> str:
    return " ".join(command.collect_usage_pieces(context))


def main() -> None:
    for place, text in (pages() | schemas()).items():
        (ROOT / place).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
