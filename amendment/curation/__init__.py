"""Mix other sources into the dataset, measure its diversity, and notice a collapse."""

from amendment.curation.collapse import CollapseGate, collapse_gates
from amendment.curation.diversity import Diversity, measure_diversity
from amendment.curation.measures import WordModel, compression_ratio, distinct, self_repetition, vendi_score
from amendment.curation.mixing import Mix, Mixed, PairShare, RunShare, SourceCount, mix_pairs
from amendment.curation.planner import MixPlan, plan_mix

__all__ = [
    "CollapseGate",
    "Diversity",
    "Mix",
    "MixPlan",
    "Mixed",
    "PairShare",
    "RunShare",
    "SourceCount",
    "WordModel",
    "collapse_gates",
    "compression_ratio",
    "distinct",
    "measure_diversity",
    "mix_pairs",
    "plan_mix",
    "self_repetition",
    "vendi_score",
]
