"""Commands about a run's ledger: check it, and show what was asked, spent and answered.

Everything that a model or a server said is printed as plain text in one line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amendment.cli._app import AsJson, app
from amendment.errors import LedgerError
from amendment.terminal import plain

if TYPE_CHECKING:
    from amendment.llm.ledger_reading import Reader

__all__ = ["ledger", "show", "verify"]

ledger = typer.Typer(no_args_is_help=True, help="What a run sent, what was answered and what was paid.")
app.add_typer(ledger, name="ledger")

LedgerPath = Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A run's folder, or a ledger's file.")]
LONGEST = 4000
"""Characters of a request or a reply that are printed for people."""
MOST_OPEN = 20
"""Calls without a reply that are printed for people."""


@ledger.command()
def verify(place: LedgerPath, as_json: AsJson = False) -> None:
    """Read all of a ledger and check it; exit 1 when something is not as it was written."""
    with _opened(place) as reader:
        damage = reader.damage()
        count = 0 if damage else len(reader)
    if as_json:
        typer.echo(json.dumps({"replies": count, "damage": damage}, indent=1))
    else:
        for line in damage:
            typer.echo(plain(line, longest=LONGEST))
        found = f"{len(damage)} places are damaged" if damage else f"{count:,} replies, all as they were written"
        typer.echo(found)
    if damage:
        raise typer.Exit(1)


@ledger.command()
def show(
    place: LedgerPath,
    request: Annotated[str | None, typer.Option(metavar="ID", help="One request with its reply.")] = None,
    stage: Annotated[str | None, typer.Option(metavar="STAGE", help="Only this stage.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was asked and spent by stage and model, and what may have been paid for without a reply."""
    with _opened(place) as reader:
        found = _request(reader, request) if request else _everything(reader, stage)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    lines = (
        [f"{name}: {plain(str(text), longest=LONGEST)}" for name, text in found.items()] if request else _lines(found)
    )
    typer.echo("\n".join(lines))


def _opened(place: Path) -> Reader:
    from amendment.llm.ledger_reading import Reader

    return Reader(place / "ledger.sqlite" if place.is_dir() else place)


def _request(reader: Reader, request: str) -> dict[str, str | None]:
    """A request and its newest reply."""
    body, reply = reader.body(request), reader.find(request)
    if body is None:
        raise LedgerError(f"{reader.path}: no request {plain(request)}; ids stand in the records under origin, request")
    return {
        "request": body.decode("utf-8", "replace"),
        "reply": None if reply is None else reply.decode("utf-8", "replace"),
    }


def _everything(reader: Reader, stage: str | None) -> dict[str, Any]:
    """Spending and open attempts, of one stage or of all, and all open batches and models that answered."""
    return {
        "replies": len(reader),
        "spending": [row._asdict() for row in reader.spending() if stage in (None, row.stage)],
        "open_attempts": [row._asdict() for row in reader.open_attempts() if stage in (None, row.stage)],
        "batches": [row._asdict() for row in reader.batches()],
        "models": [row._asdict() for row in reader.models()],
    }


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['replies']} replies"]
    for row in found["spending"]:
        counts = [
            f"{row['attempts']} attempts, {row['replies']} replies",
            f"{row['input_tokens']} tokens in ({row['cached_tokens']} cached), {row['output_tokens']} out",
            f"{row['usd']:.4f} USD" + (f" and {row['unpriced']} replies without a price" if row["unpriced"] else ""),
            *(f"{count} {plain(kind)}" for kind, count in row["faults"].items()),
        ]
        place = " ".join(plain(row[name]) or "-" for name in ("stage", "model", "host"))
        lines.append(f"  {place}: {', '.join(counts)}")
    attempts = found["open_attempts"]
    if attempts:
        lines.append(f"{len(attempts)} calls without a reply: they may have been sent, and may be billed")
    for row in attempts[:MOST_OPEN]:
        lines.append(f"  {plain(row['request'])} to {plain(row['model'])} at {plain(row['host'])}")
    if len(attempts) > MOST_OPEN:
        lines.append(f"  and {len(attempts) - MOST_OPEN} more")
    for row in found["batches"]:
        name = f"known there as {plain(row['remote'])}" if row["remote"] else "perhaps never uploaded"
        lines.append(f"batch {row['number']} to {plain(row['model'])}: {len(row['attempts'])} requests, {name}")
    for row in found["models"]:
        if row["returned"] not in (None, row["asked"]):
            place = f"{plain(row['asked'])} at {plain(row['host'])}"
            lines.append(f"{place} answered as {plain(row['returned'])}, {row['replies']} replies")
    return lines
