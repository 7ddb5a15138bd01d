"""The command that says what a run will take before anything is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, Overrides, RunFilePath, app

__all__ = ["plan"]


@app.command()
def plan(  # noqa: PLR0917 - typer makes options of them
    file: RunFilePath,
    folder: Annotated[Path | None, typer.Option(help="The run's folder; runs/NAME by default.")] = None,
    overrides: Overrides = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Plan as far as this stage.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only the first N prompts of each source.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run will ask, take and cost, by stage and model. Sends nothing, writes nothing, needs no key.

    What the run's folder holds already counts as paid.
    """
    from amendment.run.run import Run

    found = Run.from_file(file, folder=folder, overrides=overrides or (), limit=limit).plan(until=until)
    typer.echo(json.dumps(found.to_json(), indent=1, allow_nan=False) if as_json else str(found))
