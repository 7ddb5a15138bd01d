"""Everything that would leave this machine, put together without a single request.

Covered: the dataset's configs, its card, its manifest, constitutions and certificate, the models; keys found in any
of it; what only the publisher can decide. Not covered: sending it; see `push`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from amendment.calibration.store import Labels
from amendment.constitutions import Constitution
from amendment.errors import ConfigError, DataError, Problem
from amendment.hashing import content_id
from amendment.licenses import hub_problems
from amendment.publishing.card import card_body
from amendment.publishing.configs import build_configs
from amendment.publishing.contents import rows_digest
from amendment.publishing.licenses import Conflict, license_conflicts, things_to_look_at
from amendment.publishing.manifest import MANIFEST, constitution_text
from amendment.publishing.metadata import card_text, dataset_metadata
from amendment.publishing.models import ModelPublication, model_publications, wanted_models
from amendment.publishing.secrets import WITH_KEY, Found, Scanner, scanner_of
from amendment.publishing.tables import Tables
from amendment.publishing.verify import changed_files, foreign_files
from amendment.run.runfile.publish import PublishSettings
from amendment.run.status import read_status
from amendment.stages.labelled_samples import SPOT_CHECK
from amendment.yamlfile import capped

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["CERTIFICATE", "Publication", "prepare"]

CERTIFICATE = ("certificate.json", "certificate.md")
"""Beside the dataset; the stage audit makes them, with pseudonyms, in a folder of its own."""
ID_COLUMNS = {
    "default": "comparison_id",
    "candidates": "candidate_id",
    "verdicts": "verdict_id",
    "critiques": "critique_id",
    "sft": "candidate_id",
    "judge_sft": "verdict_id",
}


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A run, ready to be published."""

    folder: Path
    settings: PublishSettings
    configs: Mapping[str, DatasetDict]
    metadata: Mapping[str, Any]
    body: str
    """The generated part of the dataset's card."""
    files: Mapping[str, str]
    """Further files of the dataset's repository: their paths there, and their texts."""
    models: tuple[ModelPublication, ...]
    secrets: tuple[Found, ...]
    conflicts: tuple[Conflict, ...]
    """Licenses of sources that forbid this."""
    look_at: tuple[str, ...]
    """What only the publisher can decide."""

    @property
    def license_faults(self) -> tuple[str, ...]:
        """Licenses that the Hub would refuse."""
        licenses = {"the dataset": self.settings.license}
        licenses |= {f"the model {one.name}": str(one.metadata["license"]) for one in self.models}
        return tuple(hub_problems(licenses, self.settings.license_name))

    @property
    def manifest(self) -> str:
        """The text of `manifest.json` in the dataset's repository."""
        return self.files[MANIFEST]


def prepare(
    folder: Path,
    *,
    repo: str | None = None,
    license: str | None = None,
    public: bool = False,
    models: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Publication:
    """Put together what a run's folder would publish. Sends nothing.

    `repo`, `license` and `public` go before what the run file says under `publish`; `models` takes every model that
    stands. Raises ConfigError without a repository or license, or when the dataset is missing or out of date, and
    DataError when files are not as the run left them.
    """
    tables = Tables.of_run(folder)
    if tables.sealed_count:
        with Labels(SPOT_CHECK.labels_in(folder), read_only=True) as labels:
            labels.open_seal(content_id(["publish", labels.state()]))
    settings = _settings(tables.config.publish, repo, license, public=public)
    _check_untouched(tables, wanted_models(settings, tables, all_models=models))
    ready = model_publications(settings, tables, all_models=models)
    scanner = scanner_of(tables.config, environ)
    configs, left_out, in_rows = _searched(build_configs(tables), scanner, drop=tables.config.dataset.secrets == "drop")
    constitutions = _constitutions(tables)
    certificate = {name: tables.outgoing.text(text) for name, text in _certificate(tables).items()}
    files = {f"constitutions/{one.id}.json": constitution_text(one) for one in constitutions} | certificate
    metadata = dataset_metadata(tables, settings)
    heads = {"dataset": metadata, **{one.name: one.metadata for one in ready}}
    files[MANIFEST] = tables.outgoing.text(_manifest(tables, settings, configs, files, heads))
    body = tables.outgoing.text(card_body(tables, settings, configs, constitutions, certificate.get("certificate.md")))
    texts = {"card": card_text(metadata, body), **files}
    return Publication(
        folder=folder,
        settings=settings,
        configs=configs,
        metadata=metadata,
        body=body,
        files=files,
        models=tuple(ready),
        secrets=tuple(dict.fromkeys([*in_rows, *_in_texts(scanner, texts, ready)])),
        conflicts=tuple(license_conflicts(tables, settings.license)),
        look_at=(*left_out, *things_to_look_at(tables, settings.license), *_bases(ready)),
    )


def _settings(given: PublishSettings | None, repo: str | None, license: str | None, *, public: bool) -> PublishSettings:
    values = given.model_dump(exclude_none=True) if given else {}
    values |= {name: value for name, value in {"repo": repo, "license": license}.items() if value}
    if public:
        values["private"] = False
    lacking = [name for name in ("repo", "license") if name not in values]
    if lacking:
        example = {"repo": "--repo org/name", "license": "--license apache-2.0"}
        raise ConfigError(
            f"no {' and no '.join(lacking)} to publish under; a license is never guessed. Add to the run file, and run "
            f"it again: publish: {{repo: org/name, license: ...}}; or add {' '.join(example[one] for one in lacking)}"
        )
    try:
        return PublishSettings.model_validate(values)
    except ValidationError as fault:
        problems = [
            Problem(".".join(map(str, ("publish", *one["loc"]))), one["msg"].removeprefix("Value error, "))
            for one in fault.errors()
        ]
        raise ConfigError(problems) from None


def _check_untouched(tables: Tables, models: Iterable[str]) -> None:
    """What is published is what the run made: not what somebody put there, nor what a killed run left."""
    status = read_status(tables.folder)
    if status["running"]:
        raise ConfigError(f"{tables.folder}: a run is at work here ({status['running']}); publish when it has ended")
    stale = [name for name in ("dataset", "audit") if name in tables.manifest["stages"] and name not in status["done"]]
    if stale:
        raise ConfigError(f"{tables.folder}: its {stale[0]} is out of date; run it again: amendment run FILE")
    under = [*CERTIFICATE, "audit/", *(f"{name}/" for name in (*tables.stages, "dataset", "constitutions"))]
    under += [f"models/{one}/" for one in models]
    unread = () if "audit" in tables.manifest["stages"] else (*CERTIFICATE, "audit/")
    read = [one for one in under if one not in unread]
    foreign = foreign_files(tables.folder, tables.manifest, under=read)
    changed = changed_files(tables.folder, tables.manifest, under=under)
    told = [Problem(f"{tables.folder}/{one.place}", f"not written by the run ({one.message})") for one in foreign]
    told += [Problem(f"{tables.folder}/{one.place}", f"{one.kind} since the run made it") for one in changed]
    ways = ["take out what the run has not written"] if foreign else []
    ways += ["run it again, which makes anew what was touched: amendment run FILE"] if changed else []
    if told:
        raise DataError([*capped(told), Problem("", "; ".join(ways))])


def _constitutions(tables: Tables) -> list[Constitution]:
    texts = _texts(
        tables.folder / "constitutions", [f"{one.partition('@')[0]}.json" for one in tables.manifest["constitutions"]]
    )
    found = [Constitution.model_validate_json(text) for text in texts.values()]
    if [one.reference for one in found] != tables.manifest["constitutions"]:
        raise ConfigError(f"{tables.folder}/constitutions: not those of the manifest; run it again to write them anew")
    return found


def _certificate(tables: Tables) -> dict[str, str]:
    """The certificate that the stage audit made for others; none where the run has no such stage, or left it behind."""
    if "audit" not in tables.manifest["stages"]:
        return {}
    return _texts(tables.folder / "audit", CERTIFICATE)


def _texts(folder: Path, names: Any) -> dict[str, str]:
    return {name: (folder / name).read_text(encoding="utf-8") for name in names if (folder / name).is_file()}


def _manifest(
    tables: Tables,
    settings: PublishSettings,
    configs: Mapping[str, DatasetDict],
    files: Mapping[str, str],
    heads: Mapping[str, Mapping[str, Any]],
) -> str:
    """The run's manifest without names of people and paths of this machine, and what is published by its content. The
    heads of the cards are in it, so that the next push knows what of them people have written."""
    import hashlib

    texts = {name: text.encode("utf-8") for name, text in files.items()}
    published = {
        "repo": settings.repo,
        "license": settings.license,
        "configs": {name: {split: _digest(rows) for split, rows in one.items()} for name, one in configs.items()},
        "metadata": heads,
        "files": {name: {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)} for name, raw in texts.items()},
    }
    shown = {"configuration": tables.configuration, "stages": tables.shown_stages, "published": published}
    return json.dumps({**tables.manifest, **shown}, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _digest(rows: Dataset) -> dict[str, Any]:
    count, sha256 = rows_digest(stored_rows(rows))
    return {"rows": count, "sha256": sha256}


def stored_rows(rows: Dataset) -> Iterator[dict[str, Any]]:
    """The rows of a dataset as they lie in a file, JSON as text."""
    for batch in rows.with_format("arrow").iter(batch_size=2000):
        yield from batch.to_pylist()


class _Searched(NamedTuple):
    """Configs whose rows were searched for keys."""

    configs: dict[str, DatasetDict]
    left_out: list[str]
    found: list[Found]


def _searched(configs: Mapping[str, DatasetDict], scanner: Scanner, *, drop: bool) -> _Searched:
    """The keys in all rows; with `drop` none, and the configs without the rows that hold one."""
    from datasets import DatasetDict

    result = _Searched({}, [], [])
    for config, splits in configs.items():
        searched, left_out = {}, 0
        for split, rows in splits.items():
            kept = []
            for number, row in enumerate(stored_rows(rows)):
                keys = scanner.scan_row(f"{config}/{split}: row {row.get(ID_COLUMNS[config]) or number + 1}", row)
                if not (keys and drop):
                    kept.append(number)
                    result.found.extend(keys)
            searched[split] = rows if len(kept) == len(rows) else rows.select(kept)
            left_out += len(rows) - len(kept)
        if any(map(len, searched.values())):
            result.configs[config] = DatasetDict({split: rows for split, rows in searched.items() if len(rows)})
        if left_out:
            result.left_out.append(f"{left_out} rows of {config} are left out: each {WITH_KEY} (dataset.secrets: drop)")
    return result


def _in_texts(scanner: Scanner, files: Mapping[str, str], models: list[ModelPublication]) -> Iterator[Found]:
    for name, text in files.items():
        yield from scanner.scan(name, text)
    for model in models:
        yield from scanner.scan(f"{model.name}: card", card_text(model.metadata, model.body))
        for name in model.files:
            if not name.endswith(".safetensors"):
                text = (model.folder / name).read_text(encoding="utf-8", errors="replace")
                yield from scanner.scan(f"{model.name}: {name}", text)


def _bases(models: list[ModelPublication]) -> list[str]:
    bases = {model.base: [one.name for one in models if one.base == model.base] for model in models}
    return [
        f"license of the base {base} ({', '.join(names)}): it holds for what was trained from it"
        for base, names in bases.items()
        if base != "base"
    ]
