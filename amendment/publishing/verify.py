"""Check a folder against its manifest: a run's folder, or a copy of a published dataset.

Covered: every missing, changed and added file; which files the card of a copy names for each config; ids of pairs that
do not follow from their content; prompts on both sides of the split; the manifest's signature. Somebody who can change
a file can change an unsigned manifest too: check its signature with a public key, or compare with one that you kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import ValidationError

from amendment.data.store import Workspace
from amendment.errors import ConfigError
from amendment.files import file_hash
from amendment.publishing.card import CARD, card_configs
from amendment.publishing.manifest import MANIFEST, SIGNATURE, read_manifest
from amendment.publishing.signature import signature_fault
from amendment.records import Candidate, Comparison, Message, Prompt
from amendment.text import plain

OF_A_RUN = (MANIFEST, SIGNATURE, "report.html", "run.lock", "settings.json", "spending.json", "status.json")
"""Files of a run that a manifest cannot vouch for: they hold times, the manifest itself, or what is in other files."""
OF_A_COPY = (MANIFEST, SIGNATURE, CARD, ".gitattributes")
"""Beside what a published manifest names: itself, its signature, the card, which may be edited, what the Hub adds."""
GROWING = re.compile(
    r"(ledger|labels(-evaluate)?(-seal)?)\.sqlite(-wal|-shm|-journal|\.lock)?|amend/(constitution\.yaml|evidence\.json)|"
    r"publish/((README|certificate|figures)\.md|(certificate|croissant|manifest|manifest\.intoto)\.json|"
    r"constitutions/[\w.-]+\.json|models/[\w.-]+/README\.md)|\.git/.*"
)
"""Of a run: ledger and labels, which grow without a stage, what `amend` proposes, what a dry run of publishing shows,
and the user's own history."""
KEPT_OF_A_COPY = re.compile(r"(\.git|\.cache/huggingface)/.*")
"""Files in which git and the Hub's client keep what they know about a copy."""
PAIRS = ("dataset/", "export/", "data/")
"""Where rows of the dataset lie, in a run and in a copy."""
BOTH = "both"
MOST = 5
"""Rows that are named one by one for each file."""

MismatchKind = Literal["missing", "changed", "added", "unreadable", "wrong id", "on both sides", "signature"]


class Mismatch(NamedTuple):
    """One thing that is not as the manifest says."""

    kind: MismatchKind
    place: str
    """A file, or a file and a row counted from 1."""
    message: str


@dataclass
class Verification:
    """The result of a check."""

    folder: Path
    is_published: bool
    signature: Literal["none", "not checked", "checked"] = "none"
    uncovered: list[str] = field(default_factory=list)
    """Files, and folders with a slash at their end, of which the manifest says nothing, so that nobody can notice a
    change in them."""
    files: int = 0
    rows: int = 0
    findings: list[Mismatch] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        findings = [finding._asdict() for finding in self.findings]
        result = {"folder": str(self.folder), "published": self.is_published, "clean": self.is_clean}
        result |= {"signature": self.signature, "files": self.files, "rows": self.rows, "not covered": self.uncovered}
        return {**result, "findings": findings}


def verify(folder: Path, *, key: Path | None = None, against: Path | None = None) -> Verification:
    """Look at every file of a run's folder, or of a copy of a published dataset, and at every pair.

    `key` is the file of the public key with which the manifest has to be signed; `against` a manifest that was kept,
    which takes the place of the folder's own. Raises ConfigError when there is no manifest that could be compared with,
    and for the preview of a publication, which has no rows.
    """
    manifest = read_manifest(against or folder)
    published = manifest.get("published")
    run = folder.absolute().parent
    if published and folder.absolute().name == "publish" and (run / "run.yaml").is_file():
        raise ConfigError(f"{folder}: this is the preview of a publication, not the publication; verify {run}")
    files = published["files"] if published else manifest["files"]
    result = Verification(folder, bool(published), files=len(files))
    if against:
        result.findings += _not_the_kept(folder, against)
    if (folder / SIGNATURE).exists() or key:
        result.signature = "checked" if key else "not checked"
    if key and (fault := signature_fault(folder, key)):
        result.findings.append(Mismatch("signature", SIGNATURE, fault))
    result.findings += [*changed(folder, files), *added(folder, files, is_published=bool(published))]
    result.uncovered = _uncovered(
        folder, {*files, MANIFEST, SIGNATURE, *(finding.place for finding in result.findings)}
    )
    if published and _configs_on_card(folder) != card_configs(published["configs"]):
        result.findings.append(Mismatch("changed", CARD, "its `configs:` are not those that were published"))
    sides: dict[str, str] = {}
    for name in files:
        side = re.fullmatch(r"(?:[\w-]+)/(train|test)(?:-\d+-of-\d+)?\.parquet", name)
        if side and (folder / name).is_file():
            _rows(result, name, sides, side[1])
    both = sorted(prompt for prompt, seen in sides.items() if seen == BOTH)
    messages = [f"prompt {prompt} is in train and in test" for prompt in both[:MOST]]
    messages += [f"and {len(both) - MOST} further prompts"] if len(both) > MOST else []
    result.findings += [Mismatch("on both sides", "dataset", message) for message in messages]
    return result


def verification_lines(result: Verification) -> list[str]:
    what = "copy of a published dataset" if result.is_published else "run"
    lines = [f"{finding.kind}: {plain(finding.place)}: {plain(finding.message)}" for finding in result.findings]
    count = len(result.findings)
    verdict = "all as the manifest says" if result.is_clean else f"{count} finding{'s' if count > 1 else ''}"
    notes = {"not checked": ", signature not checked (add --key PUBLIC)", "checked": ", signature checked"}
    looked_at = f"{result.files} files and {result.rows} rows checked{notes.get(result.signature, '')}"
    if result.uncovered:
        by = "the manifest or its signature" if result.signature != "none" else "the manifest"
        lines.append(f"not covered by {by}: {', '.join(map(plain, result.uncovered))}")
    return [*lines, f"{result.folder}: {what}, {looked_at}: {verdict}"]


def _not_the_kept(folder: Path, kept: Path) -> Iterator[Mismatch]:
    """Yield whether the folder's own manifest is the one that was kept."""
    own = folder / MANIFEST
    if not own.is_file():
        yield Mismatch("missing", MANIFEST, "the folder has none of its own")
    elif own.read_bytes() != (kept / MANIFEST if kept.is_dir() else kept).read_bytes():
        yield Mismatch("changed", MANIFEST, f"not the one in {kept}")


def changed(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> Iterator[Mismatch]:
    """Find the files of a manifest that are gone or changed."""
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            yield Mismatch("missing", name, "it is in the manifest, but not here")
        elif (size := path.stat().st_size) != entry["bytes"]:
            yield Mismatch("changed", name, f"expected {entry['bytes']} bytes, found {size}")
        elif file_hash(path) != entry["sha256"]:
            yield Mismatch("changed", name, "the size is right, the content is not")


def added(folder: Path, files: Iterable[str], *, is_published: bool = False) -> Iterator[Mismatch]:
    """Find what the manifest does not know, and in a run's folder every link: its target can change until it is read.
    In a copy, which a cache may hold as links, only links to folders count."""
    expected = {*files, *(OF_A_COPY if is_published else OF_A_RUN)}
    kept = KEPT_OF_A_COPY if is_published else GROWING
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if kept.fullmatch(name):
            continue
        if path.is_symlink() and (path.is_dir() or not is_published):
            yield Mismatch("added", name, "a link, and nothing of this folder")
        elif name not in expected and not path.is_dir() and (is_published or not _is_note(folder, name)):
            yield Mismatch("added", name, "it is not in the manifest")


def _uncovered(folder: Path, known: Container[str]) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = {path.parts[0] + "/" * (len(path.parts) > 1) for path in paths if path.as_posix() not in known}
    return sorted(names)


def _is_note(folder: Path, name: str) -> bool:
    """Return whether a file is the note that a stage writes at its end."""
    stage = re.fullmatch(r"stages/([^/]+)\.json", name)
    return stage is not None and Workspace(folder).note(stage[1]) is not None


def _configs_on_card(folder: Path) -> Any:
    """Return `configs:` at the head of the card, by which `load_dataset` finds the files; None if it cannot be read."""
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        head = re.match(r"\ufeff?---\r?\n(.*?)\r?\n---\s*(?:\n|$)", text, flags=re.DOTALL)
        return yaml.safe_load(head[1])["configs"] if head else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError, KeyError, TypeError):
        return None


def _rows(result: Verification, name: str, sides: dict[str, str], side: str) -> None:
    """Look at the rows of a table; of many that are wrong the first few are named."""
    import pyarrow.parquet as pq

    is_pairs, wrong, number = name.startswith(PAIRS), 0, 0
    try:
        with pq.ParquetFile(result.folder / name, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=2000, columns=None if is_pairs else ["prompt_id"]):
                for row in batch.to_pylist():
                    number += 1
                    prompt = str(row.get("prompt_id"))
                    sides[prompt] = side if sides.get(prompt, side) == side else BOTH
                    message = wrong_pair(row) if is_pairs else None
                    wrong += bool(message)
                    if message and wrong <= MOST:
                        result.findings.append(Mismatch("wrong id", f"{name}: row {number}", message))
    except (OSError, ValueError) as fault:  # Arrow's own errors are ValueErrors
        result.findings.append(Mismatch("unreadable", name, str(fault)))
    if wrong > MOST:
        result.findings.append(Mismatch("wrong id", name, f"and {wrong - MOST} further rows"))
    result.rows += number


def wrong_pair(row: Mapping[str, Any]) -> str | None:
    """Report a row whose ids do not follow from its prompt, chosen and rejected; None if all do."""
    try:
        prompt = Prompt(
            messages=_messages(row["prompt"]),
            tools=tuple(map(_decoded, _decoded(row.get("tools")) or ())) or None,
            chat_template_kwargs=_decoded(row.get("chat_template_kwargs")) or None,
        )
        chosen, rejected = (
            Candidate(prompt_id=prompt.id, messages=_messages(row[side]), kind="imported")
            for side in ("chosen", "rejected")
        )
        comparison = Comparison.between(chosen, rejected)
    except (ValidationError, ValueError, KeyError, TypeError) as fault:
        return f"not a row of a dataset ({(str(fault).strip() or type(fault).__name__).splitlines()[0][:200]})"
    ids = {"prompt_id": prompt.id, "chosen_id": chosen.id, "rejected_id": rejected.id, "comparison_id": comparison.id}
    wrong = [name for name, value in ids.items() if row.get(name) != value]
    return f"{', '.join(wrong)} {'does' if len(wrong) == 1 else 'do'} not follow from the content" if wrong else None


def _messages(values: Any) -> tuple[Message, ...]:
    return tuple(Message.from_json(_decoded(value)) for value in _decoded(values))


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
