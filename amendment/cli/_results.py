"""Commands about results: publish a run, export it, verify it, evaluate it, score with a reward model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amendment.cli._app import MODELS, SHARE, AsJson, RunFolder, app, resumable, show_result
from amendment.errors import ConfigError

if TYPE_CHECKING:
    from amendment.data.sources import Source
    from amendment.run.scoring import Columns


@app.command(rich_help_panel=SHARE)
def publish(
    folder: RunFolder,
    *,
    repo: Annotated[str | None, typer.Option(metavar="ORG/NAME", help="The dataset's repository on the Hub.")] = None,
    license: Annotated[
        str | None, typer.Option(help="License of the dataset, as the Hub spells it; never guessed.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Make the repository public; private by default.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Also publish all trained models: sft, dpo, rounds, reward_model.")
    ] = False,
    send: Annotated[bool, typer.Option("--push", help="Send it; without this, show what would be sent.")] = False,
    tag: Annotated[str | None, typer.Option(metavar="NAME", help="Name this version, such as v1.0.")] = None,
    allow_secrets: Annotated[
        bool,
        typer.Option(
            "--allow-secrets",
            help="Publish even if a text looks like a key; a key set on this machine always stops it.",
        ),
    ] = False,
    allow_license: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LICENSE",
            help="Publish even if a source has this license, which forbids it or is unknown. Repeatable.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite a repository that another run published.")
    ] = False,
    sign: Annotated[
        Path | None, typer.Option(metavar="PRIVATE", help="Sign the manifest with this Ed25519 key.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Preview a publication; with --push, send it to the Hub.

    Writes the card for review. Repository and license come from `publish` in the run file, or from options.
    """
    from amendment.publishing.publication import plan_json, plan_lines, prepare, write_preview

    ready = prepare(folder, repo=repo, license=license, public=public, models=models, key=sign)
    written = write_preview(ready)
    if send:
        from amendment.publishing.push import push

        with resumable():
            pushed = push(
                ready,
                tag=tag,
                allow_secrets=allow_secrets,
                allow_licenses=allow_license or (),
                replace=replace,
                say=lambda text: typer.echo(text, err=True),
            )
        message = f"published {pushed.repo} at {pushed.commit}" + (f", tag {pushed.tag}" if pushed.tag else "")
        show_result(pushed._asdict(), [message], as_json=as_json)
        return
    unsent = f"nothing was sent. The card is in {written / 'README.md'}; send everything with --push."
    show_result(plan_json(ready), [*plan_lines(ready), unsent], as_json=as_json)


@app.command(rich_help_panel=SHARE)
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, or a copy of a published dataset.")],
    key: Annotated[
        Path | None, typer.Option(metavar="PUBLIC", help="Require a signature that this public Ed25519 key verifies.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="MANIFEST", help="Check against a copy of the manifest that you kept.")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="PRIVATE", help="If nothing has changed, sign it with this Ed25519 key.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every file and row against the manifest.

    Exits with 1 if anything is missing, changed or added, or if the signature is not valid. With --sign it then writes
    manifest.intoto.json, an in-toto statement that --key PUBLIC and other tools check.
    """
    from amendment.publishing.verify import verification_lines
    from amendment.publishing.verify import verify as look

    if sign:
        if key or against or as_json:
            raise ConfigError("verify --sign signs what is unchanged; leave --key, --against and --json out")
        _sign(folder, sign)
        return
    result = look(folder, key=key, against=against)
    show_result(result.to_json(), verification_lines(result), as_json=as_json)
    if not result.is_clean:
        raise typer.Exit(1)


def _sign(folder: Path, key: Path) -> None:
    """Sign the manifest of a finished run, after checking every file against it."""
    from amendment.errors import DataError
    from amendment.files import write_text
    from amendment.publishing.manifest import MANIFEST, SIGNATURE, read_manifest
    from amendment.publishing.signature import signed
    from amendment.publishing.verify import verification_lines
    from amendment.publishing.verify import verify as look
    from amendment.text import plain

    result = look(folder)
    if not result.is_clean:
        raise DataError("\n".join([*verification_lines(result), "nothing was signed; check these first"]))
    manifest = read_manifest(folder)
    if manifest["missing"] and not manifest.get("published"):
        raise DataError(
            f"{folder}: not finished; still to do: {', '.join(map(plain, manifest['missing']))}. Nothing was "
            "signed. Finish it with amendment run FILE, or take these stages out of the run file and run again"
        )
    write_text(folder / SIGNATURE, signed((folder / MANIFEST).read_bytes().decode(), key))
    typer.echo(f"{folder / SIGNATURE}: signed {result.files} files; others check it with your public key: verify --key")


@app.command(rich_help_panel=SHARE)
def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="A new or empty folder for the files.")],
    format: Annotated[
        str, typer.Option(metavar="FORMAT", help="trl, kto, openrlhf, nemo, csv, jsonl or judge_sft.")
    ] = "trl",
    as_json: AsJson = False,
) -> None:
    """Write a run's dataset in another format.

    For other trainers, or as a table for people. Reports what the format cannot represent. Human raters appear as
    person-1, person-2 and so on.
    """
    from amendment.publishing.formats import export_lines, export_run

    exported = export_run(folder, format, out)
    files = {str(path): rows for path, rows in exported.files.items()}
    result = {"format": format, "files": files, "left out": exported.left_out, "not held": exported.not_held}
    show_result(result, export_lines(format, exported), as_json=as_json)


Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a reward model.")]
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE", help="JSONL, JSON, CSV, TSV (also .gz) or Parquet.")
]
Dataset = Annotated[
    str | None, typer.Option(metavar="NAME", help="A dataset on the Hugging Face Hub, or a local folder: ./name.")
]
Config = Annotated[str | None, typer.Option(help="Configuration, if the dataset has several.")]
Split = Annotated[str | None, typer.Option(help="Split of the dataset; train by default.")]
Named = Annotated[
    str | None,
    typer.Option(
        metavar="KEY=COLUMN,...",
        help="Which column holds what. Keys: prompt; candidate, or chosen and rejected, or a and b (evaluate also "
        "takes votes); category; id. Join several columns with a plus sign. "
        "Without this option, columns are recognised.",
    ),
]


@app.command(rich_help_panel=MODELS)
def score(  # noqa: PLR0917 - typer makes options of them
    model: Model,
    files: Files = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the scores, .jsonl or .parquet; scores/NAME.jsonl by default.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="Score answers to this prompt.")] = None,
    answer: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="An answer to --prompt. Repeatable.")] = None,
    dataset: Dataset = None,
    config: Config = None,
    split: Split = None,
    columns: Named = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite an existing file of scores.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score texts, files and datasets with a reward model.

    Files hold candidates (prompt and candidate), pairs (chosen and rejected, or two answers), or lists of answers. For
    a pair it writes both scores and P(the first is better).
    """

    if prompt is not None or answer:
        if files or dataset or prompt is None:
            raise ConfigError("score: --prompt and --answer work only together and without files")
        _score_texts(model, prompt, answer or [], as_json=as_json)
        return
    from amendment.run.scoring import score_files

    sources = _sources(files or [], dataset=dataset, config=config, split=split)
    stem = sources[0].label.rstrip("/").split("/")[-1].split(".")[0] if sources else ""
    target = out or Path("scores") / f"{stem or 'scores'}.jsonl"
    scored = score_files(
        model,
        sources,
        target,
        columns=_columns(columns),
        replace=replace,
        progress=lambda done, total: (
            typer.echo(f"scored {done:,} of {total:,} rows", err=True) if sys.stderr.isatty() and not as_json else None
        ),
    )
    lines = [*_score_lines(scored.counts), f"The scores are in {scored.path}"]
    show_result({"out": str(scored.path), **scored.counts}, lines, as_json=as_json)


@app.command(rich_help_panel=MODELS)
def evaluate(  # noqa: PLR0917 - typer makes options of them
    model: Annotated[Path, typer.Argument(metavar="MODEL|DIR", help="The folder of a reward model, or of a run.")],
    files: Files = None,
    dataset: Dataset = None,
    config: Config = None,
    split: Split = None,
    columns: Named = None,
    people: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Raters of files of verdicts who are people. Repeatable."),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[POLICY.]PRINCIPLE<SHARE",
            help="Exit with code 1 if a smaller share of answers keeps the principle, or if the share was not "
            "measured. Repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a reward model, or show a run's evaluation.

    For a reward model: accuracy, agreement with people, best of n, style grid, RewardBench and RewardBench 2, and two
    baselines: the longer or the shorter answer, whichever is right more often, and, if the order is known, the first.
    The columns determine the layout; the command reads any file of pairs or verdicts that a run file can. For a run:
    the results of its stage evaluate; with --fail-if, for CI, only whether the last policy, or the named one, keeps a
    principle often enough. Calls no other model.
    """
    from amendment.run.conditions import is_run
    from amendment.run.scoring_evaluation import evaluate_files

    if is_run(model):
        if files or dataset or columns or people:
            raise ConfigError(f"{model}: found a run's folder, which takes no files; leave out files and their options")
        _evaluate_run(model, fail_if or [], as_json=as_json)
        return
    if fail_if:
        raise ConfigError(f"--fail-if: found {model} without summary.json, expected the folder of a finished run")

    sources = _sources(files or [], dataset=dataset, config=config, split=split)
    evaluated = evaluate_files(
        model,
        sources,
        columns=_columns(columns),
        people=people or (),
    )
    show_result(evaluated.document, evaluated.lines, as_json=as_json)


def _evaluate_run(folder: Path, texts: Sequence[str], *, as_json: bool) -> None:
    from amendment.report.render import markdown
    from amendment.run.conditions import check_conditions, conditions_in, read_evaluation

    conditions = conditions_in(texts)
    evaluate = read_evaluation(folder)
    results = check_conditions(conditions, evaluate)
    checked = {"conditions": [result._asdict() for result in results]} if results else {}
    lines = [result.line for result in results] or markdown(evaluate)
    show_result({**evaluate.to_json(), **checked}, lines, as_json=as_json)
    if any(result.failed for result in results):
        raise typer.Exit(1)


def _sources(files: Sequence[Path], *, dataset: str | None, config: str | None, split: str | None) -> list[Source]:
    from amendment.data.sources import Source

    if dataset is None and (config or split):
        raise ConfigError("--config and --split work only with --dataset; add it, or leave them out")
    sources = [Source(path=str(path)) for path in files]
    if dataset is not None:
        sources.append(Source(dataset=dataset, split=f"{config}/{split or 'train'}" if config else split))
    return sources


def _columns(text: str | None) -> Columns | None:
    from amendment.run.scoring import columns_in

    return None if text is None else columns_in(text)


def _score_texts(model: Path, prompt: str, answers: Sequence[str], *, as_json: bool) -> None:
    from amendment.run.scoring import score_texts
    from amendment.text import plain

    scores = score_texts(model, prompt, answers)
    lines = []
    for answer, value in zip(answers, scores["scores"], strict=True):
        shown = "no score: too long" if value is None else f"{value:.4f}"
        lines.append(f"{shown}  {plain(answer, longest=60)}")
    if scores.get("p_first") is not None:
        lines.append(f"P(the first is better) = {scores['p_first']:.3f}")
    show_result(scores, lines, as_json=as_json)


def _score_lines(counts: dict[str, Any]) -> list[str]:
    kinds = ", ".join(f"{count} {_NOUNS[kind]}" for kind, count in counts["kinds"].items())
    lines = [f"{counts['rows']} rows ({kinds}), {counts['answers']} answers"]
    if "score" in counts:
        of = counts["score"]
        lines.append(f"scores from {of['least']:.4f} to {of['most']:.4f}, mean {of['mean']:.4f}")
    if counts["answers over the length"]:
        lost = counts["answers over the length"]
        lines.append(f"{lost} answers have no score: they are over the model's length; see `reason`")
    return lines


_NOUNS = {"answer": "of one answer", "pair": "of a pair", "list": "of several answers"}
