"""Build a tiny model folder: the base of rehearsals and tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from amendment.training.bases import need_training
from amendment.training.settings import TinyModel

__all__ = ["build_tiny"]


def build_tiny(folder: Path, texts: Iterable[str], config: TinyModel | None = None, seed: int = 0) -> None:
    """Write a random causal language model and a tokenizer learned from `texts` to `folder`.

    Equal arguments give equal files. Weights are random: train it before use. Raises MissingExtra.
    """
    need_training()
    from amendment.training import _tiny
    from amendment.training._quiet import quiet_libraries

    folder.mkdir(parents=True, exist_ok=True)
    with quiet_libraries():
        _tiny.build(folder, texts, config or TinyModel(), seed)
