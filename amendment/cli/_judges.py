"""Commands about judges: the folders of text that say how a model is asked."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from amendment.cli._app import AsJson, app

__all__ = ["diff", "judges", "list_judges", "show"]

judges = typer.Typer(no_args_is_help=True, help="List, show and compare judges: folders of text that name no model.")
app.add_typer(judges, name="judge")

Name = Annotated[str, typer.Argument(help="A shipped id or a path.")]


@judges.command("list")
def list_judges(as_json: AsJson = False) -> None:
    """List the judges that are shipped."""
    from amendment.preference import judge_values, load_judge_folder, shipped_judges

    found = [load_judge_folder(name) for name in shipped_judges()]
    if as_json:
        _print_json([judge_values(one) for one in found])
        return
    width = max(len(one.id) for one in found)
    for one in found:
        needs = "token probabilities needed" if one.needs_choices else ""
        typer.echo(f"{one.id:{width}}  {one.version:8} {one.unit:7} {one.scale:8} {needs}".rstrip())


@judges.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a judge: its protocol, its texts, and its content hash."""
    from amendment.preference import judge_lines, judge_values, load_judge_folder

    folder = load_judge_folder(name)
    if as_json:
        _print_json(judge_values(folder))
    else:
        _tell(judge_lines(folder))


@judges.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A shipped id or a path.")],
    after: Annotated[str, typer.Argument(metavar="B", help="What it is compared with: an id or a path.")],
    as_json: AsJson = False,
) -> None:
    """Say what leads from one judge to another, line by line. Ends with 0 whether they differ or not."""
    from amendment.preference import diff_judges, load_judge_folder

    one, other = load_judge_folder(before), load_judge_folder(after)
    lines = diff_judges(one, other)
    if as_json:
        _print_json({"is_empty": not lines, "hashes": [one.hash, other.hash], "lines": lines})
    else:
        _tell(lines or ["both say the same"])


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _tell(lines: list[str]) -> None:
    """A folder's words may come from anybody, so that they are printed as plain text."""
    from amendment.terminal import plain

    for line in lines:
        typer.echo(plain(line, longest=20_000))
