"""Commands about what is shipped: constitutions, judges, and the simulated world."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amendment.cli._app import MORE, AsJson, Group, app

if TYPE_CHECKING:
    from amendment.constitutions import Constitution, Principle
    from amendment.llm.specs import SimulatedSpec

OrNone = Annotated[
    str | None, typer.Argument(metavar="NAME", help="A shipped id or a path; without it the shipped ones are listed.")
]

constitutions = typer.Typer(cls=Group, no_args_is_help=True, help="Show and import constitutions.")
app.add_typer(constitutions, name="constitution", rich_help_panel=MORE)


def _list_constitutions(*, as_json: bool) -> None:
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


@constitutions.command("show")
def show_constitution(
    name: OrNone = None,
    principle: Annotated[str | None, typer.Option(metavar="ID", help="Show one principle in full.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a constitution as YAML, with its parents' principles and its content hash, or list the shipped ones."""
    from amendment.constitutions import constitution_yaml, load_constitution

    if name is None:
        _list_constitutions(as_json=as_json)
        return
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
        hint = f"{did_you_mean(id, ids)}; it has {', '.join(ids)}"
        raise ConfigError(f"{constitution.id} has no principle '{id}'{hint}") from None


def lint(name: str) -> None:
    """Report every error and warning in a constitution, with its place."""
    from amendment.constitutions import lint_file
    from amendment.text import plain

    findings = lint_file(name)
    for finding in findings:
        place = f"{finding.place}: " if finding.place else ""
        typer.echo(plain(f"{finding.level}: {place}{finding.message}", longest=2000))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(2)
    typer.echo(f"{plain(name)}: {'no problems' if not findings else 'no errors'}")


@constitutions.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Your copy of the files.")],
    *,
    id: Annotated[str, typer.Option(help="Name of the new constitution.")],
    license: Annotated[str, typer.Option(help="SPDX id under which you may use the texts; never guessed.")],
    out: Annotated[Path, typer.Option(help="The YAML file to write.")],
    title: Annotated[str | None, typer.Option(help="Title; made from the id by default.")] = None,
    document: Annotated[str | None, typer.Option(help="Origin of the texts; the file names by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Make a constitution from prompt files of the Constitutional AI paper or llm-swarm. Lists what it leaves out."""
    from amendment.constitutions import import_constitution, write_constitution
    from amendment.text import plain

    imported = import_constitution(files, id=id, license=license, title=title, document=document)
    write_constitution(imported.constitution, out, replace=force)
    for part in imported.not_taken:
        typer.echo(plain(f"left out: {part}", longest=2000), err=True)
    shots = imported.constitution.few_shot
    examples = f"{len(shots.critique)} critiques, {len(shots.revise)} revisions, {len(shots.compare)} comparisons"
    typer.echo(f"{out}: {len(imported.constitution.principles)} principles; worked examples: {examples}")


judges = typer.Typer(cls=Group, no_args_is_help=True, help="Show and copy judges; a judge is a folder of text files.")
app.add_typer(judges, name="judge", rich_help_panel=MORE)


def _list_judges(*, as_json: bool) -> None:
    from amendment.preference import load_judge_folder, shipped_judges
    from amendment.preference.folder import judge_values

    folders = [load_judge_folder(name) for name in shipped_judges()]
    if as_json:
        _print_json([judge_values(folder) for folder in folders])
        return
    width = max(len(folder.id) for folder in folders)
    for folder in folders:
        needs = "token probabilities needed" if folder.protocol.needs_choices else ""
        needs = "log-probabilities of given answers needed" if folder.protocol.needs_scores else needs
        typer.echo(f"{folder.id:{width}}  {folder.version:8} {folder.unit:7} {folder.scale:8} {needs}".rstrip())


@judges.command("show")
def show_judge(
    name: OrNone = None,
    copy: Annotated[
        Path | None, typer.Option("--copy", metavar="DIR", help="Copy its folder there, to edit its texts.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a judge: its protocol, its texts, and its content hash; or list the shipped ones."""
    from amendment.errors import ConfigError
    from amendment.preference import load_judge_folder
    from amendment.preference.folder import copy_judge_folder, judge_lines, judge_values
    from amendment.text import plain

    if name is None:
        if copy:
            raise ConfigError("judge show --copy: name the judge to copy, such as verdict")
        _list_judges(as_json=as_json)
    elif copy:
        written = copy_judge_folder(name, copy)
        typer.echo(f"wrote {', '.join(path.name for path in written)} to {plain(str(copy))}")
        typer.echo(plain(f"In a run file, name the folder by its path relative to that file: protocol: ./{copy.name}"))
    elif as_json:
        _print_json(judge_values(load_judge_folder(name)))
    else:
        _print_plain(judge_lines(load_judge_folder(name)))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _print_plain(lines: list[str]) -> None:
    """Print as plain text: a folder's text may come from anybody."""
    from amendment.text import plain

    for line in lines:
        typer.echo(plain(line, longest=20_000))


lilliput = typer.Typer(
    cls=Group, no_args_is_help=True, help="Serve the simulated world, where the right answers are known."
)
app.add_typer(lilliput, name="lilliput", rich_help_panel=MORE)

_SET = "Override one value of the file or, without a file, of the one served model, such as biases.position=0.7."


@lilliput.command()
def serve(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A run file: its simulated models are served.")
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help=_SET)] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 takes any free port.")] = 8377,
) -> None:
    """Serve simulated models over OpenAI's chat protocol, on this machine only, until Ctrl-C or SIGTERM.

    Prints the base URL first, then the `models` entries for a run file that calls them over HTTP.
    """
    from amendment.llm.simulated import model_entries, serve_world

    specs = _in_file(file, overrides or ()) if file else _by_itself(overrides or ())

    def ready(base_url: str) -> None:
        typer.echo(f"{base_url}\n\n# Lilliput, simulated, over OpenAI's protocol. For a run file:")
        typer.echo(model_entries(specs, base_url))

    answered = serve_world(specs, port=port, ready=ready)
    typer.echo(f"\nstopped after answering {answered} requests")


def _in_file(file: Path, overrides: Sequence[str]) -> dict[str, SimulatedSpec]:
    """Return the simulated models of a run file. Raises ConfigError where there is none."""
    from amendment.errors import ConfigError
    from amendment.llm.specs import SimulatedSpec
    from amendment.run.checks import load_run_file

    models = load_run_file(file, overrides).config.models
    simulated = {name: spec for name, spec in models.items() if isinstance(spec, SimulatedSpec)}
    if not simulated:
        raise ConfigError(f"{file}: models: found none with provider: simulated; add one, or leave out the file")
    return simulated


def _by_itself(overrides: Sequence[str]) -> dict[str, SimulatedSpec]:
    """Return one simulated model that no run file describes."""
    from amendment.llm.specs import SimulatedSpec
    from amendment.run.runfile.overrides import override
    from amendment.yamlfile import parse_yaml, validate

    document = parse_yaml("provider: simulated", "the served model")
    for text in overrides:
        document = override(document, text)
    return {"simulated": validate(document, SimulatedSpec)}
