"""Commands about a run's ledger: check it, save what is good in it, show what was asked, spent and answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, app

__all__ = ["ledger", "salvage", "show", "verify"]

ledger = typer.Typer(no_args_is_help=True, help="What a run sent, what was answered and what was paid.")
app.add_typer(ledger, name="ledger")

LedgerPath = Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A run's folder, or a ledger's file.")]


@ledger.command()
def verify(place: LedgerPath, as_json: AsJson = False) -> None:
    """Read all of a ledger and check every row; exit 1 when something is not as it was written."""
    from amendment.llm.ledger_checking import verify
    from amendment.llm.ledger_inspect import ledger_file
    from amendment.terminal import plain

    found = verify(ledger_file(place))
    if as_json:
        told = {**found._asdict(), "damage": [damage._asdict() for damage in found.damage]}
        typer.echo(json.dumps(told, indent=1))
    else:
        typer.echo(", ".join(f"{count} {name}" for name, count in found.counts.items()))
        for damage in found.damage:
            typer.echo(plain(f"{damage.place}: {damage.what}"))
        typer.echo(f"{len(found.damage)} places are damaged" if found.damage else "all is as it was written")
    if found.damage:
        raise typer.Exit(1)


@ledger.command()
def salvage(
    place: LedgerPath,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the good rows go; in place by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the good rows into a new ledger and name the requests whose reply is lost. The old file is kept."""
    from amendment.llm.ledger_inspect import ledger_file
    from amendment.llm.ledger_recover import salvage
    from amendment.terminal import plain

    found = salvage(ledger_file(place), to)
    if as_json:
        told = {**found._asdict(), "damage": [damage._asdict() for damage in found.damage]}
        typer.echo(json.dumps(told, indent=1, default=str))
        return
    for damage in found.damage:
        typer.echo(plain(f"{damage.place}: {damage.what}"))
    for name in found.lost:
        typer.echo(f"lost: the reply to {plain(name)}")
    typer.echo(f"{found.counts['reply']} replies are in {found.file}")
    if found.kept:
        typer.echo(f"the old file is kept as {found.kept}")


@ledger.command()
def show(
    place: LedgerPath,
    request: Annotated[str | None, typer.Option(metavar="ID", help="One request with its replies.")] = None,
    stage: Annotated[str | None, typer.Option(metavar="STAGE", help="Only this stage.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was asked and spent by stage and model, and what may have been paid for without a reply."""
    from amendment.llm.ledger_inspect import ledger_file, ledger_lines, request_lines, show_ledger, show_request

    file = ledger_file(place)
    found = show_request(file, request) if request else show_ledger(file, stage=stage)
    lines = request_lines(found) if request else ledger_lines(found)
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(lines))
