"""Which files a copy's card names for each config, against what was published: `configs:` at the head of README.md.

The card is edited by people, and is not compared. But `load_dataset` follows its `configs:`, which could lead to other
rows than those that were published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["CARD", "card_configs", "card_faults", "place_of"]

CARD = "README.md"
KEYS = ("config_name", "data_files", "default")
"""What is written of a config; any other key is an option of the reader, and may leave rows out."""


def place_of(config: str) -> str:
    """The folder of a config's files, where the Hub's client puts them too."""
    return "data" if config == "default" else config


def card_configs(configs: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """`configs:` for splits by config, by which `load_dataset` finds the files."""
    return [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": f"{place_of(name)}/{split}-*"} for split in splits],
        }
        for name, splits in configs.items()
    ]


def card_faults(folder: Path, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """In what the card's `configs:` are not those of the manifest, which are `configs`: a sentence each."""
    head = _head(folder / CARD)
    if head is None:
        yield "no card with YAML at its head, which tells load_dataset the files of each config"
        return
    listed = head.get("configs")
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    expected = {name: {split: [f"{place_of(name)}/{split}-*"] for split in splits} for name, splits in configs.items()}
    found = {str(one.get("config_name")): _data_files(one) for one in entries}
    if len(found) < len(entries):
        yield "configs: names a config twice"
    for name in sorted({*expected, *found}):
        if found.get(name) != expected.get(name):
            yield f"configs: {name} loads {_told(found.get(name))}, expected {_told(expected.get(name))}"
    for one in entries:
        further = sorted(str(key) for key in one if key not in KEYS)
        if further:
            yield f"configs: {one.get('config_name')} has {', '.join(further)}, which the publisher has not written"
        if one.get("default") and one.get("config_name") != "default" and "default" in expected:
            yield f"configs: {one.get('config_name')} is made the default"


def _head(path: Path) -> dict[str, Any] | None:
    try:
        found = re.match(r"\ufeff?---\r?\n(.*?)\r?\n---\s*(?:\n|$)", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        head = yaml.safe_load(found[1]) if found else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return head if isinstance(head, dict) else None


def _data_files(entry: Mapping[Any, Any]) -> dict[str, list[str]] | str:
    """Paths by split; what is written in another way than the client writes it as text."""
    files = entry.get("data_files")
    if not isinstance(files, list) or not all(isinstance(one, dict) and {*one} == {"split", "path"} for one in files):
        return str(files)
    if len({str(one["split"]) for one in files}) < len(files):
        return str(files)
    paths = {str(one["split"]): one["path"] for one in files}
    return {split: list(map(str, one if isinstance(one, list) else [one])) for split, one in paths.items()}


def _told(files: Mapping[str, list[str]] | str | None) -> str:
    if files is None:
        return "nothing"
    if isinstance(files, str):
        return files
    return ", ".join(f"{split}: {' '.join(found)}" for split, found in files.items())
