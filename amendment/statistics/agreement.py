"""Agreement beyond chance: Cohen's kappa for two raters, Krippendorff's alpha for any number of them.

Classes are numbers from 0. Both statistics are nan, not 0 and not 1, where chance alone would agree always.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Estimate, Floats, codes_of
from amendment.statistics.resampling import Resampling, bootstrap, quotient, sums_by_cluster

__all__ = ["cohen_kappa", "kappa_of", "krippendorff_alpha"]


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Iterable[Hashable],
    *,
    classes: int,
    resampling: Resampling | None = None,
) -> Estimate:
    """Kappa of two raters' classes, one per row: (p_o - p_e) / (1 - p_e) (Cohen 1960), bootstrapped over clusters."""
    a, b = _classes(first, classes), _classes(second, classes)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two raters need a class for each row, found shapes {a.shape} and {b.shape}")
    cells = sums_by_cluster(clusters, *(a * classes + b == cell for cell in range(classes * classes)))
    return bootstrap(cells, kappa_of, n=a.size, resampling=resampling, name="Cohen's kappa,")


def kappa_of(confusions: Floats) -> Floats:
    """Kappa of each confusion matrix, flattened by rows: a vector of matrices in, a vector of kappas out."""
    k = math.isqrt(confusions.shape[-1])
    cells = confusions.reshape(-1, k, k)
    n = cells.sum((1, 2))
    observed = n * np.trace(cells, axis1=1, axis2=2)
    expected = np.einsum("dk,dk->d", cells.sum(2), cells.sum(1))  # n^2 p_o and n^2 p_e: whole numbers stay exact
    return quotient(observed - expected, n * n - expected)


def krippendorff_alpha(
    counts: ArrayLike, clusters: Iterable[Hashable], *, resampling: Resampling | None = None
) -> Estimate:
    """Nominal alpha (Krippendorff 2004, chapter 11) of units rated by any number of raters, bootstrapped over clusters.

    `counts` has a row per unit and a column per class: how many raters gave the unit that class. Units with fewer
    than two ratings cannot disagree and are left out; `n` counts the others.

    D_o = sum_u (m_u^2 - sum_c n_uc^2) / (m_u - 1),  alpha = 1 - (n - 1) D_o / (n^2 - sum_c n_c^2),
    with m_u ratings of unit u, n_c ratings of class c and n ratings in all.
    """
    ratings, (codes, _) = np.asarray(counts, np.float64), codes_of(clusters)
    if ratings.ndim != 2 or len(ratings) != codes.size or (ratings.size and ratings.min() < 0):
        raise ValueError(f"expected a row of counts and a cluster per unit, found {ratings.shape} and {codes.size}")
    m = ratings.sum(1)
    pairable = m >= 2
    ratings, m = ratings[pairable], m[pairable]
    disagreement = (m * m - (ratings * ratings).sum(1)) / (m - 1)
    sums = sums_by_cluster(codes[pairable], disagreement, *ratings.T)
    return bootstrap(sums, _alpha_of, n=int(m.size), resampling=resampling, name="Krippendorff's alpha,")


def _alpha_of(sums: Floats) -> Floats:
    disagreement, by_class = sums[:, 0], sums[:, 1:]
    n = by_class.sum(1)
    return 1 - quotient((n - 1) * disagreement, n * n - (by_class * by_class).sum(1))


def _classes(values: ArrayLike, classes: int) -> NDArray[np.intp]:
    found = np.asarray(values)
    if found.size and not (found.dtype.kind in "iu" and found.min() >= 0 and found.max() < classes):
        raise ValueError(f"expected whole numbers from 0 to {classes - 1} as classes")
    return found.astype(np.intp, copy=False)
