"""`manifest.json`: what lies in a run's folder, by hash, and the settings and versions that it came from.

Covered: every file that a stage made, with its SHA-256, size and rows; the resolved run file; the constitutions in
full, in files of their own; counts per stage. Nothing in it is a time, so equal runs have equal manifests.
Not covered: the ledger, whose entries have times, and reports that are written after the run.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from amendment import __version__
from amendment.constitutions import Constitution
from amendment.errors import ConfigError, Problem
from amendment.files import file_hash, write_text
from amendment.hashing import content_id
from amendment.run.engine import RunFolder, Stage
from amendment.run.runfile.config import RunFile
from amendment.terminal import plain
from amendment.yamlfile import capped

__all__ = ["FORMAT", "MANIFEST", "constitution_text", "read_manifest", "write_manifest"]

MANIFEST = "manifest.json"
FORMAT = "amendment-manifest-1"
SMALL = ("run.yaml", "summary.json", "summary.md")
"""Files beside the stages' own that a manifest vouches for."""
LIBRARIES = (
    "anthropic",
    "datasets",
    "numpy",
    "openai",
    "peft",
    "pyarrow",
    "pydantic",
    "scipy",
    "torch",
    "transformers",
    "trl",
)

Entry = dict[str, Any]


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise ValueError("not a place inside this folder")
    return name


Inside = Annotated[str, AfterValidator(_inside)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Entry(BaseModel):
    """A file."""

    sha256: Hash
    bytes: Count


class _Stage(BaseModel):
    key: str
    counts: dict[str, Any]


class _Split(BaseModel):
    """The rows of a published split."""

    rows: Count
    sha256: Hash


class _Published(BaseModel):
    repo: str
    configs: dict[Name, dict[Name, _Split]]
    files: dict[Inside, _Entry]
    metadata: dict[Name, dict[str, Any]] = {}


class Manifest(BaseModel):
    """What every reader of a manifest may rely on; a later version may say more."""

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
    files: dict[Inside, _Entry]
    published: _Published | None = None


def write_manifest(
    config: RunFile,
    workspace: RunFolder,
    stages: Sequence[Stage],
    summary: Mapping[str, Any],
    constitutions: Sequence[Constitution],
) -> dict[str, Any]:
    """Write what the folder holds now, and the constitutions beside it. Returns the content.

    A file that its stage has left, and that nobody touched since, is not read again: the last manifest has its hash,
    and the stage's note says that it is the right one.
    """
    folder = workspace.folder
    _write_constitutions(folder, constitutions)
    notes = {stage.name: note for stage in stages if (note := workspace.note(stage.name))}
    manifest = {
        "format": FORMAT,
        **{name: summary[name] for name in ("name", "seed", "toolkit", "simulated")},
        "versions": _versions(),
        "configuration": config.model_dump(mode="json", by_alias=True, exclude_none=True),
        "constitutions": [one.reference for one in constitutions],
        "stages": {name: {"key": notes[name]["key"], "counts": counts} for name, counts in summary["stages"].items()},
        "missing": summary["missing"],
        "out of date": summary["out of date"],
        "files": dict(sorted(_files(workspace).items())),
    }
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder, or of a copy of what was published.

    Raises ConfigError where there is none, and for one that is not whole or names places outside its folder.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        hint = "expected a run's folder, such as runs/NAME, or a copy of a published dataset"
        raise ConfigError(f"{folder}: no {MANIFEST} here; {hint}. A run writes it at its end") from None
    except (ValueError, RecursionError) as fault:
        raise ConfigError(f"{path}: not JSON ({fault}); run again to write it anew") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise ConfigError(f"{path}: found the format {found!r}, expected {FORMAT!r}; another version wrote it")
    try:
        Manifest.model_validate(manifest)
    except ValidationError as fault:
        raise ConfigError(capped([_problem(path, one) for one in fault.errors()])) from None
    return manifest


def _problem(path: Path, fault: Any) -> Problem:
    place = plain(".".join(str(part) for part in fault["loc"] if part != "[key]"))
    return Problem(f"{path}: {place}", f"{fault['msg'].removeprefix('Value error, ')}; no run has written this")


def constitution_text(constitution: Constitution) -> str:
    """A constitution as JSON: the very content that its hash is of."""
    content = constitution.model_dump(mode="json", exclude={"extends"}, exclude_none=True, exclude_defaults=True)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _write_constitutions(folder: Path, constitutions: Sequence[Constitution]) -> None:
    texts = {f"{one.id}.json": constitution_text(one) for one in constitutions}
    for path in (folder / "constitutions").glob("*.json"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / "constitutions" / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def _versions() -> dict[str, str]:
    found = {"amendment": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _files(workspace: RunFolder) -> dict[str, Entry]:
    folder = workspace.folder
    known = _last_files(folder)
    files: dict[str, Entry] = {}
    for stamp, digest in _artefacts(workspace):
        files |= _entries(folder, stamp, digest, known)
    plain = [*SMALL, *(f"constitutions/{path.name}" for path in (folder / "constitutions").glob("*.json"))]
    return files | {name: _entry(folder / name) for name in plain if (folder / name).is_file()}


def _last_files(folder: Path) -> dict[str, Entry]:
    try:
        return dict(read_manifest(folder)["files"])
    except ConfigError:
        return {}


def _artefacts(workspace: RunFolder) -> Iterator[tuple[list[list[Any]], str]]:
    """Of everything that some stage made: its files with size and time, and the digest over their hashes."""
    for path in sorted((workspace.folder / "stages").glob("*.json")):
        note = workspace.note(path.stem)
        for stamp, digest in note["artefacts"].values() if note else ():
            yield stamp or [], digest


def _entries(folder: Path, stamp: list[list[Any]], digest: str, known: Mapping[str, Entry]) -> dict[str, Entry]:
    """The files of one artefact; read again unless the stage's note vouches for what the last manifest says."""
    names = [str(name) for name, _, _ in stamp]
    untouched = all(_stamp(folder, name) == [name, size, time] for name, size, time in stamp)
    vouched = all(name in known for name in names) and digest == content_id(
        [[name, known[name]["sha256"]] for name in names]
    )
    if untouched and vouched:
        return {name: known[name] for name in names}
    return {name: _entry(folder / name) for name in names if (folder / name).is_file()}


def _stamp(folder: Path, name: str) -> list[Any] | None:
    try:
        state = (folder / name).stat()
    except OSError:
        return None
    return [name, state.st_size, state.st_mtime_ns]


def _entry(path: Path) -> Entry:
    entry: Entry = {"sha256": file_hash(path), "bytes": path.stat().st_size}
    if path.suffix == ".parquet":
        entry["rows"] = _rows(path)
    return entry


def _rows(path: Path) -> int | None:
    """Rows of a table; None where somebody has damaged it, which its stage will find out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return None
