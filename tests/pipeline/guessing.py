"""Files of an unknown shape, what is said about them, and the run file that is printed, as a user pastes it."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.errors import DataError
from amendment.pipeline.checks import load_run_file
from amendment.pipeline.reading.audit_inputs import AuditInputs, read_votes, source_of
from amendment.terminal import plain
from amendment.yamlfile import parse_yaml

Rows = list[dict[str, Any]]


def prose(draw: random.Random, words: int) -> str:
    known = (
        "the",
        "cat",
        "sings",
        "under",
        "a",
        "blue",
        "house",
        "while",
        "people",
        "walk",
        "along",
        "rivers",
        "often",
    )
    return " ".join(draw.choice(known) for _ in range(words))


def save(path: Path, rows: Rows) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def told(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        source_of(path)
    return str(caught.value)


def pasted(text: str) -> str:
    """The run file in a message, as the terminal shows it and a user copies it."""
    shown = [plain(line, longest=2000) for line in text.split("\n")]
    begin = next(number for number, line in enumerate(shown) if line.startswith("    name: "))
    return "\n".join(shown[begin:]) + "\n"


def guess(path: Path) -> dict[str, Any]:
    """The first source of the printed run file. Two readers of YAML have to agree about it."""
    text = pasted(told(path))
    document = parse_yaml(text, "pasted.yaml").data
    assert yaml.safe_load(text) == document
    source: dict[str, Any] = document["verdicts"][0]
    assert source["path"] == path.name
    return source


def audited(path: Path, text: str) -> AuditInputs:
    run = path.with_name("pasted.yaml")
    run.write_text(text, encoding="utf-8")
    loaded = load_run_file(run)
    return read_votes(loaded.config, loaded.base)


def german(count: int = 40) -> Rows:
    draw = random.Random(1)
    return [
        {"Vorgang": f"V-{1000 + i // 2}-{'ab'[i % 2]}", "Aufgabe": prose(draw, 8)}
        | {"Text_L": prose(draw, 6 + i % 20), "Text_R": "3,67" if i % 4 == 0 else prose(draw, 15)}
        | {name: draw.choice(["L", "R", "R", "gleich", ""]) for name in ("Meier", "Schulz", "Yilmaz")}
        for i in range(count)
    ]


def german_log(count: int = 20) -> Rows:
    words = ["erste", "erste", "zweite", "???"]
    return [
        {"Vorgang": f"V-{1000 + i // 4}-{'ab'[i // 2 % 2]}", "reihenfolge": ["LR", "RL"][i % 2], "urteil": words[i % 4]}
        for i in range(2 * count)
    ]
