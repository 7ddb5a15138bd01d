"""What goes into a dataset besides the judge's pairs, and how varied it is: mixing and diversity."""

from amendment.curation.diversity import Diversity, Spread, compression_ratio, distinct, measure_diversity, words
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
    "words",
]
