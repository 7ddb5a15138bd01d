"""Judges, judgements and pairs: which of two answers is better, and how sure that is."""

from amendment.preference.aggregate import (
    Vote,
    aggregate_verdicts,
    decide,
    majorities,
    majority,
    majority_of,
    person_votes,
    standings_of,
)
from amendment.preference.asking import is_asked_again
from amendment.preference.degenerate import (
    Pool,
    fit_for_pairs,
    likeness,
    pool_of,
    without_constant_answers,
)
from amendment.preference.folder import (
    JudgeFolder,
    judge_lines,
    judge_values,
    load_judge_folder,
    register_protocol,
    shipped_judges,
)
from amendment.preference.judge import Compared, Judge, JudgeSettings
from amendment.preference.pairs import (
    TIED_POOL,
    Paired,
    PairSettings,
    compare_revisions,
    held_out,
    is_tied_pool,
    make_pairs,
    preference_row,
)
from amendment.preference.panel import JudgePanel, escalate
from amendment.preference.parsers import Parsed
from amendment.preference.protocols import drawn_question
from amendment.preference.ranking import Compare, rank_adaptively
from amendment.preference.readings import Reading, as_pair_verdicts, by_comparison, readings_of
from amendment.preference.reward import JudgeReward
from amendment.records import Criterion, criteria_of

__all__ = [
    "TIED_POOL",
    "Compare",
    "Compared",
    "Criterion",
    "Judge",
    "JudgeFolder",
    "JudgePanel",
    "JudgeReward",
    "JudgeSettings",
    "PairSettings",
    "Paired",
    "Parsed",
    "Pool",
    "Reading",
    "Vote",
    "aggregate_verdicts",
    "as_pair_verdicts",
    "by_comparison",
    "compare_revisions",
    "criteria_of",
    "decide",
    "drawn_question",
    "escalate",
    "fit_for_pairs",
    "held_out",
    "is_asked_again",
    "is_tied_pool",
    "judge_lines",
    "judge_values",
    "likeness",
    "load_judge_folder",
    "majorities",
    "majority",
    "majority_of",
    "make_pairs",
    "person_votes",
    "pool_of",
    "preference_row",
    "rank_adaptively",
    "readings_of",
    "register_protocol",
    "shipped_judges",
    "standings_of",
    "without_constant_answers",
]
