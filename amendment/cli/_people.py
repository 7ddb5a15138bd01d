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
    as_json: AsJson = False,
) -> None:
    """Say what people's labels say of a run's judge: agreement, calibrated probabilities, and the gate.

    While labels are missing it is a preview by those that are not sealed. Exit code 5 where the gate fails. Asks no
    model and writes nothing.
    """
    from amendment.errors import GateFailed
    from amendment.stages.gate import calibrate_run

    found = calibrate_run(folder)
    typer.echo(json.dumps(found.document, indent=1, allow_nan=False) if as_json else "\n".join(found.lines))
    if found.has_failed:
        raise GateFailed("the judge did not pass its gate")
