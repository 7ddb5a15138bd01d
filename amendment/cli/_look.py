"""Commands that look at what a run has made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amendment.cli._app import LOOK, AsJson, app, prepare_memory, shell_path
from amendment.errors import ConfigError
from amendment.text import plain

if TYPE_CHECKING:
    from amendment.report import PromptStory, RunReader

LISTED = 20
"""Prompts that a table lists."""


@app.command(rich_help_panel=LOOK)
def show(  # noqa: PLR0917 - typer makes options of them
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, finished or not.")],
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="The number, id or item of a prompt, or several.")
    ] = None,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="List only prompts on which judges or people disagree.")
    ] = False,
    wrong: Annotated[
        bool, typer.Option("--wrong", help="List only prompts on which a judge contradicts the majority of people.")
    ] = False,
    flipped: Annotated[
        bool,
        typer.Option(
            "--flipped", help="List only prompts where a judge's preference changed with the order of the answers."
        ),
    ] = False,
    invalid: Annotated[
        bool,
        typer.Option(
            "--invalid",
            help="List only prompts with an unreadable verdict, and the last replies of a stage that has not finished.",
        ),
    ] = False,
    unsolved: Annotated[
        bool, typer.Option("--unsolved", help="List only prompts to which no answer passes the run's verifiers.")
    ] = False,
    grep: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="List only prompts whose story contains this text; upper and lower case count as the same.",
        ),
    ] = None,
    random: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Show N prompts, drawn with the run's seed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List a run's prompts, or show the whole story of one.

    A story has answers, outcomes of verifiers, critiques, verdicts in both orders, label and pair. With several
    filters, a prompt must match all of them. --random N shows the stories of N prompts. A stage is shown once it is
    done. Calls no model.
    """
    from amendment.report import Records, RunReader
    from amendment.report.show import story_lines

    wishes = {"disputed": disputed, "wrong": wrong, "flipped": flipped, "invalid": invalid, "unsolved": unsolved}
    wished = [name for name, is_on in wishes.items() if is_on]
    filters = [*wished, *([f"with {plain(grep)!r}"] if grep else [])]
    if prompts and (filters or random):
        raise ConfigError("show: found prompts and a filter; name prompts, or leave them out and filter")
    prepare_memory()
    reader = RunReader(folder)
    if prompts:
        stories = reader.prompts([reader.find(name) for name in prompts])
    elif filters:
        stories = Records(
            story
            for story in reader.prompts()
            if all(getattr(story, name) for name in wished) and (not grep or story.mentions(grep))
        )
        if random:
            drawn = set(reader.drawn([story.id for story in stories], random))
            stories = Records(story for story in stories if story.id in drawn)
    elif random or as_json:
        stories = reader.prompts(reader.drawn(reader.prompt_ids, random) if random else None)
    else:
        stories = reader.prompts(reader.prompt_ids[:LISTED])
    if as_json:
        for story in stories:
            typer.echo(json.dumps(story.to_json(), allow_nan=False))
    elif stories and (prompts or random):
        total = reader.own_prompts
        has_dataset = "dataset" in reader.done
        for number, story in enumerate(stories):
            _print([*([""] if number else []), *story_lines(story, total=total, has_dataset=has_dataset)])
    else:
        count = len(stories) if filters else len(reader.prompt_ids)
        _print(_table(reader, stories, count, filters))


def _table(reader: RunReader, stories: Sequence[PromptStory], count: int, filters: Sequence[str]) -> Iterator[str]:
    """Yield the first of the prompts, with what else there is."""
    from amendment.report.show import reply_lines, table_lines

    place = shell_path(reader.folder)
    which = (
        f"{count:,} of {len(reader.prompt_ids):,} prompts ({' and '.join(filters)})" if filters else reader.count_shown
    )
    yield f"{plain(reader.name)}: {which}"
    if stories:
        yield from table_lines(stories[:LISTED], is_done=not reader.to_do)
        if count > LISTED:
            yield f"and {count - LISTED:,} more; narrow them with a filter, or list all with --json"
        yield ""
        yield f"The story of one: amendment show {place} {stories[0].number}"
    elif "disputed" in filters:
        every = reader.prompts()
        voices = {verdict.rater for story in every for verdict in story.verdicts}
        voices |= {pair.decided_by for story in every for pair in story.pairs if pair.decided_by != "judge"}
        if len(voices) < 2:
            yield f"{'Only one rater has' if voices else 'Nobody has'} judged, so nobody can disagree."
    if reader.out_of_date:
        yield f"Left out, since settings or inputs have changed: {plain(', '.join(reader.out_of_date))}. Run it again."
    if reader.to_do:
        yield f"Not done yet: {plain(', '.join(reader.to_do))}. A stage is shown once it is done."
    if "invalid" in filters and (last := reader.last_replies(LISTED)):
        stage, replies = last
        yield from reply_lines(stage, replies)
        yield f"To see a reply with its question: amendment ledger show {place} --request {replies[-1][0]}"


def _print(lines: Iterable[str]) -> None:
    """Print lines, headings bold where a terminal shows it."""
    for line in lines:
        typer.echo(typer.style(line, bold=True) if line and not line.startswith(" ") else line)


@app.command(rich_help_panel=LOOK)
def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="The folder of a run or an audit, or two to compare.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write; report.html in DIR by default.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write a report as one HTML file.

    It has the conclusion, the gates, all figures with plots, and samples with their stories; it loads nothing from
    elsewhere, so it can be shared as one file. Two folders are shown side by side. Calls no model.
    """
    from amendment.report.page import write_report

    path = write_report(folders, out)
    typer.echo(f"Written to {plain(str(path), longest=2000)}.")
    if open_:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            typer.echo("No browser could be opened; open the file yourself.", err=True)
