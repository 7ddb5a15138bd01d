"""What judging has cost, for the certificate: calls that were answered, tokens and money, by judge model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amendment.llm.ledger_reading import Reader
from amendment.markdown import cell, table

__all__ = ["cost_lines", "judging_cost"]

SUMS = ("replies", "input_tokens", "output_tokens", "usd", "unpriced")


def judging_cost(folder: Path) -> list[dict[str, Any]]:
    """Of each model that judged in this run; empty without a ledger, or where the judges cost no call."""
    path = folder / "ledger.sqlite"
    if not path.is_file():
        return []
    with Reader(path) as ledger:
        rows = [row._asdict() for row in ledger.spending() if row.stage == "judging"]
    return [{name: row[name] for name in ("host", "model", *SUMS)} for row in rows]


def cost_lines(cost: list[dict[str, Any]]) -> list[str]:
    """A section, a line each, without line ends; nothing where nothing was asked."""
    if not cost:
        return []
    header = ["model", "calls answered", "input tokens", "output tokens", "USD"]
    return ["", "## Cost of judging", "", *table([header, *map(_cells, cost)])]


def _cells(row: dict[str, Any]) -> list[str]:
    money = f"{row['usd']:.4f}" + (f" and {row['unpriced']:,} calls unpriced" if row["unpriced"] else "")
    return [cell(row["model"]), *(f"{row[name]:,}" for name in SUMS[:3]), money]
