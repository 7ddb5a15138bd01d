"""The models of a run as they go to the Hub: weights and tokenizer as plain files, a card with a license, no more.

No optimizer, no training arguments, nothing pickled, and nothing that somebody added to its folder: what
is uploaded is what the manifest says the training wrote, and of that what a model needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amendment.data.pseudonyms import portable, portable_json
from amendment.errors import ConfigError
from amendment.files import json_object
from amendment.publishing.card import license_metadata, render
from amendment.publishing.finished import FinishedRun
from amendment.publishing.settings import ModelRepo, PublishSettings
from amendment.report.before_use import harm_lines

UPLOADED = re.compile(
    r"([\w-]+\.safetensors(\.index\.json)?|tokenizer\.model|(vocab|merges)\.txt|chat_template\.jinja"
    r"|(config|adapter_config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json"
    r"|(reward_meta|history)\.json)"
)
"""Of the files that a training writes those that a model needs, and what says how it was trained."""


@dataclass(frozen=True, kw_only=True)
class ModelPublication:
    """One model, ready to go."""

    name: str
    """sft, dpo, round-2 and so on, or reward_model."""
    repo: str
    license: str
    base: str
    """What it was trained from, in the end: a Hub id, the name of a folder, or `base`."""
    files: Mapping[str, Path | str]
    """By their place in the repository: where they are, or the text of one that goes without paths of this machine."""
    metadata: Mapping[str, Any]
    body: str
    """The generated part of the card, with its marks."""


def model_publications(run: FinishedRun, settings: PublishSettings, *, all_models: bool) -> list[ModelPublication]:
    """Return the models to publish: those that the run file names, or all that are up to date.

    Raises ConfigError for one that the run file names and the run has not trained as it is now.
    """
    named = {
        name: ModelRepo(repo=where) if isinstance(where, str) else where for name, where in settings.models.items()
    }
    if absent := [name for name in named if name not in run.models]:
        raise ConfigError(f"{run.folder}: {', '.join(absent)} not trained as the run file says now; run it again")
    if all_models:
        named = {name: ModelRepo(repo=f"{settings.repo}-{name.replace('_', '-')}") for name in run.models} | named
    return [_publication(run, settings, name, named[name]) for name in run.models if name in named]


def _publication(run: FinishedRun, settings: PublishSettings, name: str, where: ModelRepo) -> ModelPublication:
    folder = run.folder / "models" / name
    prefix = f"models/{name}/"
    written = [file.removeprefix(prefix) for file in run.manifest["files"] if file.startswith(prefix)]
    files: dict[str, Path | str] = {file: folder / file for file in sorted(written) if UPLOADED.fullmatch(file)}
    if not any(file.endswith(".safetensors") for file in files):
        raise ConfigError(f"{folder}: no weights in safetensors here; run it again to train the model")
    for own in files.keys() & {"history.json", "reward_meta.json"}:
        value = portable_json(json.loads((folder / own).read_text(encoding="utf-8")))
        files[own] = run.outgoing.text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    base, is_on_hub = _base(run, name)
    license = where.license or settings.license
    is_reward = name == "reward_model"
    metadata = {
        **license_metadata(settings, license),
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if is_reward else "text-generation",
        "tags": ["amendment", "trl", name.replace("_", "-"), *(["simulated"] if run.manifest["simulated"] else [])],
        "datasets": [settings.repo],
        **({"base_model": base} if is_on_hub else {}),
    }
    body = render(
        "model",
        manifest=run.manifest,
        title=f"{run.manifest['name']}: {run.models[name]}",
        base=base,
        dataset=settings.repo,
        repo=where.repo,
        license=license,
        is_reward=is_reward,
        is_later_round=name not in run.settings,
        kind="AutoModelForSequenceClassification" if is_reward else "AutoModelForCausalLM",
        summary=run.summaries.get(name, ""),
        harms=[line for line in harm_lines(run.result("evaluate")) if line.startswith(f"“{name}”")],
    )
    return ModelPublication(
        name=name,
        repo=where.repo,
        license=license,
        base=base,
        files=files,
        metadata=metadata,
        body=run.outgoing.text(body),
    )


def _base(run: FinishedRun, name: str) -> tuple[str, bool]:
    """Return what the first training started from, and whether it is on the Hub, of which that training noted a commit.
    Of a folder only its name is returned."""
    stage = name if name in run.settings else "dpo"
    while (base := str(run.settings[stage]["base"])) in run.models:
        stage = base
    record = json_object(run.folder / "models" / stage / "history.json")
    return (str(record["base"]), True) if record.get("base_commit") else (portable(f"/{base}"), False)
