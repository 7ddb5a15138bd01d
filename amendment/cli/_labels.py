"""The command by which people label a run's spot check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import app

__all__ = ["label"]


@app.command()
def label(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of the page; by default the one it had before, if free.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address of this machine that the page is served on.")] = "127.0.0.1",
    allow_network: Annotated[bool, typer.Option(help="Allow a --host that other machines reach, without TLS.")] = False,
    annotators: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many people share the items; the run file says it.")
    ] = None,
) -> None:
    """Let people label a run's spot check in their browser, until Ctrl-C or SIGTERM.

    The first line printed is the address to open; what is behind # in it lets a browser in. Several people may open it
    at once. A label that was acknowledged is on the disk; labelling goes on where it was left.
    """
    _serve(folder, port, host, allow_network, annotators)


def _serve(folder: Path, port: int | None, host: str, allow_network: bool, annotators: int | None) -> None:
    from amendment.calibration import NO_TLS
    from amendment.pipeline.labelling import serve_labelling

    def ready(url: str, cautions: tuple[str, ...]) -> None:
        typer.echo(url)
        typer.echo("Open this address in a browser; Ctrl-C ends the page.")
        for caution in (*([NO_TLS] if allow_network else []), *cautions):
            typer.echo(caution, err=True)

    missing = serve_labelling(
        folder, ready=ready, host=host, port=port, allow_network=allow_network, annotators=annotators
    )
    typer.echo(f"\n{_left(folder, missing)}")


def _left(folder: Path, missing: int) -> str:
    if not missing:
        return "all labels are there; go on with: amendment run FILE"
    labels = "1 label is" if missing == 1 else f"{missing} labels are"
    return f"{labels} missing; go on with: amendment label {folder}"
