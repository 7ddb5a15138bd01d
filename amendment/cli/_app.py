"""The command `amendment` itself, options that several commands share, and how a command ends.

Errors become one clear message and an exit code, never a traceback: 0 done, 1 failed, 2 usage or configuration,
3 paused, 4 budget, 5 gate, 6 credentials or quota, 130 and 143 interrupted.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from amendment import __version__
from amendment.errors import (
    AmendmentError,
    BudgetReached,
    ConfigError,
    CredentialsError,
    DataError,
    GateFailed,
    MissingExtra,
    Paused,
)

START, LOOK, JUDGES, MODELS, SHARE, MORE = "Start", "Look", "Judges and people", "Models", "Share", "More"
PANELS = (START, LOOK, JUDGES, MODELS, SHARE, MORE)
"""Groups of commands, in the order in which `--help` shows them."""


RENAMED = {
    "sign": "amendment verify DIR --sign PRIVATE",
    "constitution list": "amendment constitution show",
    "constitution lint": "amendment check FILE",
    "judge list": "amendment judge show",
    "judge copy": "amendment judge show NAME --copy DIR",
    "ledger verify": "amendment ledger show DIR --verify",
}
"""What to write instead of a command that there was."""


class Group(TyperGroup):
    """Commands by group; their help shows no type for a flag, and breaks lines where the window ends."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names by group, and within one in the order of registration."""
        panels = {name: getattr(command, "rich_help_panel", None) for name, command in self.commands.items()}
        places = {name: PANELS.index(panel) if panel else 0 for name, panel in panels.items()}
        return sorted(self.commands, key=places.__getitem__)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of this name, or None."""
        command = super().get_command(ctx, cmd_name)
        place = f"{ctx.info_name} {cmd_name}" if ctx.parent else cmd_name
        if command is None and place in RENAMED:
            raise ConfigError(f"amendment {place} is gone; write {RENAMED[place]}")
        if command:
            _hide_types(command.get_params(ctx))
            command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(command.help or ""))
        return command

    def get_params(self, ctx: Any) -> list[Any]:
        """Options of the group itself."""
        return _hide_types(super().get_params(ctx))


def _hide_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


app = typer.Typer(
    name="amendment",
    cls=Group,
    context_settings={"help_option_names": ["--help", "-h"]},
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Constitutional AI and preference data, with the judge's quality measured. Start with: amendment init DIR",
)
"""The command line as a Typer application."""

RunFilePath = Annotated[Path, typer.Argument(metavar="FILE", help="The run file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")]
AllowUnpriced = Annotated[bool, typer.Option("--allow-unpriced", help="Accept models without a known price.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override one value of the file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def show_result(document: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print a result: as JSON for machines, or its lines for people."""
    typer.echo(json.dumps(document, indent=1) if as_json else "\n".join(lines))


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


class _Interrupted(BaseException):
    """SIGINT or SIGTERM came; `code` is the exit code."""

    def __init__(self, code: int, advice: str) -> None:
        super().__init__(advice)
        self.code = code
        self.advice = advice


@contextmanager
def resumable() -> Iterator[None]:
    """Wrap a command that continues where it stopped: an interrupt or a pause ends with the command to repeat."""
    advice = f"Resume with: {shlex.join(['amendment', *sys.argv[1:]])}"
    try:
        with _interruptible(advice):
            yield
    except Paused as fault:
        raise Paused(f"{fault}\n{advice}") from fault


@contextmanager
def _interruptible(advice: str) -> Iterator[None]:
    """Turns SIGINT and SIGTERM into `_Interrupted`."""

    def stop(number: int, frame: Any) -> NoReturn:
        raise _Interrupted(128 + number, advice)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_code(fault: AmendmentError) -> int:
    table: list[tuple[type[AmendmentError] | tuple[type[AmendmentError], ...], int]] = [
        ((ConfigError, DataError, MissingExtra), 2),
        (Paused, 3),
        (BudgetReached, 4),
        (GateFailed, 5),
        (CredentialsError, 6),
    ]
    return next((code for kind, code in table if isinstance(fault, kind)), 1)


def guarded(command: Callable[[], Any]) -> int:
    """Run a command; print its error or interruption as a message, and return the exit code."""
    try:
        with _interruptible("No file is half written; run the command again."):
            command()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (_Interrupted, AmendmentError, OSError) as fault:
        message, code = _message_and_code(fault)
        _complain(message)
        return code
    return 0


def _message_and_code(fault: BaseException) -> tuple[str, int]:
    match fault:
        case _Interrupted():
            return f"interrupted. {fault.advice}", fault.code
        case AmendmentError():
            return str(fault), _exit_code(fault)
        case OSError():
            from amendment.files import full_disk, is_full

            folder = Path(fault.filename).resolve().parent if fault.filename else Path.cwd()
            if is_full(fault, folder):
                return full_disk(folder), 1
            return f"{fault.filename or 'this machine'}: {fault.strerror or fault}", 1
    raise fault


LONGEST = 2000
"""Characters of a line of an error."""


def _complain(message: str) -> None:
    from amendment.text import visible

    for line in visible(message).split("\n"):
        typer.echo(line if len(line) <= LONGEST else f"{line[:LONGEST]}…", err=True)


def shell_path(path: Path) -> str:
    """Return a path as a shell takes it; one that begins with a dash would be an option."""
    from amendment.text import plain

    text = f"./{path}" if str(path).startswith("-") else str(path)
    return shlex.quote(text) if text.isprintable() else plain(text)


def prepare_memory() -> None:
    """Fewer scans for garbage, and Arrow's buffers from the system, which gets them back. Call before Arrow is loaded.

    A run holds very many small records, which the usual threshold of 700 rescans without end; the imports of a short
    command are a seventh faster without it. Arrow's own pool keeps what it was given once; `ARROW_DEFAULT_MEMORY_POOL`,
    where the user has set it, stands.
    """
    gc.set_threshold(100_000, 20, 100)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
