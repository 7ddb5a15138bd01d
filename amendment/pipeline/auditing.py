"""An audit: verdicts in, a certificate out, from files of one's own or from what a run has judged.

Covered: data files whose shape is recognised, run files with `verdicts` or pairs that people voted on, folders
of runs. No model is asked. Not covered: the figures themselves; see `calibration`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment import __version__
from amendment.calibration import Certificate, audit, certificate_lines
from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.markdown import table
from amendment.pipeline.audit_inputs import AuditInputs, read_votes, source_of, votes_of_run
from amendment.pipeline.checks import load_run_file
from amendment.pipeline.config import RunFile
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Made, Workspace
from amendment.pipeline.judging_stages import candidate_tables
from amendment.records import Candidate, Prompt, Verdict
from amendment.terminal import plain

__all__ = ["Audited", "audit_path", "make_certificate"]

NAMES = ("certificate.json", "certificate.md")
CANDIDATES = ("inputs/candidates", "critique/candidates", "candidates/candidates")
VERDICTS = ("inputs/verdicts", "judging/verdicts")


class Audited(NamedTuple):
    """A certificate as it was written."""

    certificate: Certificate
    folder: Path
    document: dict[str, Any]
    """The content of `certificate.json`."""
    lines: list[str]
    """The content of `certificate.md`."""


def audit_path(
    path: Path,
    *,
    people: Sequence[str] = (),
    folder: Path | None = None,
    overrides: Sequence[str] = (),
) -> Audited:
    """Audit what lies at a path: a run's folder, a run file (.yaml), or a data file of a shape that is recognised.

    `people` are patterns of raters who are people, for data files that do not say so. The certificate is written
    into the run's folder, or into audits/NAME for a data file. Raises ConfigError and DataError with everything
    that cannot be read, before anything is written.
    """
    if path.is_dir():
        return _write(_of_folder(path), folder or path)
    if path.suffix not in (".yaml", ".yml"):
        config = RunFile(name="audit", verdicts=(source_of(path, people=people),))
        return _write(read_votes(config, Path()), folder or Path("audits") / path.name.partition(".")[0])
    loaded = load_run_file(path, overrides)
    run = folder or Path("runs") / loaded.config.name
    has_judged = loaded.config.judging is not None and Workspace(run).path("judging/verdicts").is_file()
    return _write(_of_folder(run) if has_judged else _of_files(loaded.config, loaded.base), run, loaded.config.seed)


def make_certificate(context: Context) -> Made:
    """The stage: the run's own judges against people and against themselves, or the user's files alone."""
    config, folder = context.config, context.workspace.folder
    inputs = _of_folder(folder, candidate_tables(config)) if config.judging else _of_files(config, context.base)
    certificate = _write(inputs, folder, config.seed).certificate
    return Made(NAMES, {**certificate.headline(), "verdicts": len(inputs.votes)})


def _of_files(config: RunFile, base: Path) -> AuditInputs:
    if config.verdicts or config.pairs:
        return read_votes(config, base)
    message = "has no verdicts to audit: add `verdicts`, or audit a run that has judged (amendment run makes it)"
    raise ConfigError(f"{config.name}: {message}")


def _of_folder(folder: Path, candidates: Sequence[str] = CANDIDATES) -> AuditInputs:
    """The verdicts that lie in a run's folder. Raises ConfigError where there are none."""
    workspace = Workspace(folder)
    tables = [name for name in VERDICTS if workspace.path(name).is_file()]
    if not tables:
        raise ConfigError(f"{folder}: no verdicts of a run here; expected a run's folder, a run file or a data file")
    written = [name for name in candidates if workspace.path(name).is_file()]
    return votes_of_run(
        [verdict for name in tables for verdict in workspace.read(name, Verdict)],
        [candidate for name in written for candidate in workspace.read(name, Candidate)],
        workspace.read("inputs/prompts", Prompt),
    )


def _write(inputs: AuditInputs, folder: Path, seed: int = 0) -> Audited:
    certificate = audit(inputs.items, inputs.votes, seed=seed)
    files = [facts._asdict() for facts in dict.fromkeys(inputs.files)]
    document = {**certificate.to_json(), "toolkit": __version__, "files": files, "read": dict(inputs.counts)}
    lines = [*certificate_lines(certificate), *_files(inputs)]
    write_text(folder / NAMES[0], json.dumps(document, indent=1, allow_nan=False) + "\n")
    write_text(folder / NAMES[1], "\n".join(lines) + "\n")
    return Audited(certificate, folder, document, lines)


def _files(inputs: AuditInputs) -> list[str]:
    """What was read, so that the same files give the same certificate to whoever has them."""
    if not inputs.files:
        return []
    rows = [["file", "rows", "SHA-256, or commit"]]
    rows += [[plain(one.name), str(one.rows), one.sha256 or one.revision or "-"] for one in dict.fromkeys(inputs.files)]
    return ["", "## Files", "", *table(rows)]
