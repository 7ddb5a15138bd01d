"""The models of a run as they go to the Hub: weights and tokenizer as plain files, a card with a license, no more.

No optimizer, no training arguments, nothing pickled, and nothing that somebody laid beside it: what is uploaded is what
the manifest says the training wrote, and of that what a model needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from amendment.errors import ConfigError
from amendment.publishing.card import BEGIN, END
from amendment.publishing.metadata import license_metadata
from amendment.publishing.outgoing import portable_json
from amendment.publishing.tables import Tables
from amendment.publishing.text import code, fenced
from amendment.run.runfile.config import RunFile
from amendment.run.runfile.publish import ModelRepo, PublishSettings
from amendment.run.wording import stage_lines
from amendment.stages.config_rounds import round_step
from amendment.stages.rounds.deriving import round_config

__all__ = ["ModelPublication", "model_publications", "wanted_models"]

UPLOADED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "reward_meta.json",
    "history.json",
)
"""Of the files that a training writes those that a model needs, and what says how it was trained."""
OWN = ("reward_meta.json", "history.json")
"""Those that no library reads."""
TITLES = {"sft": "fine-tuned", "dpo": "trained on preference pairs (DPO)", "reward_model": "reward model"}
LOADING = {
    "reward_model": "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
    'model = AutoModelForSequenceClassification.from_pretrained("{repo}")  # one score for a whole conversation\n'
    'tokenizer = AutoTokenizer.from_pretrained("{repo}")'
}
CAUSAL = (
    "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
    'model = AutoModelForCausalLM.from_pretrained("{repo}")\n'
    'tokenizer = AutoTokenizer.from_pretrained("{repo}")'
)


@dataclass(frozen=True, kw_only=True)
class ModelPublication:
    """One model, ready to go."""

    name: str
    """sft, dpo, round-2 and so on, or reward_model."""
    repo: str
    folder: Path
    files: tuple[str, ...]
    texts: Mapping[str, str]
    """Of these files the ones that go without the paths of this machine."""
    base: str
    """What it was trained from, in the end: a Hub id, the name of a folder, or `base`."""
    metadata: Mapping[str, Any]
    body: str
    """The generated part of the card, with its marks."""

    def size(self, name: str) -> int:
        """Bytes of one of the files, as it is published."""
        return len(self.texts[name].encode("utf-8")) if name in self.texts else (self.folder / name).stat().st_size


def wanted_models(settings: PublishSettings, tables: Tables, *, all_models: bool) -> dict[str, ModelRepo]:
    """The models to publish, each with its repository: those that the run file names, or all that stand.

    Raises ConfigError for one that the run file names and the run has not trained as it is now.
    """
    named = {name: ModelRepo(repo=one) if isinstance(one, str) else one for name, one in settings.models.items()}
    trained = [name for name in (*tables.config.policies, "reward_model") if name != "base"]
    standing = [name for name in trained if name in tables.manifest["stages"]]
    absent = [name for name in named if name not in standing]
    if absent:
        raise ConfigError(f"{tables.folder}: {', '.join(absent)} not trained as the run file says now; run it again")
    if all_models:
        suffixes = {name: name.replace("_", "-") for name in standing}
        named = {name: ModelRepo(repo=f"{settings.repo}-{suffix}") for name, suffix in suffixes.items()} | named
    return {name: named[name] for name in standing if name in named}


def model_publications(settings: PublishSettings, tables: Tables, *, all_models: bool) -> list[ModelPublication]:
    """Every wanted model with its files and its card."""
    wanted = wanted_models(settings, tables, all_models=all_models)
    return [_publication(name, repo, settings, tables) for name, repo in wanted.items()]


def _publication(name: str, where: ModelRepo, settings: PublishSettings, tables: Tables) -> ModelPublication:
    folder = tables.folder / "models" / name
    written = [one.removeprefix(f"models/{name}/") for one in tables.manifest["files"]]
    files = tuple(sorted(file for file in written if _is_uploaded(file)))
    if not any(file.endswith(".safetensors") for file in files):
        raise ConfigError(f"{folder}: no weights in safetensors here; run it again to train the model anew")
    base = _base(tables, name)
    own_license = where.license or settings.license
    licensed = license_metadata(own_license, settings.license_name, settings.license_link)
    return ModelPublication(
        name=name,
        repo=where.repo,
        folder=folder,
        files=files,
        texts={
            name: tables.outgoing.text(_portable_text(folder / name))
            for name in files
            if PurePosixPath(name).name in OWN
        },
        base=base,
        metadata={**licensed, **_metadata(name, settings.repo, _hub_base(tables, name), tables)},
        body=tables.outgoing.text(
            "\n".join(
                [BEGIN, "", *_body(name, where.repo, own_license, base, dataset=settings.repo, tables=tables), END]
            )
        ),
    )


def _is_uploaded(file: str) -> bool:
    """A file of a model, or of a member of its ensemble, that others need; `file` is its place in the folder."""
    *above, name = PurePosixPath(file).parts
    is_model = not above or (len(above) == 2 and above[0] == "members")
    return is_model and any(fnmatch(name, one) for one in UPLOADED)


def _portable_text(path: Path) -> str:
    """A file that the run itself wrote, in which the base may be a folder of this machine."""
    value = portable_json(json.loads(path.read_text(encoding="utf-8")))
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _metadata(name: str, dataset: str, base: str | None, tables: Tables) -> dict[str, Any]:
    is_reward = name == "reward_model"
    simulated = ["simulated"] if tables.manifest["simulated"] else []
    return {
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if is_reward else "text-generation",
        "tags": ["amendment", "trl", name.replace("_", "-"), *simulated],
        "datasets": [dataset],
        **({"base_model": base} if base else {}),
    }


def _first_stage(tables: Tables, name: str) -> tuple[str, str]:
    """The stage that began from a model that this run did not train, and what it began from."""
    base = _trained_from(tables.config, name)
    while base in tables.config.policies and base != "base":
        name, base = base, _trained_from(tables.config, base)
    return name, base


def _trained_from(config: RunFile, name: str) -> str:
    """The base of a stage that trains, as the run file names it, or as it holds in a further round."""
    place = round_step(name)
    stage = getattr(round_config(config, place.number) if place else config, place.step if place else name)
    base: str = stage.base
    return base


def _base(tables: Tables, name: str) -> str:
    """What the first of the trainings started from; of a folder its name, since its path is nobody's business."""
    base = _first_stage(tables, name)[1]
    return base if _is_on_hub(tables, name) else base.rstrip("/").rpartition("/")[2] or base


def _hub_base(tables: Tables, name: str) -> str | None:
    return _base(tables, name) if _is_on_hub(tables, name) else None


def _is_on_hub(tables: Tables, name: str) -> bool:
    """Whether the first training noted a commit of the Hub."""
    stage, base = _first_stage(tables, name)
    record = tables.folder / "models" / stage / "history.json"
    if base == "base" or not record.is_file():
        return False
    return bool(json.loads(record.read_text(encoding="utf-8")).get("base_commit")) and bool(
        re.fullmatch(r"[\w.-]+(/[\w.-]+)?", base)
    )


def _body(name: str, repo: str, license: str, base: str, *, dataset: str, tables: Tables) -> Iterator[str]:
    manifest = tables.manifest
    place = round_step(name)
    title = f"{TITLES[place.step]}, round {place.number}" if place else TITLES[name]
    yield from (f"# {tables.config.name}: {title}", "")
    if manifest["simulated"]:
        yield from (f"> {manifest['simulated']}", "")
    start = "a small model that the run made itself" if base == "base" else code(base)
    yield (
        f"Trained from {start} on the dataset [{dataset}](https://huggingface.co/datasets/{dataset}), "
        f"with amendment {manifest['toolkit']} and TRL, seed {manifest['seed']}."
    )
    if place:
        yield "Since then the policy has been trained on judged pairs of its own answers, round after round. The"
        yield "dataset has the pairs of the first round; those of later ones are not part of it."
    yield from ("", "```python", *LOADING.get(name, CAUSAL).format(repo=repo).split("\n"), "```", "", "## License", "")
    more = "" if base == "base" else f" The license of {code(base)} may ask for more, or for another one: look at it."
    yield f"{code(license)}.{more}"
    yield from ("", "## Training", "", "Settings, versions and the loss at every step are in `history.json`.", "")
    yield from fenced("\n".join(stage_lines(tables.counts(name))))
    yield from ("", "## Known limits", "")
    yield "The constitution, the judge and the limits of its labels are on the dataset's card. A model trained on the"
    yield "better of two answers is not thereby a good one: measure it on prompts of your own before you rely on it."
    yield ""
