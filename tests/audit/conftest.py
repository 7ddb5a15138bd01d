"""Certificates made by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from amendment.audit.figures import Section
from tests.command_line import called
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
