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
        typer.Option(metavar="NAME", help="Who proposes, of the run's models; the first judge's by default."),
    ] = None,
    proposals: Annotated[int, typer.Option(min=1, max=50, metavar="N", help="Rules that are tested at most.")] = 8,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where files go; amend/ in DIR by default.")
    ] = None,
    overrides: Overrides = None,
    allow_unpriced: Annotated[bool, typer.Option(help="Ask models whose price is not known.")] = False,
    as_json: AsJson = False,
) -> None:
    """Propose a new version of the constitution from where people and judge differ, with the evidence. Applies nothing.

    A model says which rules would have decided as people did; each is tested on labels that it has not seen, by the
    run's first judge, and with the constitution's own principles. Says what that costs before it asks; what was asked
    once is not asked again. Sealed labels are not read. Writes constitution.yaml, evidence.json and evidence.md.
    """
    from amendment.memory import prepare
    from amendment.pipeline.amending import amend_run
    from amendment.pipeline.progress import open_progress

    prepare()
    with interruptible(f"amendment amend {folder}"):
        found = amend_run(
            folder,
            model=model,
            proposals=proposals,
            out=out,
            overrides=overrides or (),
            allow_unpriced=allow_unpriced,
            progress=open_progress(),
            tell=lambda line: typer.echo(line, err=True),
        )
    if as_json:
        typer.echo(json.dumps(found.document, indent=1, allow_nan=False))
        return
    typer.echo("\n".join(found.lines))
    written = "constitution.yaml, evidence.json and evidence.md" if found.evidence.new else "evidence.json, evidence.md"
    typer.echo(f"{found.sent} model calls. Written to {found.folder}: {written}. Nothing was applied.")
