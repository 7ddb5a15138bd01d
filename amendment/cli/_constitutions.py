"""Commands about constitutions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amendment.cli._app import AsJson, app

if TYPE_CHECKING:
    from amendment.constitutions import Constitution, Principle

__all__ = ["constitutions", "import_", "lint", "list_constitutions", "show"]

constitutions = typer.Typer(no_args_is_help=True, help="List, show, check and import constitutions.")
app.add_typer(constitutions, name="constitution")


@constitutions.command("list")
def list_constitutions(as_json: AsJson = False) -> None:
    """List the constitutions that are shipped."""
    from amendment.constitutions import load_constitution, shipped

    loaded = [load_constitution(name) for name in shipped()]
    if as_json:
        _print_json([_brief(constitution) for constitution in loaded])
        return
    width = max(len(constitution.id) for constitution in loaded)
    for each in loaded:
        head = f"{each.id:{width}}  {each.version:8} {len(each.principles):3} principles  {each.license}"
        typer.echo(f"{head}  {each.title}")


def _brief(constitution: Constitution) -> dict[str, Any]:
    tags = sorted({tag for principle in constitution.principles for tag in principle.tags})
    head = constitution.model_dump(include={"id", "version", "title", "license"})
    return {**head, "principles": len(constitution.principles), "tags": tags, "hash": constitution.content_hash}


@constitutions.command()
def show(
    name: Annotated[str, typer.Argument(help="A shipped id or a path.")],
    principle: Annotated[str | None, typer.Option(metavar="ID", help="All that one principle says.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a constitution as YAML, its parents' principles among its own, below its content hash."""
    from amendment.constitutions import constitution_yaml, load_constitution

    constitution = load_constitution(name)
    part = constitution if principle is None else _principle(constitution, principle)
    if as_json:
        _print_json(part.model_dump(mode="json", exclude_none=True))
    else:
        typer.echo(f"# {constitution.reference}\n{constitution_yaml(part)}", nl=False)


def _principle(constitution: Constitution, id: str) -> Principle:
    from amendment.errors import ConfigError
    from amendment.yamlfile import did_you_mean

    try:
        return constitution.principle(id)
    except KeyError:
        ids = [principle.id for principle in constitution.principles]
        known = f"{did_you_mean(id, ids)}; it has {', '.join(ids)}"
        raise ConfigError(f"{constitution.id} has no principle '{id}'{known}") from None


@constitutions.command()
def lint(name: Annotated[str, typer.Argument(help="A path, or a shipped id.")], as_json: AsJson = False) -> None:
    """Name everything that is wrong or doubtful about a constitution, with its place."""
    from amendment.constitutions import lint_file
    from amendment.terminal import plain

    findings = lint_file(name)
    if as_json:
        _print_json([finding._asdict() for finding in findings])
    for finding in findings if not as_json else ():
        place = f"{finding.place}: " if finding.place else ""
        typer.echo(plain(f"{finding.level}: {place}{finding.message}", longest=2000))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(2)
    if not as_json:
        typer.echo(f"{plain(name)}: {'all is well' if not findings else 'no errors'}")


@constitutions.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Your copy of the files.")],
    *,
    id: Annotated[str, typer.Option(help="Name of the new constitution.")],
    license: Annotated[str, typer.Option(help="SPDX id under which you may use the texts; never guessed.")],
    out: Annotated[Path, typer.Option(help="The YAML file to write.")],
    title: Annotated[str | None, typer.Option(help="Title of the new constitution; made of its id.")] = None,
    document: Annotated[str | None, typer.Option(help="Where the texts come from; the files' names.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what stands there.")] = False,
) -> None:
    """Make a constitution of the Constitutional AI paper's prompt files, or of llm-swarm's. Lists what is left out."""
    from amendment.constitutions import import_constitution, write_constitution
    from amendment.terminal import plain

    imported = import_constitution(files, id=id, license=license, title=title, document=document)
    write_constitution(imported.constitution, out, replace=force)
    for part in imported.not_taken:
        typer.echo(plain(f"left out: {part}", longest=2000), err=True)
    shots = imported.constitution.few_shot
    examples = f"{len(shots.critique)} critiques, {len(shots.revise)} revisions, {len(shots.compare)} comparisons"
    typer.echo(f"{out}: {len(imported.constitution.principles)} principles; worked examples: {examples}")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
