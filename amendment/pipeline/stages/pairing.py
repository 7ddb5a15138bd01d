"""The stage `dataset`: pairs made of judgements, with their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from amendment.errors import AmendmentError
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Made
from amendment.pipeline.publishing.dataset_files import write_exports
from amendment.pipeline.stages.degenerates import paired_answers
from amendment.pipeline.stages.judging import candidate_tables, decided_comparisons
from amendment.pipeline.stages.mixing import RUN, diversity_counts, mix_in
from amendment.pipeline.stages.ranked_ends import ends_of_rankings
from amendment.pipeline.stages.revisions import check_revisions
from amendment.preference import TIED_POOL, PairSettings, preference_row
from amendment.records import Candidate, Judgement, Preference

__all__ = ["make_dataset"]


def make_dataset(context: Context) -> Made:
    """Pairs of all judgements, with their texts, mixed where asked; the train and the test split share no prompt."""
    prompts, test = context.prompts(), context.held_out()
    candidates: dict[str, Candidate] = {}
    for candidate in context.candidates(candidate_tables(context.config)):
        candidates.setdefault(candidate.id, candidate)
    rows: dict[str, list[Preference]] = {"train": [], "test": []}
    left_out: Counter[str] = Counter()
    references = {one.id: one.reference for one in context.constitutions} if context.config.judging else {}
    revisions = check_revisions(context)
    for judgements, settings, not_ends in _judgements(context):
        left_out.update(not_ends)
        paired = paired_answers(
            context.config, judgements, settings, prompts, candidates, revisions=revisions.by_comparison
        )
        left_out.update(paired.left_out)
        for pair in paired.pairs:
            side = "test" if pair.prompt_id in test else "train"
            rows[side].append(preference_row(pair, prompts, candidates, references))
    if not rows["train"]:
        raise AmendmentError(_no_pair(left_out, on_test_side=len(rows["test"])))
    by_source = {RUN: [*rows["train"], *rows["test"]]}
    counts: dict[str, Any] = {"left out": dict(left_out), **revisions.counts}
    if len(context.config.dataset.mix) > 1:
        rows, by_source, mixed = mix_in(context, rows)
        counts |= mixed
    tables = [context.workspace.write(f"dataset/{side}", Preference, found) for side, found in rows.items()]
    exports = write_exports(context.workspace.folder)
    sizes = {f"{side} pairs": len(found) for side, found in rows.items()}
    diversity = diversity_counts(by_source, seed=context.config.seed)
    return Made((*tables, *exports), {**sizes, **counts, **diversity})


def _no_pair(left_out: Mapping[str, int], *, on_test_side: int) -> str:
    """Why there is nothing to train on, and what to do."""
    counts = [f"{count} {reason}" for reason, count in left_out.items()]
    counts += [f"{on_test_side} on the test side of the split"] if on_test_side else []
    ways = ["take more prompts"]
    if on_test_side:
        ways.append("lower test_share under dataset")
    if left_out.get("tie"):
        ways.append("lower min_margin or write ties: keep")
    if left_out.get(TIED_POOL):
        ways.append("ask a judge that tells these answers apart, or write answers that differ more")
    if left_out.get("invalid") or left_out.get("orders disagree"):
        ways.append("ask a judge that answers better: the table judging/verdicts holds what this one said")
    found = ", ".join(counts) or "none, since nothing was judged"
    return f"dataset: no pair is left for training (left out: {found}). What helps: {', or '.join(ways)}"


class _Judgements(NamedTuple):
    """Judgements of one source, and how they become pairs."""

    judgements: list[Judgement]
    settings: PairSettings
    left_out: Counter[str]
    """What a ranking has left out already, by reason."""


def _judgements(context: Context) -> list[_Judgements]:
    config, read = context.config, context.workspace.read
    imported = PairSettings(ties=config.dataset.ties)
    sources = [_Judgements(read("inputs/judgements", Judgement), imported, Counter())]
    if config.judging:
        decided = decided_comparisons(context)
        judged = [one for one in read("judging/judgements", Judgement) if one.comparison_id not in decided]
        judged, left_out = ends_of_rankings(context, judged)
        sources.append(_Judgements(judged, config.judging, left_out))
    return sources
