"""Commands about a run: make it, check its file, say how it stands, say what this machine can do."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, Overrides, RunFilePath, app
from amendment.cli._constitutions import lint
from amendment.cli._endings import interruptible
from amendment.errors import BudgetReached, CredentialsError, GateFailed, Paused
from amendment.memory import prepare

__all__ = ["check", "doctor", "run", "status"]


@app.command()
def run(  # noqa: PLR0917 - typer makes options of them
    file: RunFilePath,
    folder: Annotated[Path | None, typer.Option(help="The run's folder; runs/NAME by default.")] = None,
    overrides: Overrides = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only the first N prompts of each source.")] = None,
    accept_changes: Annotated[
        bool, typer.Option(help="Repeat the calls that changed settings make necessary.")
    ] = False,
    allow_unpriced: Annotated[bool, typer.Option(help="Ask models whose price is not known.")] = False,
    strict_model: Annotated[bool, typer.Option(help="Stop when one name is answered by two models.")] = False,
    max_wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a server that does not answer.")
    ] = 900.0,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Let keys go to the hosts that the file names, without asking.")
    ] = False,
) -> None:
    """Start a run or resume it: finished stages are kept, and answered calls are not repeated."""
    from amendment.llm.trust import Trust
    from amendment.run.context import Patience
    from amendment.run.progress import open_progress
    from amendment.run.run import Run
    from amendment.run.spending import spending_lines
    from amendment.run.summary import headline, loss_lines
    from amendment.run.terms import Terms

    prepare()
    one = Run.from_file(
        file,
        folder=folder,
        overrides=overrides or (),
        limit=limit,
        progress=open_progress(),
        patience=Patience(max_wait=max_wait),
        terms=Terms(accept_changes, allow_unpriced, strict_model, Trust(yes=yes, ask=_confirm())),
    )
    with interruptible(shlex.join(["amendment", *sys.argv[1:]])):
        try:
            result = one(until=until)
        except (Paused, BudgetReached, CredentialsError, GateFailed):
            _tell_losses(one.folder)
            raise
    typer.echo("\n".join([*headline(result.summary), *spending_lines(result.spending), ""]))
    typer.echo("".join(f"{line}\n" for line in loss_lines(result.summary["stages"])), nl=False)
    done = "nothing was left to do" if not result.ran else f"ran {', '.join(result.ran)}"
    typer.echo(f"{done}; {result.sent} model calls. Everything is in {result.folder}; begin with summary.md there.")


def _tell_losses(folder: Path) -> None:
    """What the finished stages of a stopped run have lost."""
    from amendment.run.summary import loss_lines

    try:
        stages = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["stages"]
    except (OSError, ValueError, KeyError):  # it stopped before anything was made
        return
    for line in loss_lines(stages):
        typer.echo(line, err=True)


def _confirm() -> Callable[[str], bool] | None:
    """How to ask a question; None without a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    from amendment.terminal import plain

    return lambda question: typer.confirm(plain(question, longest=500), err=True)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A run file or a constitution.")],
    overrides: Overrides = None,
    allow_unpriced: Annotated[bool, typer.Option(help="Accept models without a known price.")] = False,
) -> None:
    """Report every problem of a run file or a constitution at once. Calls no model."""
    from amendment.yamlfile import read_yaml

    data = read_yaml(file).data
    if isinstance(data, dict) and "principles" in data:
        lint(str(file))
        return
    from amendment.run.run import Run
    from amendment.run.terms import Terms
    from amendment.terminal import plain

    run = Run.from_file(file, overrides=overrides or (), terms=Terms(allow_unpriced=allow_unpriced))
    for warning in run.check():
        typer.echo(f"warning: {plain(warning, longest=2000)}")
    typer.echo(f"{file}: all is well")


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")], as_json: AsJson = False
) -> None:
    """Show what is done in a run's folder, what it has cost, why it stopped, and what comes next.

    Exits with 1 if the ledger is damaged or cannot be read.
    """
    from amendment.run.status import read_status, status_lines

    found = read_status(folder)
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(status_lines(found)))
    if found["damage"]:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which keys are set (never their value), and what would work."""
    from amendment.run.doctor import doctor_lines, examine

    found = examine(os.environ)
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(doctor_lines(found)))
