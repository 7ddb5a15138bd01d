"""Judges, judgements and pairs: which of two answers is better, and how sure that is."""

from amendment.preference._folder import JudgeFolder, load_judge_folder, shipped_judges
from amendment.preference.dataset import held_out, held_out_count, preference_row, split_rank
from amendment.preference.judge import Compared, Judge, JudgeSettings
from amendment.preference.judgement import judge_together, majority, raters_together
from amendment.preference.pairs import Paired, PairSettings, make_pairs
from amendment.preference.pool import Pool, pool_of

__all__ = [
    "Compared",
    "Judge",
    "JudgeFolder",
    "JudgeSettings",
    "PairSettings",
    "Paired",
    "Pool",
    "held_out",
    "held_out_count",
    "judge_together",
    "load_judge_folder",
    "majority",
    "make_pairs",
    "pool_of",
    "preference_row",
    "raters_together",
    "shipped_judges",
    "split_rank",
]
