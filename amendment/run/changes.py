"""What differs between the run file as a folder's run resolved it and as it is now.

Covered: every setting that changes what a stage makes, by its path. Not covered: what lies outside the file
(constitutions, judges' texts, data), whose changes the stages' own keys tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.records import Record
from amendment.run.context import PRESENTATION
from amendment.run.runfile.config import RunFile
from amendment.stages.contract import dump
from amendment.text import plain
from amendment.yamlfile import read_yaml, validate

ASIDE = {"name", "budget", "prices", "publish"}
"""Parts of a run file that change how it is made, what it may cost and where it goes, and not what is made."""


class Change(Record):
    """One setting that is not what it was."""

    path: str
    """Keys and places in lists, joined by dots, as --set takes them."""
    was: Any = None
    """Absent where there is no answer."""
    now: Any = None

    def __str__(self) -> str:
        return f"{plain(self.path)}: was {_shown(self.was)}, is {_shown(self.now)}"


def resolved_before(folder: Path) -> RunFile | None:
    """The run file that the folder's run last followed; None where there was none, or none that this version reads."""
    path = folder / "run.yaml"
    if not path.is_file():
        return None
    try:
        return validate(read_yaml(path), RunFile)
    except ConfigError:
        return None


def changes(config: RunFile, folder: Path) -> list[Change]:
    """The settings that differ from those of the folder's run, in the order of the file; none without such a run."""
    before = resolved_before(folder)
    if before is None:
        return []
    written, was, now = _settings(read_yaml(folder / "run.yaml").data), _settings(dump(before)), _settings(dump(config))
    return [
        Change(path=path, was=was.get(path), now=now.get(path))
        for path in dict.fromkeys((*now, *was))
        # earlier versions wrote no null, so a setting that they left out may have been one
        if was.get(path) != now.get(path) and (path in written or now.get(path) is not None)
    ]


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting that counts, by its path."""
    parts = {key: value for key, value in data.items() if key not in ASIDE}
    parts["models"] = {
        name: {key: value for key, value in entry.items() if key not in PRESENTATION}
        for name, entry in parts.get("models", {}).items()
    }
    return dict(_flat(parts, ""))


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield path, value
        return
    for key, inner in parts:
        yield from _flat(inner, f"{path}.{key}" if path else str(key))


def _shown(value: Any) -> str:
    return "not set" if value is None else plain(json.dumps(value, ensure_ascii=False), longest=80)
