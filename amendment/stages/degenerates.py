"""Pairs of the comparisons that something can be learned from; what became none is counted by its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amendment.preference import Paired, PairSettings, fit_for_pairs, make_pairs, without_constant_answers
from amendment.records import Candidate, Judgement, Prompt
from amendment.stages.configs import RunFile

__all__ = ["paired_answers"]


def paired_answers(
    config: RunFile,
    judgements: Iterable[Judgement],
    settings: PairSettings,
    prompts: Mapping[str, Prompt],
    candidates: Mapping[str, Candidate],
    *,
    revisions: Mapping[str, str] | None = None,
) -> Paired:
    """The pairs of judgements, without degenerate ones, whether the run's own judge decided or somebody's file.

    Every judgement is a pair or counted in `left_out`, once.
    """
    fit = fit_for_pairs(judgements, prompts, candidates)
    paired = make_pairs(fit.judgements, settings, revisions=revisions)
    pairs, constant = without_constant_answers(paired.pairs, candidates, config.dataset.constant_answers)
    return Paired(pairs, paired.left_out + fit.left_out + constant)
