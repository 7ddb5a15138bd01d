"""Commands about constitutions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, app

__all__ = ["constitutions", "lint", "list_constitutions", "show"]

constitutions = typer.Typer(no_args_is_help=True, help="List, show and check constitutions.")
app.add_typer(constitutions, name="constitution")


@constitutions.command("list")
def list_constitutions(as_json: AsJson = False) -> None:
    """List the constitutions that are shipped."""
    from amendment.constitutions import load_constitution, shipped

    found = [load_constitution(name) for name in shipped()]
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {"id": one.id, "version": one.version, "title": one.title, "principles": len(one.principles)}
                    for one in found
                ]
            )
        )
        return
    for one in found:
        typer.echo(f"{one.id:20} {one.version:8} {len(one.principles):3} principles  {one.title}")


@constitutions.command()
def show(name: Annotated[str, typer.Argument(help="A shipped id or a path.")], as_json: AsJson = False) -> None:
    """Show a constitution: its principles, why they are there, and its content hash."""
    from amendment.constitutions import load_constitution
    from amendment.terminal import plain

    one = load_constitution(name)
    if as_json:
        typer.echo(json.dumps(one.model_dump(mode="json", exclude_none=True), indent=1, ensure_ascii=False))
        return
    typer.echo(f"{plain(one.title)}\n{one.reference}\n")
    for principle in one.principles:
        typer.echo(f"{principle.id} (weight {principle.weight:g})")
        typer.echo(f"  {plain(principle.statement, longest=2000)}")
        if principle.rationale:
            typer.echo(f"  Why: {plain(principle.rationale, longest=2000)}")


@constitutions.command()
def lint(name: Annotated[str, typer.Argument(help="A path, or a shipped id.")], as_json: AsJson = False) -> None:
    """Name everything that is wrong or doubtful about a constitution, with its place."""
    from amendment.constitutions import lint, lint_file, load_constitution, shipped

    findings = lint(load_constitution(name)) if name in shipped() else lint_file(Path(name))
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in findings], indent=1))
    for one in findings if not as_json else ():
        typer.echo(f"{one.level}: {one.place}: {one.message}" if one.place else f"{one.level}: {one.message}")
    if any(one.level == "error" for one in findings):
        raise typer.Exit(2)
    if not as_json:
        typer.echo(f"{name}: {'all is well' if not findings else 'no errors'}")
