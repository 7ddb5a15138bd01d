"""Numbers with their uncertainty: means, shares, differences, agreement and ratings whose rows come in clusters.

Beside them, each in its module: raters weighed on labels (`stacking`), win rates at equal length (`length_control`).
"""

from amendment.statistics.agreement import cohen_kappa, gwet_ac1, kappa_of, krippendorff_alpha
from amendment.statistics.intervals import (
    Estimate,
    bounds,
    cautioned,
    clustered_mean,
    paired_difference,
)
from amendment.statistics.ratings import Posterior, posterior
from amendment.statistics.resampling import Resampling, bootstrap, quotient, sums_by_cluster
from amendment.statistics.shares import binomial_p, macro_share, share, wilson

__all__ = [
    "Estimate",
    "Posterior",
    "Resampling",
    "binomial_p",
    "bootstrap",
    "bounds",
    "cautioned",
    "clustered_mean",
    "cohen_kappa",
    "gwet_ac1",
    "kappa_of",
    "krippendorff_alpha",
    "macro_share",
    "paired_difference",
    "posterior",
    "quotient",
    "share",
    "sums_by_cluster",
    "wilson",
]
