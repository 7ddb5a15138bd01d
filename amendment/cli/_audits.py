"""The command that asks whether a judge is any good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, Overrides, app

__all__ = ["audit"]


@app.command()
def audit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A data file, a run file with `verdicts`, or a run's folder.")
    ],
    people: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Raters of a data file who are people: 'expert_*'. Can be given again."),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the certificate goes; audits/NAME by default.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Measure judges against people and against themselves, from verdicts that exist. Asks no model.

    Prints the certificate and writes certificate.json and certificate.md. Of a run whose judges were probed it shows
    what edits that should change nothing have changed.
    """
    from amendment.run.auditing import audit_path

    audited = audit_path(file, people=people or (), folder=folder, overrides=overrides or ())
    if as_json:
        typer.echo(json.dumps(audited.document, indent=1, allow_nan=False))
        return
    typer.echo("\n".join(audited.lines))
    typer.echo(f"Written to {audited.folder / 'certificate.md'} and certificate.json.")
