"""Numbers with their uncertainty: means, shares, differences and agreement whose rows come in clusters.

Each in its module: weights of raters and strengths of answers (`logistic`), win rates at equal length
(`length_control`).
"""

from amendment.results import Estimate
from amendment.statistics.agreement import (
    cohen_kappa,
    compute_kappa,
    gwet_ac1,
    krippendorff_alpha,
)
from amendment.statistics.intervals import (
    bounds,
    cautioned,
    clustered_mean,
    estimate,
    paired_difference,
)
from amendment.statistics.resampling import Resampling, bootstrap, quotient, sums_by_cluster
from amendment.statistics.shares import binomial_p, by_length, macro_share, share, wilson

__all__ = [
    "Estimate",
    "Resampling",
    "binomial_p",
    "bootstrap",
    "bounds",
    "by_length",
    "cautioned",
    "clustered_mean",
    "cohen_kappa",
    "compute_kappa",
    "estimate",
    "gwet_ac1",
    "krippendorff_alpha",
    "macro_share",
    "paired_difference",
    "quotient",
    "share",
    "sums_by_cluster",
    "wilson",
]
