"""Audits outside a run: data files, a run file that brings verdicts, a run's folder again. No model is asked.

Covered: what is read and where the certificate is written, of comparisons and of labels of single answers. Not covered:
the stage of a run (`amendment.stages.audit`), and the figures (`amendment.audit`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amendment.audit.inputs import AuditInputs, read_votes
from amendment.audit.probes import ProbeAnswers, probe_report
from amendment.audit.sections import probe_sections
from amendment.audit.single import read_labels
from amendment.audit.studies import describe_study
from amendment.audit.variants import probe_json, variant_agreements, variant_sections
from amendment.data.store import Workspace
from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.people.certificate import Audited, write_certificate, write_label_certificate
from amendment.preference.settings import JudgingConfig
from amendment.stages.audit import find_requirements, read_files, read_people, read_run, simulated_banner
from amendment.stages.contract import RunSettings
from amendment.stages.tables import RunTables
from amendment.yamlfile import parse_yaml, validate

PROBED = "probes/answers"


def audit_data_files(
    paths: Sequence[Path], *, people: Sequence[str] = (), folder: Path | None = None, written: Path | None = None
) -> Audited:
    """Audit data files together, as `describe_study` describes them; the description is saved as `written`.

    `people` are patterns of raters, or of files, that are people. Written into `folder`, audits/NAME by default. Raises
    DataError with everything that cannot be read and every question that is open, before anything is audited, and
    ConfigError where `written` exists.
    """
    name = (written or paths[0]).stem if written or len(paths) == 1 else "-".join(path.stem for path in paths)
    name = re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._")[:60].strip("-._") or "audit"
    if written and (written.exists() or written.suffix not in (".yaml", ".yml")):
        found = "exists already" if written.exists() else "expected a name that ends in .yaml"
        raise ConfigError(f"--write {written}: {found}; choose another name")
    study = describe_study(paths, people=people, name=name, base=written.parent if written else None)
    if written:
        write_text(written, study.text)
    study.check(written)
    settings = validate(parse_yaml(study.text, str(written or "the description")), RunSettings)
    folder = folder or Path("audits") / (paths[0].name if len(paths) == 1 and not written else name)
    audited = audit_run_file(settings, written.parent if written else Path(), folder=folder, is_guessed=True)
    return audited._replace(
        guessed=() if written else tuple(dict.fromkeys(file.table.place for file in study.files if file.why))
    )


def audit_run_file(
    settings: RunSettings, base: Path, *, folder: Path | None = None, is_guessed: bool = False
) -> Audited:
    """Audit the verdicts and pairs that a run file in the folder `base` brings; the verdicts of a run's judges lie
    in its folder. `is_guessed` says that nobody has confirmed the description. Raises ConfigError and DataError as
    `audit_data_files`."""
    folder = folder or Path("audits") / settings.name
    if any(source.scale != "pair" for source in settings.verdicts):
        return _write_labels(settings, base, folder)
    return _write_outside(read_files(settings, base), folder, settings, is_guessed=is_guessed)


def count_judges(settings: RunSettings, base: Path) -> int:
    """Return how many judges an audit of this run file measures together. Raises ConfigError where there is none, and
    DataError as `audit_data_files`."""
    if any(source.scale != "pair" for source in settings.verdicts):
        raise ConfigError(f"{settings.name}: labels of single answers; only comparisons of two answers can be planned")
    judging = settings.part(JudgingConfig)
    votes = read_votes(settings, base).votes if settings.verdicts or settings.pairs else []
    named = {vote.rater for vote in votes if vote.kind not in ("person", "truth")}
    judges = len(named) + (len(judging.every_judge) if judging else 0)
    if not judges:
        raise ConfigError(f"{settings.name}: has no judge to plan for; add judging, or a judge's verdicts")
    return judges


def audit_folder(run: Path, settings: RunSettings, tables: RunTables, *, folder: Path | None = None) -> Audited:
    """Audit a run's folder again, which stays as it is, and show what its probes found; `tables` are those of its run
    file. Raises ConfigError where it holds no verdicts."""
    workspace = Workspace(run)
    is_probed = PROBED in tables and workspace.path(PROBED).is_file()
    probes = workspace.read(PROBED, ProbeAnswers) if is_probed else []
    inputs = read_run(workspace, settings, tables)
    report = probe_report(probes)
    variants = variant_agreements(probes)
    return _write_outside(
        inputs,
        folder or Path("audits") / settings.name,
        settings,
        people=read_people(workspace, settings),
        parts={"probes": probes and probe_json(report, variants)},
        chapters=[*probe_sections(report), *variant_sections(variants)],
    )


def _write_outside(inputs: AuditInputs, folder: Path, settings: RunSettings, **sections: Any) -> Audited:
    if (folder / "stages").is_dir():
        raise ConfigError(f"{folder}: a run's folder, whose certificate its stage audit makes; choose another --folder")
    _, audited = write_certificate(
        inputs,
        folder,
        name=settings.name,
        seed=settings.seed,
        asked=find_requirements(settings),
        simulated=simulated_banner(settings),
        **sections,
    )
    return audited


def _write_labels(settings: RunSettings, base: Path, folder: Path) -> Audited:
    """Audit labels of single answers, and write both files."""
    if settings.min_agreement is not None or any(
        source.kind == "truth" or source.despite or source.drawn for source in settings.verdicts
    ):
        message = "labels of single answers are compared with people; kind: truth, min_agreement, despite and drawn are"
        raise ConfigError(f"{settings.name}: {message} for pairs alone, so leave them out")
    return write_label_certificate(read_labels(settings, base), folder, find_requirements(settings))
