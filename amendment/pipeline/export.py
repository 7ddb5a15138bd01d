"""The dataset as other tools take it: TRL's columns, plain strings where all messages are plain text."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amendment.errors import ConfigError
from amendment.files import replacing
from amendment.pipeline.store import read_records
from amendment.records import Message, Preference

if TYPE_CHECKING:
    from datasets import DatasetDict, Features

__all__ = ["load_dataset_dict", "write_exports"]

SIDES = ("prompt", "chosen", "rejected")
_TEXTS = ("comparison_id", "prompt_id", "chosen_id", "rejected_id", "decided_by")
_OPTIONAL_TEXTS = ("chosen_model", "rejected_model", "category", "source", "license")
_LISTS = ("raters", "principle_ids", "constitutions")
_NUMBERS = ("p_chosen", "p_chosen_raw", "p_chosen_calibrated", "weight")


def write_exports(folder: Path) -> tuple[str, ...]:
    """Write the dataset once more, as `load_dataset("parquet", data_dir=...)` and TRL read it without us.

    A split without rows is left out, since `datasets` cannot read one. Returns the names of what was written.
    """
    import pyarrow.parquet as pq

    shutil.rmtree(folder / "export", ignore_errors=True)
    splits = {f"export/{split}": rows for split, rows in load_dataset_dict(folder).items() if len(rows)}
    for name, rows in splits.items():
        with replacing(folder / f"{name}.parquet") as temporary:
            pq.write_table(rows.with_format("arrow")[:], temporary)
    return tuple(splits)


def load_dataset_dict(folder: Path) -> DatasetDict:
    """The run's dataset, one split each for train and test. Raises ConfigError when it was not made yet."""
    from datasets import Dataset, DatasetDict

    rows = {split: _rows(folder, split) for split in ("train", "test")}
    features = _features([row for found in rows.values() for row in found])
    return DatasetDict(
        {split: Dataset.from_dict(_columns(found, features), features=features) for split, found in rows.items()}
    )


def _rows(folder: Path, split: str) -> list[Preference]:
    path = folder / "dataset" / f"{split}.parquet"
    if not path.is_file():
        raise ConfigError(f"{folder}: no dataset here yet; run it until the stage dataset")
    return read_records(path, Preference)


def _features(rows: Iterable[Preference]) -> Features:
    """One schema for all splits: `tools` and `chat_template_kwargs` only where some row has them."""
    from datasets import Features, Json, List, Value

    rows = list(rows)
    plain = all(_is_plain(message) for row in rows for side in SIDES for message in getattr(row, side))
    message = {"role": Value("string"), "content": Value("string")} if plain else Json()
    features: dict[str, Any] = {side: List(message) for side in SIDES}
    if any(row.tools for row in rows):
        features["tools"] = List(Json())
    if any(row.chat_template_kwargs for row in rows):
        features["chat_template_kwargs"] = Json()
    features |= {name: Value("float64") for name in _NUMBERS}
    features |= {name: Value("string") for name in (*_TEXTS, *_OPTIONAL_TEXTS)}
    return Features(features | {name: List(Value("string")) for name in _LISTS})


def _is_plain(message: Message) -> bool:
    return set(message.to_json()) == {"role", "content"} and isinstance(message.content, str)


def _columns(rows: Iterable[Preference], features: Features) -> dict[str, list[Any]]:
    values = [row.to_json() for row in rows]
    return {name: [row.get(name) for row in values] for name in features}
