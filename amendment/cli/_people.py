"""Commands about judges and people: audit a judge, let people label, calibrate, learn from disagreements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amendment.cli._app import JUDGES, AllowUnpriced, AsJson, Overrides, RunFolder, app, resumable, show_result
from amendment.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from amendment.people.certificate import Audited
    from amendment.people.labelling import LabelledSample


@app.command(rich_help_panel=JUDGES)
def audit(  # noqa: PLR0917 - typer makes options of them
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="Data files of one study; or a run file with `verdicts`, or a run's folder."
        ),
    ] = None,
    people: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Which raters are people: a name, a pattern such as 'expert_*', or a file of their labels. "
            "Repeatable.",
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE.yaml", help="Save the column mapping, to edit and audit again."),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the certificate; audits/NAME by default.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Print how many labels are needed, for one judge or those of FILE, a run file."),
    ] = False,
    looks: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="K", help="With --plan: audit K times, as labels come in.")
    ] = None,
) -> None:
    """Measure judges against people and against themselves.

    Reads existing verdicts and calls no model. Prints the certificate and writes certificate.json and certificate.md.
    For a run with probes it also shows how often harmless edits changed the verdict.
    """
    from amendment.text import plain

    if plan:
        typer.echo("\n".join(_planned(files or (), overrides or (), looks)))
        return
    if not files or looks:
        missing = "--looks is only for --plan; leave it out" if files else "name the files to audit, or add --plan"
        raise ConfigError(f"audit: {missing}")
    audited = audit_path(*files, people=people or (), folder=folder, written=write, overrides=overrides or ())
    if audited.guessed:
        named = ", ".join(map(plain, audited.guessed))
        typer.echo(
            f"{named}: columns recognised by their names and values. --write study.yaml saves the column mapping, to "
            "check and edit.",
            err=True,
        )
    written = f"Written to {audited.folder / 'certificate.md'} and certificate.json."
    show_result(audited.document, [*audited.lines, written], as_json=as_json)


def audit_path(
    *paths: Path,
    people: Sequence[str] = (),
    folder: Path | None = None,
    written: Path | None = None,
    overrides: Sequence[str] = (),
) -> Audited:
    """Audit data files together, or a run file (.yaml), or a run's folder."""
    from amendment.run import load_run_file
    from amendment.run.auditing import audit_data_files, audit_folder, audit_run_file
    from amendment.run.chain import run_tables
    from amendment.run.runfile.config import read_resolved

    path = next((path for path in paths if path.is_dir() or path.suffix in (".yaml", ".yml")), None)
    if path is None:
        if overrides:
            raise ConfigError(f"{paths[0]}: --set is only for a run file; leave it out")
        return audit_data_files(paths, people=people, folder=folder, written=written)
    if len(paths) > 1:
        raise ConfigError(f"{path}: a run file or a run's folder is audited alone; name only it, or only data files")
    if people or written:
        option = "--people" if people else "--write"
        raise ConfigError(f"{path}: {option} is only for data files; in a run file, write `people:` or `kind:`")
    if not path.is_dir():
        loaded = load_run_file(path, overrides)
        return audit_run_file(loaded.config, loaded.base, folder=folder)
    if overrides:
        raise ConfigError(f"{path}: --set is only for a run file; leave it out")
    if not (path / "run.yaml").is_file():
        raise ConfigError(
            f"{path}: not a run's folder (no run.yaml); expected a run's folder, a run file or a data file"
        )
    settings = read_resolved(path)
    return audit_folder(path, settings, run_tables(settings), folder=folder)


def _planned(files: Sequence[Path], overrides: Sequence[str], looks: int | None) -> Iterator[str]:
    """Return the plan of labels for the judges of a run file, and what it asks of them; without a file for one
    judge."""
    from amendment.audit.ceiling import Requirements
    from amendment.audit.planning import plan_lines
    from amendment.run import load_run_file
    from amendment.run.auditing import count_judges
    from amendment.stages.audit import find_requirements

    judges, asked = 1, Requirements()
    if len(files) > 1 or any(file.suffix not in (".yaml", ".yml") for file in files):
        raise ConfigError(f"audit --plan: found {files[0]}, expected a run file (.yaml), or none")
    for file in files:
        loaded = load_run_file(file, overrides)
        judges = count_judges(loaded.config, loaded.base)
        asked = find_requirements(loaded.config)
    return plan_lines(judges, asked._replace(looks=looks or asked.looks))


LOOPBACK = "127.0.0.1"


@app.command(rich_help_panel=JUDGES)
def label(  # noqa: PLR0917 - typer makes options of them
    folder: RunFolder,
    stage: Annotated[
        str,
        typer.Option(metavar="STAGE", help="spot_check, or evaluate: the comparisons that measure the run's policies."),
    ] = "spot_check",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the page; by default the last one used, if free.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address of this machine that the page is served on.")] = LOOPBACK,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Allow a --host that other machines reach, without TLS.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write the labels to a file; serve no page.")
    ] = None,
    questions: Annotated[
        bool, typer.Option("--questions", help="With --export: write the questions without labels, for another tool.")
    ] = False,
    comments: Annotated[bool, typer.Option("--comments", help="With --export: also write people's comments.")] = False,
    sealed: Annotated[
        bool,
        typer.Option("--sealed", help="With --export: also write sealed labels, which counts as opening the seal."),
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Import labels from a file; serve no page.")
    ] = None,
    rater: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Name of an annotator, who gets a link to the page. With --import: who labelled, if the file does not "
            "say; WRITTEN=NAME renames a name used in the file. Repeatable.",
        ),
    ] = None,
    forget: Annotated[
        str | None,
        typer.Option("--forget", metavar="NAME", help="Withdraw all labels of an annotator; serve no page."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="With --questions and a .json file: argilla or label-studio."),
    ] = None,
) -> None:
    """Let people label a run's sample in their browser.

    Serves the spot check, or the comparisons of the run's evaluation, until Ctrl-C or SIGTERM. Prints a link for each
    annotator (--rater, or as many as the run file sets) and for everyone who had one before. A link is one person's
    key: anyone who opens it labels under that name and no other. It stays valid when the page is started again. Another
    link is for the lead: progress, flags, comments and agreement. An acknowledged label is on disk;
    labelling resumes where it stopped.

    --export and --import exchange questions and answers with spreadsheets, Argilla and Label Studio. Exports contain
    pseudonyms only.
    """
    from amendment.people.labelling import find_sample
    from amendment.people.serving import serve_page

    asked = {"--export": export, "--import": file, "--forget": forget}
    others = [name for name, value in asked.items() if value is not None]
    _check_options(others, questions or comments or sealed, rater, form)
    is_about_page = allow_network or host != LOOPBACK or port is not None
    if is_about_page and others:
        raise ConfigError(
            "--host, --port and --allow-network work only with the page; leave them out with --export, --import or "
            "--forget"
        )
    sample = find_sample(stage)
    if forget is not None:
        _forget(folder, sample, forget)
        return
    if export is not None:
        _export(folder, sample, export, questions=questions, comments=comments, sealed=sealed, form=form)
        return
    if file is not None:
        _import(folder, sample, file, rater or [])
        return

    def ready(links: Mapping[str, str], lead: str, cautions: tuple[str, ...]) -> None:
        for name, url in links.items():
            typer.echo(f"{name}: {url}")
        typer.echo("Give each annotator their own link; it stays valid when the page is started again. Ctrl-C ends it.")
        typer.echo(f"For the lead only (progress, flags, comments and agreement): {lead}")
        for caution in cautions:
            typer.echo(caution, err=True)

    missing = serve_page(
        folder,
        sample,
        ready=ready,
        names=rater or [],
        host=host,
        port=port,
        allow_network=allow_network,
    )
    typer.echo(f"\n{_left(folder, sample, missing)}")


def _check_options(asked: Sequence[str], is_about_export: bool, rater: list[str] | None, form: str | None) -> None:
    """Refuse options that do not go together; `asked` are those that serve no page."""
    if len(asked) > 1:
        raise ConfigError(f"found {' and '.join(asked)}, expected one of them")
    if is_about_export and "--export" not in asked:
        raise ConfigError("--questions, --comments and --sealed work only with --export FILE")
    if rater and asked not in ([], ["--import"]):
        raise ConfigError("--rater works only with the page or with --import FILE")
    if form is not None and "--export" not in asked:
        raise ConfigError("--format works only with --export FILE --questions")


def _forget(folder: Path, sample: LabelledSample, name: str) -> None:
    from amendment.people.labelling import open_sample
    from amendment.people.store import Labels

    asked = open_sample(folder, sample)
    with Labels(asked.labels) as labels:
        known = sorted({label.annotator for label in labels.current()})
        if name not in known:
            raise ConfigError(f"--forget {name!r}: no labels under that name; annotators: {', '.join(known) or 'none'}")
        count = labels.forget(name)
    typer.echo(f"{_count(count, 'label')} of {name} withdrawn; the history in {asked.labels} keeps them.")
    typer.echo(_left(folder, sample, asked.missing()))


def _export(
    folder: Path,
    sample: LabelledSample,
    path: Path,
    *,
    questions: bool,
    comments: bool,
    sealed: bool,
    form: str | None,
) -> None:
    from amendment.people.exchange import export_labels, export_questions

    if questions:
        if comments or sealed:
            raise ConfigError("--comments and --sealed do not work with --questions, which leaves out all labels")
        sent = export_questions(folder, path, form=form, sample=sample)
        typer.echo(f"Written to {path}: {_count(sent.lines, 'item')} without labels.")
    else:
        sent = export_labels(folder, path, comments=comments, sealed=sealed, sample=sample)
        people = "1 person" if sent.people == 1 else f"{sent.people} people"
        about = "with comments" if comments else "without comments (--comments writes them too)"
        typer.echo(f"Written to {path}: {_count(sent.lines, 'label')} of {people} under pseudonyms, {about}.")
        if sent.left_out:
            typer.echo(f"Left out {_count(sent.left_out, 'label')} of an earlier sample.")
        if sent.sealed_left_out:
            left = f"Left out {_count(sent.sealed_left_out, 'sealed label')}"
            typer.echo(f"{left}; --sealed exports them too, and the certificate counts that as opening the seal.")
        if sent.with_sealed:
            typer.echo("Sealed labels are among them; the certificate counts this as opening the seal.", err=True)
    if sent.interface is not None:
        typer.echo(f"The labelling interface for Label Studio is in {sent.interface}.")


def _import(folder: Path, sample: LabelledSample, path: Path, rater: list[str]) -> None:
    from amendment.people.exchange import import_labels

    taken = import_labels(folder, path, raters=rater, sample=sample)
    people = f" of {taken.people} people" if taken.people > 1 else ""
    parts = [f"{_count(taken.new, 'new label')}{people}"]
    parts += [f"{taken.known} already here"] if taken.known else []
    typer.echo(f"{path}: {', '.join(parts)}.")
    typer.echo(_left(folder, sample, taken.missing))


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def _left(folder: Path, sample: LabelledSample, missing: int) -> str:
    if not missing:
        return "No labels are missing. Resume with: amendment run FILE"
    labels = "1 label is" if missing == 1 else f"{missing} labels are"
    return f"{labels} missing. Resume with: {sample.command(folder)}"


@app.command(rich_help_panel=JUDGES)
def calibrate(
    folder: RunFolder,
    as_json: AsJson = False,
) -> None:
    """Preview how well a run's judge agrees with people.

    Shows agreement, calibration, and how many labels are missing. Reads only open labels; certificate.md uses the
    sealed ones. Calls no model and writes nothing.
    """
    from amendment.people.gate import preview_labels

    preview = preview_labels(folder)
    show_result(preview.document, preview.lines, as_json=as_json)


@app.command(rich_help_panel=JUDGES)
def amend(  # noqa: PLR0917 - typer makes options of them
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, whose spot check is labelled.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Model of the run that proposes rules; the first judge's by default."),
    ] = None,
    proposals: Annotated[int, typer.Option(min=1, max=50, metavar="N", help="Test at most N rules.")] = 4,
    overrides: Overrides = None,
    allow_unpriced: AllowUnpriced = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the calls, their cost and what is sent where; send nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Propose rules where people and judge disagree.

    Makes a new version of the constitution, with evidence, and applies nothing. A model sees disagreements, with
    annotators' comments, and proposes rules. The run's first judge tests each rule on held-out labels, against the
    constitution alone and against a neutral question. Before any call, the command prints the calls, their cost and
    what is sent where. Sealed labels are not read. Writes evidence.json to DIR/amend, and constitution.yaml if a rule
    is accepted.
    """
    from amendment.run.amending import amend_run
    from amendment.run.progress import open_progress

    with resumable():
        amended = amend_run(
            folder,
            model=model,
            proposals=proposals,
            overrides=overrides or (),
            allow_unpriced=allow_unpriced,
            dry_run=dry_run,
            progress=open_progress(),
            tell=lambda line: typer.echo(line, err=True),
        )
    if amended is None:
        return
    written = "constitution.yaml and evidence.json" if amended.new else "evidence.json"
    last = f"{amended.sent} model calls. Written to {amended.folder}: {written}. Nothing was applied."
    show_result(amended.document, [*amended.lines, last], as_json=as_json)
