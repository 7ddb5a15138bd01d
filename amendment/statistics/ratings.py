"""Ratings from comparisons: strengths on one scale with their covariance, intervals of differences, and ranks.

Covered: Bradley and Terry (1952) with soft outcomes, Davidson (1970) with ties of their own; covariances of the model,
of the sandwich, and of the sandwich clustered by prompt; comparisons that do not connect the items. Where comparisons
were chosen by the results of others, adaptively, win shares mean little and these ratings still do. Not covered:
position and length as covariates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.comparison_graph import Components, Rows, components, rows_of
from amendment.statistics.intervals import Floats
from amendment.statistics.rated import Ratings
from amendment.statistics.rating_fits import Fit, fitted, inverse, meat

__all__ = ["bradley_terry", "davidson"]

Covariance = Literal["clustered", "sandwich", "model"]
Disconnected = Literal["prior", "refuse"]
MANY_TIES = 0.05
"""With a larger share of ties than this, a model that knows ties says more."""
SHOWN = 6
"""Names or groups in a warning."""


def bradley_terry(
    first: Sequence[str],
    second: Sequence[str],
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: Iterable[Hashable] | None = None,
    covariance: Covariance = "clustered",
    disconnected: Disconnected = "prior",
) -> Ratings:
    """P(first is better) = 1 / (1 + e^-(theta_first - theta_second)), at the maximum of the likelihood.

    `y` has a row per comparison: P(first is better) or the outcome, 1, 0, and 0.5 for a tie. `weights` count a row
    several times; `clusters` name its prompt. The strengths minimise sum w [log(1 + e^d) - y d] and sum to 0. Their
    covariance is H^- sum_g(s_g s_g') H^- G / (G - 1), with s_g the scores of cluster g summed (without clusters, and
    under `sandwich`, of each row), or H^- alone under `model`, which believes that rows are independent.

    Where the graph of wins is not strongly connected, strengths would be infinite. Then every item has half a win and
    half a defeat against one imagined opponent beside the data, a warning names the components, and in no direction
    is the covariance narrower than that of the model. `refuse` raises ValueError instead, as bad rows do.
    """
    rows = rows_of(first, second, y, weights, clusters)
    found = components(rows)
    rated = _rated(rows, found, covariance, disconnected, with_ties=False)
    ties = float(rows.weights[rows.y == 0.5].sum() / rows.weights.sum())
    if ties <= MANY_TIES:
        return rated
    note = f"{ties:.0%} of the weight are ties, counted as half a win each; Davidson's model knows ties"
    return replace(rated, warnings=(*rated.warnings, note))


def davidson(
    first: Sequence[str],
    second: Sequence[str],
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: Iterable[Hashable] | None = None,
    covariance: Covariance = "clustered",
    disconnected: Disconnected = "prior",
) -> Ratings:
    """Ratings with ties: P(first), P(second), P(tie) are proportional to e^theta_first, e^theta_second and
    nu e^((theta_first + theta_second) / 2) (Davidson 1970).

    As `bradley_terry`, but `y` is 1, 0.5 for a tie, or 0. A finite maximum is sure only where decided comparisons
    alone connect the items both ways, so that ties draw no arrows here. Without any tie, or with nothing else, nu is
    0 or infinite; the strengths are then Bradley-Terry's.
    """
    rows = rows_of(first, second, y, weights, clusters)
    is_tie = rows.y == 0.5
    if not np.isin(rows.y, (0.0, 0.5, 1.0)).all():
        raise ValueError("Davidson's model takes the outcomes 1, 0.5 (a tie) and 0; found others")
    if is_tie.all() or not is_tie.any():
        rated = _rated(rows, components(rows), covariance, disconnected, with_ties=False)
        note = "every comparison is a tie" if is_tie.all() else "there is no tie"
        warnings = (*rated.warnings, f"{note}: strengths are those of Bradley and Terry")
        return replace(rated, nu=math.inf if is_tie.all() else 0.0, warnings=warnings)
    return _rated(rows, components(rows, is_decided=~is_tie), covariance, disconnected, with_ties=True)


def _rated(
    rows: Rows, found: Components, covariance: Covariance, disconnected: Disconnected, *, with_ties: bool
) -> Ratings:
    if covariance != "clustered":
        rows = rows._replace(clusters=np.arange(rows.y.size))
    if not found.is_connected and disconnected == "refuse":
        raise ValueError(f"{_apart(found)}; compare across them, or let a prior connect them")
    fit_with = partial(fitted, with_ties=with_ties)
    fit, spread = (_plain if found.is_connected else _with_prior)(rows, fit_with, covariance)
    k, clusters = len(rows.names), int(rows.clusters.max()) + 1
    notes = [] if found.is_connected else [f"{_apart(found)}: an imagined opponent connects them"]
    if not fit.is_converged:
        notes.append("the fit did not converge: strengths are not to be trusted")
    if clusters < 2 and covariance != "model":
        notes.append("no interval from fewer than two clusters")
    return Ratings(
        names=rows.names,
        theta=fit.theta[:k] - fit.theta[:k].mean(),
        covariance=spread,
        nu=None if fit.log_nu is None else math.exp(fit.log_nu),
        n=rows.y.size,
        n_clusters=clusters,
        method=_method(covariance, with_ties=with_ties, is_connected=found.is_connected),
        warnings=tuple(notes),
        components=found.strong,
    )


FitWith = Callable[[Rows], Fit]


def _plain(rows: Rows, fit_with: FitWith, covariance: Covariance) -> tuple[Fit, Floats]:
    k, fit = len(rows.names), fit_with(rows)
    bread = inverse(fit.hessian, k)
    spread = bread if covariance == "model" else bread @ meat(rows, fit.residuals, k) @ bread
    return fit, spread[:k, :k]


def _with_prior(rows: Rows, fit_with: FitWith, covariance: Covariance) -> tuple[Fit, Floats]:
    """With one more item, from which every other took half a win and to which it lost half a one."""
    n, k = rows.y.size, len(rows.names)
    opponent = np.full(2 * k, k, np.intp)
    fit = fit_with(
        Rows(
            names=(*rows.names, ""),
            first=np.concatenate([rows.first, np.arange(k), np.arange(k)]),
            second=np.concatenate([rows.second, opponent]),
            y=np.concatenate([rows.y, np.ones(k), np.zeros(k)]),
            weights=np.concatenate([rows.weights, np.full(2 * k, 0.5)]),
            clusters=np.concatenate([rows.clusters, opponent]),
        )
    )
    bread = inverse(fit.hessian, k + 1)
    spread = bread if covariance == "model" else _wider(bread, meat(rows, fit.residuals[:n], k + 1), k + 1)
    centred = np.eye(k) - 1 / k
    return fit, centred @ spread[:k, :k] @ centred


def _wider(bread: Floats, scores: Floats, k: int) -> Floats:
    """In every direction the wider of the model's covariance and the sandwich.

    With L L' the model's, the sandwich is L M L'; eigenvalues of M below 1 are raised to 1.
    """
    shift = np.zeros(bread.shape)
    shift[:k, :k] = 1 / k
    root = np.linalg.cholesky(bread + shift)
    if np.isnan(scores).any():
        return scores
    values, vectors = np.linalg.eigh(root.T @ scores @ root)
    return np.asarray(root @ (vectors * np.maximum(values, 1)) @ vectors.T @ root.T) - shift


def _apart(found: Components) -> str:
    groups = [_few(group) for group in found.strong[:SHOWN]]
    more = f" and {len(found.strong) - SHOWN} more" if len(found.strong) > SHOWN else ""
    never = f" ({len(found.weak)} groups were never compared with each other)" if len(found.weak) > 1 else ""
    return f"decided results connect no two of these groups both ways: {'; '.join(groups)}{more}{never}"


def _few(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _method(covariance: Covariance, *, with_ties: bool, is_connected: bool) -> str:
    model = "Davidson" if with_ties else "Bradley-Terry"
    kind = {"clustered": "clustered sandwich", "sandwich": "sandwich", "model": "covariance of the model"}[covariance]
    prior = "" if is_connected else ", prior of half a win and half a defeat each"
    return f"{model}, {kind}{prior}"
