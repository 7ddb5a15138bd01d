"""Whether a folder is what its manifest says: a run's folder, or a copy of a published dataset.

Covered: every missing, changed and added file; which files the card of a copy names for each config; ids that do not
follow from the content of their rows; prompts on both sides of the split. Not covered: who wrote the manifest, which
carries no signature, so whoever can change a file can change it too: compare it with one that you kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from amendment.data.workspace import Workspace
from amendment.files import file_hash
from amendment.publishing.card_configs import CARD, card_faults, place_of
from amendment.publishing.contents import (
    NAMED,
    Row,
    rows_digest,
    rows_of,
    wrong_answer,
    wrong_pair,
    wrong_record,
)
from amendment.publishing.manifest import MANIFEST, read_manifest
from amendment.stages.labelled_samples import SAMPLES
from amendment.terminal import plain

__all__ = ["Finding", "Verification", "changed_files", "foreign_files", "verification_lines", "verify"]

OWN = (MANIFEST, "run.lock", "settings.json", "spending.json", "status.json")
"""Files of a run that a manifest cannot vouch for: they hold times, or the manifest itself."""
LEDGERS = "ledger.sqlite"
"""How the ledger's files begin: itself and its journal."""
OF_A_COPY = (MANIFEST, "README.md", ".gitattributes")
"""Beside what a published manifest names: itself, the card, which may be edited, and what the Hub puts there."""
LABELS = tuple(name for one in SAMPLES.values() for name in (one.labels, one.labels.replace(".", "-seal.")))
"""How the files begin in which people's labels lie, and how often their seal was opened."""
OWN_FOLDERS = ("publish/", "amend/", ".git/", LEDGERS, *LABELS)
"""Of a run: what a dry run of publishing shows, what `amend` proposes, the user's own history, and everything of ledger
and labels, which grow without a stage."""
FOLDERS_OF_A_COPY = (".git/", ".cache/huggingface/")
"""Where git and the Hub's client keep what they know of a copy."""
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf")
"""Endings of models. The run's own folders beside its stages hold none, so one that is there is somebody else's."""
MOST = 5
"""Rows that are named one by one for each file."""

Kind = Literal["missing", "changed", "added", "unreadable", "wrong id", "on both sides"]


class Finding(NamedTuple):
    """One thing that is not as the manifest says."""

    kind: Kind
    place: str
    """A file, or a file and a row counted from 1."""
    message: str


@dataclass
class Verification:
    """What was looked at and what was found."""

    folder: Path
    is_published: bool
    files: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "folder": str(self.folder),
            "published": self.is_published,
            "clean": self.is_clean,
            "files": self.files,
            "rows": self.rows,
            "findings": [one._asdict() for one in self.findings],
        }

    def found(self, kind: Kind, place: str, message: str) -> None:
        self.findings.append(Finding(kind, place, message))


def verify(folder: Path) -> Verification:
    """Look at every file and row of a run's folder, or of a copy of a published dataset.

    Raises ConfigError when there is no manifest that could be compared with.
    """
    manifest = read_manifest(folder)
    result = Verification(folder, "published" in manifest)
    if result.is_published:
        _published(result, manifest)
    else:
        _run(result, manifest)
    return result


def verification_lines(result: Verification) -> list[str]:
    """The result for people."""
    what = "copy of a published dataset" if result.is_published else "run"
    lines = [f"{one.kind}: {plain(one.place)}: {plain(one.message)}" for one in result.findings]
    count = len(result.findings)
    verdict = "all as the manifest says" if result.is_clean else f"{count} finding{'s' if count > 1 else ''}"
    return [*lines, f"{result.folder}: {what}, {result.files} files and {result.rows} rows looked at: {verdict}"]


def changed_files(folder: Path, manifest: Mapping[str, Any], *, under: Iterable[str] = ("",)) -> list[Finding]:
    """The files of a manifest, those under these prefixes, that are gone or not the same any more."""
    result = Verification(folder, is_published=False)
    prefixes = tuple(under)
    _files(result, {name: one for name, one in manifest["files"].items() if name.startswith(prefixes)})
    return result.findings


def foreign_files(folder: Path, manifest: Mapping[str, Any], *, under: Iterable[str]) -> list[Finding]:
    """What lies under these prefixes and the run did not write: files the manifest does not know, and every link.

    A link is foreign whatever it leads to today: it can lead to anything at the moment when it is read.
    """
    prefixes, found = tuple(under), []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        leads_there = f"{name}/".startswith(prefixes) or any(one.startswith(f"{name}/") for one in prefixes)
        if path.is_symlink() and leads_there:
            found.append(Finding("added", name, "a link, and no file of this folder"))
        elif name.startswith(prefixes) and not path.is_dir() and name not in manifest["files"]:
            found.append(Finding("added", name, "the manifest does not know it"))
    return found


def _files(result: Verification, files: Mapping[str, Mapping[str, Any]]) -> None:
    for name, entry in files.items():
        path = result.folder / name
        result.files += 1
        if not path.is_file():
            result.found("missing", name, "the manifest names it, and it is not here")
        elif path.stat().st_size != entry["bytes"]:
            size = path.stat().st_size
            result.found("changed", name, f"expected {entry['bytes']} bytes, found {size}")
        elif file_hash(path) != entry["sha256"]:
            result.found("changed", name, "the size is right, the content is not")


def _added(result: Verification, known: Iterable[str]) -> None:
    names = {*known, *(OF_A_COPY if result.is_published else OWN)}
    passed_over = FOLDERS_OF_A_COPY if result.is_published else OWN_FOLDERS
    for path in sorted(result.folder.rglob("*")):
        name = path.relative_to(result.folder).as_posix()
        is_model = path.suffix in WEIGHTS and not name.startswith(FOLDERS_OF_A_COPY)
        if (name.startswith(passed_over) and not is_model) or name in names:
            continue
        if path.is_symlink() and path.is_dir():
            result.found("added", name, "a link to a folder, and no folder of this one")
        elif not path.is_dir() and (result.is_published or not _is_note(result.folder, name)):
            result.found("added", name, "the manifest does not know it")


def _is_note(folder: Path, name: str) -> bool:
    """Whether a file is what a stage leaves at its end."""
    stage, slash, _ = name.removeprefix("stages/").partition(".json")
    return name == f"stages/{stage}{slash}" and "/" not in stage and Workspace(folder).note(stage) is not None


def _run(result: Verification, manifest: Mapping[str, Any]) -> None:
    files = manifest["files"]
    _files(result, files)
    _added(result, files)
    sides = _Sides()
    for name in files:
        stage, _, table = name.removesuffix(".parquet").partition("/")
        if stage in ("dataset", "export"):
            _rows(result, name, wrong_pair, sides.taker(table))
        elif name.endswith(".parquet") and table in NAMED:
            _rows(result, name, partial(wrong_record, kind=NAMED[table]))
    sides.report(result, "dataset")


def _published(result: Verification, manifest: Mapping[str, Any]) -> None:
    published = manifest["published"]
    _files(result, published["files"])
    shards: list[str] = []
    sides = _Sides()
    for config, splits in published["configs"].items():
        for split, expected in splits.items():
            found = _shards(result.folder, config, split)
            shards += [path.relative_to(result.folder).as_posix() for path in found]
            _split(result, f"{config}/{split}", found, expected, sides.taker(split))
    _added(result, [*published["files"], *shards])
    for message in card_faults(result.folder, published["configs"]):
        result.found("changed", CARD, message)
    sides.report(result, "published configs")


def _shards(folder: Path, config: str, split: str) -> list[Path]:
    """The Parquet files of one split, in order, where the Hub's client puts them."""
    return sorted((folder / place_of(config)).glob(f"{split}-*.parquet"))


def _split(
    result: Verification, name: str, shards: list[Path], expected: Mapping[str, Any], take: Callable[[Row], None]
) -> None:
    if not shards:
        result.found("missing", name, "no Parquet file of this split is here")
        return
    check = _CHECKS.get(name.partition("/")[0])
    result.files += len(shards)

    def rows() -> Iterator[Row]:
        for shard in shards:
            place = shard.relative_to(result.folder).as_posix()
            yield from _looked_at(result, place, rows_of(shard), check, take)

    try:
        count, digest = rows_digest(rows())
    except (OSError, ValueError) as fault:  # Arrow's own errors are ValueErrors
        result.found("unreadable", name, str(fault))
        return
    if count != expected["rows"]:
        result.found("changed", name, f"expected {expected['rows']} rows, found {count}")
    elif digest != expected["sha256"]:
        result.found("changed", name, "as many rows as expected, but not the same ones")


_CHECKS: dict[str, Callable[[Row], str | None]] = {"default": wrong_pair, "candidates": wrong_answer}


def _rows(
    result: Verification, name: str, check: Callable[[Row], str | None], take: Callable[[Row], None] | None = None
) -> None:
    if not (result.folder / name).is_file():
        return
    try:
        for _ in _looked_at(result, name, rows_of(result.folder / name), check, take):
            pass
    except (OSError, ValueError) as fault:
        result.found("unreadable", name, str(fault))


def _looked_at(
    result: Verification,
    place: str,
    rows: Iterable[Row],
    check: Callable[[Row], str | None] | None,
    take: Callable[[Row], None] | None,
) -> Iterator[Row]:
    """The rows as they go by, each looked at; of many that are wrong the first few are named."""
    wrong = 0
    for number, row in enumerate(rows, start=1):
        result.rows += 1
        if take:
            take(row)
        message = check(row) if check else None
        if message:
            wrong += 1
            if wrong <= MOST:
                result.found("wrong id", f"{place}: row {number}", message)
        yield row
    if wrong > MOST:
        result.found("wrong id", place, f"and {wrong - MOST} further rows")


class _Sides:
    """On which sides of the split each prompt was seen."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = defaultdict(set)

    def taker(self, split: str) -> Callable[[Row], None]:
        def take(row: Row) -> None:
            prompt = row.get("prompt_id")
            if isinstance(prompt, str):
                self._seen[prompt].add(split)

        return take

    def report(self, result: Verification, place: str) -> None:
        both = sorted(prompt for prompt, sides in self._seen.items() if len(sides) > 1)
        for prompt in both[:MOST]:
            result.found("on both sides", place, f"prompt {prompt} stands in train and in test")
        if len(both) > MOST:
            result.found("on both sides", place, f"and {len(both) - MOST} further prompts")
