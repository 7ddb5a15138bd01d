"""The command `amendment` itself, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amendment import __version__

__all__ = ["AsJson", "Overrides", "RunFilePath", "app"]

app = typer.Typer(
    name="amendment",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Constitutional AI and preference data whose judge is measured. Start with: amendment run FILE",
)

RunFilePath = Annotated[Path, typer.Argument(metavar="FILE", help="The run file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override one value of the file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"amendment {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
