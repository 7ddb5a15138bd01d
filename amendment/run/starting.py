"""A folder to start from: a run file with comments, a constitution, prompts, and the schemas that editors complete by.

Promised: what is written passes `amendment check` at once, but for a key or a library that this machine lacks; no
file that is there is touched, and where one is in the way none is written.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from amendment.errors import AmendmentError, ConfigError, Problem
from amendment.files import full_disk, is_full, write_text
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.llm.weights import EMBEDDED
from amendment.run.runfile.config import RunFile
from amendment.text import Template
from amendment.yamlfile import parse_yaml

DEFAULT_MODELS: Mapping[str, str] = {
    "openai": "gpt-5.4-mini",
    "anthropic": "claude-haiku-5-5",
    "local": EMBEDDED,
}
"""By provider: small ones, since a first run is a trial."""
PROVIDERS = ("simulated", *DEFAULT_MODELS)
_HOSTED = {"openai": OpenAISpec, "anthropic": AnthropicSpec}
_JUDGES = {"local": "{model: judge, protocol: label-tokens}  # reads the probabilities of A and B: one call, no words"}
_JUDGE = "{model: judge, protocol: verdict}  # with samples: 3 it is asked three times, and the share of verdicts is P"
_PLACEHOLDERS = frozenset({"name", "models", "model", "judge", "provider", "base_url"})
_SCHEMAS = {
    "run.schema.json": "amendment.run",
    "constitution.schema.json": "amendment.constitutions",
}


def name_for(folder: Path) -> str:
    """Return the name of a run that starts in this folder: the folder's, in the letters that a name may have."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.resolve raises for links that lead in a circle
    name = re.sub(r"[^a-z0-9_.]+", "-", whole.name.lower()).strip("-._")
    return name[:40].rstrip("-._") or "first-run"


def start(
    folder: Path,
    *,
    provider: str = "simulated",
    model: str | None = None,
    base_url: str | None = None,
    name: str | None = None,
) -> list[Path]:
    """Write the files of a first run into `folder`, which is made where there is none; returns their paths.

    `provider` is one of PROVIDERS, `model` a name that it knows (one of DEFAULT_MODELS by default), `base_url`
    the address of a server that speaks its protocol, `name` the run's.
    Raises ConfigError, with every file in the way, when something is there already or a choice cannot be taken, and
    AmendmentError when the folder cannot be written. Then nothing is left behind but, at most, empty folders.
    """
    texts = _texts(provider, model, base_url, name or name_for(folder))
    written: list[Path] = []
    try:
        if folder.exists() and not folder.is_dir():
            raise ConfigError([Problem(str(folder), "is a file, expected a folder, or a name that is free")])
        taken = [str(folder / file) for file in texts if os.path.lexists(folder / file)]
        if taken:
            message = "already exists, and init overwrites nothing; move it away, or choose another folder"
            raise ConfigError([Problem(place, message) for place in taken])
        for file, text in texts.items():
            write_text(folder / file, text)
            written.append(folder / file)
    except (OSError, ValueError) as fault:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(fault, OSError) and is_full(fault, folder):
            raise AmendmentError(full_disk(folder)) from fault
        reason = getattr(fault, "strerror", None) or fault
        raise AmendmentError(f"{folder}: cannot be written ({reason}); choose another folder") from fault
    return written


def _texts(provider: str, model: str | None, base_url: str | None, name: str) -> dict[str, str]:
    if provider not in PROVIDERS:
        raise ConfigError(f"found the provider {provider!r}, expected one of {', '.join(PROVIDERS)}")
    try:
        RunFile(name=name)
    except ValidationError:
        letters = "lowercase letters and digits, and after the first also . _ -"
        raise ConfigError(f"found the name {name!r}, expected at most 80 characters: {letters}") from None
    return {
        "run.yaml": _run_file(provider, model, base_url, name),
        "constitution.yaml": _text("amendment.run", "starters/constitution.yaml"),
        "prompts.jsonl": _text("amendment.run", "starters/prompts.jsonl"),
        **{file: _text(subpackage, f"schemas/{file}") for file, subpackage in _SCHEMAS.items()},
    }


def _run_file(provider: str, model: str | None, base_url: str | None, name: str) -> str:
    # in quotes where YAML would read the name as something else, such as null or 1e5
    values = {"name": name if parse_yaml(name, "name").data == name else json.dumps(name)}
    if base_url and provider not in _HOSTED:
        raise ConfigError(f"found a base URL for {provider}, expected one for {' or '.join(_HOSTED)}; leave it out")
    if provider == "simulated":
        if model is not None:
            raise ConfigError(f"found the model {model!r}: the simulated provider takes no model; leave --model out")
        return _filled("rehearsal.yaml", values)
    if base_url and not model:
        raise ConfigError(
            f"found no model for {base_url}; add --model with the name that the server gives to its model"
        )
    model = model or DEFAULT_MODELS[provider]
    if not model.strip() or not model.isprintable() or len(model) > 200:
        raise ConfigError(f"found the model {model!r}, expected a name as the provider knows it")
    if model == EMBEDDED:
        return _filled("embedded.yaml", {**values, "model": model})
    server = {"provider": provider, "base_url": json.dumps(base_url)} if base_url else {}
    if base_url:
        try:
            _HOSTED[provider](provider=provider, base_url=base_url, model=model)
        except ValidationError as fault:
            raise ConfigError(f"found the base URL {base_url!r}: {fault.errors()[0]['msg']}") from None
    model_text = json.dumps(model, ensure_ascii=False)
    models = _filled("server.yaml" if base_url else f"{provider}.yaml", {"model": model_text, **server}).rstrip("\n")
    return _filled("run.yaml", {**values, "models": models, "judge": _JUDGES.get(provider, _JUDGE)})


def _filled(file: str, values: Mapping[str, str]) -> str:
    return Template(_text("amendment.run", f"starters/{file}"), placeholders=_PLACEHOLDERS, place=file).fill(values)


def _text(subpackage: str, path: str) -> str:
    return files(subpackage).joinpath(path).read_text(encoding="utf-8")
