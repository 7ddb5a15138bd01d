"""Import the plugins of a run file: Python files next to it, and entry points of installed packages.

A plugin is the user's code, which registers stages, protocols, providers and checks when it is imported. It runs only
when somebody checks, plans or starts a run file that names it: whatever reads a run's folder or a publication never
comes here.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from amendment.text import plain
from amendment.yamlfile import Loc, did_you_mean

ENTRY_POINTS = "amendment.plugins"
"""The group of entry points through which an installed package is a plugin."""
_MODULE = "amendment_plugin_"
"""Begins the names of modules that are made of files; the hash of the content follows."""


def import_plugins(settings: Any, base: Path) -> Iterator[tuple[Loc, str]]:
    """Import each plugin that the content of a run file names; yield what is wrong with those that fail.

    A file is imported again in the same process only if its content has changed.
    """
    names = settings.get("plugins") if isinstance(settings, dict) else None
    for number, name in enumerate(names if isinstance(names, list) else ()):
        path = base / str(name)
        try:
            if path.suffix == ".py":
                _import_file(path)
            else:
                _import_entry_point(str(name))
        except (Exception, SystemExit) as fault:
            lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == str(path)]
            place = f"{path}:{lines[-1]}" if lines else str(path if path.suffix == ".py" else name)
            yield ("plugins", number), plain(f"{place}: {type(fault).__name__}: {fault}", longest=500)


def source_key(kind: type) -> dict[str, str]:
    """Return what makes results of a plugin's class out of date: the content of its file. Empty for all other
    classes."""
    return {"plugin": kind.__module__} if kind.__module__.startswith(_MODULE) else {}


def _import_file(path: Path) -> None:
    content = path.read_bytes()
    name = f"{_MODULE}{sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(content, path, "exec"), module.__dict__)  # noqa: S102 - the user's own code
    except BaseException:
        del sys.modules[name]
        raise


def _import_entry_point(name: str) -> None:
    entries = {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}
    if name not in entries:
        raise LookupError(
            f"found no such entry point in the group {ENTRY_POINTS}{did_you_mean(name, entries)}, expected one of an "
            "installed package, or a file that ends in .py"
        )
    entries[name].load()
