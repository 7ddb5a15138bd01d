"""What a push would do, for people to read first: printed, and the texts written into the run's folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amendment.files import write_text
from amendment.publishing.metadata import card_text
from amendment.publishing.publication import CERTIFICATE, Publication
from amendment.terminal import plain

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["plan_json", "plan_lines", "write_preview"]

SHOWN = 20
"""Finds that are printed one by one."""


def write_preview(publication: Publication) -> Path:
    """Write cards and manifest as they would be published, for looking at; returns their folder."""
    folder = publication.folder / "publish"
    for earlier in ("models", "constitutions"):
        shutil.rmtree(folder / earlier, ignore_errors=True)
    for name in CERTIFICATE:
        (folder / name).unlink(missing_ok=True)
    write_text(folder / "README.md", card_text(publication.metadata, f"{publication.body}\n"))
    for name, text in publication.files.items():
        write_text(folder / name, text)
    for model in publication.models:
        write_text(folder / "models" / model.name / "README.md", card_text(model.metadata, f"{model.body}\n"))
    return folder


def plan_json(publication: Publication) -> dict[str, Any]:
    """The plan as JSON values; sizes are in bytes, of Parquet as it would be written."""
    settings = publication.settings
    return {
        "repo": settings.repo,
        "private": settings.private,
        "license": settings.license,
        "configs": {
            name: {split: {"rows": len(rows), "bytes": parquet_size(rows)} for split, rows in splits.items()}
            for name, splits in publication.configs.items()
        },
        "files": {name: len(text.encode("utf-8")) for name, text in publication.files.items()},
        "models": [
            {"name": one.name, "repo": one.repo, "license": one.metadata["license"], "base": one.base,
             "files": {name: one.size(name) for name in one.files}}
            for one in publication.models
        ],
        "look at": [*publication.license_faults, *publication.look_at],
        "conflicts": [one._asdict() for one in publication.conflicts],
        "secrets": [{"place": one.place, "kind": one.kind, "value": one.is_value} for one in publication.secrets],
    }  # fmt: skip


def plan_lines(publication: Publication) -> list[str]:
    """The plan for people."""
    plan = plan_json(publication)
    seen = "private" if plan["private"] else "PUBLIC"
    lines = [f"dataset {plan['repo']}, {seen}, license {plan['license']}"]
    for name, splits in plan["configs"].items():
        for split, size in splits.items():
            lines.append(f"  {name + '/' + split:20} {size['rows']:>8} rows  {_bytes(size['bytes']):>9}")
    texts = {**plan["files"], "README.md": len(publication.body.encode("utf-8"))}
    lines += [f"  {name:34} {_bytes(size):>12}" for name, size in texts.items()]
    for model in plan["models"]:
        lines += ["", f"model {model['repo']}, {seen}, license {model['license']}, from {plain(model['base'])}"]
        lines += [f"  {name:34} {_bytes(size):>12}" for name, size in model["files"].items()]
    return [*lines, "", *_to_look_at(publication), *_secrets(publication)]


def _to_look_at(publication: Publication) -> Iterator[str]:
    notes = [*publication.license_faults, *publication.look_at]
    if notes:
        yield "look at these before anybody else does:"
        yield from (f"  - {plain(note, longest=400)}" for note in notes)
        yield ""


def _secrets(publication: Publication) -> Iterator[str]:
    found = publication.secrets
    if not found:
        yield "keys and tokens: none found in what would be sent"
        return
    yield f"keys and tokens: {len(found)} found, which stops a push"
    yield from (f"  {plain(str(one), longest=400)}" for one in found[:SHOWN])
    if len(found) > SHOWN:
        yield f"  and {len(found) - SHOWN} more; --json has all"


def parquet_size(rows: Dataset) -> int:
    """Bytes of the rows as Parquet; counted while writing to nowhere."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.MockOutputStream() as sink:
        pq.write_table(rows.with_format("arrow")[:], sink)
        return int(sink.size())


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
