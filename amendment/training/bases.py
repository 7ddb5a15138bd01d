"""Is the model that a stage starts from there, and are its weights safetensors? Asked before anything is spent.

Promised: no weights are loaded and none downloaded. Not covered: whether the architecture fits.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from amendment.errors import ConfigError, MissingExtra
from amendment.llm.weights import INDEX, files_problem, shards_in, unreachable, weights_problem

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


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


def check_weights(folder: Path) -> None:
    """Raise ConfigError unless the weights in a folder are safetensors."""
    if problem := weights_problem(folder):
        raise ConfigError(problem)


def _check_folder(folder: Path) -> None:
    if (folder / "adapter_config.json").is_file():
        raise ConfigError(f"base {str(folder)!r}: this is an adapter, not a base; merge it into its base first")
    absent = [name for name in ("config.json", "tokenizer_config.json") if not (folder / name).is_file()]
    if absent:
        raise ConfigError(f"base {str(folder)!r}: the folder lacks {', '.join(absent)}")
    check_weights(folder)


def _check_hub(name: str, revision: str | None) -> None:
    from huggingface_hub import HfApi, constants, errors, hf_hub_download, try_to_load_from_cache

    out_of_reach = unreachable()
    cached = try_to_load_from_cache(name, "config.json", revision=revision)
    problem = weights_problem(Path(cached).parent) if isinstance(cached, str) else None
    if isinstance(cached, str) and not problem:
        return
    nowhere = f"base {name!r}: no such folder, and "
    if constants.HF_HUB_OFFLINE:
        not_cached = f"{nowhere}it is not in the Hub's cache on this machine (HF_HUB_OFFLINE is set)"
        raise ConfigError(problem or not_cached)
    try:
        model_info = HfApi().model_info(name, revision=revision, timeout=10)
        files = [file.rfilename for file in model_info.siblings or ()]
        index = hf_hub_download(name, INDEX, revision=model_info.sha) if INDEX in files else None
        shards = shards_in(Path(index)) if index else []
    except errors.RevisionNotFoundError:
        raise ConfigError(f"base {name!r}: the Hub has the model, but no revision {revision!r} of it") from None
    except errors.RepositoryNotFoundError:
        raise ConfigError(f"{nowhere}the Hub has no such model, or not for this token") from None
    except out_of_reach as error:
        raise ConfigError(f"{nowhere}the Hub could not be asked: {type(error).__name__}") from None
    if problem := files_problem(name, [file for file in files if "/" not in file], shards):
        raise ConfigError(problem)
