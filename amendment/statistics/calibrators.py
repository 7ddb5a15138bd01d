"""Probabilities of a judge brought into line with labels of people: temperature, Platt, isotonic.

    temperature   p' = sigmoid(logit(p) / T),  T > 0                   (Guo et al. 2017, section 4.2)
    platt         p' = sigmoid(a logit(p)),  labels held off 0 and 1   (Platt 1999, section 2.2)
    isotonic      p' a rising step curve of p, between steps a line    (Zadrozny and Elkan 2002, section 3)

p is P(a is better). Which of two answers is called a is chance, so each label is read in both orientations, and every
method is symmetric: p'(1 - p) = 1 - p'(p), and one half stays one half. That leaves Platt's intercept no meaning, for
it would move all answers that happen to be called a; here it is 0. What is left of Platt are the labels held off 0
and 1, which keep the fit finite where a judge made no mistake, and a slope that may be negative: of a judge that is
wrong more often than right, temperature can say only that nothing is known.

Promised: p' lies in [0, 1] and rises with p (falls, where Platt's slope is negative). Labels lie in [0, 1]; a tie is
one half, and counts. Weights are those of inverse inclusion probability; their scale changes nothing.
Not covered: judges that need another curve by kind of prompt, and probabilities beyond what a pair says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import DataError
from amendment.statistics.intervals import Floats
from amendment.statistics.logistic import sigmoid
from amendment.statistics.sides import HALF, SAME

Method = Literal["temperature", "platt", "isotonic"]
CLIP = 1e-6
"""Probabilities are held this far from 0 and 1 before their log-odds are taken, unless labels say where (`_clip`)."""
FINEST = 2.0**-53
"""The distance from 1 below which a probability is 1: beyond log-odds of 36.7 a float cannot tell them apart."""
COARSEST = 0.01
"""The farthest that probabilities of exactly 0 or 1 are held from there where nothing is known of their hits."""
MANY = 0.01
"""The share of probabilities of exactly 0 or 1 from which on a fit says so."""
FEWEST: Mapping[Method, int] = {"temperature": 20, "platt": 20, "isotonic": 500}
"""Labels below which a method is refused."""
FEW = 50
"""Labels below which a fit carries a note."""
LOG_T = (-4.0, 8.0)
"""Where log T is looked for."""
STEEPEST = float(np.exp(-LOG_T[0]))
"""Platt's slope is looked for between this and its negative."""
HALVINGS = 100
_PARAMETER = {"temperature": "temperature", "platt": "slope"}


class Refusal(NamedTuple):
    """Why nothing is fitted."""

    name: Literal["too few labels", "one class only", "isotonic below its minimum", "nothing to fit"]
    message: str
    """The count or value, the one expected, and what to use instead."""


@dataclass(frozen=True)
class Calibrator:
    """A fitted method: what `apply` needs, and nothing of the labels but their number."""

    method: Method
    n: int
    """Labels that it was fitted to."""
    scale: float = 1.0
    """T of temperature, a of Platt; 1 for isotonic."""
    clip: float = CLIP
    """How far probabilities are held from 0 and 1 before their log-odds are taken."""
    knots: tuple[tuple[float, float], ...] = ()
    """Isotonic: rising confidences max(p, 1 - p) from one half, and what each becomes."""
    note: str = ""
    """What a reader must know before leaning on it."""

    def apply(self, p: ArrayLike) -> Floats:
        """Return calibrated P(a is better). Raises ValueError for values that are no probabilities."""
        raw = _probabilities(p, "p")
        if self.method == "isotonic":
            confidence, becomes = np.array(self.knots).T
            distance = np.interp(np.abs(raw - 0.5) + 0.5, confidence, becomes) - 0.5
            return np.asarray(0.5 + np.sign(raw - 0.5) * distance, np.float64)
        return sigmoid(_logit(raw, self.clip) * (1 / self.scale if self.method == "temperature" else self.scale))

    def to_json(self) -> dict[str, Any]:
        """Return method, parameters and number of labels, as JSON values."""
        confidence, becomes = zip(*self.knots, strict=True) if self.knots else ((), ())
        curve = {"confidence": list(confidence), "becomes": list(becomes)}
        parameters = curve if self.method == "isotonic" else {_PARAMETER[self.method]: self.scale}
        note = {"note": self.note} if self.note else {}
        return {"method": self.method, "parameters": parameters, "clip": self.clip, "n": self.n, **note}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Calibrator:
        """Invert `to_json`. Raises DataError for anything that it cannot return."""
        try:
            method, parameters, note = value["method"], value["parameters"], str(value.get("note", ""))
            if method == "isotonic":
                knots = tuple(zip(map(float, parameters["confidence"]), map(float, parameters["becomes"]), strict=True))
                if knots[:1] != ((0.5, 0.5),) or not (np.diff(knots, axis=0) >= 0).all() or knots[-1][1] > 1:
                    raise ValueError("knots that do not rise from one half")
                return cls(method, int(value["n"]), knots=knots, note=note)
            scale = float(parameters[_PARAMETER[method]])
            clip = float(value["clip"])
            if not FINEST <= clip < 0.5 or not np.isfinite(scale) or (method == "temperature" and scale <= 0):
                raise ValueError(f"{method} {scale} with clip {clip}")
            return cls(method, int(value["n"]), scale, clip, note=note)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"calibrator: found {error!r}, expected what a calibration wrote; calibrate again"
            ) from error


def fit_calibrator(
    method: Method, p: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None, *, fewest: int | None = None
) -> Calibrator:
    """Fit `method` to labels `y` in [0, 1] of pairs that the judge gave `p`; one weight per label, all 1 by default.

    `fewest` replaces the least number of labels, for experiments. Raises DataError where `refusal` says why, and
    ValueError for columns that do not fit together.
    """
    rows = _rows(p, y, weights)
    _checked(method, rows, fewest)
    return _fit(method, rows)


def cross_fitted(
    method: Method,
    p: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike | None,
    clusters: Sequence[Hashable],
    *,
    folds: int = 5,
    seed: int = 0,
    fewest: int | None = None,
) -> Floats:
    """Return calibrated p of each row by a fit that has seen no label of the row's cluster.

    Clusters are dealt into `folds` folds by chance, in an order that depends on their names and `seed` alone. Raises
    as `fit_calibrator` does, by all labels together, and DataError with fewer than two clusters.
    """
    rows = _rows(p, y, weights)
    _checked(method, rows, fewest)
    fold = _folds(clusters, folds, seed)
    if fold.size != rows.p.size:
        raise ValueError(f"one cluster per label is needed, found {fold.size} for {rows.p.size} labels")
    if fold.max() < 1:
        raise DataError("too few labels: they are of one prompt, and cross-fitting needs two; label more prompts")
    calibrated = np.empty_like(rows.p)
    for number in range(int(fold.max()) + 1):
        inside = fold == number
        calibrated[inside] = _fit(method, rows.where(~inside)).apply(rows.p[inside])
    return calibrated


def refusal(method: Method, p: ArrayLike, y: ArrayLike, *, fewest: int | None = None) -> Refusal | None:
    """Say why `method` is not fitted to these labels, or None where it is."""
    if method not in get_args(Method):
        raise ValueError(f"expected one of {', '.join(get_args(Method))}, found {method!r}")
    return _refused(method, _rows(p, y, None), FEWEST[method] if fewest is None else fewest)


class _Rows(NamedTuple):
    """Labels, by the answer that the judge finds better."""

    p: Floats
    y: Floats
    weights: Floats
    """With a sum of 1."""

    def where(self, chosen: NDArray[np.bool_]) -> _Rows:
        kept = self.weights[chosen]
        return _Rows(self.p[chosen], self.y[chosen], kept / kept.sum())


def _rows(p: ArrayLike, y: ArrayLike, weights: ArrayLike | None) -> _Rows:
    raw, labels, w = labelled(p, y, weights)
    return _Rows(raw, labels, w / w.sum() if w.size else w)


def labelled(p: ArrayLike, y: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Return probabilities, their labels, and weights, 1 without any. Raises ValueError for columns that do not fit
    together, values outside of [0, 1] and weights not above 0."""
    raw = _probabilities(p, "p")
    labels = _probabilities(y, "labels")
    w = np.ones_like(raw) if weights is None else np.asarray(weights, np.float64)
    if raw.ndim != 1 or raw.shape != labels.shape or raw.shape != w.shape:
        raise ValueError(f"one label and one weight per p are needed, found {raw.size}, {labels.size} and {w.size}")
    if w.size and not (np.isfinite(w).all() and w.min() > 0):
        raise ValueError("weights are above 0 and finite")
    return raw, labels, w


def _probabilities(values: ArrayLike, name: str) -> Floats:
    p = np.asarray(values, np.float64)
    if p.size and not (p.min() >= 0 and p.max() <= 1):  # nan is neither
        raise ValueError(f"{name} lie between 0 and 1, found {p.min()} to {p.max()}")
    return p


def _checked(method: Method, rows: _Rows, fewest: int | None) -> None:
    refused = refusal(method, rows.p, rows.y, fewest=fewest)
    if refused:
        raise DataError(f"{refused.name}: {refused.message}")


def _refused(method: Method, rows: _Rows, fewest: int) -> Refusal | None:
    n, tells = rows.p.size, np.abs(rows.p - 0.5) > HALF
    if method == "isotonic" and n < fewest:
        remedy = f"use temperature, which needs {FEWEST['temperature']}"
        return Refusal("isotonic below its minimum", f"found {n}, expected {fewest} or more; {remedy}")
    if n < fewest:
        expected = f"{method} expects {fewest} or more; use raw probabilities, or label more"
        return Refusal("too few labels", f"found {n}, {expected}")
    if not tells.any():
        return Refusal("nothing to fit", "the judge gave one half to every labelled pair; use raw probabilities")
    hits = np.where(rows.p > 0.5, rows.y, 1 - rows.y)[tells]
    if method != "platt" and (hits.min() == 1 or hits.max() == 0):
        always = "right" if hits.min() == 1 else "wrong"
        sentence = f"the judge is {always} in all {hits.size} labels, so no finite fit exists; use platt, or label more"
        return Refusal("one class only", sentence)
    return None


def _fit(method: Method, rows: _Rows) -> Calibrator:
    n = rows.p.size
    note = "; ".join(filter(None, (f"only {n} labels" if n < FEW else "", _saturated(rows))))
    if not (np.abs(rows.p - 0.5) > HALF).any():  # a fold without a decided pair leaves p as it is
        return Calibrator(method, n, knots=((0.5, 0.5), (1.0, 1.0)))
    match method:
        case "temperature":
            scale, clip, edge = _temperature(rows)
            return Calibrator(method, n, scale, clip, note="; ".join(filter(None, (note, edge))))
        case "platt":
            clip = _clip(rows)
            slope = _slope(rows, clip)
            against = "the slope is not positive: these labels speak against the judge" if slope <= 0 else ""
            return Calibrator(method, n, slope, clip, note="; ".join(filter(None, (note, against))))
        case "isotonic":
            return Calibrator(method, n, knots=_knots(rows), note=note)


def _is_exact(p: Floats) -> NDArray[np.bool_]:
    """Return flags of the probabilities that are 0 or 1, whose log-odds are infinite."""
    is_extreme: NDArray[np.bool_] = np.minimum(p, 1 - p) < FINEST
    return is_extreme


def _clip(rows: _Rows) -> float:
    """Move p no farther from 0 and 1 than any labelled probability that is neither. Those that are exactly 0 or 1 were
    rounded there, and count as half as far from it as the next one."""
    exact = _is_exact(rows.p)
    if exact.all():
        return CLIP
    nearest = float(np.minimum(rows.p, 1 - rows.p)[~exact].min())
    return float(np.clip(nearest / 2, FINEST, COARSEST if exact.any() else CLIP))


def _saturated(rows: _Rows) -> str:
    """Return a warning where many, but not all, probabilities are exactly 0 or 1."""
    share = float(_is_exact(rows.p).mean())
    warning = (
        f"{share:.1%} of the probabilities are exactly 0 or 1 and have no log-odds; take more samples a question, or a "
        "judge that reads token probabilities"
    )
    return warning if MANY < share < 1 else ""


def _temperature(rows: _Rows) -> tuple[float, float, str]:
    """Return T of the least log loss, how far probabilities are held from 0 and 1, and what to say where T lies at an
    end.

    Where some are exactly 0 or 1, T is fitted to the others alone, as nothing put in place of unknown log-odds leaves
    it where it is. Those then become the share of them that is right, and never less than the surest of the others.
    """
    exact = _is_exact(rows.p)
    inner = rows.where(~exact) if exact.any() and not exact.all() else rows
    clip = _clip(rows)
    if inner is rows or _refused("temperature", inner, FEWEST["temperature"]):
        scale, edge = _least_loss(rows, clip)
        return scale, clip, edge
    scale, edge = _least_loss(inner, FINEST)
    nearest = float(np.minimum(inner.p, 1 - inner.p).min())
    return scale, _clip_by_hits(rows.where(exact), scale, nearest), edge


def _clip_by_hits(exact: _Rows, scale: float, most: float) -> float:
    """Return the distance from 1 whose log-odds over T are those of a hit among these, which are surer than all others;
    the share of hits is held off 0 and 1 as Platt's labels are."""
    n = 1 / float(exact.weights @ exact.weights)
    hits = float(exact.weights @ np.where(exact.p > 0.5, exact.y, 1 - exact.y))
    share = (n * hits + 1) / (n + 2)
    return float(np.clip(sigmoid(-scale * np.log(share / (1 - share))), FINEST, most))


def _least_loss(rows: _Rows, clip: float) -> tuple[float, str]:
    """Return T of the least log loss, and what to say where it lies at an end of the search.

    The loss is convex in 1 / T with the slope sum w (sigmoid(x / T) - y) x, so it falls, then rises in log T.
    """
    x = _logit(rows.p, clip)

    def falls(log_t: float) -> float:
        return -float(rows.weights @ ((sigmoid(x * np.exp(-log_t)) - rows.y) * x))

    log_t = _zero(falls, *LOG_T)
    edges = {
        LOG_T[0]: "temperature at its lower end: these labels know no confident mistake",
        LOG_T[1]: "temperature at its upper end: these labels speak against the judge, and all becomes one half",
    }
    return float(np.exp(log_t)), edges.get(log_t, "")


def _slope(rows: _Rows, clip: float) -> float:
    """Return Platt's a, of labels at (N + 1) / (N + 2) and 1 / (N + 2) in place of 1 and 0, N being half of the labels.

    In both orientations half of the labels are positive. Weighted labels count as many as their effective number.
    """
    x = _logit(rows.p, clip)
    positive = 0.5 / float(rows.weights @ rows.weights)
    targets = (1 + positive * rows.y) / (positive + 2)
    return _zero(lambda a: float(rows.weights @ ((sigmoid(a * x) - targets) * x)), -STEEPEST, STEEPEST)


def _zero(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return the zero of a rising function by bisection; the nearer end where there is none in between."""
    if rising(low) >= 0:
        return low
    if rising(high) <= 0:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def _knots(rows: _Rows) -> tuple[tuple[float, float], ...]:
    """Return the isotonic curve of hits over confidence, not below one half: that of both orientations, by its upper
    half."""
    from scipy.optimize import isotonic_regression

    tells = np.abs(rows.p - 0.5) > HALF
    p, y, w = rows.p[tells], rows.y[tells], rows.weights[tells]
    confidence, code = np.unique(np.round(np.abs(p - 0.5) + 0.5, SAME), return_inverse=True)
    mass = np.bincount(code, w).astype(np.float64)
    hits = np.bincount(code, w * np.where(p > 0.5, y, 1 - y)) / mass
    values = np.maximum(isotonic_regression(hits, weights=mass).x, 0.5)
    starts = np.concatenate([[True], np.diff(values) > 0])
    ends = np.concatenate([starts[1:], [True]])
    kept = starts | ends
    return (0.5, 0.5), *zip(confidence[kept].tolist(), values[kept].tolist(), strict=True)


def _folds(clusters: Sequence[Hashable], folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold of each row: clusters in the order of their names, shuffled, dealt out in turn."""
    if folds < 2:
        raise ValueError(f"expected two folds or more, found {folds}")
    names = sorted(set(clusters), key=repr)
    order = np.random.default_rng([seed, len(names)]).permutation(len(names)) % folds
    place = dict(zip(names, order.tolist(), strict=True))
    return np.array([place[cluster] for cluster in clusters], np.intp)


def _logit(p: Floats, clip: float) -> Floats:
    distance = np.maximum(np.minimum(p, 1 - p), clip)  # p and 1 - p get log-odds that differ in sign alone
    log_odds: Floats = np.sign(p - 0.5) * (np.log1p(-distance) - np.log(distance))
    return log_odds
