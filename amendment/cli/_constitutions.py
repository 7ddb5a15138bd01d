"""Commands about constitutions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from amendment.cli._app import AsJson, app

if TYPE_CHECKING:
    from amendment.constitutions import Constitution, Finding, Principle

__all__ = ["constitutions", "diff", "export", "import_", "lint", "list_constitutions", "show"]

MOST_WARNINGS = 10
"""Of the linter, after an import; the rest is counted."""

constitutions = typer.Typer(no_args_is_help=True, help="List, show, check, compare, import and export constitutions.")
app.add_typer(constitutions, name="constitution")

Name = Annotated[str, typer.Argument(help="A shipped id or a path.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what stands there.")]


@constitutions.command("list")
def list_constitutions(as_json: AsJson = False) -> None:
    """List the constitutions that are shipped."""
    from amendment.constitutions import load_constitution, shipped

    found = [load_constitution(name) for name in shipped()]
    if as_json:
        _print_json([_brief(one) for one in found])
        return
    width = max(len(one.id) for one in found)
    for one in found:
        head = f"{one.id:{width}}  {one.version:8} {len(one.principles):3} principles  {one.license}"
        typer.echo(f"{head}  {one.title}")


def _brief(one: Constitution) -> dict[str, Any]:
    tags = sorted({tag for principle in one.principles for tag in principle.tags})
    head = {"id": one.id, "version": one.version, "title": one.title, "license": one.license}
    return {**head, "principles": len(one.principles), "tags": tags, "hash": one.content_hash}


@constitutions.command()
def show(
    name: Name,
    principle: Annotated[str | None, typer.Option(metavar="ID", help="All that one principle says.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a constitution: its principles, why they are there, and its content hash."""
    from amendment.constitutions import constitution_lines, load_constitution, principle_lines

    one = load_constitution(name)
    part = None if principle is None else _principle(one, principle)
    if as_json:
        _print_json((part or one).model_dump(mode="json", exclude_none=True))
    else:
        typer.echo("\n".join(principle_lines(part) if part else constitution_lines(one)))


def _principle(one: Constitution, id: str) -> Principle:
    from amendment.errors import ConfigError
    from amendment.yamlfile import did_you_mean

    try:
        return one.principle(id)
    except KeyError:
        ids = [principle.id for principle in one.principles]
        raise ConfigError(f"{one.id} has no principle '{id}'{did_you_mean(id, ids)}; it has {', '.join(ids)}") from None


@constitutions.command()
def lint(name: Annotated[str, typer.Argument(help="A path, or a shipped id.")], as_json: AsJson = False) -> None:
    """Name everything that is wrong or doubtful about a constitution, with its place."""
    from amendment.constitutions import lint_file
    from amendment.terminal import plain

    findings = lint_file(name)
    if as_json:
        _print_json([one._asdict() for one in findings])
    for one in findings if not as_json else ():
        told = f"{one.level}: {one.place}: {one.message}" if one.place else f"{one.level}: {one.message}"
        typer.echo(plain(told, longest=2000))
    if any(one.level == "error" for one in findings):
        raise typer.Exit(2)
    if not as_json:
        typer.echo(f"{plain(name)}: {'all is well' if not findings else 'no errors'}")


@constitutions.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A shipped id or a path.")],
    after: Annotated[str, typer.Argument(metavar="B", help="What it is compared with: an id or a path.")],
    as_json: AsJson = False,
) -> None:
    """Say what leads from one constitution to another: principles added, removed, renamed, moved, changed word by word.

    Ends with 0 whether they differ or not; the JSON has `is_empty`.
    """
    from amendment.constitutions import diff as compare
    from amendment.constitutions import diff_lines, load_constitution

    found = compare(load_constitution(before), load_constitution(after))
    if as_json:
        _print_json(found.to_json())
    else:
        typer.echo("\n".join(diff_lines(found)))


@constitutions.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Your copy of the files.")],
    *,
    id: Annotated[str, typer.Option(help="Name of the new constitution.")],
    license: Annotated[str, typer.Option(help="SPDX id under which you may use the texts; never guessed.")],
    out: Annotated[Path, typer.Option(help="The YAML file to write.")],
    format: Annotated[
        Literal["auto", "cai-paper", "huggingface", "statements"],
        typer.Option(help="What the files are; told by what they hold."),
    ] = "auto",
    title: Annotated[str | None, typer.Option(help="Title of the new constitution; made of its id.")] = None,
    document: Annotated[str | None, typer.Option(help="Where the texts come from; the files' names.")] = None,
    column: Annotated[str | None, typer.Option(help="Column of the statements in a table.")] = None,
    force: Force = False,
) -> None:
    """Make a constitution of other people's files: the Constitutional AI paper's, Hugging Face's, or statements."""
    from amendment.constitutions import import_constitution, write_constitution

    made = import_constitution(
        files, id=id, license=license, format=format, title=title, document=document, column=column
    )
    write_constitution(made.constitution, out, replace=force)
    _tell([*(f"note: {note}" for note in made.notes), *_warnings(made.findings, out)])
    shots = made.constitution.few_shot
    examples = f"{len(shots.critique)} critiques, {len(shots.revise)} revisions, {len(shots.compare)} comparisons"
    typer.echo(f"{out}: {len(made.constitution.principles)} principles; worked examples: {examples}")


def _warnings(findings: Sequence[Finding], out: Path) -> list[str]:
    told = [f"{one.level}: {one.place}: {one.message}" for one in findings[:MOST_WARNINGS]]
    rest = len(findings) - len(told)
    return [*told, *([f"and {rest} more; see amendment constitution lint {out}"] if rest else [])]


@constitutions.command()
def export(
    name: Name,
    format: Annotated[
        Literal["cai-paper", "huggingface", "statements", "json"], typer.Option(help="The format to write.")
    ],
    out: Annotated[
        Path, typer.Option(help="The folder of the paper's files, else the file; statements as .csv, .json or text.")
    ],
    force: Force = False,
) -> None:
    """Write a constitution in another format. What that cannot hold is left out and named."""
    from amendment.constitutions import export_constitution, load_constitution

    done = export_constitution(load_constitution(name), format, out, replace=force)
    _tell(f"left out: {each}" for each in done.left_out)
    typer.echo("\n".join(str(path) for path in done.files))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _tell(lines: Iterable[str]) -> None:
    """To the standard error stream, so that the output stays what was asked for."""
    from amendment.terminal import plain

    for line in lines:
        typer.echo(plain(line, longest=2000), err=True)
