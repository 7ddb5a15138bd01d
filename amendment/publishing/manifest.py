"""`manifest.json`: what is in a run's folder, by hash, and the settings and versions that it came from.

Covered: every file that a stage made, with its SHA-256, size and rows; the resolved run file; the constitutions in
full, in files of their own; counts per stage. Nothing in it is a time, so equal runs have equal manifests.
Not covered: the ledger, whose entries have times, and reports that are written after the run.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from amendment import __version__
from amendment.constitutions import Constitution
from amendment.data.store import Workspace
from amendment.errors import ConfigError, Problem
from amendment.files import file_hash, json_text, read_json, write_text
from amendment.hashing import content_id
from amendment.libraries import installed_versions
from amendment.results import SUMMARY
from amendment.text import plain
from amendment.yamlfile import capped

MANIFEST = "manifest.json"
SIGNATURE = "manifest.intoto.json"
"""Beside a manifest that somebody signed; see `signature`."""
FORMAT = "amendment-manifest-2"
SMALL = ("run.yaml", SUMMARY, "summary.md")
"""Files in a manifest that no stage makes."""
LIBRARIES = "anthropic datasets numpy openai peft pyarrow pydantic scipy torch transformers trl"


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise ValueError("not a path inside this folder")
    return name


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]


class _File(BaseModel):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


_Files = dict[Annotated[str, AfterValidator(_inside)], _File]


class _Stage(BaseModel):
    key: str
    counts: dict[str, Any]


class _Published(BaseModel):
    repo: str
    configs: dict[Name, list[Name]]
    """Splits by config."""
    files: _Files
    metadata: dict[Name, dict[str, Any]]


class _Manifest(BaseModel):
    """The parts of a manifest that every reader may rely on; a later version may add more."""

    model_config = ConfigDict(strict=True)

    name: str
    seed: int
    toolkit: str
    simulated: str | None
    configuration: dict[str, Any]
    constitutions: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*@")]]
    stages: dict[str, _Stage]
    missing: list[str]
    stale: list[str] = Field(alias="out of date")
    files: _Files
    published: _Published | None = None


def write_manifest(
    folder: Path,
    configuration: Mapping[str, Any],
    summary: Mapping[str, Any],
    constitutions: Sequence[Constitution],
) -> dict[str, Any]:
    """Write the manifest of the folder as it is now, and the constitutions; a signature of another one is removed.
    Returns the manifest.

    A file that nobody touched since its stage left it is not read again: the last manifest has its hash, and the
    stage's note says that it is the right one.
    """
    workspace = Workspace(folder)
    names = [path.stem for path in sorted((folder / "stages").glob("*.json"))]
    notes = {name: note for name in names if (note := workspace.note(name))}
    texts = {
        folder / "constitutions" / f"{constitution.id}.json": constitution_text(constitution)
        for constitution in constitutions
    }
    for path in {*(folder / "constitutions").glob("*.json")} - texts.keys():
        path.unlink()
    for path, text in texts.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    manifest = {
        "format": FORMAT,
        **{name: summary.get(name) for name in ("name", "seed", "toolkit", "simulated")},
        "versions": {
            "amendment": __version__,
            "python": platform.python_version(),
            **installed_versions(LIBRARIES.split()),
        },
        "configuration": configuration,
        "constitutions": [constitution.reference for constitution in constitutions],
        "stages": {
            name: {"key": notes[name]["key"], "counts": {**result, "samples": []}}
            for name, result in summary["stages"].items()
        },
        "missing": summary["missing"],
        "out of date": summary["out_of_date"],
        "files": _files(folder, notes.values()),
    }
    text = json_text(manifest)
    before = (folder / MANIFEST).read_bytes() if (folder / MANIFEST).is_file() else None
    if (folder / SIGNATURE).is_file() and before != text.encode():
        (folder / SIGNATURE).unlink()
    write_text(folder / MANIFEST, text)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run's folder, of a copy of what was published, or a manifest that was kept as a file.

    Raises ConfigError where there is none, and for one that is not whole or names places outside its folder.
    """
    path = folder if folder.is_file() else folder / MANIFEST
    try:
        manifest = read_json(path)
    except OSError:
        hint = "expected a run's folder, such as runs/NAME, or a copy of a published dataset"
        raise ConfigError(f"{folder}: no {MANIFEST} here; {hint}. A run writes it at its end") from None
    except (ValueError, RecursionError) as fault:
        raise ConfigError(f"{path}: not JSON ({fault}); run again to replace it") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        written = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise ConfigError(f"{path}: found the format {written!r}, expected {FORMAT!r}; another version wrote it")
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as fault:
        raise ConfigError(capped([_problem(path, error) for error in fault.errors()])) from None
    return manifest


def _problem(path: Path, error: Any) -> Problem:
    place = plain(".".join(str(part) for part in error["loc"] if part != "[key]"))
    return Problem(f"{path}: {place}", f"{error['msg'].removeprefix('Value error, ')}; no run has written this")


def constitution_text(constitution: Constitution) -> str:
    """Return a constitution as JSON: the exact content that its hash is of."""
    content = constitution.model_dump(mode="json", exclude={"extends"}, exclude_none=True, exclude_defaults=True)
    return json_text(content)


def _files(folder: Path, notes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return every file that a stage made and that exists, and those of `SMALL`."""
    try:
        before: dict[str, Any] = read_manifest(folder)["files"]
    except ConfigError:
        before = {}
    names = [*SMALL, *(f"constitutions/{path.name}" for path in (folder / "constitutions").glob("*.json"))]
    files: dict[str, Any] = {}
    for stamp, digest in (artefact for note in notes for artefact in note["artefacts"].values()):
        own = {name: before.get(name, {}) for name, _, _ in stamp or ()}
        is_untouched = all(_stamp(folder / name) == [size, time] for name, size, time in stamp or ())
        is_vouched = digest == content_id([[name, entry.get("sha256")] for name, entry in own.items()])
        if is_untouched and is_vouched:
            files |= own
        else:
            names += own
    files |= {name: _entry(folder / name) for name in names if (folder / name).is_file()}
    return dict(sorted(files.items()))


def _stamp(path: Path) -> list[int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _entry(path: Path) -> dict[str, Any]:
    entry = {"sha256": file_hash(path), "bytes": path.stat().st_size}
    return {**entry, "rows": _rows(path)} if path.suffix == ".parquet" else entry


def _rows(path: Path) -> int | None:
    """Count the rows of a table; None if somebody has damaged it, which its stage will report."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return None
