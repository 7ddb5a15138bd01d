"""Numbers with their uncertainty: means and differences whose rows come in clusters."""

from amendment.statistics.intervals import Estimate, clustered_macro, clustered_mean, paired_difference

__all__ = ["Estimate", "clustered_macro", "clustered_mean", "paired_difference"]
