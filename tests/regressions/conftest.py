"""What the regressions share: a chat server on loopback, and certificates made by the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from amendment.audit.figures import Section
from tests.command_line import Ended, amendment, called
from tests.rows import Rows, save


class Certificate(NamedTuple):
    document: dict[str, Any]
    page: str

    @property
    def text(self) -> str:
        """The page, and all tables."""
        tables = [line for section in self.document["sections"] for line in Section(**section).lines()]
        return "\n".join([self.page, *tables])

    @property
    def judge(self) -> dict[str, Any]:
        (judge,) = self.document["judges"]
        return dict(judge)

    def gate(self, check: str) -> tuple[str, str]:
        (found,) = [(gate["outcome"], gate["found"]) for gate in self.document["gates"] if gate["check"] == check]
        return found

    def overview(self) -> str:
        """The only judge at a glance."""
        (judges,) = [section for section in self.document["sections"] if section["title"] == "Judges"]
        return f"| {' | '.join(judges['rows'][0])} |"


@pytest.fixture
def audit(tmp_path: Path) -> Callable[[Sequence[tuple[Rows, Mapping[str, Any]]]], Certificate]:
    """Write rows to CSV files, audit them with their settings, and read the certificate."""

    def run(sources: Sequence[tuple[Rows, Mapping[str, Any]]]) -> Certificate:
        verdicts = []
        for number, (rows, settings) in enumerate(sources):
            save(tmp_path / f"{number}.csv", rows)
            verdicts.append({"path": f"{number}.csv", **settings})
        (tmp_path / "audit.yaml").write_text(json.dumps({"name": "audit", "verdicts": verdicts}), encoding="utf-8")
        assert called("audit", tmp_path / "audit.yaml", "--folder", tmp_path / "out") == 0
        document = json.loads((tmp_path / "out" / "certificate.json").read_text(encoding="utf-8"))
        return Certificate(document, (tmp_path / "out" / "certificate.md").read_text(encoding="utf-8"))

    return run


def questions_of(folder: Path) -> list[dict[str, str]]:
    """The questions of a run that waits for people, as other tools get them."""
    path = folder.parent / "questions.csv"
    assert called("label", folder, "--export", path, "--questions") == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def import_answers(folder: Path, rows: Rows, *arguments: str) -> Ended:
    """The answers of other tools, brought into the run."""
    return amendment("label", folder, "--import", save(folder.parent / "answers.csv", rows), *arguments)
