"""The stages that compare: judging, and the dataset made of judgements."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from amendment.answers import Ending, ending_of
from amendment.errors import AmendmentError, Transient
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Made
from amendment.pipeline.publishing.dataset_files import write_exports
from amendment.pipeline.runfile.config import JudgingStage, RunFile
from amendment.pipeline.runfile.sources import ChainSource, ModelSource
from amendment.pipeline.stages.endings import write_endings
from amendment.pipeline.stages.mixing import RUN, diversity_counts, mix_in
from amendment.preference import (
    Judge,
    PairSettings,
    judge_together,
    load_judge_folder,
    make_pairs,
    pool_of,
    preference_row,
)
from amendment.records import Candidate, Comparison, Judgement, Preference, Verdict

__all__ = ["candidate_tables", "make_dataset", "make_judgements", "open_judges"]


def candidate_tables(config: RunFile) -> tuple[str, ...]:
    """The tables from which the dataset's candidates come, by the run file."""
    sources = config.candidates if config.judging else ()
    tables = []
    if any(isinstance(source, ModelSource) for source in sources):
        tables.append("candidates/candidates")
    if any(isinstance(source, ChainSource) for source in sources):
        tables.append("critique/candidates")
    return (*tables, "inputs/candidates")


def _pools(context: Context) -> tuple[dict[str, list[Candidate]], Counter[str]]:
    """The comparable candidates of each prompt, and what was set aside."""
    by_prompt: dict[str, list[Candidate]] = defaultdict(list)
    for table in candidate_tables(context.config):
        found = context.workspace.read(table, Candidate)
        for candidate in _taken(context, found) if table == "critique/candidates" else found:
            by_prompt[candidate.prompt_id].append(candidate)
    aside: Counter[str] = Counter()
    pools = {}
    for prompt_id, candidates in by_prompt.items():
        pool = pool_of(candidates)
        aside.update(pool.set_aside)
        pools[prompt_id] = list(pool.candidates)
    return pools, aside


def _taken(context: Context, chain: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of chains that the run file takes: all, the last, the draft, or both ends."""
    takes = {source.take for source in context.config.candidates if isinstance(source, ChainSource)}
    trails: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in chain:
        trails[candidate.prompt_id].append(candidate)
    if "all" in takes:
        return list(chain)
    taken: list[Candidate] = []
    for trail in trails.values():
        taken += trail[:1] if takes & {"draft", "draft_and_last"} else []
        taken += trail[-1:] if takes & {"last", "draft_and_last"} and len(trail) > 1 else []
    return taken


class _Judged(NamedTuple):
    comparison: str
    verdicts: list[Verdict]
    ending: Ending


def make_judgements(context: Context) -> Made:
    """Judge every two candidates of each prompt, but those that the user's own votes have decided."""
    stage = context.config.judging
    assert stage is not None
    judges = open_judges(context, stage)
    prompts = context.prompts()
    pairs, aside = _pairs_to_judge(context, prompts)

    async def work(pair: tuple[Candidate, Candidate]) -> _Judged:
        comparison = Comparison.between(*pair).id
        try:
            asked = await asyncio.gather(*(judge.verdicts(prompts[pair[0].prompt_id], *pair) for judge in judges))
        except Transient as fault:
            return _Judged(comparison, [], ending_of(fault))
        verdicts = [verdict for found in asked for verdict in found]
        readable = any(verdict.invalid is None for verdict in verdicts)
        return _Judged(comparison, verdicts, Ending("done") if readable else Ending("invalid", verdicts[0].invalid))

    judged = context.each("judging", pairs, work, models=[judge.model for judge in judges])
    endings = write_endings(context.workspace, "judging", [(one.comparison, one.ending) for one in judged])
    judgements = [
        judge_together(one.verdicts, orders=stage.orders, disagreement=stage.disagreement)
        for one in judged
        if one.verdicts
    ]
    verdicts = [verdict for one in judged for verdict in one.verdicts]
    artefacts = (
        context.workspace.write("judging/verdicts", Verdict, verdicts),
        context.workspace.write("judging/judgements", Judgement, judgements),
        "judging/endings",
    )
    return Made(artefacts, {**endings, **_judging_counts(verdicts, judgements), "candidates set aside": dict(aside)})


def _pairs_to_judge(context: Context, prompts: Iterable[str]) -> tuple[list[tuple[Candidate, Candidate]], Counter[str]]:
    """Every two candidates of each prompt that shall be judged, and what was set aside."""
    pools, aside = _pools(context)
    stage = context.config.judging
    decided = _decided(context) if stage and stage.labelled == "skip" else frozenset()
    every = [pair for prompt in prompts for pair in pool_of(pools.get(prompt, [])).pairs()]
    pairs = [pair for pair in every if Comparison.between(*pair).id not in decided]
    if not pairs:
        counts = ", ".join(f"{count} {reason}" for reason, count in aside.items()) or "none"
        if every:
            message = (
                "your own verdicts have decided them all; set judging.labelled to judge to measure the judge on them"
            )
            raise AmendmentError(f"judging: of {len(every)} comparisons none is left to ask about: {message}")
        raise AmendmentError(f"judging: no prompt has two different candidates to compare; set aside: {counts}")
    return pairs, aside


def _decided(context: Context) -> frozenset[str]:
    """The comparisons that the user's own verdicts have decided."""
    imported = context.workspace.read("inputs/judgements", Judgement)
    return frozenset(judgement.comparison_id for judgement in imported if judgement.p_a is not None)


def open_judges(context: Context, stage: JudgingStage) -> list[Judge]:
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


def _judging_counts(verdicts: Sequence[Verdict], judgements: Sequence[Judgement]) -> dict[str, float]:
    twice = [judgement.consistent for judgement in judgements if judgement.consistent is not None]
    firsts = [p for verdict in verdicts if (p := verdict.p_first()) is not None]
    counts: dict[str, float] = {
        "comparisons": len(judgements),
        "verdicts": len(verdicts),
        "invalid verdicts": sum(verdict.invalid is not None for verdict in verdicts),
    }
    if twice:  # with one order there is nothing to agree, and no telling position from quality
        counts |= {"orders agree": round(fmean(twice), 4), "mean P(first shown)": round(fmean(firsts), 4)}
    return counts


def make_dataset(context: Context) -> Made:
    """Pairs of all judgements, with their texts, mixed where asked; the train and the test split share no prompt."""
    prompts, test = context.prompts(), context.held_out()
    candidates: dict[str, Candidate] = {}
    for candidate in context.candidates(candidate_tables(context.config)):
        candidates.setdefault(candidate.id, candidate)
    rows: dict[str, list[Preference]] = {"train": [], "test": []}
    left_out: Counter[str] = Counter()
    references = {one.id: one.reference for one in context.constitutions} if context.config.judging else {}
    for judgements, settings in _judgements(context):
        paired = make_pairs(judgements, settings)
        left_out.update(paired.left_out)
        for pair in paired.pairs:
            side = "test" if pair.prompt_id in test else "train"
            rows[side].append(preference_row(pair, prompts, candidates, references))
    if not rows["train"]:
        raise AmendmentError(f"dataset: no pair is left for training (left out: {dict(left_out)})")
    by_source = {RUN: [*rows["train"], *rows["test"]]}
    counts: dict[str, Any] = {"left out": dict(left_out)}
    if len(context.config.dataset.mix) > 1:
        rows, by_source, mixed = mix_in(context, rows)
        counts |= mixed
    tables = [context.workspace.write(f"dataset/{side}", Preference, found) for side, found in rows.items()]
    exports = write_exports(context.workspace.folder)
    sizes = {f"{side} pairs": len(found) for side, found in rows.items()}
    diversity = diversity_counts(by_source, seed=context.config.seed)
    return Made((*tables, *exports), {**sizes, **counts, **diversity})


class _Judgements(NamedTuple):
    """Judgements of one source, and how they become pairs."""

    judgements: list[Judgement]
    settings: PairSettings


def _judgements(context: Context) -> list[_Judgements]:
    config, read = context.config, context.workspace.read
    imported = PairSettings(ties=config.dataset.ties)
    sources = [_Judgements(read("inputs/judgements", Judgement), imported)]
    if config.judging:
        decided = _decided(context)
        judged = [one for one in read("judging/judgements", Judgement) if one.comparison_id not in decided]
        sources.append(_Judgements(judged, config.judging))
    return sources
