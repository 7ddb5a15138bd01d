"""An audit: verdicts in, a certificate out, from files of one's own or from what a run has judged.

Covered: data files whose shape is recognised, run files with `verdicts` or pairs that people voted on, folders
of runs. No model is asked. Not covered: the figures themselves; see `calibration`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from amendment import __version__
from amendment.audit.certificate import Certificate, audit
from amendment.audit.probe_report import Answered, Probed, probe_json, probe_lines, probe_report
from amendment.audit.text import certificate_lines
from amendment.calibration.report import SpotCheck, certificate_part, certified_lines
from amendment.calibration.settings import SpotCheckSettings
from amendment.data.audit_inputs import AuditInputs, read_votes, source_of, votes_of_run
from amendment.data.pseudonyms import Outgoing, Pseudonyms
from amendment.data.source_rows import FileFacts, fact_name
from amendment.data.sources import Source
from amendment.data.workspace import Workspace
from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.markdown import table
from amendment.records import Candidate, Prompt, Verdict
from amendment.run.checks import load_run_file
from amendment.run.context import Context
from amendment.run.judging_cost import cost_lines, judging_cost
from amendment.run.runfile.config import RunFile
from amendment.run.summary import simulated_banner
from amendment.stages.contract import Made
from amendment.stages.gate import (
    GATE,
    certified_report,
    failed_gates,
    gate_counts,
    gates_of,
    write_gate,
)
from amendment.stages.judging import candidate_tables
from amendment.stages.labels import OPEN, SEALED
from amendment.terminal import plain
from amendment.yamlfile import read_yaml, validate

__all__ = ["Audited", "audit_path", "make_certificate"]

NAMES = ("certificate.json", "certificate.md")
OUTGOING = tuple(f"audit/{name}" for name in NAMES)
"""The certificate once more, as it may be published: people under pseudonyms."""
PEOPLE = "people.json"
"""Who is numbered in the published certificate, by name: for the run alone, so that all that leaves it has the same."""
VERDICTS = ("inputs/verdicts", "judging/verdicts")
PROBED = "probes/answers"
"""What judges answered to probes; of a run's folder alone."""
SOURCE = "source "
"""Begins the keys under which the stage of inputs counts what it read."""
S = TypeVar("S", bound=Source)
_NUMBERED = re.compile(r" \(\d+\)$")


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
    """Audit what lies at a path: a data file of a shape that is recognised, a run file (.yaml), or a run's folder.

    Of a run file the verdicts and pairs are read that it brings; what a run's own judges said lies in its folder.
    `people` are patterns of raters who are people, for a data file; `overrides` are for a run file. Written into
    `folder`, audits/NAME by default. Raises ConfigError and DataError with everything that cannot be read, before
    anything is written.
    """
    is_run_file = path.suffix in (".yaml", ".yml") and not path.is_dir()
    _refuse(path, people=bool(people) and (path.is_dir() or is_run_file), overrides=bool(overrides) and not is_run_file)
    if path.is_dir():
        config = _config_of(path)
        target = folder or Path("audits") / config.name
        return _write(
            _of_folder(path, config),
            target,
            config,
            probes=_probes_of(path),
            people=certified_report(Workspace(path), config),
        )
    if is_run_file:
        config, base = load_run_file(path, overrides)[::2]
        return _write(_of_files(config, base), folder or Path("audits") / config.name, config)
    config = RunFile(name="audit", verdicts=(source_of(path, people=people),))
    return _write(read_votes(config, Path(), is_alone=True), folder or Path("audits") / path.name, config)


def _refuse(path: Path, *, people: bool, overrides: bool) -> None:
    """Options that would be passed over."""
    if people:
        raise ConfigError(f"{path}: --people is for a data file; a run file says it with `people:` or `kind:`")
    if overrides:
        raise ConfigError(f"{path}: --set is for a run file")


def _config_of(folder: Path) -> RunFile:
    """The resolved run file of a run's folder."""
    if not (folder / "run.yaml").is_file():
        raise ConfigError(f"{folder}: not a run's folder (no run.yaml); expected one, a run file or a data file")
    return validate(read_yaml(folder / "run.yaml"), RunFile)


def make_certificate(context: Context) -> Made:
    """The stage: the run's own judges against people and against themselves, or the user's files alone."""
    config, folder = context.config, context.workspace.folder
    is_judged = config.judging or config.part(SpotCheckSettings)
    inputs = _of_folder(folder, config) if is_judged else _of_files(_pinned(config, folder), context.base)
    people = certified_report(context.workspace, config)
    certificate = _written(inputs, folder, config, people=people).certificate
    configuration = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    outgoing = Outgoing(configuration, Pseudonyms(certificate.persons))
    shown = certificate.renamed(outgoing.people.by_name)
    files = [facts._replace(name=outgoing.file(facts.name)) for facts in inputs.files]
    cost = [outgoing.cost(row) for row in inputs.cost]
    _written(replace(inputs, files=files, cost=cost), folder / "audit", config, shown, people=people)
    counts = {**certificate.headline(), "verdicts": len(inputs.votes)}
    write_text(context.workspace.path(PEOPLE), json.dumps(sorted(outgoing.people.by_name), indent=1) + "\n")
    gates = gates_of(people, certificate) if people else ()
    if failed := failed_gates((*gates, *certificate.gates)):
        counts["failed gates"] = ", ".join(failed)
    if people is None:
        return Made((*NAMES, *OUTGOING, PEOPLE), counts)
    write_gate(context.workspace, gates)
    return Made((*NAMES, *OUTGOING, PEOPLE, GATE), {**counts, **gate_counts(people, gates)})


def _of_files(config: RunFile, base: Path) -> AuditInputs:
    if config.verdicts or config.pairs:
        return read_votes(config, base)
    message = "brings no verdicts; add `verdicts`, or name the folder of its run, where its judges' verdicts lie"
    raise ConfigError(f"{config.name}: {message}: amendment audit runs/{config.name}")


def _of_folder(folder: Path, config: RunFile) -> AuditInputs:
    """The verdicts that lie in a run's folder. Raises ConfigError where there are none."""
    workspace = Workspace(folder)
    tables = [name for name in (*VERDICTS, *_label_tables(config)) if workspace.path(name).is_file()]
    if not tables:
        raise ConfigError(f"{folder}: no verdicts here yet; amendment run makes them")
    written = [name for name in candidate_tables(config) if workspace.path(name).is_file()]
    inputs = votes_of_run(
        [verdict for name in tables for verdict in workspace.read(name, Verdict)],
        [candidate for name in written for candidate in workspace.read(name, Candidate)],
        workspace.read("inputs/prompts", Prompt),
    )
    read = {fact_name(source) for source in (*config.pairs, *config.verdicts)}
    inputs.files = [facts for facts in _read_by_inputs(folder) if facts.name in read]
    inputs.cost = judging_cost(folder)
    return inputs


def _label_tables(config: RunFile) -> tuple[str, ...]:
    """Labels that are votes of the certificate. What lies there without a spot check is of an earlier one; and a debug
    sample is described in a section of its own, for its items were chosen for their doubt."""
    people = config.part(SpotCheckSettings)
    return (OPEN, SEALED) if people and people.purpose == "estimate" else ()


def _read_by_inputs(folder: Path) -> list[FileFacts]:
    """The facts of all that the stage of inputs has read; of a name that stands there twice the second is numbered."""
    note = Workspace(folder).note("inputs")
    counts = note["counts"] if note else {}
    told = {key.removeprefix(SOURCE): one for key, one in counts.items() if key.startswith(SOURCE)}
    return [
        FileFacts(_NUMBERED.sub("", name), one["rows"], one.get("sha256"), one.get("commit"), one.get("license"))
        for name, one in told.items()
    ]


def _pinned(config: RunFile, folder: Path) -> RunFile:
    """Datasets on the Hub at the commit that the stage of inputs has read, wherever their branch is now."""
    commits: dict[str, set[str]] = {}
    for facts in _read_by_inputs(folder):
        if facts.revision:
            commits.setdefault(facts.name, set()).add(facts.revision)
    pins = {name: next(iter(found)) for name, found in commits.items() if len(found) == 1}

    def pinned(sources: Iterable[S]) -> tuple[S, ...]:
        return tuple(
            source.model_copy(update={"revision": pins[fact_name(source)]}) if fact_name(source) in pins else source
            for source in sources
        )

    return config.model_copy(update={"pairs": pinned(config.pairs), "verdicts": pinned(config.verdicts)})


def _probes_of(folder: Path) -> Sequence[Probed]:
    """The report of a run's probes, made anew from what its judges answered; empty where it has none."""
    workspace = Workspace(folder)
    return probe_report(workspace.rows(PROBED, Answered)) if workspace.path(PROBED).is_file() else ()


def _write(
    inputs: AuditInputs,
    folder: Path,
    config: RunFile,
    *,
    probes: Sequence[Probed] = (),
    people: SpotCheck | None = None,
) -> Audited:
    if (folder / "stages").is_dir():
        raise ConfigError(f"{folder}: a run's folder, whose certificate its stage audit makes; choose another --folder")
    return _written(inputs, folder, config, probes=probes, people=people)


def _written(
    inputs: AuditInputs,
    folder: Path,
    config: RunFile,
    known: Certificate | None = None,
    *,
    probes: Sequence[Probed] = (),
    people: SpotCheck | None = None,
) -> Audited:
    """Both files, of the certificate that is known or else of the one that the votes give."""
    certificate = known or audit(inputs.items, inputs.votes, models=inputs.models, seed=config.seed)
    banner = simulated_banner(config)
    files = [facts._asdict() for facts in dict.fromkeys(inputs.files)]
    told = {"toolkit": __version__, "simulated": banner, "files": files, "read": dict(inputs.counts)}
    document = {**certificate.to_json(), **told, **({"probes": probe_json(probes)} if probes else {})}
    if people:
        document |= certificate_part(people, gates_of(people, certificate))
    document |= {name: found for name in ("constitutions", "cost") if (found := getattr(inputs, name))}
    title, *rest = certificate_lines(certificate)
    lines = [
        title,
        *(["", f"> {banner}"] if banner else []),
        *(["", f"Judged by {', '.join(inputs.constitutions)}."] if inputs.constitutions else []),
        *rest,
        *(["", *certified_lines(people, gates_of(people, certificate))] if people else []),
        *cost_lines(inputs.cost),
        *(["", *probe_lines(probes)] if probes else []),
    ]
    lines += _files(inputs)
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
