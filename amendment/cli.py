"""The command line: each command is one call of a public function, and every end has its exit code.

0 done, 1 failed, 2 usage or configuration, 3 paused, 6 credentials or quota, 130 and 143 interrupted.
Heavy libraries are imported inside commands, so that `--help` answers at once.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from amendment import __version__
from amendment.errors import (
    AmendmentError,
    ConfigError,
    CredentialsError,
    DataError,
    MissingExtra,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="amendment",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Constitutional AI and preference data whose judge is measured. Start with: amendment run FILE",
)
constitutions = typer.Typer(no_args_is_help=True, help="List, show and check constitutions.")
app.add_typer(constitutions, name="constitution")

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


@app.command()
def run(
    file: RunFilePath,
    folder: Annotated[Path | None, typer.Option(help="The run's folder; runs/NAME by default.")] = None,
    overrides: Overrides = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only the first N prompts of each source.")] = None,
) -> None:
    """Make the run, or the rest of it: what stands is left alone, what was answered is not asked again."""
    from amendment.pipeline.progress import open_progress
    from amendment.pipeline.run import Run
    from amendment.pipeline.summary import headline

    gc.set_threshold(100_000, 20, 100)  # a run holds very many small records; the usual 700 rescans them without end
    one = Run.from_file(file, folder=folder, overrides=overrides or (), limit=limit, progress=open_progress())
    with _interruptible(shlex.join(["amendment", *sys.argv[1:]])):
        result = one(until=until)
    typer.echo("\n".join(headline(result.summary)))
    done = "nothing was left to do" if not result.ran else f"ran {', '.join(result.ran)}"
    typer.echo(f"{done}; {result.sent} model calls. Everything is in {result.folder}; begin with summary.md there.")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A run file or a constitution.")],
    overrides: Overrides = None,
) -> None:
    """Name everything that is wrong with a run file or a constitution, at once. Calls nothing."""
    from amendment.yamlfile import read_yaml

    data = read_yaml(file).data
    if isinstance(data, dict) and "principles" in data:
        lint(str(file))
        return
    from amendment.pipeline.run import Run

    Run.from_file(file, overrides=overrides or ()).check()
    typer.echo(f"{file}: all is well")


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")], as_json: AsJson = False
) -> None:
    """Say what is done in a run's folder and what comes next."""
    from amendment.pipeline.status import read_status, status_lines

    found = read_status(folder)
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(status_lines(found)))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which keys are set (never their value), and what would work."""
    from amendment.pipeline.doctor import doctor_lines, examine

    found = examine(os.environ)
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(doctor_lines(found)))


@constitutions.command("list")
def list_constitutions(as_json: AsJson = False) -> None:
    """List the constitutions that are shipped."""
    from amendment.constitutions import load_constitution, shipped

    found = [load_constitution(name) for name in shipped()]
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {"id": one.id, "version": one.version, "title": one.title, "principles": len(one.principles)}
                    for one in found
                ]
            )
        )
        return
    for one in found:
        typer.echo(f"{one.id:20} {one.version:8} {len(one.principles):3} principles  {one.title}")


@constitutions.command()
def show(name: Annotated[str, typer.Argument(help="A shipped id or a path.")], as_json: AsJson = False) -> None:
    """Show a constitution: its principles, why they are there, and its content hash."""
    from amendment.constitutions import load_constitution
    from amendment.terminal import plain

    one = load_constitution(name)
    if as_json:
        typer.echo(json.dumps(one.model_dump(mode="json", exclude_none=True), indent=1, ensure_ascii=False))
        return
    typer.echo(f"{plain(one.title)}\n{one.reference}\n")
    for principle in one.principles:
        typer.echo(f"{principle.id} (weight {principle.weight:g})")
        typer.echo(f"  {plain(principle.statement, longest=2000)}")
        if principle.rationale:
            typer.echo(f"  Why: {plain(principle.rationale, longest=2000)}")


@constitutions.command()
def lint(name: Annotated[str, typer.Argument(help="A path, or a shipped id.")], as_json: AsJson = False) -> None:
    """Name everything that is wrong or doubtful about a constitution, with its place."""
    from amendment.constitutions import lint, lint_file, load_constitution, shipped

    findings = lint(load_constitution(name)) if name in shipped() else lint_file(Path(name))
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in findings], indent=1))
    for one in findings if not as_json else ():
        typer.echo(f"{one.level}: {one.place}: {one.message}" if one.place else f"{one.level}: {one.message}")
    if any(one.level == "error" for one in findings):
        raise typer.Exit(2)
    if not as_json:
        typer.echo(f"{name}: {'all is well' if not findings else 'no errors'}")


class _Interrupted(BaseException):
    """SIGINT or SIGTERM came; `code` is the exit code."""

    def __init__(self, code: int, resume: str) -> None:
        super().__init__(resume)
        self.code = code
        self.resume = resume


@contextmanager
def _interruptible(resume: str) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into an orderly end: what was answered is on disk, and the way on is named."""

    def stop(number: int, frame: Any) -> NoReturn:
        raise _Interrupted(128 + number, resume)

    from amendment.pipeline.endings import Paused

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Paused as fault:
        raise Paused(f"{fault}\nGo on with: {resume}") from fault
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_code(fault: AmendmentError) -> int:
    from amendment.pipeline.endings import Paused

    table: list[tuple[type[AmendmentError] | tuple[type[AmendmentError], ...], int]] = [
        ((ConfigError, DataError, MissingExtra), 2),
        (Paused, 3),
        (CredentialsError, 6),
    ]
    return next((code for kind, code in table if isinstance(fault, kind)), 1)


def main() -> None:
    """The entry point: errors become one clear message and an exit code, never a traceback."""
    sys.exit(_guarded(app))


def _guarded(command: Callable[[], Any]) -> int:
    try:
        command()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (_Interrupted, KeyboardInterrupt, AmendmentError, OSError) as fault:
        message, code = _told(fault)
        _complain(message)
        return code
    return 0


def _told(fault: BaseException) -> tuple[str, int]:
    """What an error says to the user, and the exit code that goes with it."""
    match fault:
        case _Interrupted():
            return f"interrupted. Go on with: {fault.resume}", fault.code
        case KeyboardInterrupt():
            return "interrupted before anything was begun", 130
        case AmendmentError():
            return str(fault), _exit_code(fault)
        case OSError():
            return f"{fault.filename or 'this machine'}: {fault.strerror or fault}", 1
    raise fault


def _complain(message: str) -> None:
    from amendment.terminal import plain

    for line in message.split("\n"):
        typer.echo(plain(line, longest=2000), err=True)
