"""The commands for what people say about a judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, app

__all__ = ["calibrate"]


@app.command()
def calibrate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    *,
    diagram: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Write the reliability diagram: how often P is right.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what people's labels say of a run's judge: agreement, calibrated probabilities, and the gate.

    While labels are missing it is a preview by those that are not sealed. Exit code 5 where the gate fails. Asks no
    model, and writes nothing but the diagram.
    """
    from amendment.errors import GateFailed
    from amendment.run.calibrated import calibrate_run, write_diagram

    found = calibrate_run(folder)
    typer.echo(json.dumps(found.document, indent=1, allow_nan=False) if as_json else "\n".join(found.lines))
    if diagram:
        write_diagram(found, diagram)
    if found.has_failed:
        raise GateFailed("the judge did not pass its gate")
