"""Mix other sources into the dataset, and measure its diversity."""

from amendment.curation.diversity import Diversity, Spread, compression_ratio, distinct, measure_diversity
from amendment.curation.mixing import Mix, Mixed, PairShare, RunShare, SourceCount, mix_pairs

__all__ = [
    "Diversity",
    "Mix",
    "Mixed",
    "PairShare",
    "RunShare",
    "SourceCount",
    "Spread",
    "compression_ratio",
    "distinct",
    "measure_diversity",
    "mix_pairs",
]
