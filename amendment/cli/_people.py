"""The commands for what people say about a judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, app
from amendment.errors import ConfigError

__all__ = ["calibrate"]


@app.command()
def calibrate(
    path: Annotated[
        Path | None, typer.Argument(metavar="[DIR or FILE]", help="A run's folder, or a run file. None: in general.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what labels would buy, before anybody has labelled.")
    ] = False,
    agreement: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="With --plan: of judge and people; 0.75 where nothing is said."),
    ] = None,
    ceiling: Annotated[
        float | None, typer.Option(metavar="SHARE", help="With --plan: of two people; 0.75 where nothing is said.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many labels buy which interval, and how likely a judge passes the gate. Asks no model, writes nothing.

    Of a run's folder with judgements it draws samples of its own comparisons; of a run file it takes `spot_check`.
    """
    if not plan:
        raise ConfigError("calibrate: say what is wanted; --plan tells what labels would buy")
    from amendment.pipeline.planning.labels import plan_labels

    planned = plan_labels(path, agreement=agreement, ceiling=ceiling)
    if as_json:
        typer.echo(json.dumps(planned.to_json(), indent=1, allow_nan=False))
        return
    typer.echo("\n".join(planned.lines))
