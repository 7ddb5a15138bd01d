"""Commands about the simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amendment.cli._app import app

if TYPE_CHECKING:
    from amendment.llm.specs import SimulatedSpec

__all__ = ["lilliput", "serve"]

lilliput = typer.Typer(no_args_is_help=True, help="The simulated world with known truth.")
app.add_typer(lilliput, name="lilliput")

_SET = "Override one value of the file; without a file, of the one model, such as position_bias=0.7."


@lilliput.command()
def serve(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A run file: its simulated models are served.")
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help=_SET)] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 takes any that is free.")] = 8377,
) -> None:
    """Serve simulated models over OpenAI's chat protocol, on this machine alone, until Ctrl-C or SIGTERM.

    The first line printed is the base URL; then come the models for a run file that asks them over HTTP.
    """
    from amendment.llm.serving import model_entries, serve_world

    specs = _in_file(file, overrides or ()) if file else _by_itself(overrides or ())

    def ready(base_url: str) -> None:
        typer.echo(f"{base_url}\n\n# Lilliput, simulated, over OpenAI's protocol. For a run file:")
        typer.echo(model_entries(specs, base_url))

    answered = serve_world(specs, port=port, ready=ready)
    typer.echo(f"\nended; {answered} requests were answered")


def _in_file(file: Path, overrides: Sequence[str]) -> dict[str, SimulatedSpec]:
    """The simulated models of a run file. Raises ConfigError where there is none."""
    from amendment.errors import ConfigError
    from amendment.llm.specs import SimulatedSpec
    from amendment.run.checks import load_run_file

    models = load_run_file(file, overrides).config.models
    found = {name: spec for name, spec in models.items() if isinstance(spec, SimulatedSpec)}
    if not found:
        raise ConfigError(f"{file}: models: none has provider: simulated; add one, or leave the file out")
    return found


def _by_itself(overrides: Sequence[str]) -> dict[str, SimulatedSpec]:
    """One simulated model that no run file describes."""
    from amendment.llm.specs import SimulatedSpec
    from amendment.run.runfile.overrides import override
    from amendment.yamlfile import parse_yaml, validate

    document = parse_yaml("provider: simulated", "the served model")
    for text in overrides:
        document = override(document, text)
    return {"simulated": validate(document, SimulatedSpec)}
