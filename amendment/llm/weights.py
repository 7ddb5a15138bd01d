"""Which weights are loaded: safetensors, and nothing that can run code. Asked before anything is spent.

Covered: folders, and the files that a Hub repository lists. Nothing is loaded and nothing downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

SAFE_LOADING = {"trust_remote_code": False, "use_safetensors": True}
"""Keywords of every `from_pretrained` of a model: no code of a repository, and no pickles, which can run code."""
INDEX = "model.safetensors.index.json"
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".gguf")


def unreachable() -> tuple[type[Exception], ...]:
    """What the Hub's client raises when the Hub refuses, fails, or cannot be reached.

    The base of its own errors stands on the base of its HTTP library's, whichever library that is; the errors of
    connections are siblings of it.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    return (OSError, HFValidationError, *(kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception)))


def weights_problem(folder: Path) -> str | None:
    """Why the weights in a folder are not loaded; None where they are safetensors."""
    index = folder / INDEX
    files = [path.name for path in folder.iterdir() if path.is_file()]
    return files_problem(str(folder), files, shards_in(index) if index.is_file() else [])


def files_problem(place: str, files: Iterable[str], shards: Iterable[str]) -> str | None:
    """The rule about weights and its one message. `shards` are files that the index of a model names."""
    names, shards = set(files), set(shards)
    whole = "adapter_model.safetensors" if "adapter_config.json" in names else "model.safetensors"
    wrong = sorted(shards - {name for name in names if name.endswith(".safetensors")})
    if not wrong and (whole in names or (shards and whole == "model.safetensors")):
        return None
    wrong = wrong or sorted(name for name in names if name.endswith(_OTHER_WEIGHTS))
    return (
        f"{place}: expected weights in *.safetensors, found {''.join(f'{name}, ' for name in wrong[:3])}no {whole}. "
        "Other formats are not loaded, because pickled weights can run code; save the model with save_pretrained, "
        f"which writes {whole}"
    )


def shards_in(index: Path) -> list[str]:
    """The files that the index of a model's sharded weights names."""
    try:
        return [str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [index.name]  # an index that cannot be read names nothing that may be loaded
