"""Commands about a run: start one, plan, check and run it, show its status and its ledger."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from amendment.cli._app import (
    MORE,
    START,
    AllowUnpriced,
    AsJson,
    Group,
    Overrides,
    RunFilePath,
    RunFolder,
    app,
    resumable,
    shell_path,
    show_result,
)
from amendment.cli._library import lint
from amendment.errors import BudgetReached, ConfigError, CredentialsError, GateFailed, LedgerError, Paused
from amendment.text import plain

if TYPE_CHECKING:
    from amendment.llm.ledger_reading import Reader

Provider = Literal["simulated", "openai", "anthropic", "local"]
MadeIn = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The run's folder; by default runs/NAME in the current directory.")
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take only the first N prompts of each source.")]
Until = Annotated[str | None, typer.Option(metavar="STAGE", help="Go no further than this stage.")]


@app.command(rich_help_panel=START)
def init(  # noqa: PLR0917 - typer makes options of them
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; made if it does not exist.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; use defaults for missing options.")] = False,
    provider: Annotated[
        Provider | None,
        typer.Option(metavar="PROVIDER", help="simulated (needs no key), openai, anthropic or local."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="A server of your own, such as http://localhost:8000/v1.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model, as the provider or your server knows it.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The run's name; the folder's by default.")] = None,
) -> None:
    """Write a run file, a constitution and prompts to start from.

    In a terminal it asks for what the options do not set. It also writes the schemas that editors use for completion,
    and overwrites nothing.
    """
    from amendment.run.starting import DEFAULT_MODELS, PROVIDERS, name_for, start

    provider = provider or ("openai" if base_url else None)
    has_terminal = sys.stdin is not None and sys.stdin.isatty()
    if not yes and not has_terminal and provider is None:
        raise ConfigError(
            "init: cannot ask questions without a terminal; add --provider (and --model), or --yes for the simulated "
            "provider"
        )
    if not yes and has_terminal:
        provider = provider or typer.prompt(
            f"Which provider? ({', '.join(PROVIDERS)})", default="simulated", value_proc=_accept_words(PROVIDERS)
        )
        if provider == "openai" and base_url is None and model is None:
            base_url = typer.prompt("Base URL of your own server? (empty for OpenAI's)", default="", show_default=False)
        if model is None and provider in DEFAULT_MODELS:
            model = typer.prompt("Which model?", default=None if base_url else DEFAULT_MODELS[provider])
        name = name or typer.prompt("Name of the run?", default=name_for(folder))
    written = start(folder, provider=provider or "simulated", model=model, base_url=base_url or None, name=name)
    typer.echo(f"wrote {', '.join(path.name for path in written)} to {plain(str(folder))}")
    typer.echo(f"check it: amendment check {shell_path(written[0])}\nrun it:   amendment run {shell_path(written[0])}")


def _accept_words(words: Sequence[str]) -> Callable[[str], str]:
    """Takes an answer that is one of the words; another is asked for again."""

    def take(answer: str) -> str:
        if answer.strip().lower() in words:
            return answer.strip().lower()
        raise typer.BadParameter(f"expected one of {', '.join(words)}")

    return take


@app.command(rich_help_panel=START)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A run file, or a constitution by its path or id.")],
    overrides: Overrides = None,
    allow_unpriced: AllowUnpriced = False,
) -> None:
    """Report every problem in a run file or a constitution.

    Calls no model. Reads the first 100,000 rows of each file, and says so if a file has more.
    """
    from amendment.constitutions import shipped
    from amendment.yamlfile import read_yaml

    is_shipped = str(file) in shipped() and not file.exists()
    data = None if is_shipped else read_yaml(file).data
    if is_shipped or (isinstance(data, dict) and "principles" in data):
        lint(str(file))
        return
    from amendment.run.permissions import Terms
    from amendment.run.run import Run

    run = Run.from_file(file, overrides=overrides or (), terms=Terms(allow_unpriced=allow_unpriced))
    for warning in run.check():
        typer.echo(f"warning: {plain(warning, longest=2000)}")
    typer.echo("\n".join([*run.outlook(), f"{file}: no problems"]))


@app.command(rich_help_panel=START)
def plan(  # noqa: PLR0917 - typer makes options of them
    file: RunFilePath,
    folder: MadeIn = None,
    overrides: Overrides = None,
    until: Until = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Estimate the calls, time and cost of a run.

    Estimates are by stage and model. Sends nothing, writes nothing, needs no key.
    Results that are already in the run's folder count as paid.
    """
    from amendment.run.run import Run

    planned = Run.from_file(file, folder=folder, overrides=overrides or (), limit=limit).plan(until=until)
    show_result(planned.to_json(), [str(planned)], as_json=as_json)


@app.command(rich_help_panel=START)
def run(  # noqa: PLR0917 - typer makes options of them
    file: RunFilePath,
    folder: MadeIn = None,
    overrides: Overrides = None,
    until: Until = None,
    limit: Limit = None,
    engine: Annotated[Literal["ray"] | None, typer.Option(help="Make data with the workers of a Ray cluster.")] = None,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Continue with changed settings, and make the calls that they need."),
    ] = False,
    allow_unpriced: AllowUnpriced = False,
    max_wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Longest wait for a server that does not answer.")
    ] = 900.0,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send keys to the hosts in the file without asking.")
    ] = False,
) -> None:
    """Run or resume a pipeline.

    Finished stages are kept, and answered calls are not repeated.
    """
    from amendment.llm.trust import Trust
    from amendment.results import read_summary
    from amendment.run.context import Patience
    from amendment.run.permissions import Terms
    from amendment.run.progress import open_progress
    from amendment.run.run import Run
    from amendment.run.summary import headline, loss_lines, spending_lines

    started = Run.from_file(
        file,
        folder=folder,
        overrides=[*(overrides or ()), *([f"engine={engine}"] if engine else [])],
        limit=limit,
        progress=open_progress(),
        patience=Patience(max_wait=max_wait),
        terms=Terms(accept_changes, allow_unpriced, Trust(yes=yes, ask=_confirm())),
    )
    typer.echo(f"folder: {started.folder.absolute()}", err=True)
    with resumable():
        try:
            result = started(until=until)
        except (Paused, BudgetReached, CredentialsError, GateFailed):
            _print_losses(started.folder)
            raise
    summary = read_summary(result.folder)
    typer.echo("\n".join([*headline(started.config, summary), *spending_lines(result.spending), ""]))
    typer.echo("".join(f"{line}\n" for line in loss_lines(summary.stages)), nl=False)
    done = "nothing was left to do" if not result.ran else f"ran {', '.join(result.ran)}"
    typer.echo(f"{done}; {result.sent} model calls. Everything is in {result.folder}; begin with report.html there.")


def _print_losses(folder: Path) -> None:
    """Print the losses of the finished stages of a stopped run."""
    from amendment.results import read_summary
    from amendment.run.summary import loss_lines

    with suppress(ConfigError):  # none if it stopped at once
        for line in loss_lines(read_summary(folder).stages):
            typer.echo(line, err=True)


def _confirm() -> Callable[[str], bool] | None:
    """Return a function that asks a yes-or-no question; None without a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    return lambda question: typer.confirm(plain(question, longest=500), err=True)


@app.command(rich_help_panel=START)
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """Show what is done, what it cost, and what comes next.

    For a run that stopped, also why. Exits with 1 if the ledger is damaged or cannot be read.
    """
    from amendment.run.status import read_status, status_lines

    state = read_status(folder)
    show_result(state, status_lines(state), as_json=as_json)
    if state["damage"]:
        raise typer.Exit(1)


@app.command(rich_help_panel=MORE)
def doctor(as_json: AsJson = False) -> None:
    """Show what is installed and which keys are set.

    Never shows the value of a key.
    """
    from amendment.run.doctor import doctor_lines, examine

    machine = examine(os.environ)
    show_result(machine, doctor_lines(machine), as_json=as_json)


ledger = typer.Typer(cls=Group, no_args_is_help=True, help="Show what a run sent, received and paid.")
app.add_typer(ledger, name="ledger", rich_help_panel=MORE)

LedgerPath = Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A run's folder, or a ledger's file.")]
LONGEST = 4000
"""Characters of a request or a reply that are printed for people."""
MOST_OPEN = 20
"""Calls without a reply that are printed for people."""


@ledger.command("show")
def show_ledger(
    place: LedgerPath,
    request: Annotated[str | None, typer.Option(metavar="ID", help="One request with its reply.")] = None,
    stage: Annotated[str | None, typer.Option(metavar="STAGE", help="Only this stage.")] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check it against its hashes and spending.json; exit code 1 if it has changed."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show calls and spending by stage and model, and calls that may have been paid for without a reply."""
    if verify:
        if request or stage:
            raise ConfigError("ledger show --verify checks the whole ledger; leave --request and --stage out")
        _verify(place, as_json=as_json)
        return
    with _opened(place) as reader:
        content = _call(reader, request) if request else _calls(reader, stage)
    words = (f"{name}: {plain(str(text), longest=LONGEST)}" for name, text in content.items())
    show_result(content, words if request else _ledger_lines(content), as_json=as_json)


def _verify(place: Path, *, as_json: bool) -> None:
    from amendment.run.summary import less_than_spent

    left_out = (
        "times, faults, batches, names of models and hosts, costs that are higher or moved to another call, and "
        "content that was changed, exchanged or added together with its hash"
    )
    with _opened(place) as reader:
        damage = reader.damage()
        count, less = (0, []) if damage else (len(reader), less_than_spent(reader))
    if less is None:
        left_out += "; calls and costs, since there is no spending.json to compare them with"
    damage += less or ()
    verdict = f"{count:,} replies and their requests, all unchanged"
    lines = [plain(line, longest=LONGEST) for line in damage]
    lines += [f"{len(damage)} places are damaged" if damage else verdict, f"not checked: {left_out}"]
    show_result({"replies": count, "damage": damage, "not checked": left_out}, lines, as_json=as_json)
    if damage:
        raise typer.Exit(1)


def _opened(place: Path) -> Reader:
    from amendment.llm.ledger_reading import SHARDS, Reader

    if place.is_dir() and (shards := [*place.glob(SHARDS)]):
        left = f"{len(shards)} of {plain(str(place / SHARDS))}, of workers that are running or were killed"
        typer.echo(f"not read: {left}; amendment status counts them, and the next start takes them over", err=True)
    return Reader(place / "ledger.sqlite" if place.is_dir() else place)


def _call(reader: Reader, request: str) -> dict[str, str | None]:
    body = reader.body(request)
    reply = reader.find(request)
    if body is None:
        raise LedgerError(
            f"{reader.path}: found no request {plain(request)}; the records have the ids under origin, request"
        )
    return {
        "request": body.decode("utf-8", "replace"),
        "reply": None if reply is None else reply.decode("utf-8", "replace"),
    }


def _calls(reader: Reader, stage: str | None) -> dict[str, Any]:
    """Spending and open attempts, of one stage or of all, and all open batches and models that answered."""
    return {
        "replies": len(reader),
        "spending": [row._asdict() for row in reader.spending() if stage in (None, row.stage)],
        "open_attempts": [
            {**row._asdict(), "may_be_billed": row.may_be_billed}
            for row in reader.open_attempts()
            if stage in (None, row.stage)
        ],
        "batches": [row._asdict() for row in reader.batches()],
        "models": [row._asdict() for row in reader.models()],
    }


def _ledger_lines(content: dict[str, Any]) -> list[str]:
    lines = [f"{content['replies']} replies"]
    for row in content["spending"]:
        counts = [
            f"{row['attempts']} attempts, {row['replies']} replies",
            f"{row['input_tokens']} tokens in ({row['cached_tokens']} cached), {row['output_tokens']} out",
            f"{row['usd']:.4f} USD" + (f" and {row['unpriced']} replies without a price" if row["unpriced"] else ""),
            *(f"{count} {plain(kind)}" for kind, count in row["faults"].items()),
        ]
        place = " ".join(plain(row[name]) or "-" for name in ("stage", "model", "host"))
        lines.append(f"  {place}: {', '.join(counts)}")
    attempts = content["open_attempts"]
    if attempts:
        billed = " and may be billed" if any(row["may_be_billed"] for row in attempts) else ""
        lines.append(f"{len(attempts)} calls without a reply: they may have been sent{billed}")
    for row in attempts[:MOST_OPEN]:
        lines.append(f"  {plain(row['request'])} to {plain(row['model'])} at {plain(row['host'])}")
    if len(attempts) > MOST_OPEN:
        lines.append(f"  and {len(attempts) - MOST_OPEN} more")
    for row in content["batches"]:
        name = f"remote id {plain(row['remote'])}" if row["remote"] else "possibly never uploaded"
        lines.append(f"batch {row['number']} to {plain(row['model'])}: {len(row['attempts'])} requests, {name}")
    for row in content["models"]:
        if row["returned"] not in (None, row["asked"]):
            place = f"{plain(row['asked'])} at {plain(row['host'])}"
            lines.append(f"{place} answered as {plain(row['returned'])}, {row['replies']} replies")
    return lines
