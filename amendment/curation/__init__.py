"""Tasks with known answers; mix other sources into the dataset, measure its diversity, and notice a collapse."""

from amendment.curation.collapse import CollapseGate, collapse_gates
from amendment.curation.diversity import Diversity, measure_diversity
from amendment.curation.measures import WordModel, compression_ratio, distinct, self_repetition, vendi_score
from amendment.curation.mixing import Mix, Mixed, PairShare, RunShare, SourceCount, mix_pairs
from amendment.curation.rejection import choose_by_behaviour, pass_at_k
from amendment.verification.tasks import Task, Tasks, make_tasks

__all__ = [
    "CollapseGate",
    "Diversity",
    "Mix",
    "Mixed",
    "PairShare",
    "RunShare",
    "SourceCount",
    "Task",
    "Tasks",
    "WordModel",
    "choose_by_behaviour",
    "collapse_gates",
    "compression_ratio",
    "distinct",
    "make_tasks",
    "measure_diversity",
    "mix_pairs",
    "pass_at_k",
    "self_repetition",
    "vendi_score",
]
