"""The dataset as other tools take it: TRL's columns, plain strings where all messages are plain text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amendment.data.store import read_records
from amendment.errors import ConfigError
from amendment.files import replacing
from amendment.records import Message, Preference

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

__all__ = [
    "SIDES",
    "as_dataset",
    "conversation_features",
    "preference_dataset_dict",
    "read_preferences",
    "write_exports",
    "write_parquet",
]

SIDES = ("prompt", "chosen", "rejected")
_TEXTS = ("comparison_id", "prompt_id", "chosen_id", "rejected_id", "decided_by")
_OPTIONAL_TEXTS = ("chosen_model", "rejected_model", "decisive", "category", "source", "license")
_LISTS = ("raters", "principle_ids", "constitutions")
_NUMBERS = ("p_chosen", "p_chosen_raw", "p_chosen_calibrated", "weight")


def write_exports(folder: Path, rows: Mapping[str, Sequence[Preference]]) -> tuple[str, ...]:
    """Write the dataset once more, as `load_dataset("parquet", data_dir=...)` and TRL read it without us. `rows` are
    as others may see them: what lies under `export/` is loaded, copied and uploaded.

    A split without rows is left out, since `datasets` cannot read one. Returns the names of what was written.
    """
    shutil.rmtree(folder / "export", ignore_errors=True)
    splits = {f"export/{split}": found for split, found in preference_dataset_dict(rows).items() if len(found)}
    for name, found in splits.items():
        write_parquet(folder / f"{name}.parquet", found)
    return tuple(splits)


def write_parquet(path: Path, rows: Dataset) -> None:
    """Write a dataset as one Parquet file, with the features by which `datasets` knows its JSON columns."""
    import pyarrow.parquet as pq

    with replacing(path) as temporary:
        pq.write_table(rows.with_format("arrow")[:], temporary)


def read_preferences(folder: Path) -> dict[str, list[Preference]]:
    """The rows of the run's dataset by split. Raises ConfigError when it was not made yet."""
    return {split: _rows(folder, split) for split in ("train", "test")}


def _rows(folder: Path, split: str) -> list[Preference]:
    path = folder / "dataset" / f"{split}.parquet"
    if not path.is_file():
        raise ConfigError(f"{folder}: no dataset here yet; run it until the stage dataset")
    return read_records(path, Preference)


def preference_dataset_dict(rows: Mapping[str, Sequence[Preference]]) -> DatasetDict:
    """Rows by split as `datasets` holds them; all splits have the same columns."""
    from datasets import DatasetDict

    features = _features([row for found in rows.values() for row in found])
    return DatasetDict({split: as_dataset((row.to_json() for row in found), features) for split, found in rows.items()})


def _features(rows: Sequence[Preference]) -> Features:
    from datasets import Features, List, Value

    conversations = [getattr(row, side) for row in rows for side in SIDES]
    features = conversation_features(SIDES, conversations, rows)
    features |= {name: Value("float64") for name in _NUMBERS}
    if any(row.p_chosen_clamped is not None for row in rows):
        features["p_chosen_clamped"] = Value("float64")
    if any(row.first for row in rows):
        features["first"] = Value("string")
    features |= {name: Value("string") for name in (*_TEXTS, *_OPTIONAL_TEXTS)}
    return Features(features | {name: List(Value("string")) for name in _LISTS})


def conversation_features(
    names: Iterable[str], conversations: Iterable[Iterable[Message]], prompts: Sequence[Any]
) -> dict[str, Any]:
    """Features of columns of messages, one schema for all splits.

    Messages are plain structs where each has a role and a text alone. `tools` and `chat_template_kwargs` are there
    only where one of the prompts, or rows that have these fields, has them.
    """
    from datasets import Json, List, Value

    plain = all(_is_plain(message) for messages in conversations for message in messages)
    message = {"role": Value("string"), "content": Value("string")} if plain else Json()
    features: dict[str, Any] = {name: List(message) for name in names}
    if any(prompt.tools for prompt in prompts):
        features["tools"] = List(Json())
    if any(prompt.chat_template_kwargs for prompt in prompts):
        features["chat_template_kwargs"] = Json()
    return features


def _is_plain(message: Message) -> bool:
    return set(message.to_json()) == {"role", "content"} and isinstance(message.content, str)


def as_dataset(rows: Iterable[Mapping[str, Any]], features: Features) -> Dataset:
    """Rows of JSON values as a dataset with these features; absent keys are null, absent template options empty."""
    from datasets import Dataset

    values = list(rows)
    return Dataset.from_dict({name: [_stored(name, row, features) for row in values] for name in features}, features)


def _stored(name: str, row: Mapping[str, Any], features: Features) -> Any:
    """JSON is written here: the encoder of `datasets` cuts numbers to ten digits."""
    from datasets import Json

    value, feature = row.get(name), features[name]
    if isinstance(feature, Json):
        return _json(value or {})  # TRL unpacks what it finds in chat_template_kwargs, and cannot unpack null
    if isinstance(getattr(feature, "feature", None), Json) and value is not None:
        return [_json(one) for one in value]
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
