"""The command that learns from where people and judge differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, Overrides, app
from amendment.cli._endings import interruptible

__all__ = ["amend"]


@app.command()
def amend(  # noqa: PLR0917 - typer makes options of them
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, whose spot check is labelled.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One of the run's models, to propose rules; the first judge's by default."),
    ] = None,
    proposals: Annotated[int, typer.Option(min=1, max=50, metavar="N", help="Test at most N rules.")] = 4,
    overrides: Overrides = None,
    allow_unpriced: Annotated[bool, typer.Option(help="Ask models whose price is not known.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the calls, their cost and what is sent where; send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Propose a new version of the constitution from disagreements of people and judge, with evidence. Applies nothing.

    A model sees disagreements, with annotators' comments, and proposes rules. The run's first judge tests each rule on
    held-out labels, against the constitution alone and against a neutral question. Before any call, the command prints
    the calls, their cost and what is sent where. Sealed labels are not read. Writes evidence.json to DIR/amend, and
    constitution.yaml if a rule is accepted.
    """
    from amendment.memory import prepare
    from amendment.run.amending import amend_run
    from amendment.run.progress import open_progress

    prepare()
    with interruptible(f"amendment amend {folder}"):
        amended = amend_run(
            folder,
            model=model,
            proposals=proposals,
            overrides=overrides or (),
            allow_unpriced=allow_unpriced,
            dry_run=dry_run,
            progress=open_progress(),
            tell=lambda line: typer.echo(line, err=True),
        )
    if amended is None:
        return
    if as_json:
        typer.echo(json.dumps(amended.document, indent=1, allow_nan=False))
        return
    typer.echo("\n".join(amended.lines))
    written = "constitution.yaml and evidence.json" if amended.new else "evidence.json"
    typer.echo(f"{amended.sent} model calls. Written to {amended.folder}: {written}. Nothing was applied.")
