"""The stage `judging`: the candidates of each prompt compared, by one judge or by a jury.

Covered: every two candidates, or those that an adaptive ranking asks for; second judges for what the first are unsure
of (a cascade); juries whose weights are known only when all comparisons have been judged. A comparison that people
have decided is not asked about, and its decision counts in a ranking.

Not covered: how a judge asks and what its replies come to; see `amendment.preference`.
"""

from __future__ import annotations

import math
from asyncio import to_thread
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from amendment.curation.construction import AnswersOfPair, read_pair_answers
from amendment.data.sources import ChainSource, FileSource, ModelSource
from amendment.errors import AmendmentError, ConfigError
from amendment.files import write_json
from amendment.llm.concurrency import flow
from amendment.preference.checked import CheckedComparisons, check_result
from amendment.preference.deciding import CONSTRUCTED, CONSTRUCTED_ANSWERS, decided_comparisons
from amendment.preference.degenerate import Pool, make_pool
from amendment.preference.folder import load_judge_folder
from amendment.preference.panel import JudgedComparison, JudgePanel, PanelCounts, Unweighed, refuse_few_labels, weigh
from amendment.preference.principles import PrincipleTally
from amendment.preference.ranking import Ranking, rank_adaptively
from amendment.preference.settings import REPORT, JudgingConfig
from amendment.records import LABELLERS, Candidate, Comparison, Judgement, Prompt, Record, Verdict
from amendment.results import Result, by_label, counted
from amendment.stages.contract import (
    Ask,
    ConfigProblem,
    Context,
    PromptItem,
    RunSettings,
    Stage,
    StageResult,
    Step,
    dump,
    judge_key,
    open_judge,
    rules_key,
)
from amendment.stages.tables import Role, Tables

COMPARISONS = 2
"""Comparisons that an adaptive ranking asks for each candidate at most, and one more of the best with the worst."""


def _kinds(config: JudgingConfig) -> dict[str, type[Record]]:
    kinds: dict[str, type[Record]] = {"verdicts": Verdict, "judgements": Judgement}
    if config.ranking != "all_pairs":
        kinds["rankings"] = Ranking
    return kinds


class JudgingStage(Stage):
    """Compare the candidates of each prompt."""

    name = "judging"
    weight = 1
    title = "judging candidates"
    Config = JudgingConfig
    reads = ("inputs/prompts", "inputs/judgements", Role.ANSWERS)

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = settings.need(JudgingConfig)
        if self.config.judge_labelled:
            self.may_read = (CONSTRUCTED, CONSTRUCTED_ANSWERS)
        names = [f"judging/{name}" for name in (*_kinds(self.config), "endings")]
        self.writes = {**dict.fromkeys((*names, REPORT)), "judging/judgements": Role.DECISIONS}

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings but those that make pairs, the judges' models and texts, and the constitutions."""
        key = {
            **dump(self.config, without={"pairs", "min_margin", "ties"}),
            **rules_key(context.rules),
            "take": [dump(source) for source in self.settings.parts(ChainSource)],
        }
        for entry in self.config.every_judge:
            key |= judge_key(context, entry)
        return key

    def asks(self) -> Iterator[Ask]:
        """Yield all judges, the second ones too."""
        for place, entry in self.config.placed:
            yield Ask(("judging", *place, "model"), entry.model, "judge", entry)

    def problems(self) -> Iterator[ConfigProblem]:
        """Judges named twice, juries without labels to weigh them by, and settings without effect."""
        config, settings = self.config, self.settings
        seen: set[tuple[str, str]] = set()
        for ask, entry in zip(self.asks(), config.every_judge, strict=True):
            if (entry.model, entry.protocol) in seen:
                twice = f"{entry.model} judges by {entry.protocol} already"
                yield ask.place[:-1], f"{twice}; ask for samples there, or use another model"
            seen.add((entry.model, entry.protocol))
        if config.jury == "weighted" and not (config.judge_labelled and (settings.verdicts or settings.pairs)):
            yield (
                ("judging", "jury"),
                "learns from comparisons that people have decided and the judges have judged; name people's labels "
                "under verdicts, and set judging.judge_labelled: true",
            )
        if len(config.every_judge) == 1 and config.jury in ("majority", "weighted"):
            single = f"{config.jury} combines several judges, and there is only one"
            yield ("judging", "jury"), f"{single}; name more under judging.judges, or leave it out"
        brings_pairs = bool(settings.pairs) or any(source.may_have_texts for source in settings.verdicts)
        if not self._can_compare(brings_pairs):
            nothing = "has nothing to compare; add candidates, so that each prompt has two or more"
            labelled = ", or let the judges compare the answers of your own pairs too: judging.judge_labelled: true"
            yield ("judging",), nothing + (labelled if brings_pairs else "")

    def _can_compare(self, brings_pairs: bool) -> bool:
        """Return whether a prompt can have two candidates to compare; files are not read yet."""
        sources = self.settings.candidates
        if (
            self._waits
            or (brings_pairs and self.config.judge_labelled)
            or any(isinstance(source, FileSource) for source in sources)
        ):
            return True
        drawn = sum(source.per_prompt for source in sources if isinstance(source, ModelSource))
        chains = [source.take in ("all", "draft_and_last") for source in sources if isinstance(source, ChainSource)]
        return drawn + len(chains) + sum(chains) > (0 if brings_pairs else 1)

    def check(self, base: Path) -> Iterator[ConfigProblem]:
        """Judges of one model whose folders differ in their place and not in their name."""
        signed: dict[tuple[str, str], set[str]] = defaultdict(set)
        for ask, entry in zip(self.asks(), self.config.every_judge, strict=True):
            with suppress(ConfigError):  # a folder that cannot be read is reported elsewhere
                folder = load_judge_folder(entry.protocol, base=base)
                name = f"{folder.id}@{folder.version}"
                others = signed[entry.model, name]
                if others and entry.protocol not in others:
                    same = f"{entry.model} has the name {entry.model}/{name} here and with {min(others)}"
                    yield (*ask.place[:-1], "protocol"), f"{same}; give this folder its own id or version"
                others.add(entry.protocol)

    @property
    def _waits(self) -> bool:
        """Return True if the judges are asked about pairs that the stage `construct` makes."""
        return CONSTRUCTED in self.reads

    @property
    def is_alone(self) -> bool:
        """Return True where it waits for pairs that the stage `construct` makes."""
        return self._waits

    def begin(self, context: Context) -> Step:
        constructed = read_pair_answers(context.workspace, context.constitutions) if self._waits else None
        return JudgeStep(context, self.config, self.tables.of(Role.ANSWERS), name=self.name, constructed=constructed)


class _JudgedPool(NamedTuple):
    """The comparisons of a prompt."""

    prompt: Prompt
    pool: Pool
    judged: Sequence[JudgedComparison] = ()
    """In the pool's order, and then constructed pairs."""
    ranking: Ranking | None = None


class _Pending(Exception):
    """A comparison is pending: what would be asked next depends on it."""


class JudgeStep(Step):
    """The candidates of each prompt, but those comparisons that the user's own votes have decided."""

    def __init__(
        self,
        context: Context,
        config: JudgingConfig,
        answers: Sequence[str],
        *,
        name: str,
        constructed: Mapping[str, Sequence[AnswersOfPair]] | None = None,
    ) -> None:
        """`answers` are the tables of what is compared. `name` is the stage's; each round after the first has its own.
        `constructed` are pairs to ask about too, by prompt."""
        self.name = name
        self._constructed = constructed or {}
        self._config, self._workspace, self._seed = config, context.workspace, context.config.seed
        rows = self._workspace.rows("inputs/judgements", Judgement)
        people = [(row, row.p_a) for row in rows if row.rater_kind in LABELLERS and row.p_a is not None]
        self._people = {row.comparison_id: p_a for row, p_a in people}
        self._waits = config.jury == "weighted"
        if self._waits:
            refuse_few_labels(len(self._people), prompts=len({row.prompt_id for row, _ in people}))
        self._labelled_prompts = math.inf if config.judge_labelled is True else config.judge_labelled
        self._decided = (
            {}
            if config.judge_labelled is True
            else decided_comparisons(context.workspace, with_constructed=constructed is not None)
        )
        self._panel = _panel(context, config)
        self.models = [judge.model for judge in self._panel.judges]
        self._window = context.window(self.models)
        self._takes = {source.take for source in context.config.candidates if isinstance(source, ChainSource)}
        self.reads = tuple(answers)
        self._report = _Report(config, [judge.name for judge in self._panel.judges])
        self._checks = CheckedComparisons(context.rules)
        self.tables = Tables(context.workspace, "judging", **_kinds(config))
        self._unweighed: list[Unweighed] = []

    async def most(self, item: PromptItem) -> _JudgedPool:
        """Ask every judge, about as many pairs as a ranking can ask about; simulated first judges answer as ever."""
        first = self._panel.judges[: len(self._config.judges)]
        return await self.work(item, at_most=any(judge.model.provider.kind != "simulated" for judge in first))

    async def work(self, item: PromptItem, *, at_most: bool = False) -> _JudgedPool:
        """Ask about the pairs of a prompt that are not decided, and about constructed ones where they are wanted: of a
        contrast pair by its own principle."""
        compared = await self._pool(item, at_most=at_most)
        done = {result.comparison for result in compared.judged}
        constructed = self._constructed.get(item.prompt.id, ()) if item.index < self._labelled_prompts else ()
        pairs = [pair for pair in constructed if pair.comparison not in done]
        judged = await flow(
            pairs, lambda pair: self._panel.compare(item.prompt, *pair, at_most=at_most), window=self._window
        )
        return compared._replace(judged=[*compared.judged, *judged])

    async def _pool(self, item: PromptItem, *, at_most: bool) -> _JudgedPool:
        """Compare a prompt's candidates; `at_most` compares as many as a ranking can have to."""
        pool = make_pool(candidate for table in self.reads for candidate in self._taken(item, table))
        decided = {} if item.index < self._labelled_prompts else self._decided
        pairs = [two for two in pool.pairs() if Comparison.between(*two).id not in decided]
        if self._config.ranking == "adaptive" and pairs:
            most = COMPARISONS * len(pool.candidates)
            if not at_most:
                return await self._ranked(item.prompt, pool, most, decided)
            pairs = pairs[: most + 1]  # and the best with the worst
        judged = await flow(pairs, lambda two: self._compare(item.prompt, *two, at_most=at_most), window=self._window)
        return _JudgedPool(item.prompt, pool, judged)

    async def _compare(self, prompt: Prompt, a: Candidate, b: Candidate, *, at_most: bool = False) -> JudgedComparison:
        """Return what the judges say, or the checks of hard principles."""
        judged = await self._panel.compare(prompt, a, b, at_most=at_most)
        if not self._checks.has_hard:
            return judged
        return await to_thread(self._checks.decided, prompt, judged, {a.id: a, b.id: b})  # a check may take seconds

    def _taken(self, item: PromptItem, table: str) -> list[Candidate]:
        """Candidates of one table; of a chain those that the run file takes: all, the last, the draft, or both ends."""
        candidates = item.candidates.get(table, [])
        if table != "critique/candidates" or "all" in self._takes:
            return candidates
        taken = candidates[:1] if self._takes & {"draft", "draft_and_last"} else []
        return taken + (candidates[-1:] if self._takes & {"last", "draft_and_last"} and len(candidates) > 1 else [])

    async def _ranked(self, prompt: Prompt, pool: Pool, most: int, decided: Mapping[str, float]) -> _JudgedPool:
        pairs = {Comparison.between(*two): two for two in pool.pairs()}
        judged: dict[Comparison, JudgedComparison] = {}

        async def compare(first: str, second: str) -> float | None:
            comparison = Comparison(prompt.id, first, second)
            if comparison.id in decided:
                return decided[comparison.id]
            judged[comparison] = await self._compare(prompt, *pairs[comparison])
            if judged[comparison].ending.outcome == "pending":
                raise _Pending
            return judged[comparison].p_a

        ranking = None
        with suppress(_Pending):
            ids = [candidate.id for candidate in pool.candidates]
            ranked = await rank_adaptively(ids, compare, calls=most, seed=self._seed, compares_ends=True)
            fields = {**ranked._asdict(), "comparisons": len(ranked.comparisons)}
            ranking = Ranking(prompt_id=prompt.id, possible=len(pairs), **fields)
        return _JudgedPool(prompt, pool, [judged[comparison] for comparison in pairs if comparison in judged], ranking)

    def keep(self, compared: _JudgedPool) -> None:
        """Write the verdicts and judgements of a prompt."""
        prompt, pool, judged, ranking = compared
        constructed = self._constructed.get(prompt.id, ())
        answers = {answer.id: answer for answer in pool.candidates}
        answers |= {answer.id: answer for pair in constructed for answer in (pair.chosen, pair.rejected)}
        drawn_by = {pair.comparison: pair.principle for pair in constructed}
        # in order; a verdict on several comparisons is written once
        verdicts = list({verdict.id: verdict for result in judged for verdict in result.verdicts}.values())
        self.tables.add("verdicts", verdicts)
        self._report.add(compared, verdicts, self._people)
        for result in judged:
            self.tables.end(result.comparison.id, result.ending)
            self._checks.add(prompt, result, answers, drawn_by.get(result.comparison))
            if result.judgement and self._waits and result.judgement.rater_kind == "model":
                p_by_rater = {rater: own.p_a for rater, own in result.by_rater.items()}
                self._unweighed.append(Unweighed(result.judgement, p_by_rater))
            elif result.judgement:
                self.tables.add("judgements", [result.judgement])
        if ranking:
            self.tables.add("rankings", [ranking])

    def close(self) -> StageResult:
        """Finish the stage. Raises AmendmentError where there was nothing to ask about, and ConfigError where people
        have decided too little for the jury."""
        self._report.refuse_nothing(has_chains=bool(self._takes))
        self.tables.close(self._weigh if self._waits else None)
        checks = self._checks.to_json()
        report = {**self._report.to_json(), **({"checks": checks} if checks else {})}
        write_json(self._workspace.path(REPORT), report)
        result = Result(funnels=(self.tables.funnel("comparisons"),)) + self._report.result(report)
        return StageResult((*self.tables.artefacts, REPORT), result + check_result(checks))

    def _weigh(self) -> None:
        """Write the judgements of a jury that is weighed on all comparisons."""
        panel = self._report.panel
        judgements, panel.weights = weigh(self._unweighed, self._people, list(panel.judges))
        self.tables.add("judgements", judgements)


def _panel(context: Context, config: JudgingConfig) -> JudgePanel:
    """Return the judges, ready to be asked."""
    tiers = [
        [open_judge(context, entry, config) for entry in entries]
        for entries in (config.judges, config.cascade)
        if entries
    ]
    return JudgePanel(
        tiers,
        jury=config.jury,
        confidence=config.confidence if config.cascade else 0.0,
    )


class _Report:
    """Counts of the stage, collected prompt by prompt: a few for the summary, all for `judging/report.json`."""

    def __init__(self, config: JudgingConfig, raters: Sequence[str]) -> None:
        self.panel, self.principles = PanelCounts(raters), PrincipleTally()
        self._config = config
        self._comparisons, self._asked = 0, 0
        self._set_aside: Counter[str] = Counter()
        self._rankings: Counter[str] = Counter()

    def add(self, compared: _JudgedPool, verdicts: Sequence[Verdict], people: Mapping[str, float]) -> None:
        """Count a prompt; `people` have decided some comparisons, by P(a)."""
        _, pool, judged, ranking = compared
        self._comparisons += len(pool.pairs())
        self._asked += len(judged)
        self._set_aside.update(pool.set_aside)
        self.panel.add(judged, verdicts, people)
        self.principles.add(verdicts)
        if ranking:
            is_known = ranking.best is not None and ranking.worst is not None
            self._rankings.update(prompts=1, comparisons=ranking.comparisons, possible=ranking.possible)
            self._rankings["best and worst known"] += is_known

    def refuse_nothing(self, *, has_chains: bool) -> None:
        """Raises AmendmentError that says why, where no comparison was asked about."""
        if not self._asked and self._comparisons:
            raise AmendmentError(
                f"judging: your own verdicts have decided all {self._comparisons} comparisons, so none is left to ask "
                "about; set judging.judge_labelled: true to measure the judge on them"
            )
        if not self._asked:
            counts = ", ".join(f"{count} {reason}" for reason, count in self._set_aside.items()) or "none"
            copied = "; revisions that copy their question are no candidates: see critique in summary.md"
            copied = copied if has_chains else ""
            alike = "; a server that answers each draw alike ignores temperature and seed: see docs/local-models.md"
            alike = alike if self._set_aside["repeated"] else ""
            raise AmendmentError(
                f"judging: no prompt has two different candidates to compare; set aside: {counts}; draw more "
                f"candidates of each prompt, or take more prompts{copied}{alike}"
            )

    def to_json(self) -> dict[str, Any]:
        report = {"jury": self._config.jury, "ranking": self._config.ranking, **self.panel.to_json()}
        if self._config.cascade:
            report["cascade"] = self.panel.tiers()
        if self._rankings:
            report["rankings"] = dict(self._rankings)
        return {**report, "principles": self.principles.to_json()}

    def result(self, report: Mapping[str, Any]) -> Result:
        """Return what the summary shows of the report."""
        total, judges = self.panel.all, self.panel.judges
        figures = [*counted(verdicts=total.verdicts, invalid_verdicts=total.invalid)]
        if total.bounded:
            figures += counted(verdicts_with_an_upper_bound=total.bounded)
        if total.consistent:  # with one order there is nothing to agree, and no telling position from quality
            means = total.means()
            figures += counted(
                orders_agree=means["orders agree"],
                **({"mean_p_first_shown": means["mean P(first shown)"]} if "mean P(first shown)" in means else {}),
            )
        if votes := report.get("unanimous", {}).get("comparisons of two votes or more"):
            figures += counted(judges_all_agree=round(report["unanimous"]["same"] / votes, 4))
        if self._config.cascade:
            cascade = report["cascade"]
            figures += counted(asked_second_judges=cascade["second judges"]["asked"], unsure=cascade["unsure"]["kept"])
        if self._rankings:
            figures += counted(comparisons_spared=self._rankings["possible"] - self._rankings["comparisons"])
        for kind in ("redundant", "conflicting"):
            if pairs := sum(pair[kind] for pair in report["principles"]["agreements"]):
                figures += counted(**{f"{kind}_principles": pairs})
        figures += by_label("candidates_set_aside", "reason", self._set_aside)
        if len(judges) > 1:
            abstained = {rater: count.abstained for rater, count in judges.items() if count.abstained}
            figures += by_label("abstentions", "judge", abstained)
        return Result(figures=tuple(figures))
