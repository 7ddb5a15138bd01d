"""What differs between the run file as a folder's run resolved it and as it is now.

Covered: every setting that changes what a stage makes, by its path; defaults that changed after the folder's run was
made, whose old values the folder keeps. Not covered: what lies outside the file (constitutions, judges' texts, data),
whose changes the stages' own keys show; settings that the earlier version did not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from amendment.errors import ConfigError
from amendment.files import json_object
from amendment.llm.specs import FUNCTION
from amendment.records import Record
from amendment.run.checks import LoadedRun
from amendment.run.context import PRESENTATION
from amendment.run.runfile.config import RunFile
from amendment.stages.contract import dump
from amendment.text import plain
from amendment.yamlfile import Document, Loc, parts, read_yaml

ASIDE = {"name", "budget", "plugins", "prices", "publish"}
"""Parts of a run file that change how it is made, what it may cost and where it goes, and not what is made."""
REMEMBERED = "settings.json"
"""In a run's folder: the settings of each stage, as a hash, and under GIVEN those that the user's run file set."""
GIVEN = "run file"
_UNSET = object()


class SettingChange(Record):
    """One setting that is not what it was."""

    path: str
    """Keys and places in lists, joined by dots, as --set takes them."""
    was: Any = None
    """Absent where there is no answer."""
    now: Any = None

    def __str__(self) -> str:
        return f"{plain(self.path)}: was {_shown(self.was)}, is {_shown(self.now)}"


class _ChangedDefault(NamedTuple):
    loc: Loc
    was: Any
    now: Any

    def line(self, document: Document) -> str:
        was, now, key = _json(self.was), _json(self.now), self.loc[-1]
        return (
            f"{document.place(self.loc)}: the default was {was} when this folder's run was made, and is {now} now. The "
            f"run keeps {was}. Write {key}: {was} to keep it everywhere, or {key}: {now} to use the new one"
        )


def remembered(folder: Path) -> dict[str, Any]:
    """Return the settings that the last start wrote down; empty if they are missing or unreadable."""
    return json_object(folder / REMEMBERED)


def changes(config: RunFile, folder: Path) -> list[SettingChange]:
    """Return the settings that differ from those of the folder's run, in the order of the file; none if there is no
    such run or this version cannot read its file."""
    written = _resolved(folder)
    try:
        known, was, now = map(_flat, (written, dump(type(config).model_validate(written)), dump(config)))
    except ValidationError:
        return []
    return [
        SettingChange(path=path, was=was.get(path), now=now.get(path))
        for path in dict.fromkeys((*now, *was))
        # earlier versions wrote no null, so a setting that they left out may have been one
        if was.get(path) != now.get(path) and (path in known or now.get(path) is not None)
    ]


def given_in(config: RunFile) -> dict[str, Any]:
    """Return the settings of a run file that are not left to their defaults."""
    return config.model_dump(mode="json", by_alias=True, exclude_unset=True)


def with_kept_defaults(loaded: LoadedRun, folder: Path) -> LoadedRun:
    """Return the run file with the old value of each default that changed after the folder's run was made; `kept` has a
    sentence for each.

    A default has changed if the settings that the user gave then resolve to another value in this version. Where an
    earlier version did not write those settings down, the keys that are set now count as set then.
    """
    was, data, model = _resolved(folder), given_in(loaded.config), type(loaded.config)
    try:
        then = model.model_validate(remembered(folder).get(GIVEN) or _as_then(data, was))
        was, expected, now = _counting(was), _counting(dump(then)), _counting(dump(loaded.config))
        kept = [*_changed_defaults(was, expected, now, data)]
        for default in kept:
            _put(data, default)
        config = model.model_validate(data)
    except ValidationError:  # this version does not take what was set, or what was the default
        return loaded
    if not kept:
        return loaded
    answered = {name: spec for name, spec in loaded.config.models.items() if spec.provider == FUNCTION}
    config = config.model_copy(update={"models": {**config.models, **answered}})
    document = replace(loaded.document, data=data)
    return loaded._replace(config=config, document=document, kept=tuple(default.line(document) for default in kept))


def _resolved(folder: Path) -> dict[str, Any]:
    """Return the run file that the folder's run last followed, with its defaults; empty where there is none."""
    try:
        data = read_yaml(folder / "run.yaml").data
    except ConfigError:
        return {}
    return data if isinstance(data, dict) else {}


def _as_then(given: Any, was: Any) -> Any:
    """Return the settings that are given now, with the values of then."""
    if isinstance(given, dict) and isinstance(was, dict):
        return {key: _as_then(value, was[key]) for key, value in given.items() if key in was}
    if isinstance(given, list) and isinstance(was, list) and len(given) == len(was):
        return [*map(_as_then, given, was)]
    return was


def _changed_defaults(was: Any, then: Any, now: Any, given: Any, loc: Loc = ()) -> Iterator[_ChangedDefault]:
    """Yield the settings in which `was` and `then` differ, and which are not `given` and so still at their default."""
    if isinstance(given, list):
        was, then, now, given = (
            dict(enumerate(part)) if isinstance(part, list) else part for part in (was, then, now, given)
        )
    if isinstance(was, dict) and isinstance(then, dict) and isinstance(now, dict):
        for key in (key for key in now if key in was and key in then):
            inner = given.get(key, _UNSET) if isinstance(given, dict) else _UNSET
            yield from _changed_defaults(was[key], then[key], now[key], inner, (*loc, key))
    elif given is _UNSET and was != then == now:
        yield _ChangedDefault(loc, was, now)


def _put(data: Any, default: _ChangedDefault) -> None:
    *parents, last = default.loc
    for part in parents:
        data = data.setdefault(part, {}) if isinstance(data, dict) else data[part]
    data[last] = default.was


def _counting(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a run file that count for what is made."""
    counting = {key: value for key, value in data.items() if key not in ASIDE}
    counting["models"] = {
        name: {key: value for key, value in entry.items() if key not in PRESENTATION}
        for name, entry in counting.get("models", {}).items()
    }
    return counting


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return every setting that counts, by its path."""
    settings = parts(_counting(data))
    return {".".join(map(str, loc)): value for loc, value in settings if not isinstance(value, dict | list)}


def _shown(value: Any) -> str:
    return "not set" if value is None else _json(value)


def _json(value: Any) -> str:
    return plain(json.dumps(value, ensure_ascii=False), longest=80)
