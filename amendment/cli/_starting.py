"""The command that writes the files of a first run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from amendment.cli._app import app

__all__ = ["Provider", "init"]

Provider = Literal["simulated", "openai", "anthropic", "local"]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made where there is none.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take defaults for what is not given.")] = False,
    provider: Annotated[Provider | None, typer.Option(help="Who answers; simulated needs no key.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, as the provider knows it.")] = None,
    name: Annotated[str | None, typer.Option(help="The run's name; the folder's by default.")] = None,
) -> None:
    """Write a run file, a constitution and prompts to edit, with editor completion. Overwrites nothing."""
    from amendment.errors import ConfigError
    from amendment.run.starting import DEFAULT_MODELS, PROVIDERS, name_for, start
    from amendment.terminal import plain

    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise ConfigError("init: there is no terminal to ask on; add --yes, and --provider and --model as you like")
        provider = provider or typer.prompt(
            f"Who answers? ({', '.join(PROVIDERS)})", default="simulated", value_proc=_one_of(PROVIDERS)
        )
        if model is None and provider in DEFAULT_MODELS:
            model = typer.prompt("Which model?", default=DEFAULT_MODELS[provider])
        name = name or typer.prompt("What is the run called?", default=name_for(folder))
    written = start(folder, provider=provider or "simulated", model=model, name=name)
    typer.echo(f"wrote {', '.join(path.name for path in written)} to {plain(str(folder))}")
    typer.echo(f"look it over: amendment check {_shown(written[0])}\nand run it:   amendment run {_shown(written[0])}")


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Takes an answer that is one of the words; another is asked for again."""

    def take(answer: str) -> str:
        if answer.strip().lower() in words:
            return answer.strip().lower()
        raise typer.BadParameter(f"expected one of {', '.join(words)}")

    return take


def _shown(path: Path) -> str:
    """A path as a shell takes it; one that begins with a dash would be an option."""
    from amendment.terminal import plain

    text = f"./{path}" if str(path).startswith("-") else str(path)
    return shlex.quote(text) if text.isprintable() else plain(text)
