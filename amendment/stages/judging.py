"""The stage `judging`: the candidates of each prompt compared, by one judge or by a jury.

Covered: juries whose weights are known only when all comparisons have been judged, whose judgements wait in a file of
their own; what no judge is sure of, which is left to people. Not covered: how judges are asked (`judge_panel`) and
about what (`schedules`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from amendment.data.sources import ChainSource, ModelSource
from amendment.files import write_text
from amendment.llm.model import Model
from amendment.preference import matrix_lines, pool_of, refuse_few_labels
from amendment.records import Candidate, Judgement, Prompt, Record, Verdict
from amendment.stages.cascading import ForPeople
from amendment.stages.configs import JudgingStage, RunFile
from amendment.stages.contract import Context, Item, Made
from amendment.stages.endings import Tables
from amendment.stages.judge_panel import Judged, JudgePanel
from amendment.stages.judging_report import JudgingReport
from amendment.stages.schedules import Ranking, Schedule
from amendment.stages.waiting import Waiting

__all__ = ["JudgeStep", "candidate_tables", "decided_comparisons", "judging_tables"]

REPORT = "judging/report.json"
PRINCIPLES = "judging/principles.md"
"""What the report has on principles, for people."""


def candidate_tables(config: RunFile) -> tuple[str, ...]:
    """The tables from which the dataset's candidates come, by the run file."""
    sources = config.candidates if config.judging else ()
    tables = []
    if any(isinstance(source, ModelSource) for source in sources):
        tables.append("candidates/candidates")
    if any(isinstance(source, ChainSource) for source in sources):
        tables.append("critique/candidates")
    return (*tables, "inputs/candidates")


def judging_tables(stage: JudgingStage) -> tuple[str, ...]:
    """What the stage makes."""
    return (*(f"judging/{name}" for name in (*_kinds(stage), "endings")), REPORT, PRINCIPLES)


def _kinds(stage: JudgingStage) -> dict[str, type[Record]]:
    """The stage's tables."""
    kinds: dict[str, type[Record]] = {"verdicts": Verdict, "judgements": Judgement}
    if stage.cascade:
        kinds["for_people"] = ForPeople
    if stage.ranking != "all_pairs":
        kinds["rankings"] = Ranking
    return kinds


def decided_comparisons(context: Context) -> frozenset[str]:
    """The comparisons that the user's own verdicts have decided."""
    return frozenset(_Decided(context).by_comparison)


class _Decided:
    """What the user's own verdicts say of comparisons."""

    def __init__(self, context: Context) -> None:
        self.by_comparison: dict[str, float] = {}
        """P(a)."""
        self.by_people: dict[str, float] = {}
        """Those of them that people have decided."""
        self.prompts: set[str] = set()
        """Of those."""
        for one in context.workspace.rows("inputs/judgements", Judgement):
            if one.p_a is not None:
                self.by_comparison[one.comparison_id] = one.p_a
                if one.rater_kind == "person":
                    self.by_people[one.comparison_id] = one.p_a
                    self.prompts.add(one.prompt_id)


class _Pool(NamedTuple):
    """A prompt, what its candidates are, and what was said of them."""

    prompt: Prompt
    comparisons: int
    answers: dict[str, Candidate]
    """The candidates by their ids, in the order of the pool."""
    judged: list[Judged]
    ranking: Ranking | None
    set_aside: Counter[str]


class JudgeStep:
    """The candidates of each prompt, but those comparisons that the user's own votes have decided."""

    makes = None

    def __init__(self, context: Context, name: str = "judging") -> None:
        """`name` is the stage's, which is another in each further round."""
        self.name = name
        stage = context.config.judging
        assert stage is not None
        self._context, self._stage = context, stage
        self._found = _Decided(context)
        self._waits = stage.jury == "weighted" and not context.is_rehearsed
        if self._waits:
            refuse_few_labels(len(self._found.by_people), prompts=len(self._found.prompts))
        self._panel = JudgePanel(context, stage)
        self._takes = {source.take for source in context.config.candidates if isinstance(source, ChainSource)}
        self._report = JudgingReport(stage, [judge.name for judge in self._panel.judges])
        self.reads = candidate_tables(context.config)
        self.models: Sequence[Model] = self._panel.models
        decided = self._found.by_comparison if not stage.judge_labelled else {}
        self._schedule = Schedule(stage, decided, seed=context.config.seed, window=context.window(self.models))
        self.tables = Tables(context.workspace, "judging", **_kinds(stage))

    @cached_property
    def _waiting(self) -> Waiting:
        return self.tables.keep_open(Waiting(self._context.workspace))

    async def work(self, item: Item) -> _Pool:
        """Judge the pairs of a prompt."""
        pool = pool_of(candidate for table in self.reads for candidate in self._taken(item, table))
        answers = {candidate.id: candidate for candidate in pool.candidates}
        pairs = pool.pairs()
        if all(self._schedule.is_decided(two) for two in pairs):
            return _Pool(item.prompt, len(pairs), answers, [], None, pool.set_aside)
        found = await self._schedule.follow(item.prompt, pool, self._panel)
        return _Pool(item.prompt, len(pairs), answers, found.judged, found.ranking, pool.set_aside)

    def _taken(self, item: Item, table: str) -> list[Candidate]:
        """Candidates of one table; of a chain those that the run file takes: all, the last, the draft, or both ends."""
        found = item.candidates.get(table, [])
        if table != "critique/candidates" or "all" in self._takes:
            return found
        taken = found[:1] if self._takes & {"draft", "draft_and_last"} else []
        return taken + (found[-1:] if self._takes & {"last", "draft_and_last"} and len(found) > 1 else [])

    def keep(self, pool: _Pool) -> None:
        """Write the verdicts and judgements of a prompt."""
        self._report.add_pool(pool.comparisons, pool.set_aside)
        verdicts = _once(pool.judged)
        self.tables.add("verdicts", verdicts)
        self._report.add_verdicts(pool.prompt, verdicts)
        self._report.add_judged(pool.judged, self._found.by_people)
        for one in pool.judged:
            self.tables.end(one.comparison.id, one.ending)
            if one.judgement:
                self._keep_judgement(one.judgement)
            if one.escalation and one.escalation.is_for_people:
                self.tables.add("for_people", [ForPeople.of(pool.prompt, pool.answers, one.escalation.judgement)])
        if pool.ranking:
            self._report.add_ranking(pool.ranking)
            self.tables.add("rankings", [pool.ranking])

    def _keep_judgement(self, judgement: Judgement) -> None:
        if self._waits:
            self._waiting.add(judgement)
        else:
            self.tables.add("judgements", [judgement])

    def close(self) -> Made:
        """Finish the stage. Raises AmendmentError where there was nothing to ask about, and ConfigError where people
        have decided too little for the jury."""
        self._report.refuse_nothing()
        endings = self.tables.close(self._decide if self._waits else None)
        report = self._report.to_json()
        text = json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False)
        write_text(self._context.workspace.path(REPORT), text + "\n")
        matrix = matrix_lines(self._report.matrix)
        write_text(self._context.workspace.path(PRINCIPLES), "\n".join(matrix) + "\n")
        return Made((*self.tables.artefacts, REPORT, PRINCIPLES), {**endings, **self._report.counts(report)})

    def _decide(self) -> None:
        """The judgements of a jury that is weighed on all comparisons."""
        self.tables.add("judgements", self._waiting.decided(self._report.votes))


def _once(judged: Sequence[Judged]) -> list[Verdict]:
    """The verdicts of a prompt, in order: one that speaks of several comparisons stands there once."""
    return list({verdict.id: verdict for one in judged for verdict in one.verdicts}.values())
