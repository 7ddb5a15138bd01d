"""The writer of `train.parquet` and `test.parquet` for others: the columns that TRL's trainers take.

Columns of messages are plain structs where each message has a role and a text alone, and JSON otherwise, one schema for
all splits. The caller gives rows as others may see them (see `pseudonyms`), without keys (see `keys`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amendment.files import replacing
from amendment.records import Message, Preference

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

SIDES = ("prompt", "chosen", "rejected")
_TEXTS = ("comparison_id", "prompt_id", "chosen_id", "rejected_id", "decided_by")
_OPTIONAL_TEXTS = ("chosen_model", "rejected_model", "decisive", "category", "source", "license")
_LISTS = ("raters", "principle_ids", "constitutions")
ROW_GROUP = 10_000
"""Rows of an export that are written together, and so held together."""
_NUMBERS = ("p_chosen", "p_chosen_raw", "p_chosen_calibrated", "weight")


def write_exports(
    folder: Path, rows: Mapping[str, Sequence[Preference]], shown: Callable[[Preference], Preference] = lambda row: row
) -> tuple[str, ...]:
    """Write a run's dataset under `export/`, as `load_dataset("parquet", data_dir=...)` and TRL read it without us.
    Returns the names of what was written. `shown` gives a row as others may see it; few of these are held at once."""
    shutil.rmtree(folder / "export", ignore_errors=True)
    features = _preference_features(rows)
    written = {folder / f"export/{split}.parquet": of_split for split, of_split in rows.items() if of_split}
    for path, of_split in written.items():
        _write(path, (as_dataset(part, features) for part in _parts(shown(row).to_json() for row in of_split)))
    return tuple(f"export/{path.stem}" for path in written)


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rows = iter(rows)
    while part := [*islice(rows, ROW_GROUP)]:
        yield part


def write_splits(folder: Path, splits: Mapping[str, Dataset]) -> dict[Path, int]:
    """Write each split as one Parquet file with the features by which `datasets` knows its JSON columns; one without
    rows is left out, since `datasets` cannot read it. Returns the rows of each file."""
    written = {folder / f"{split}.parquet": rows for split, rows in splits.items() if len(rows)}
    for path, rows in written.items():
        _write(path, [rows])
    return {path: len(rows) for path, rows in written.items()}


def _write(path: Path, parts: Iterable[Dataset]) -> None:
    """Write a file whole or not at all, each part as a row group."""
    import pyarrow.parquet as pq

    tables = (part.with_format("arrow")[:] for part in parts)
    with replacing(path) as temporary:
        first = next(tables)
        with pq.ParquetWriter(temporary, first.schema) as file:
            for table in chain([first], tables):
                file.write_table(table)


def preference_dataset_dict(rows: Mapping[str, Sequence[Preference]]) -> DatasetDict:
    """Return rows by split as `datasets` holds them; all splits have the same columns."""
    from datasets import DatasetDict

    features = _preference_features(rows)
    return DatasetDict(
        {split: as_dataset((row.to_json() for row in of_split), features) for split, of_split in rows.items()}
    )


def _preference_features(rows: Mapping[str, Sequence[Preference]]) -> Features:
    from datasets import Features, List, Value

    every = _choose_shapes(row for split in rows.values() for row in split)
    features = conversation_features(SIDES, (getattr(row, side) for row in every for side in SIDES), every)
    features |= {name: Value("float64") for name in _NUMBERS}
    if any(row.orders_agree is not None for row in every):
        features["orders_agree"] = Value("bool")
    optional = ("first",) if any(row.first for row in every) else ()
    features |= {name: Value("string") for name in (*optional, *_TEXTS, *_OPTIONAL_TEXTS)}
    return Features(features | {name: List(Value("string")) for name in _LISTS})


def _choose_shapes(rows: Iterable[Preference]) -> list[Preference]:
    """Choose rows that together need the columns that all of them need."""
    shapes: dict[tuple[bool, ...], Preference] = {}
    for row in rows:
        is_plain = all(_is_plain(message) for side in SIDES for message in getattr(row, side))
        shapes.setdefault(
            (is_plain, row.orders_agree is None, *map(bool, (row.tools, row.chat_template_kwargs, row.first))), row
        )
    return [*shapes.values()]


def conversation_features(
    names: Iterable[str], conversations: Iterable[Iterable[Message]], prompts: Sequence[Any]
) -> dict[str, Any]:
    """Return features of columns of messages. `tools` and `chat_template_kwargs` are among them only if a prompt, or a
    row that has these fields, has them."""
    from datasets import Json, List, Value

    is_plain = all(_is_plain(message) for messages in conversations for message in messages)
    message = {"role": Value("string"), "content": Value("string")} if is_plain else Json()
    features: dict[str, Any] = {name: List(message) for name in names}
    if any(prompt.tools for prompt in prompts):
        features["tools"] = List(Json())
    if any(prompt.chat_template_kwargs for prompt in prompts):
        features["chat_template_kwargs"] = Json()
    return features


def _is_plain(message: Message) -> bool:
    return set(message.to_json()) == {"role", "content"} and isinstance(message.content, str)


def as_dataset(rows: Iterable[Mapping[str, Any]], features: Features) -> Dataset:
    """Convert rows of JSON values to a dataset with these features; absent keys are null, absent template options
    empty."""
    from datasets import Dataset

    values = list(rows)
    return Dataset.from_dict({name: [_stored(name, row, features) for row in values] for name in features}, features)


def _stored(name: str, row: Mapping[str, Any], features: Features) -> Any:
    """Write JSON here: the encoder of `datasets` cuts numbers to ten digits."""
    from datasets import Json

    value, feature = row.get(name), features[name]
    if isinstance(feature, Json):
        return _json(value or {})  # TRL unpacks what it finds in chat_template_kwargs, and cannot unpack null
    if isinstance(getattr(feature, "feature", None), Json) and value is not None:
        return [_json(inner) for inner in value]
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
