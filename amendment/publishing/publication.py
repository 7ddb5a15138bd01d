"""Everything that would leave this machine, put together without a single request, and shown to people first.

Covered: the dataset's configs, its card, its manifest, constitutions and certificate, the models; keys found in any
of it; what only the publisher can decide. Not covered: sending it; see `push`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from amendment.constitutions import Constitution
from amendment.errors import ConfigError, DataError, Problem
from amendment.files import json_object, json_text, write_text
from amendment.keys import WITH_KEY, KeyMatch, Scanner, key_variables, push_scanner
from amendment.licenses import hub_problems
from amendment.publishing.card import CARD, card_text, config_folder, dataset_body, dataset_metadata, fenced
from amendment.publishing.configs import CONFIGS, build_configs
from amendment.publishing.croissant import CROISSANT, croissant_text
from amendment.publishing.finished import FinishedRun
from amendment.publishing.license_terms import Conflict, license_conflicts, things_to_look_at
from amendment.publishing.manifest import MANIFEST, SIGNATURE, constitution_text
from amendment.publishing.models import ModelPublication, model_publications
from amendment.publishing.settings import PublishSettings
from amendment.publishing.signature import signed
from amendment.publishing.verify import added, changed
from amendment.text import plain
from amendment.yamlfile import capped

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

CERTIFICATE = ("certificate.json", "certificate.md")
"""Beside the dataset; the stage audit makes them, with pseudonyms, in a separate folder."""
FIGURES = "figures.md"
"""Trained models on held-out prompts."""
SHARD = 500_000_000
"""Bytes of a split in memory that make one file."""
UNSIGNED = (
    "the run is signed, but the published copy has its own manifest and no signature; add --sign PRIVATE to sign it"
)
SHOWN = 20
"""Finds that are printed one by one."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A run, ready to be published."""

    folder: Path
    settings: PublishSettings
    configs: Mapping[str, DatasetDict]
    sizes: Mapping[str, int]
    """Bytes of each file of rows, by its place in the repository."""
    metadata: Mapping[str, Any]
    body: str
    """The generated part of the dataset's card."""
    files: Mapping[str, str]
    """Further files of the dataset's repository: their places there, and their texts."""
    models: tuple[ModelPublication, ...]
    secrets: tuple[KeyMatch, ...]
    conflicts: tuple[Conflict, ...]
    """Licenses of sources that forbid this."""
    look_at: tuple[str, ...]
    """What only the publisher can decide."""

    @property
    def license_faults(self) -> tuple[str, ...]:
        licenses = {"the dataset": self.settings.license}
        licenses |= {f"the model {model.name}": model.license for model in self.models}
        return tuple(hub_problems(licenses, self.settings.license_name))


def prepare(
    folder: Path,
    *,
    repo: str | None = None,
    license: str | None = None,
    public: bool = False,
    models: bool = False,
    key: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Publication:
    """Put together what a run's folder would publish. Sends nothing.

    `repo`, `license` and `public` go before what the run file says under `publish`; `models` takes every model that
    stands; `key` is the file of a private key that signs the manifest. Raises ConfigError without a repository or
    license, or when the dataset is missing or out of date, and DataError when files are not as the run left them.
    """
    run = FinishedRun(folder)
    settings = _settings(run.settings.get("publish"), repo, license, public=public)
    ready = tuple(model_publications(run, settings, all_models=models))
    _check_untouched(run, [model.name for model in ready])
    scanner = push_scanner(key_variables(run.settings), environ)
    configs, left_out, in_rows = _searched(build_configs(run), scanner, run.settings["dataset"]["secrets"] == "drop")
    constitutions = _constitutions(run)
    files = {f"constitutions/{each.id}.json": constitution_text(each) for each in constitutions}
    if "audit" in run.manifest["stages"]:
        audited = {name: run.folder / "audit" / name for name in CERTIFICATE}
        files |= {name: run.outgoing.text(path.read_text(encoding="utf-8")) for name, path in audited.items()}
    if run.figures:
        files[FIGURES] = f"# Held-out figures: {run.manifest['name']}\n\n{fenced(run.figures)}\n"
    metadata = dataset_metadata(run, settings)
    rows = {name: _entry(content) for name, content in shards(configs)}
    folders = {name: config_folder(name) for name in configs}
    files[CROISSANT] = run.outgoing.text(croissant_text(run, settings, configs, rows, folders))
    published = {
        "repo": settings.repo,
        "license": settings.license,
        "configs": {name: list(splits) for name, splits in configs.items()},
        "metadata": {"dataset": metadata, **{model.name: model.metadata for model in ready}},
        "files": rows | {name: _entry(text.encode("utf-8")) for name, text in files.items()},
    }
    stages = run.outgoing.counts(run.manifest["stages"])
    shown = {"configuration": run.outgoing.configuration(), "stages": stages, "published": published}
    manifest = json_text({**run.manifest, **shown})
    files[MANIFEST] = run.outgoing.text(manifest)
    certificate = json.loads(files["certificate.json"]) if "certificate.json" in files else None
    body = run.outgoing.text(dataset_body(run, settings, configs, constitutions, certificate))
    in_texts = [*_find_keys(scanner, {"card": card_text(metadata, body), **files}, ready)]
    if key:
        files[SIGNATURE] = signed(files[MANIFEST], key)
    bases = {
        model.base: [each.name for each in ready if each.base == model.base] for model in ready if model.base != "base"
    }
    return Publication(
        folder=folder,
        settings=settings,
        configs=configs,
        sizes={name: entry["bytes"] for name, entry in rows.items()},
        metadata=metadata,
        body=body,
        files=files,
        models=ready,
        secrets=tuple(dict.fromkeys([*in_rows, *in_texts])),
        conflicts=tuple(license_conflicts(run, settings.license)),
        look_at=(
            *left_out,
            *things_to_look_at(run, settings.license),
            *([UNSIGNED] if key is None and (folder / SIGNATURE).exists() else []),
            *(
                f"license of the base {base} ({', '.join(names)}): it holds for what was trained from it"
                for base, names in bases.items()
            ),
        ),
    )


def _settings(
    given: Mapping[str, Any] | None, repo: str | None, license: str | None, *, public: bool
) -> PublishSettings:
    values = {**(given or {}), **{name: value for name, value in {"repo": repo, "license": license}.items() if value}}
    if public:
        values["private"] = False
    if lacking := [name for name in ("repo", "license") if name not in values]:
        example = {"repo": "--repo org/name", "license": "--license apache-2.0"}
        raise ConfigError(
            f"no {' and no '.join(lacking)} to publish under; a license is never guessed. Add to the run file, and run "
            f"it again: publish: {{repo: org/name, license: ...}}; or add {' '.join(example[name] for name in lacking)}"
        )
    try:
        return PublishSettings.model_validate(values)
    except ValidationError as fault:
        problems = [
            Problem(".".join(map(str, ("publish", *error["loc"]))), error["msg"].removeprefix("Value error, "))
            for error in fault.errors()
        ]
        raise ConfigError(problems) from None


def _check_untouched(run: FinishedRun, models: list[str]) -> None:
    """Refuse to publish files that the run did not make, or that a killed run left behind."""
    again = "run it again: amendment run FILE"
    status = json_object(run.folder / "status.json")
    if "running" not in status:
        raise ConfigError(f"{run.folder}/status.json: not as a run leaves it; {again}")
    if running := status["running"]:
        raise ConfigError(
            f"{run.folder}: a run is in progress here, or was interrupted ({running}); let it finish, or {again}"
        )
    parts = [*run.stages, "dataset", "constitutions", *(f"models/{name}" for name in models)]
    parts += [*CERTIFICATE, "audit"] if "audit" in run.manifest["stages"] else []
    prefixes = tuple(f"{part}/" for part in parts)

    def is_published(place: str) -> bool:
        """Return whether a place is in one of the parts, or on the way to it, where a link may stand."""
        return f"{place}/".startswith(prefixes) or any(prefix.startswith(f"{place}/") for prefix in prefixes)

    files = {name: entry for name, entry in run.manifest["files"].items() if is_published(name)}
    touched = list(changed(run.folder, files))
    foreign = [finding for finding in added(run.folder, run.manifest["files"]) if is_published(finding.place)]
    problems = [
        *(Problem(f"{run.folder}/{place}", f"not written by the run ({message})") for _, place, message in foreign),
        *(Problem(f"{run.folder}/{place}", f"{kind} since the run made it") for kind, place, _ in touched),
    ]
    ways = ["remove what the run did not write"] if foreign else []
    ways += ["run it again, which replaces what was touched: amendment run FILE"] if touched else []
    if problems:
        raise DataError([*capped(problems), Problem("", "; ".join(ways))])


def _constitutions(run: FinishedRun) -> list[Constitution]:
    references = run.manifest["constitutions"]
    paths = [run.folder / "constitutions" / f"{reference.partition('@')[0]}.json" for reference in references]
    constitutions = [Constitution.model_validate_json(path.read_bytes()) for path in paths if path.is_file()]
    if [constitution.reference for constitution in constitutions] != references:
        raise ConfigError(f"{run.folder}/constitutions: differ from those in the manifest; run again to replace them")
    return constitutions


def shards(configs: Mapping[str, DatasetDict]) -> Iterator[tuple[str, bytes]]:
    """Return the rows as Parquet files, by their paths in the repository, which are those of the Hub's client."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for config, splits in configs.items():
        for split, rows in splits.items():
            count = 1 + int(rows.data.nbytes) // SHARD
            for number in range(count):
                sink = pa.BufferOutputStream()
                pq.write_table(rows.shard(count, number, contiguous=True).with_format("arrow")[:], sink)
                yield f"{config_folder(config)}/{split}-{number:05}-of-{count:05}.parquet", sink.getvalue().to_pybytes()


def _entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _searched(
    configs: Mapping[str, DatasetDict], scanner: Scanner, drop: bool
) -> tuple[dict[str, DatasetDict], list[str], list[KeyMatch]]:
    """Search the configs for keys. Return them without the rows that hold one, if these are dropped; how many were; the
    keys in all others."""
    from datasets import DatasetDict

    kept, left_out, keys_found = {}, [], []
    for config, splits in configs.items():
        searched: dict[str, Dataset] = {}
        for split, rows in splits.items():
            clean = []
            for number, row in enumerate(_stored(rows)):
                keys = scanner.scan_row(f"{config}/{split}: row {row.get(CONFIGS[config][0]) or number + 1}", row)
                if not (keys and drop):
                    clean.append(number)
                    keys_found.extend(keys)
            searched[split] = rows if len(clean) == len(rows) else rows.select(clean)
        if dropped := sum(map(len, splits.values())) - sum(map(len, searched.values())):
            left_out.append(f"{dropped} rows of {config} are left out: each {WITH_KEY} (dataset.secrets: drop)")
        if any(map(len, searched.values())):
            kept[config] = DatasetDict({split: rows for split, rows in searched.items() if len(rows)})
    return kept, left_out, keys_found


def _stored(rows: Dataset) -> Iterator[dict[str, Any]]:
    """Return the rows as they are stored in a file, JSON as text."""
    for batch in rows.with_format("arrow").iter(batch_size=2000):
        yield from batch.to_pylist()


def _find_keys(scanner: Scanner, texts: Mapping[str, str], models: tuple[ModelPublication, ...]) -> Iterator[KeyMatch]:
    for name, text in texts.items():
        yield from scanner.scan(name, text)
    for model in models:
        yield from scanner.scan(f"{model.name}: card", card_text(model.metadata, model.body))
        for name, content in model.files.items():
            if not name.endswith(".safetensors"):
                text = content if isinstance(content, str) else content.read_text(encoding="utf-8", errors="replace")
                yield from scanner.scan(f"{model.name}: {name}", text)


def write_preview(publication: Publication) -> Path:
    """Write cards and manifest as they would be published, for looking at; returns their folder."""
    folder = publication.folder / "publish"
    shutil.rmtree(folder, ignore_errors=True)
    write_text(folder / CARD, card_text(publication.metadata, f"{publication.body}\n"))
    for name, text in publication.files.items():
        write_text(folder / name, text)
    for model in publication.models:
        write_text(folder / "models" / model.name / CARD, card_text(model.metadata, f"{model.body}\n"))
    return folder


def plan_json(publication: Publication) -> dict[str, Any]:
    """Return the effects of a push as JSON values; sizes are in bytes."""
    settings = publication.settings
    sizes = publication.sizes
    return {
        "repo": settings.repo,
        "private": settings.private,
        "license": settings.license,
        "configs": {
            name: {
                split: {
                    "rows": len(rows),
                    "bytes": sum(sizes[file] for file in sizes if file.startswith(f"{config_folder(name)}/{split}-")),
                }
                for split, rows in splits.items()
            }
            for name, splits in publication.configs.items()
        },
        "files": {name: len(text.encode("utf-8")) for name, text in publication.files.items()},
        "models": [
            {
                "name": model.name,
                "repo": model.repo,
                "license": model.license,
                "base": model.base,
                "files": {
                    name: len(content.encode("utf-8")) if isinstance(content, str) else content.stat().st_size
                    for name, content in model.files.items()
                },
            }
            for model in publication.models
        ],
        "look at": [*publication.license_faults, *publication.look_at],
        "conflicts": [conflict._asdict() for conflict in publication.conflicts],
        "secrets": [
            {"place": secret.place, "kind": secret.kind, "value": secret.is_value} for secret in publication.secrets
        ],
    }


def look_lines(publication: Publication) -> list[str]:
    """List what only the publisher can decide, under a heading; empty if there is nothing."""
    notes = [*publication.license_faults, *publication.look_at]
    if not notes:
        return []
    return ["check these before you publish:", *(f"  - {plain(note, longest=400)}" for note in notes)]


def plan_lines(publication: Publication) -> list[str]:
    plan = plan_json(publication)
    seen = "private" if plan["private"] else "PUBLIC"
    lines = [f"dataset {plan['repo']}, {seen}, license {plan['license']}"]
    for name, splits in plan["configs"].items():
        for split, size in splits.items():
            lines.append(f"  {name + '/' + split:20} {size['rows']:>8} rows  {_bytes(size['bytes']):>9}")
    texts = {**plan["files"], CARD: len(publication.body.encode("utf-8"))}
    lines += [f"  {name:34} {_bytes(size):>12}" for name, size in texts.items()]
    for model in plan["models"]:
        lines += ["", f"model {model['repo']}, {seen}, license {model['license']}, from {plain(model['base'])}"]
        lines += [f"  {name:34} {_bytes(size):>12}" for name, size in model["files"].items()]
    if notes := look_lines(publication):
        lines += ["", *notes]
    secrets = publication.secrets
    counted = f"{len(secrets)} found, which stops a push" if secrets else "none found in what would be sent"
    lines += [
        "",
        f"keys and tokens: {counted}",
        *(f"  {plain(str(secret), longest=400)}" for secret in secrets[:SHOWN]),
    ]
    return [*lines, *([f"  and {len(secrets) - SHOWN} more; --json has all"] if len(secrets) > SHOWN else [])]


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
