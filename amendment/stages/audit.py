"""The stage `audit`: verdicts in, a certificate out. No model is asked.

Covered: what a run's own judges said, labels of people, verdicts and pairs of the user's own, with the names and hashes
of their files; the certificate once more as it may be published, with people under pseudonyms. Not covered: the figures
(`amendment.audit`), its files (`amendment.people.certificate`), and audits outside a run (`amendment.run.auditing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from amendment.audit.ceiling import Requirements
from amendment.audit.certificate import CERTIFICATE_FORMAT
from amendment.audit.inputs import AuditInputs, read_votes, votes_from_verdicts
from amendment.audit.votes import ComparisonInfo, Vote
from amendment.curation.construction import Contrast
from amendment.data.pseudonyms import Outgoing, Pseudonyms
from amendment.data.source_rows import fact_name, list_files, source_state
from amendment.data.sources import LilliputPrompts, Source
from amendment.data.store import Workspace
from amendment.data.verdict_files import Required
from amendment.errors import ConfigError
from amendment.evaluation.settings import EvaluateConfig
from amendment.files import read_json, write_json
from amendment.llm.ledger_reading import Reader
from amendment.people.certificate import NAMES, SUMS, write_certificate
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
from amendment.people.report import PeopleReport
from amendment.people.samples import ExportedProbability, SampledItem, SpotCheckSettings
from amendment.preference.settings import REPORT, JudgingConfig
from amendment.records import LABELLERS, Candidate, Prompt, Verdict
from amendment.results import Result, counted
from amendment.simulator import banner
from amendment.stages.contract import ConfigProblem, Context, RunSettings, Stage, StageResult, dump, is_lilliput
from amendment.stages.tables import Role, RunTables

OUTGOING = tuple(f"audit/{name}" for name in NAMES)
"""The certificate once more, as it may be published: people under pseudonyms."""
PEOPLE = "people.json"
"""Who is numbered in the published certificate, by name: for the run alone, so that all that leaves it has the same."""
VERDICTS = ("inputs/verdicts", "judging/verdicts", OPEN, SEALED)
"""The tables of verdicts that a run may have."""
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
            read_run(workspace, settings, self.tables)
            if self.is_of_run
            else read_files(_pinned(settings, workspace), context.base)
        )
        people = read_people(workspace, settings)
        write = partial(
            write_certificate,
            name=settings.name,
            seed=settings.seed,
            asked=find_requirements(settings),
            simulated=simulated_banner(settings),
            people=people,
        )
        certificate, _ = write(inputs, workspace.folder)
        outgoing = Outgoing(dump(settings), Pseudonyms(certificate.persons))
        write(_public(inputs, outgoing), workspace.folder / "audit")
        write_json(workspace.path(PEOPLE), sorted(outgoing.people.by_name))
        gates = judge_gates(people, certificate) if people else ()
        write_gate(workspace, gates, certificate.gates, certificate.conclusions)
        figures = [*counted(verdicts=len(inputs.votes)), *certificate.figures()]
        if failed := failed_gates((*gates, *certificate.gates)):
            figures += counted(failed_gates="; ".join(failed))
        if people:
            figures += gate_figures(people, gates)
        return StageResult(self.writes, Result(figures=tuple(figures)))


def find_requirements(settings: RunSettings) -> Requirements:
    """Return what is required of a judge, by the gate of a spot check or at the top of the file, and declared of
    labels."""
    people = settings.part(SpotCheckSettings)
    required: Required = people.gate if people else settings
    return Requirements(
        margin=required.max_gap_to_human,
        min_agreement=required.min_agreement,
        looks=required.looks,
        copies_allowed=any(source.despite for source in settings.verdicts),
        drawn=people is None and settings.drawn_at_random,
    )


def read_people(workspace: Workspace, settings: RunSettings) -> PeopleReport | None:
    """Return what people's labels say of the judge's, where they checked it."""
    return certified_report(workspace, settings.part(SpotCheckSettings), seed=settings.seed)


def read_files(settings: RunSettings, base: Path) -> AuditInputs:
    if settings.verdicts or settings.pairs:
        return read_votes(settings, base)
    message = "brings no verdicts; add `verdicts`, or name the folder of its run, where its judges' verdicts lie"
    raise ConfigError(f"{settings.name}: {message}: amendment audit runs/{settings.name}")


def read_run(workspace: Workspace, settings: RunSettings, tables: RunTables) -> AuditInputs:
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
    judges = {name: f"model {name}" for name in names.values()}
    hidden = outgoing.people.hiding()
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


def simulated_banner(settings: RunSettings) -> str | None:
    """Say which parts of a run come from the simulated world: prompts, models and people. None: none of them."""
    parts = []
    if any(isinstance(source, LilliputPrompts) for source in settings.prompts):
        parts.append("all prompts" if is_lilliput(settings) else "some prompts")
    if models := [name for name, spec in settings.models.items() if spec.provider == "simulated"]:
        parts.append(f"all replies of {', '.join(models)}")
    check = settings.part(SpotCheckSettings)
    evaluation = settings.part(EvaluateConfig)
    people = {part.people for part in (check, evaluation and evaluation.people) if part}
    if "simulated" in people:
        parts.append("some human labels" if "page" in people else "all human labels")
    others = "; human labels are by people" if people == {"page"} else ""
    return banner(" and ".join(parts), others) if parts else None
