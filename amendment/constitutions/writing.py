"""A constitution as a YAML file that people like to read, and that reads back as the same constitution.

What is left at its default is left out; parents are merged in, so that the file stands alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from amendment.constitutions.model import Constitution
from amendment.errors import ConfigError, Problem
from amendment.files import write_text
from amendment.yamlfile import parse_yaml

WIDTH = 118
_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0[xo]\w+")
"""What is a number in YAML 1.2, and may be a text in YAML 1.1, by which PyYAML puts quotes."""
_SCHEMA = Path(__file__).parent / "schemas" / "constitution.schema.json"


def write_constitution(constitution: Constitution, path: str | Path, *, replace: bool = False) -> None:
    """Write the constitution to a YAML file that `load_constitution` reads back as it is.

    Raises ConfigError, and leaves what stands there, where a file stands already and `replace` is not set, and where
    no file can hold the constitution: control characters, more than 1 MB.
    """
    path = Path(path)
    if path.exists() and not replace:
        raise ConfigError([Problem(str(path), "stands already; name another, or replace it with --force")])
    schema = Path(os.path.relpath(_SCHEMA, path.resolve().parent)).as_posix()
    text = f"# yaml-language-server: $schema={schema}\n\n{constitution_yaml(constitution)}"
    parse_yaml(text, str(path))
    write_text(path, text)


def constitution_yaml(part: BaseModel) -> str:
    """A constitution, or a part of one, as YAML text; parents are merged in already."""
    content = part.model_dump(exclude={"extends"}, exclude_none=True, exclude_defaults=True)
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    text = re.sub(r"^(?=principles:|few_shot:)", "\n", text, flags=re.MULTILINE)
    return re.sub(r"(?<!principles:)\n(?=  - id: )", "\n\n", text)


class _Dumper(yaml.SafeDumper):
    """Writes what readers of YAML 1.1 and of 1.2 take for the same texts."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if not text.replace("\n", "").isprintable() or _NUMBER.fullmatch(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _represent_list(dumper: yaml.SafeDumper, values: Any) -> yaml.Node:
    is_words = all(isinstance(value, str) and re.fullmatch("[a-z-]{1,20}", value) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=is_words)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(tuple, _represent_list)
