"""Is the model that a stage starts from there? Asked before anything is spent.

Promised: no weights are loaded and none downloaded. Not covered: whether the architecture fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from amendment.errors import ConfigError, MissingExtra

__all__ = ["check_base", "need_training", "unreachable"]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_WEIGHTS = ("*.safetensors", "*.bin")


def need_training() -> None:
    """Raise MissingExtra naming the first library of the `train` extra that is not installed."""
    for library in ("torch", "transformers", "trl", "peft", "accelerate"):
        if find_spec(library) is None:
            raise MissingExtra(library, "train")


def check_base(base: str | Path, revision: str | None = None) -> None:
    """Raise ConfigError in one sentence when `base` is neither a model folder nor a model of the Hub.

    A name that is no folder is looked up on the Hub, or offline (`HF_HUB_OFFLINE`) in the local cache.
    """
    folder = Path(base)
    if folder.is_dir():
        if revision is not None:
            raise ConfigError(f"base {str(folder)!r}: a folder has no revision, found {revision!r}; leave it out")
        _check_folder(folder)
    elif isinstance(base, Path) or not _HUB_ID.fullmatch(base) or base.startswith("."):
        raise ConfigError(f"base {str(base)!r}: no such folder; expected a model's folder or a Hub id such as org/name")
    else:
        _check_hub(base, revision)


def unreachable() -> tuple[type[Exception], ...]:
    """What the Hub's client raises when the Hub refuses, fails, or cannot be reached.

    The base of its own errors stands on the base of its HTTP library's, whichever library that is; the errors of
    connections are siblings of it.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    return (OSError, HFValidationError, *(kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception)))


def _check_folder(folder: Path) -> None:
    needed: dict[str, Callable[[], bool]] = {
        "config.json": (folder / "config.json").is_file,
        "tokenizer_config.json": (folder / "tokenizer_config.json").is_file,
        "weights (*.safetensors)": lambda: any(any(folder.glob(pattern)) for pattern in _WEIGHTS),
    }
    if absent := [name for name, is_there in needed.items() if not is_there()]:
        hint = "; an adapter alone is no base, merge it first" if (folder / "adapter_config.json").is_file() else ""
        raise ConfigError(f"base {str(folder)!r}: the folder lacks {', '.join(absent)}{hint}")


def _check_hub(name: str, revision: str | None) -> None:
    from huggingface_hub import HfApi, constants, errors, try_to_load_from_cache

    out_of_reach = unreachable()
    if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
        return
    nowhere = f"base {name!r}: no such folder, and "
    if constants.HF_HUB_OFFLINE:
        raise ConfigError(f"{nowhere}the Hub's cache on this machine does not hold it (HF_HUB_OFFLINE is set)")
    try:
        HfApi().model_info(name, revision=revision, timeout=10)
    except errors.RevisionNotFoundError:
        raise ConfigError(f"base {name!r}: the Hub has the model, but no revision {revision!r} of it") from None
    except errors.RepositoryNotFoundError:
        raise ConfigError(f"{nowhere}the Hub has no such model, or not for this token") from None
    except out_of_reach as error:
        raise ConfigError(f"{nowhere}the Hub could not be asked: {type(error).__name__}") from None
