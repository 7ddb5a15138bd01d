"""Numbers with their uncertainty: means, shares, differences and agreement whose rows come in clusters."""

from amendment.statistics.agreement import cohen_kappa, kappa_of, krippendorff_alpha
from amendment.statistics.intervals import (
    Estimate,
    bounds,
    cautioned,
    clustered_macro,
    clustered_mean,
    paired_difference,
)
from amendment.statistics.resampling import Resampling, bootstrap, quotient, sums_by_cluster
from amendment.statistics.shares import binomial_p, share, wilson

__all__ = [
    "Estimate",
    "Resampling",
    "binomial_p",
    "bootstrap",
    "bounds",
    "cautioned",
    "clustered_macro",
    "clustered_mean",
    "cohen_kappa",
    "kappa_of",
    "krippendorff_alpha",
    "paired_difference",
    "quotient",
    "share",
    "sums_by_cluster",
    "wilson",
]
