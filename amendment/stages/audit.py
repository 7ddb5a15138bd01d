"""The stage `audit`, and audits of files and folders outside a run: verdicts in, a certificate out. No model is asked.

Covered: what a run's own judges said, labels of people, verdicts and pairs of the user's own, with the names and hashes
of their files; the certificate once more as it may be published, with people under pseudonyms. Not covered: the figures
themselves (`amendment.audit`), and reading of files (`audit.inputs`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from amendment import __version__
from amendment.audit.ceiling import Requirements
from amendment.audit.certificate import CERTIFICATE_FORMAT, Certificate, audit
from amendment.audit.conclusion import refused
from amendment.audit.figures import Section
from amendment.audit.inputs import AuditInputs, read_votes, votes_from_verdicts
from amendment.audit.label_mass import mass_section
from amendment.audit.probes import ProbeAnswers, probe_report
from amendment.audit.sections import probe_sections, sections
from amendment.audit.single import SingleLabels, label_certificate, read_labels
from amendment.audit.studies import describe_study
from amendment.audit.text import certificate_lines
from amendment.audit.variants import probe_json, variant_agreements, variant_sections
from amendment.audit.votes import ComparisonInfo, Vote
from amendment.curation.construction import Contrast
from amendment.data.pseudonyms import Outgoing, Pseudonyms
from amendment.data.replies import MOST_UNREAD
from amendment.data.source_rows import fact_name, list_files, source_state
from amendment.data.sources import LilliputPrompts, Source
from amendment.data.store import Workspace
from amendment.data.verdict_files import Required
from amendment.errors import ConfigError
from amendment.evaluation.settings import EvaluateConfig
from amendment.files import read_json, write_json, write_text
from amendment.llm.ledger_reading import Reader
from amendment.people.gate import (
    GATE,
    GATE_FORMAT,
    certified_report,
    failed_gates,
    gate_figures,
    judge_gates,
    write_gate,
)
from amendment.people.labelling import ASKED, CALIBRATOR, OPEN, PROBABILITIES, SAMPLE, SEALED
from amendment.people.report import SpotCheck, certificate_part, gate_section, spot_check_sections
from amendment.people.samples import ExportedProbability, SampledItem, SpotCheckSettings
from amendment.preference.checked import check_lines
from amendment.preference.settings import REPORT, JudgingConfig
from amendment.records import LABELLERS, Candidate, Prompt, Verdict
from amendment.results import Result, counted
from amendment.simulator import banner
from amendment.stages.contract import ConfigProblem, Context, RunSettings, Stage, StageResult, dump, is_lilliput
from amendment.stages.tables import Role, RunTables
from amendment.statistics.intervals import json_values
from amendment.text import cell
from amendment.yamlfile import parse_yaml, validate

NAMES = ("certificate.json", "certificate.md")
OUTGOING = tuple(f"audit/{name}" for name in NAMES)
"""The certificate once more, as it may be published: people under pseudonyms."""
PEOPLE = "people.json"
"""Who is numbered in the published certificate, by name: for the run alone, so that all that leaves it has the same."""
VERDICTS = ("inputs/verdicts", "judging/verdicts", OPEN, SEALED)
"""The tables of verdicts that a run may have."""
PROBED = "probes/answers"
MOST_FILES, SHOWN_UNREAD = 3, 3
"""Files that the title names, of which the last section has all; replies of each judge that are shown."""
SUMS = ("replies", "input_tokens", "output_tokens", "usd", "unpriced")
S = TypeVar("S", bound=Source)


class AuditStage(Stage):
    """Measure judges against people and against themselves: in each run with a judge or with verdicts of the user's
    own."""

    name = "audit"
    weight = 1
    title = "measuring the judge"
    may_read = (*VERDICTS, REPORT, SAMPLE, ASKED, PROBABILITIES, CALIBRATOR)
    writes = (*NAMES, *OUTGOING, PEOPLE, GATE)

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.people = settings.part(SpotCheckSettings)
        self.is_of_run = bool(settings.part(JudgingConfig) or self.people)
        answers = (Role.ANSWERS, Role.PAIRS) if self.is_of_run else ()
        self.reads = ("inputs/prompts", "inputs/verdicts", *answers)

    @classmethod
    def of(cls, settings: RunSettings) -> Iterable[Stage]:
        """Once where there are verdicts."""
        if settings.part(JudgingConfig) or settings.part(SpotCheckSettings) or settings.verdicts:
            yield cls(settings)

    def key(self, context: Context) -> Mapping[str, Any]:
        """Files suffice where the run has no judge to measure: an audit of labels needs no texts."""
        settings = self.settings
        key = {"certificate": CERTIFICATE_FORMAT, "gate": GATE_FORMAT, "asked": find_requirements(settings)._asdict()}
        if self.is_of_run:
            return key
        sources = (*settings.verdicts, *settings.pairs)
        states = [source_state(source, context.base) for source in sources]
        return {**key, "verdicts": [dump(source) for source in sources], "sources": states}

    def problems(self) -> Iterable[ConfigProblem]:
        """Return mistakes: one place says what is required, and a bar needs labels that can be compared with it."""
        gate = ("spot_check", "gate") if self.people else ()
        if gate:
            for name, field in Required.model_fields.items():
                if getattr(self.settings, name) != field.default:
                    yield (name,), f"a run with a spot check says it in its gate; write spot_check.gate.{name}"
        is_with_truth = any(source.kind == "truth" for source in self.settings.verdicts)
        if find_requirements(self.settings).min_agreement is not None and not is_with_truth:
            place = (*gate, "min_agreement")
            yield place, "needs labels that are the truth; write kind: truth in their entry under verdicts"

    def make(self, context: Context) -> StageResult:
        """Write the certificate, the same for others, and what trainings wait for."""
        settings, workspace = self.settings, context.workspace
        inputs = (
            _read_run(workspace, settings, self.tables)
            if self.is_of_run
            else _read_files(_pinned(settings, workspace), context.base)
        )
        people = certified_report(workspace, settings.part(SpotCheckSettings), seed=settings.seed)
        certificate = _write(inputs, workspace.folder, settings, people=people).certificate
        outgoing = Outgoing(dump(settings), Pseudonyms(certificate.persons))
        _write(_public(inputs, outgoing), workspace.folder / "audit", settings, people=people)
        write_json(workspace.path(PEOPLE), sorted(outgoing.people.by_name))
        gates = judge_gates(people, certificate) if people else ()
        write_gate(workspace, gates, certificate.gates, certificate.conclusions)
        figures = [*counted(verdicts=len(inputs.votes)), *certificate.figures()]
        if failed := failed_gates((*gates, *certificate.gates)):
            figures += counted(failed_gates="; ".join(failed))
        if people:
            figures += gate_figures(people, gates)
        return StageResult(self.writes, Result(figures=tuple(figures)))


class Audited(NamedTuple):
    """A certificate as it was written."""

    certificate: Certificate
    folder: Path
    document: dict[str, Any]
    """The content of `certificate.json`."""
    lines: list[str]
    """The content of `certificate.md`."""
    guessed: tuple[str, ...] = ()
    """Files that were read by the names of their columns, without a description."""


class AuditedLabels(NamedTuple):
    """A certificate of labels of single answers, as it was written."""

    folder: Path
    document: dict[str, Any]
    lines: list[str]
    guessed: tuple[str, ...] = ()


def audit_data_files(
    paths: Sequence[Path], *, people: Sequence[str] = (), folder: Path | None = None, written: Path | None = None
) -> Audited | AuditedLabels:
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
) -> Audited | AuditedLabels:
    """Audit the verdicts and pairs that a run file in the folder `base` brings; the verdicts of a run's judges lie
    in its folder. `is_guessed` says that nobody has confirmed the description. Raises ConfigError and DataError as
    `audit_data_files`."""
    folder = folder or Path("audits") / settings.name
    if any(source.scale != "pair" for source in settings.verdicts):
        return _write_labels(settings, base, folder)
    return _write_outside(_read_files(settings, base), folder, settings, is_guessed=is_guessed)


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
    inputs, people = (
        _read_run(workspace, settings, tables),
        certified_report(workspace, settings.part(SpotCheckSettings), seed=settings.seed),
    )
    return _write_outside(inputs, folder or Path("audits") / settings.name, settings, probes=probes, people=people)


# What is read


def find_requirements(settings: RunSettings, *, has_chances: bool = False) -> Requirements:
    """Return what is required of a judge, by the gate of a spot check or at the top of the file, and declared of
    labels."""
    people = settings.part(SpotCheckSettings)
    required: Required = people.gate if people else settings
    return Requirements(
        margin=required.max_gap_to_human,
        min_agreement=required.min_agreement,
        looks=required.looks,
        copies_allowed=any(source.despite for source in settings.verdicts),
        drawn=has_chances or (people is None and settings.drawn_at_random),
    )


def _read_files(settings: RunSettings, base: Path) -> AuditInputs:
    if settings.verdicts or settings.pairs:
        return read_votes(settings, base)
    message = "brings no verdicts; add `verdicts`, or name the folder of its run, where its judges' verdicts lie"
    raise ConfigError(f"{settings.name}: {message}: amendment audit runs/{settings.name}")


def _read_run(workspace: Workspace, settings: RunSettings, tables: RunTables) -> AuditInputs:
    """Return the verdicts that lie in a run's folder; tables that this run file does not make are left of an earlier
    one. Raises ConfigError where there are none."""
    verdicts = [name for name in VERDICTS if name in tables and workspace.path(name).is_file()]
    if not verdicts:
        raise ConfigError(f"{workspace.folder}: no verdicts here yet; amendment run makes them")
    answers = [name for name in tables.answers if workspace.path(name).is_file()]
    inputs = votes_from_verdicts(
        (verdict for name in verdicts for verdict in workspace.rows(name, Verdict)),
        (candidate for name in answers for candidate in workspace.rows(name, Candidate)),
        workspace.rows("inputs/prompts", Prompt),
    )
    names = {fact_name(source) for source in (*settings.pairs, *settings.verdicts)}
    inputs.files = [facts for facts in list_files(workspace.result("inputs")) if facts.name in names]
    inputs.has_chances = _with_chances(inputs.items, inputs.votes, workspace)
    if settings.part(JudgingConfig) and workspace.path(REPORT).is_file():
        inputs.checks = read_json(workspace.path(REPORT)).get("checks", {})
    inputs.warnings = list(workspace.result("construct").warnings) if settings.parts(Contrast) else []
    ledger = workspace.folder / "ledger.sqlite"
    if settings.part(JudgingConfig) and ledger.is_file():
        with Reader(ledger) as reader:
            rows = [row._asdict() for row in reader.spending() if row.stage == "judging"]
        inputs.cost = [{name: row[name] for name in ("host", "model", *SUMS)} for row in rows]
    return inputs


def _with_chances(items: dict[str, ComparisonInfo], votes: Iterable[Vote], workspace: Workspace) -> bool:
    """Note with which chance each item was drawn for the spot check, and whether all labels are of such items; nothing
    is noted where some are not."""
    if not (workspace.path(SAMPLE).is_file() and workspace.path(PROBABILITIES).is_file()):
        return False
    chances = {row.comparison_id: row.inclusion for row in workspace.rows(SAMPLE, SampledItem)}
    if not {vote.item for vote in votes if vote.kind in LABELLERS} <= chances.keys():
        return False
    exported = {row.comparison_id: None for row in workspace.rows(PROBABILITIES, ExportedProbability)}
    for name, info in items.items():
        items[name] = info._replace(inclusion=chances.get(name, exported.get(name, 0)))
    return True


def _pinned(settings: RunSettings, workspace: Workspace) -> RunSettings:
    """Datasets on the Hub at the commit that the stage of inputs has read, wherever their branch is now."""
    commits: dict[str, set[str]] = {}
    for facts in list_files(workspace.result("inputs")):
        if facts.revision:
            commits.setdefault(facts.name, set()).add(facts.revision)

    def pinned(source: S) -> S:
        revisions = commits.get(fact_name(source), set())
        return (
            source.model_copy(update={"dataset": f"{source.name}@{min(revisions)}"}) if len(revisions) == 1 else source
        )

    parts = {"pairs": tuple(map(pinned, settings.pairs)), "verdicts": tuple(map(pinned, settings.verdicts))}
    return settings.model_copy(update=parts)


def _public(inputs: AuditInputs, outgoing: Outgoing) -> AuditInputs:
    """Return the same with people under pseudonyms; figures do not depend on names, and a name that is not read cannot
    leave. A judge that is called like one of the pseudonyms is distinguished from it by its kind."""
    names = outgoing.people.by_name
    judges, hidden = {name: f"model {name}" for name in names.values()}, outgoing.people.hiding()
    return replace(
        inputs,
        votes=[
            vote._replace(rater=(names if vote.kind in LABELLERS else judges).get(vote.rater, vote.rater))
            for vote in inputs.votes
        ],
        models={judges.get(name, name): model for name, model in inputs.models.items()},
        files=[facts._replace(name=outgoing.file(facts.name)) for facts in inputs.files],
        unjoined=[],
        unread={judges.get(judge, judge): list(map(hidden, replies)) for judge, replies in inputs.unread.items()},
        label_mass=[row._replace(judge=judges.get(row.judge, row.judge)) for row in inputs.label_mass],
        cost=[outgoing.cost(row) for row in inputs.cost],
    )


# What is written


def _write_outside(inputs: AuditInputs, folder: Path, settings: RunSettings, **sections: Any) -> Audited:
    if (folder / "stages").is_dir():
        raise ConfigError(f"{folder}: a run's folder, whose certificate its stage audit makes; choose another --folder")
    return _write(inputs, folder, settings, **sections)


def _write_labels(settings: RunSettings, base: Path, folder: Path) -> AuditedLabels:
    """Audit labels of single answers, and write both files."""
    if settings.min_agreement is not None or any(
        source.kind == "truth" or source.despite or source.drawn for source in settings.verdicts
    ):
        message = "labels of single answers are compared with people; kind: truth, min_agreement, despite and drawn are"
        raise ConfigError(f"{settings.name}: {message} for pairs alone, so leave them out")
    labels = read_labels(settings, base)
    figures, lines = label_certificate(labels, find_requirements(settings))
    document = {**figures, "toolkit": __version__, **_what_was_read(labels)}
    files = [line for section in (*_unread(labels), *_files(labels)) for line in ("", *section.lines())]
    return AuditedLabels(*_save(folder, document, [*lines, *files]))


def _what_was_read(inputs: AuditInputs | SingleLabels) -> dict[str, Any]:
    files = [facts._asdict() for facts in dict.fromkeys(inputs.files)]
    unread = {judge: replies[:SHOWN_UNREAD] for judge, replies in inputs.unread.items()}
    listed = {"unjoined": inputs.unjoined, "unread": unread}
    return {"files": files, "read": dict(inputs.counts), **{name: part for name, part in listed.items() if part}}


def _unread(inputs: AuditInputs | SingleLabels) -> list[Section]:
    """Some of the replies that could not be read."""
    rows = [(judge, reply) for judge, replies in inputs.unread.items() for reply in replies[:SHOWN_UNREAD]]
    count = sum(map(len, inputs.unread.values()))
    note = f"{count:,} replies hold no single verdict; {SHOWN_UNREAD} of each judge at most are shown, shortened."
    return [Section("Replies that could not be read", (note,), ("judge", "reply"), tuple(rows))] if rows else []


def _files(inputs: AuditInputs | SingleLabels) -> list[Section]:
    """Return the files with their hashes, and what of them did not join."""
    hashes = tuple(
        (
            facts.name + (f" (read as {facts.encoding})" if facts.encoding else ""),
            str(facts.rows),
            facts.sha256 or facts.revision or "-",
        )
        for facts in dict.fromkeys(inputs.files)
    )
    return [Section("Files", tuple(inputs.unjoined), ("file", "rows", "SHA-256, or commit"), hashes)] if hashes else []


def _save(folder: Path, document: dict[str, Any], lines: list[str]) -> tuple[Path, dict[str, Any], list[str]]:
    write_json(folder / NAMES[0], document)
    write_text(folder / NAMES[1], "\n".join(lines) + "\n")
    return folder, document, lines


def _write(
    inputs: AuditInputs,
    folder: Path,
    settings: RunSettings,
    *,
    probes: Sequence[ProbeAnswers] = (),
    people: SpotCheck | None = None,
    is_guessed: bool = False,
) -> Audited:
    """Audit the votes, and write both files: all tables into the one, the page of a lead into the other. `is_guessed`
    says that nobody confirmed the patterns of replies."""
    asked = find_requirements(settings, has_chances=inputs.has_chances)
    asked = asked._replace(guessed=_often_unread(inputs) if is_guessed else ())
    certificate = audit(inputs.items, inputs.votes, models=inputs.models, seed=settings.seed, asked=asked)
    gates = judge_gates(people, certificate) if people else ()
    certificate = replace(certificate, conclusions=refused(certificate.conclusions, gates))
    probed, variants = probe_report(probes), variant_agreements(probes)
    simulated, files = simulated_banner(settings), list(dict.fromkeys(inputs.files))
    parts = {
        "probes": probes and probe_json(probed, variants),
        **(certificate_part(people, gates) if people else {}),
        "constitutions": inputs.constitutions,
        "label_mass": [row._asdict() for row in inputs.label_mass],
        "checks": inputs.checks,
        "cost": inputs.cost,
        "warnings": inputs.warnings,
    }
    document: dict[str, Any] = {
        **certificate.to_json(),
        "toolkit": __version__,
        "simulated": simulated,
        **_what_was_read(inputs),
        **{name: part for name, part in parts.items() if part},
    }
    gate = [gate_section(gates)] if people else []
    spot_check = spot_check_sections(people) if people else []
    checks = tuple(line.removeprefix("- ") for line in check_lines(inputs.checks)) if inputs.checks else ()
    more = [
        *spot_check[:2],
        *([Section("Checks", checks)] if checks else []),
        *([_cost(inputs.cost)] if inputs.cost else []),
        *probe_sections(probed),
        *variant_sections(variants),
        *_unread(inputs),
        *_files(inputs),
    ]
    mass = [mass_section(inputs.label_mass)] if inputs.label_mass else []
    tables = [*gate, *sections(certificate), *mass, *spot_check[2:], *more]
    document["sections"] = json_values(tables)
    names = ", ".join(cell(facts.name) for facts in files[:MOST_FILES]) + (", ..." if len(files) > MOST_FILES else "")
    lines = certificate_lines(
        certificate,
        title=f"Certificate: {cell(settings.name)}",
        about=(
            datetime.now(UTC).date().isoformat(),
            *([f"data {names}"] if names else []),
            *(
                [f"constitution {', '.join(name.split('#')[0] for name in inputs.constitutions)}"]
                if inputs.constitutions
                else []
            ),
        ),
        notes=[
            *([f"> {simulated}"] if simulated else []),
            *(f"> {line[0].upper()}{line[1:]}." for line in inputs.warnings),
        ],
        gate=[section._replace(notes=()) for section in gate],
        more=more,
    )
    return Audited(certificate, *_save(folder, document, lines))


def simulated_banner(settings: RunSettings) -> str | None:
    """Say which parts of a run come from the simulated world: prompts, models and people. None: none of them."""
    parts = []
    if any(isinstance(source, LilliputPrompts) for source in settings.prompts):
        parts.append("all prompts" if is_lilliput(settings) else "some prompts")
    if models := [name for name, spec in settings.models.items() if spec.provider == "simulated"]:
        parts.append(f"all replies of {', '.join(models)}")
    check, evaluation = settings.part(SpotCheckSettings), settings.part(EvaluateConfig)
    people = {part.people for part in (check, evaluation and evaluation.people) if part}
    if "simulated" in people:
        parts.append("some human labels" if "page" in people else "all human labels")
    others = "; human labels are by people" if people == {"page"} else ""
    return banner(" and ".join(parts), others) if parts else None


def _often_unread(inputs: AuditInputs) -> tuple[str, ...]:
    """Return the judges of whose replies more than a few percent could not be read."""
    votes = Counter(vote.rater for vote in inputs.votes)
    return tuple(judge for judge, replies in inputs.unread.items() if len(replies) > MOST_UNREAD * votes[judge])


def _cost(cost: Sequence[Mapping[str, Any]]) -> Section:
    """Return what judging has cost: calls that were answered, tokens and money, by judge model."""
    rows = []
    for row in cost:
        money = f"{row['usd']:.4f}" + (f" and {row['unpriced']:,} calls unpriced" if row["unpriced"] else "")
        rows.append((row["model"], *(f"{row[name]:,}" for name in SUMS[:3]), money))
    head = ("model", "calls answered", "input tokens", "output tokens", "USD")
    return Section("Cost of judging", (), head, tuple(rows))
