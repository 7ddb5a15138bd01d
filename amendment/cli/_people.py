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
    path: Annotated[
        Path | None, typer.Argument(metavar="[DIR or FILE]", help="A run's folder, or a run file. None: in general.")
    ] = None,
    *,
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
    diagram: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Write the reliability diagram: how often P is right.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what people's labels say of a run's judge: agreement, calibrated probabilities, and the gate.

    While labels are missing it is a preview by those that are not sealed. Exit code 5 where the gate fails. With
    --plan: how many labels buy which interval, and how likely a judge passes the gate; of a run's folder with
    judgements it draws samples of its own comparisons, of a run file it takes `spot_check`. Asks no model, and
    writes nothing but the diagram.
    """
    if not plan:
        _of_labels(path, diagram=diagram, as_json=as_json)
        return
    from amendment.run.planning.labels import plan_labels

    planned = plan_labels(path, agreement=agreement, ceiling=ceiling)
    if as_json:
        typer.echo(json.dumps(planned.to_json(), indent=1, allow_nan=False))
        return
    typer.echo("\n".join(planned.lines))


def _of_labels(path: Path | None, *, diagram: Path | None, as_json: bool) -> None:
    from amendment.errors import ConfigError, GateFailed
    from amendment.run.calibrated import calibrate_run, write_diagram

    if path is None:
        raise ConfigError("calibrate: name a run's folder, such as runs/NAME; or --plan, for what labels would buy")
    found = calibrate_run(path)
    typer.echo(json.dumps(found.document, indent=1, allow_nan=False) if as_json else "\n".join(found.lines))
    if diagram:
        write_diagram(found, diagram)
    if found.has_failed:
        raise GateFailed("the judge did not pass its gate")
