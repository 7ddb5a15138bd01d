"""The stage `probes`: judged comparisons put to the same judges once more, edited so that nothing should change.

Covered: a seeded sample of what the stage `judging` has judged, one comparison a prompt as far as there are prompts;
each comparison by one principle, the one by which its winner won most clearly, in the same words before and after the
edit; every question in both displayed orders. Replies lie in the ledger, so that a run that was broken off goes on.
Not covered: edits (`audit.probes`) and figures (`audit.probe_report`).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Literal, NamedTuple

from amendment.audit.probe_report import Answered, probe_json, probe_report
from amendment.audit.probes import PLAIN, Arm, ProbeQuestion, Subject, can_be_probed, questions
from amendment.constitutions import Constitution, Principle
from amendment.errors import AmendmentError, Transient
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.llm.answers import Ending, ending_of
from amendment.llm.concurrency import flow
from amendment.preference import Judge, JudgeSettings, aggregate_verdicts, load_judge_folder, readings_of
from amendment.records import Candidate, Comparison, Judgement, Prompt, Verdict
from amendment.stages.configs import RunFile
from amendment.stages.contract import Context, JudgeEntry, Made
from amendment.stages.endings import Tables
from amendment.stages.judging import candidate_tables

__all__ = ["make_probes", "probed_judges"]

FIGURES = "probes/figures.json"
LABELS = {"pair": ("A", "B")}
"""What a judge reads beside the two answers, by what its protocol shows; where it shows one, there is no place."""


def probed_judges(config: RunFile) -> list[JudgeEntry]:
    """The judges of the run that are probed, those of a cascade among them."""
    return list(config.judging.every_judge) if config.judging and config.probes else []


class _Chosen(NamedTuple):
    """A judged comparison: who won, and by how much."""

    comparison: Comparison
    p_a: float

    def a_lost(self, seed: int) -> bool:
        """A draw is decided by a coin, so that it can be probed as well."""
        if self.p_a == 0.5:
            return content_id(["even", seed, self.comparison.id])[-1] in "01234567"
        return self.p_a < 0.5


class _Task(NamedTuple):
    """One comparison for one judge."""

    judge: Judge
    subject: Subject
    principle: str
    """Reference of the one it is judged by."""


class _Told(NamedTuple):
    task: _Task
    answers: list[Answered]
    ending: Ending


def make_probes(context: Context) -> Made:
    """Ask the edited questions, and make figures of the answers. Raises AmendmentError where nothing was judged."""
    stage, seed = context.config.probes, context.config.seed
    assert stage is not None
    judges = [_judge(context, entry) for entry in probed_judges(context.config)]
    subjects = _subjects(context, _chosen(context))
    tasks = [_Task(judge, subject, principle) for subject, principle in subjects for judge in judges]

    async def work(task: _Task) -> _Told:
        return await _put(task, stage.names, seed)

    with Tables(context.workspace, "probes", answers=Answered) as tables:

        def keep(told: _Told) -> None:
            tables.end(f"{told.task.subject.id}/{told.task.judge.name}", told.ending)
            tables.add("answers", told.answers)

        context.pour("probes", tasks, work, keep, total=len(tasks), models=[judge.model for judge in judges])
        endings = tables.close()
    report = probe_json(probe_report(context.workspace.rows("probes/answers", Answered)))
    write_text(context.workspace.folder / FIGURES, json.dumps(report, indent=1, allow_nan=False) + "\n")
    shown = [{name: row[name] for name in ("judge", "probe", "gate", "found")} for row in report["probes"]]
    return Made((*tables.artefacts, FIGURES), {"comparisons": len(subjects), **endings, "probes": shown})


def _judge(context: Context, entry: JudgeEntry) -> Judge:
    """A judge that is asked in the order it is given: a probe asks for either order by itself."""
    return Judge(
        folder=load_judge_folder(entry.protocol, base=context.base),
        model=context.model(entry.model),
        constitutions=context.constitutions,
        settings=JudgeSettings(orders="first"),
        samples=entry.samples,
        seed=context.config.seed,
    )


def _chosen(context: Context) -> list[_Chosen]:
    """The comparisons that are probed: decided ones first, and of each prompt one before a second of any."""
    stage, seed = context.config.probes, context.config.seed
    assert stage is not None
    found = [
        _Chosen(Comparison(one.prompt_id, one.a, one.b), one.p_a)
        for one in context.workspace.rows("judging/judgements", Judgement)
        if one.p_a is not None
    ]
    found.sort(key=lambda one: content_id(["probes", seed, one.comparison.id]))
    earlier: Counter[str] = Counter()
    rank = {}
    for one in found:
        rank[one.comparison.id] = (one.p_a == 0.5, earlier[one.comparison.prompt_id])
        earlier[one.comparison.prompt_id] += 1
    found.sort(key=lambda one: rank[one.comparison.id])
    if not found:
        raise AmendmentError("probes: the stage judging has judged nothing that could be read; see its counts")
    return found[: stage.pairs]


def _subjects(context: Context, chosen: Sequence[_Chosen]) -> list[tuple[Subject, str]]:
    """The comparisons with their texts, and the principle by which each is asked about."""
    stage, workspace = context.config.probes, context.workspace
    assert stage is not None
    wanted = {one.comparison.prompt_id for one in chosen}
    prompts = {one.id: one for one in workspace.rows("inputs/prompts", Prompt) if one.id in wanted}
    ids = {id for one in chosen for id in (one.comparison.a, one.comparison.b)}
    texts: dict[str, Candidate] = {}
    for table in candidate_tables(context.config):
        for candidate in workspace.rows(table, Candidate):
            if candidate.id in ids:
                texts.setdefault(candidate.id, candidate)
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in workspace.rows("judging/verdicts", Verdict):
        if verdict.prompt_id in wanted:
            verdicts[verdict.prompt_id].append(verdict)
    made = []
    for one in chosen:
        between, lost = one.comparison, one.a_lost(context.config.seed)
        a, b = texts[between.a], texts[between.b]
        principle = _principle(verdicts[between.prompt_id], between, a_lost=lost)
        is_clear = abs(2 * one.p_a - 1) >= stage.clear - 1e-9 and principle in (stage.attack_by or (principle,))
        subject = Subject(prompts[between.prompt_id], a if lost else b, b if lost else a, is_clear)
        made.append((subject, principle))
    return made


def _principle(verdicts: Iterable[Verdict], comparison: Comparison, *, a_lost: bool) -> str:
    """The principle by which the winner won most clearly."""
    said: dict[str, list[float]] = defaultdict(list)
    for one in readings_of(verdicts, comparison):
        if one.p_a is not None:
            said[one.principle].append(1 - one.p_a if a_lost else one.p_a)
    return max(sorted(said), key=lambda name: fmean(said[name]))


async def _put(task: _Task, probes: Sequence[str], seed: int) -> _Told:
    """Ask everything that the probes ask about one comparison."""
    subject = task.subject
    if not (can_be_probed(subject.target) and can_be_probed(subject.other)):
        return _Told(task, [], Ending("invalid", "one of the answers is no text that could be edited"))
    judge = _by_one(task.judge, task.principle)
    asked = list(questions(subject, probes, labels=LABELS.get(judge.folder.unit), seed=seed))

    async def ask(question: ProbeQuestion) -> list[Answered]:
        return await _ask(judge, task, question)

    try:
        found = await flow(asked, ask, window=max(1, len(asked)))
    except Transient as fault:
        return _Told(task, [], ending_of(fault))
    answers = [answer for some in found for answer in some]
    readable = not answers or any(answer.p is not None for answer in answers)
    unasked = [name for name in probes if name not in {question.probe for question in asked}]
    answers += [_answered(task, name, "unasked") for name in unasked]
    return _Told(task, answers, Ending("done") if readable else Ending("invalid", "no verdict could be read"))


def _answered(task: _Task, probe: str, arm: Arm | Literal["unasked"], **values: Any) -> Answered:
    return Answered(
        probe=probe,
        arm=arm,
        comparison_id=task.subject.id,
        prompt_id=task.subject.prompt.id,
        judge=task.judge.name,
        principle=task.principle,
        **{"place": 0, **values},
    )


def _by_one(judge: Judge, principle: str) -> Judge:
    """The judge that asks by this principle alone, always in the same words; its worked examples stay as they are."""
    return replace(judge, constitutions=[_silenced(one, principle) for one in judge.constitutions])


def _silenced(constitution: Constitution, principle: str) -> Constitution:
    """The constitution in which one principle alone has a question, and that one question."""

    def asks(one: Principle) -> tuple[str, ...]:
        return one.compare[:1] if constitution.principle_reference(one) == principle else ()

    kept = tuple(one.model_copy(update={"compare": asks(one)}) for one in constitution.principles)
    return constitution.model_copy(update={"principles": kept})


async def _ask(judge: Judge, task: _Task, question: ProbeQuestion) -> list[Answered]:
    """One question, put twice where it is the plain one and the judge draws its verdicts."""
    samples = min(2, judge.samples) if question.probe == PLAIN else 1
    verdicts = await replace(judge, samples=samples).verdicts(question.prompt, *question.shown)
    rows = []
    for sample in sorted({verdict.sample for verdict in verdicts}):
        p = _p_target([verdict for verdict in verdicts if verdict.sample == sample], question)
        rows.append(_answered(task, question.probe, question.arm, place=question.place, sample=sample, p=p))
    return rows


def _p_target(verdicts: Sequence[Verdict], question: ProbeQuestion) -> float | None:
    between = Comparison.between(*question.shown)
    p_a = aggregate_verdicts(verdicts, orders="first", disagreement="mean", comparison=between).p_a
    return p_a if p_a is None or between.a == question.target.id else 1 - p_a
