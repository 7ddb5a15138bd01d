"""Questions and answers of a run that waits for people, as other tools exchange them."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.command_line import Ended, amendment, called
from tests.rows import Rows, save


def questions_of(folder: Path) -> list[dict[str, str]]:
    """The questions of a run that waits for people, as other tools get them."""
    path = folder.parent / "questions.csv"
    assert called("label", folder, "--export", path, "--questions") == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def import_answers(folder: Path, rows: Rows, *arguments: str) -> Ended:
    """The answers of other tools, brought into the run."""
    return amendment("label", folder, "--import", save(folder.parent / "answers.csv", rows), *arguments)
