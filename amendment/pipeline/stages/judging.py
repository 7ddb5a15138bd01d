"""The stage `judging`: every two candidates of each prompt compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from amendment.answers import Ending, ending_of
from amendment.calls import Model, flow
from amendment.errors import AmendmentError, Transient
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Made
from amendment.pipeline.runfile.config import JudgingStage, RunFile
from amendment.pipeline.runfile.sources import ChainSource, ModelSource
from amendment.pipeline.stages.endings import Tables
from amendment.pipeline.stages.passes import Item
from amendment.preference import Judge, judge_together, load_judge_folder, pool_of
from amendment.records import Candidate, Comparison, Judgement, Prompt, Verdict

__all__ = ["JudgeStep", "candidate_tables", "decided_comparisons"]


def candidate_tables(config: RunFile) -> tuple[str, ...]:
    """The tables from which the dataset's candidates come, by the run file."""
    sources = config.candidates if config.judging else ()
    tables = []
    if any(isinstance(source, ModelSource) for source in sources):
        tables.append("candidates/candidates")
    if any(isinstance(source, ChainSource) for source in sources):
        tables.append("critique/candidates")
    return (*tables, "inputs/candidates")


def decided_comparisons(context: Context) -> frozenset[str]:
    """The comparisons that the user's own verdicts have decided."""
    imported = context.workspace.read("inputs/judgements", Judgement)
    return frozenset(judgement.comparison_id for judgement in imported if judgement.p_a is not None)


def _open_judges(context: Context, stage: JudgingStage) -> list[Judge]:
    """The judges of a stage, ready to be asked."""
    return [
        Judge(
            folder=load_judge_folder(entry.protocol, base=context.base),
            model=context.model(entry.model),
            constitutions=context.constitutions,
            settings=stage,
            samples=entry.samples,
            seed=context.config.seed,
        )
        for entry in stage.judges
    ]


class _Judged(NamedTuple):
    """A comparison, what every judge said of it, and how it ended."""

    comparison: str
    verdicts: list[Verdict]
    ending: Ending


class _Pool(NamedTuple):
    """The comparisons of a prompt: how many there are, those that were judged, and the candidates set aside."""

    comparisons: int
    judged: list[_Judged]
    set_aside: Counter[str]


class JudgeStep:
    """Every two candidates of each prompt, but those pairs that the user's own votes have decided."""

    name = "judging"
    makes = None

    def __init__(self, context: Context) -> None:
        stage = context.config.judging
        assert stage is not None
        self._stage = stage
        self._judges = _open_judges(context, stage)
        self._decided = decided_comparisons(context) if stage.labelled == "skip" else frozenset()
        self._takes = {source.take for source in context.config.candidates if isinstance(source, ChainSource)}
        self._counts = _Counts()
        self.reads = candidate_tables(context.config)
        self.models: Sequence[Model] = [judge.model for judge in self._judges]
        self._window = context.window(self.models)
        self.tables = Tables(context.workspace, "judging", verdicts=Verdict, judgements=Judgement)

    async def work(self, item: Item) -> _Pool:
        """Judge the pairs of a prompt."""
        pool = pool_of(candidate for table in self.reads for candidate in self._taken(item, table))
        pairs = pool.pairs()
        asked = [pair for pair in pairs if Comparison.between(*pair).id not in self._decided]

        async def work(pair: tuple[Candidate, Candidate]) -> _Judged:
            return await self._judge(item.prompt, *pair)

        return _Pool(len(pairs), await flow(asked, work, window=self._window), pool.set_aside)

    def _taken(self, item: Item, table: str) -> list[Candidate]:
        """Candidates of one table; of a chain those that the run file takes: all, the last, the draft, or both ends."""
        found = item.candidates.get(table, [])
        if table != "critique/candidates" or "all" in self._takes:
            return found
        taken = found[:1] if self._takes & {"draft", "draft_and_last"} else []
        return taken + (found[-1:] if self._takes & {"last", "draft_and_last"} and len(found) > 1 else [])

    async def _judge(self, prompt: Prompt, first: Candidate, second: Candidate) -> _Judged:
        comparison = Comparison.between(first, second).id

        async def ask(judge: Judge) -> list[Verdict]:
            return await judge.verdicts(prompt, first, second)

        try:
            asked = await flow(self._judges, ask, window=len(self._judges))
        except Transient as fault:
            return _Judged(comparison, [], ending_of(fault))
        verdicts = [verdict for found in asked for verdict in found]
        readable = any(verdict.invalid is None for verdict in verdicts)
        return _Judged(comparison, verdicts, Ending("done") if readable else Ending("invalid", verdicts[0].invalid))

    def keep(self, pool: _Pool) -> None:
        """Write the verdicts and judgements of a prompt."""
        self._counts.comparisons += pool.comparisons
        self._counts.set_aside.update(pool.set_aside)
        for one in pool.judged:
            self.tables.end(one.comparison, one.ending)
            self.tables.add("verdicts", one.verdicts)
            if one.verdicts:
                orders, disagreement = self._stage.orders, self._stage.disagreement
                judgement = judge_together(one.verdicts, orders=orders, disagreement=disagreement)
                self.tables.add("judgements", [judgement])
                self._counts.add(judgement, one.verdicts)
            self._counts.asked += 1

    def close(self) -> Made:
        """Finish the stage. Raises AmendmentError where there was nothing to ask about."""
        self._counts.refuse_nothing()
        return Made(self.tables.artefacts, {**self.tables.close(), **self._counts.to_json()})


class _Counts:
    """What summary and status show of the comparisons."""

    def __init__(self) -> None:
        self.comparisons = 0
        """Pairs of candidates, judged or not."""
        self.asked = 0
        self.set_aside: Counter[str] = Counter()
        self._found: Counter[str] = Counter()
        self._firsts, self._twice = _Mean(), _Mean()

    def add(self, judgement: Judgement, verdicts: Sequence[Verdict]) -> None:
        self._found["comparisons"] += 1
        self._found["verdicts"] += len(verdicts)
        self._found["invalid verdicts"] += sum(verdict.invalid is not None for verdict in verdicts)
        self._twice.add(judgement.consistent)
        for verdict in verdicts:
            self._firsts.add(verdict.p_first())

    def refuse_nothing(self) -> None:
        """Raises AmendmentError that says why, where no comparison was asked about."""
        if self.asked:
            return
        if self.comparisons:
            raise AmendmentError(
                f"judging: of {self.comparisons} comparisons none is left to ask about: your own verdicts have decided "
                "them all; set judging.labelled to judge to measure the judge on them"
            )
        counts = ", ".join(f"{count} {reason}" for reason, count in self.set_aside.items()) or "none"
        ways = ["raise max_tokens of the models that write them"] if self.set_aside["truncated"] else []
        ways.append("draw more candidates of each prompt, or take more prompts")
        raise AmendmentError(
            f"judging: no prompt has two different candidates to compare; set aside: {counts}. What helps: "
            f"{', or '.join(ways)}"
        )

    def to_json(self) -> dict[str, Any]:
        counts: dict[str, Any] = {name: self._found[name] for name in ("comparisons", "verdicts", "invalid verdicts")}
        if self._twice.count:  # with one order there is nothing to agree, and no telling position from quality
            counts |= {"orders agree": self._twice.value, "mean P(first shown)": self._firsts.value}
        return {**counts, "candidates set aside": dict(self.set_aside)}


class _Mean:
    """A mean of numbers that come one by one, with four digits."""

    def __init__(self) -> None:
        self.count, self._sum = 0, 0.0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.count, self._sum = self.count + 1, self._sum + value

    @property
    def value(self) -> float:
        return round(self._sum / self.count, 4)
