"""Commands about what leaves a run's folder: publish it, export it, verify it or a copy of it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from amendment.cli._app import AsJson, app
from amendment.cli._endings import interruptible

__all__ = ["export", "publish", "verify"]

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")]


@app.command()
def publish(
    folder: RunFolder,
    *,
    repo: Annotated[str | None, typer.Option(metavar="ORG/NAME", help="The dataset's repository on the Hub.")] = None,
    license: Annotated[str | None, typer.Option(help="Of the dataset, as the Hub spells it; never guessed.")] = None,
    public: Annotated[bool, typer.Option("--public", help="For everybody to see; private by default.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Publish all trained models too: sft, dpo, rounds, reward_model.")
    ] = False,
    send: Annotated[bool, typer.Option("--push", help="Send it; without this, say what would be sent.")] = False,
    tag: Annotated[str | None, typer.Option(metavar="NAME", help="Name this version, such as v1.0.")] = None,
    allow_secrets: Annotated[
        bool,
        typer.Option("--allow-secrets", help="Publish although texts look like keys; never with keys of this machine."),
    ] = False,
    allow_license: Annotated[
        list[str] | None,
        typer.Option(metavar="LICENSE", help="Publish although a source under this license forbids it. Repeatable."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite a repository that another run published.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what would go to the Hub and write its card for looking at; with --push, send it.

    Repository and license come from `publish` in the run file, or from here.
    """
    from amendment.publishing.publication import plan_json, plan_lines, prepare, write_preview

    ready = prepare(folder, repo=repo, license=license, public=public, models=models, open_seal=_open_seal)
    written = write_preview(ready)
    if send:
        from amendment.publishing.push import push

        with interruptible(shlex.join(["amendment", *sys.argv[1:]])):
            pushed = push(
                ready,
                tag=tag,
                allow_secrets=allow_secrets,
                allow_licenses=allow_license or (),
                replace=replace,
                say=lambda text: typer.echo(text, err=True),
            )
        told = f"published {pushed.repo} at {pushed.commit}" + (f", tag {pushed.tag}" if pushed.tag else "")
        typer.echo(json.dumps(pushed._asdict(), indent=1) if as_json else told)
        return
    typer.echo(json.dumps(plan_json(ready), indent=1) if as_json else "\n".join(plan_lines(ready)))
    if not as_json:
        typer.echo(f"nothing was sent. The card is in {written / 'README.md'}; send it all with --push.")


def _open_seal(folder: Path) -> None:
    """Count that people's sealed labels leave the run; the same labels count once."""
    from amendment.calibration.labelling import SPOT_CHECK
    from amendment.calibration.store import Labels
    from amendment.hashing import content_id

    with Labels(SPOT_CHECK.labels_in(folder), read_only=True) as labels:
        labels.open_seal(content_id(["publish", labels.state()]))


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, or a copy of a published dataset.")],
    as_json: AsJson = False,
) -> None:
    """Compare every file and row with the manifest; exit code 1 when anything is missing, changed or added."""
    from amendment.publishing.verify import verification_lines
    from amendment.publishing.verify import verify as look

    result = look(folder)
    typer.echo(json.dumps(result.to_json(), indent=1) if as_json else "\n".join(verification_lines(result)))
    if not result.is_clean:
        raise typer.Exit(1)


@app.command()
def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="A folder for the files; it is made.")],
    format: Annotated[
        str, typer.Option(metavar="FORMAT", help="trl, kto, openrlhf, nemo, csv, jsonl or judge_sft.")
    ] = "trl",
    as_json: AsJson = False,
) -> None:
    """Write a run's dataset in the format of another trainer, or as a table for people.

    Says what the format cannot hold. People who rated appear as person-1, person-2 and so on.
    """
    from amendment.publishing.formats import export_lines, export_run

    result = export_run(folder, format, out)
    typer.echo(json.dumps(result.to_json(), indent=1) if as_json else "\n".join(export_lines(result)))
