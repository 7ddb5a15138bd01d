"""Does calibrating the judge buy anything? People's pairs of hh-harmless, real weak judges, a fixed budget of labels.

For each seed four sets are drawn that share no first human turn: 400 pairs that judges learn from, 200 that people
label (the budget), 500 that a judge labels, and the rest, on which the trained head is measured against people. Judges
are heads on another kind of features than the trained head's, and the likelihood judge where its cache is there. All
arms but the first two and `calibrated, labels not trained on` train on the judge's 500 labels and people's 200 labels,
and choose the ridge by people's labels (5 folds), so an arm that calibrates uses the same 200 labels once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from real_text_cells import Cells
from real_text_data import TextPair, split_by_group
from real_text_features import KINDS
from real_text_heads import FOLDS, RIDGES, Fitted, Floats, Labelled, components, fit_head, fit_path

from amendment.statistics import Estimate, clustered_mean
from amendment.statistics.calibration_errors import calibration_report, log_losses
from amendment.statistics.calibrators import fit_calibrator
from amendment.text import table

JUDGES_LEARN, PEOPLE_LABEL, JUDGE_LABELS = 400, 200, 500
STUDENT, JUDGE, PARTNER = "last", "upper mean", "mean"
"""Kinds of features of the trained head, of judges, and of the second judge of `judges agree`."""
HEADS = {"head of 50": 50, "head of 150": 150, "head of 400": 400}
"""Judges and the labels that they learn from."""
UNCHOSEN = 10.0
"""The weak ridge of judges, as if nobody had chosen one: like most judges they are surer than right."""
REGULARISED = "head of 150, ridge chosen"
LIKELIHOOD = "likelihood"
KEPT = 0.5
"""Share of the judge's labels that the margin filter keeps, the surest."""
DOUBTFUL = 0.2
"""Share that the removal of doubtful pairs drops: those that a head of the other folds contradicts most."""
WEIGHTS = (0.1, 0.3, 1.0)
"""Weights of the judge's labels over people's, of which people's labels choose one."""
SOFT = "soft"
COMPONENTS = 128
"""Of the features' differences in training; fits on all 576 differ little and take ten times as long."""
Flags = NDArray[np.bool_]


class Sets(NamedTuple):
    """Rows of the four sets."""

    judges: list[int]
    people: list[int]
    judged: list[int]
    held_out: list[int]


class Arm(NamedTuple):
    """What one judge says, and all an arm may use."""

    x: Floats
    """Features of the pairs that the judge labels."""
    p: Floats
    """What the judge says of them."""
    partner: Floats
    """What the second judge says of them."""
    people: Labelled
    p_people: Floats
    """What the judge says of the pairs that people label."""
    groups: Sequence[str]
    """Of the pairs that people label."""
    seed: int

    def fit(self, by_judge: Labelled | None) -> Fitted:
        return fit_head(by_judge, self.people, self.groups, self.seed)

    def soft(self, p: Floats, kept: Flags | None = None) -> Fitted:
        rows = Labelled.of(self.x, p)
        return self.fit(rows if kept is None else rows.rows(kept))


def draw_sets(pairs: Sequence[TextPair], seed: int) -> Sets:
    """Four sets of rows that share no first human turn."""
    return Sets(*split_by_group([pair.group for pair in pairs], (JUDGES_LEARN, PEOPLE_LABEL, JUDGE_LABELS), seed))


def _hard(p: Floats) -> Floats:
    return np.where(p == 0.5, 0.5, (p > 0.5).astype(np.float64))


def _calibrated(arm: Arm, method: Any) -> Floats:
    return fit_calibrator(method, arm.p_people, arm.people.p).apply(arm.p)


def _surest(p: Floats) -> Flags:
    margin = np.abs(p - 0.5)
    is_sure: Flags = margin >= np.quantile(margin, 1 - KEPT)
    return is_sure


def _undoubted(arm: Arm) -> Flags:
    """All but the labels that a head of people's labels and of the other folds contradicts most."""
    fold = np.random.default_rng(arm.seed).permutation(len(arm.p)) % FOLDS
    rows, loss = Labelled.of(arm.x, arm.p), np.zeros(len(arm.p))
    for number in range(FOLDS):
        inside = fold == number
        (head,) = fit_path(rows.rows(~inside).with_rows_of(arm.people), (RIDGES[2],))
        loss[inside] = log_losses(head.p(arm.x[inside]), _hard(arm.p[inside]))
    is_kept: Flags = loss <= np.quantile(loss, 1 - DOUBTFUL)
    return is_kept


def _weighted(arm: Arm) -> Fitted:
    fitted = [arm.fit(Labelled.of(arm.x, arm.p, weight)) for weight in WEIGHTS]
    return min(fitted, key=lambda one: float(one.losses.min()))


def _judge_alone(arm: Arm, p: Floats) -> Fitted:
    """No label of people is trained on; the ridge is theirs all the same, as in every other arm."""
    heads = fit_path(Labelled.of(arm.x, p))
    return Fitted(heads, np.array([log_losses(head.p(arm.people.x), arm.people.p).mean() for head in heads]))


ARMS: Mapping[str, Callable[[Arm], Fitted]] = {
    "people's labels alone": lambda arm: arm.fit(None),
    "soft, judge alone": lambda arm: _judge_alone(arm, arm.p),
    "hard": lambda arm: arm.soft(_hard(arm.p)),
    SOFT: lambda arm: arm.soft(arm.p),
    "calibrated (temperature)": lambda arm: arm.soft(_calibrated(arm, "temperature")),
    "calibrated (platt)": lambda arm: arm.soft(_calibrated(arm, "platt")),
    "calibrated, labels not trained on": lambda arm: _judge_alone(arm, _calibrated(arm, "platt")),
    "soft, surest half": lambda arm: arm.soft(arm.p, _surest(arm.p)),
    "hard, surest half": lambda arm: arm.soft(_hard(arm.p), _surest(arm.p)),
    "soft, judges agree": lambda arm: arm.soft(arm.p, (arm.p > 0.5) == (arm.partner > 0.5)),
    "soft, doubtful removed": lambda arm: arm.soft(arm.p, _undoubted(arm)),
    "soft, weight by people's labels": _weighted,
}
"""How the judge's labels are used; the fixed budget of people's labels is in all of them."""


def measure_seed(
    pairs: Sequence[TextPair], states: NDArray[np.float32], log_odds: Floats | None, seed: int, judge: str
) -> dict[str, Any]:
    """One cell: what each arm reaches with the labels of one judge. `log_odds` are the likelihood judge's."""
    sets = draw_sets(pairs, seed)
    flipped = np.random.default_rng([seed, 1]).integers(0, 2, len(pairs)) * 2.0 - 1  # which answer is the first
    y = (flipped > 0).astype(np.float64)
    differences = (states[:, 0] - states[:, 1]).astype(np.float64) * flipped[:, None, None]

    def features(kind: str, rows: Sequence[int]) -> Floats:
        return components(differences[:, KINDS.index(kind)], rows, COMPONENTS)

    def head(kind: str, name: str) -> Floats:
        rows = sets.judges[: HEADS.get(name, HEADS["head of 150"])]
        x = features(kind, sets.judges)
        learned = _rows(x, y, rows)
        if name == REGULARISED:
            return fit_head(None, learned, [pairs[row].group for row in rows], seed).head.p(x)
        return fit_path(learned, (UNCHOSEN,))[0].p(x)

    if judge == LIKELIHOOD:
        assert log_odds is not None
        p = np.asarray(0.5 * (1 + np.tanh(log_odds * flipped / 2)), np.float64)
    else:
        p = head(JUDGE, judge)
    partner = head(PARTNER, "head of 150")
    people, judged, held_out = (np.array(rows) for rows in sets[1:])
    x = features(STUDENT, [*people, *judged])
    groups = [pairs[row].group for row in people]
    arm = Arm(x[judged], p[judged], partner[judged], _rows(x, y, people), p[people], groups, seed)
    out = {}
    for name, fit in ARMS.items():
        fitted = fit(arm)
        best = min(_figures(other.p(x[held_out]), y[held_out])["log_loss"] for other in fitted.heads)
        chosen = _figures(fitted.head.p(x[held_out]), y[held_out])
        out[name] = {**chosen, "ridge": fitted.head.ridge, "log_loss_best_ridge": best}
    report = calibration_report(p[held_out], y[held_out], clusters=range(len(held_out)), draws=50, simulated=50)
    temperature = fit_calibrator("temperature", p[people], y[people]).scale
    told = {"ece": report.ece.value, "confidence": report.confidence.value, "temperature": temperature}
    return {"held_out": len(held_out), "judge": {**_figures(p[held_out], y[held_out]), **told}, "arms": out}


def _rows(x: Floats, y: Floats, rows: Any) -> Labelled:
    return Labelled.of(x[rows], y[rows])


def _figures(p: Floats, y: Floats) -> dict[str, float]:
    right = np.where(p == 0.5, 0.5, (p > 0.5) == (y > 0.5))
    return {"accuracy": float(right.mean()), "log_loss": float(log_losses(p, y).mean())}


def run_calibration(
    pairs: Sequence[TextPair], states: NDArray[np.float32], log_odds: Floats | None, cells: Cells, seeds: int
) -> None:
    """Measure the cells that are missing."""
    judges = [*HEADS, REGULARISED, *([] if log_odds is None else [LIKELIHOOD])]
    for seed in range(seeds):
        for judge in judges:
            cells.do(
                {"part": "calibration", "judge": judge, "seed": seed},
                lambda judge=judge, seed=seed: measure_seed(pairs, states, log_odds, seed, judge),
            )


FIGURES = {
    "accuracy": "Held-out accuracy",
    "log_loss": "Held-out log loss",
    "log_loss_best_ridge": "Held-out log loss at the ridge that is best there (a check; in practice nobody knows it)",
}


def print_calibration(cells: Cells) -> None:
    """The judges, and each arm's figures less those of `soft`."""
    by_judge: dict[str, list[dict[str, Any]]] = {}
    for cell, result in cells.results("calibration"):
        by_judge.setdefault(cell["judge"], []).append(result)
    names = ("accuracy", "confidence", "log_loss", "ece", "temperature")
    head = ["judge", "accuracy", "mean confidence", "log loss", "calibration error", "temperature fitted", "seeds"]
    lines = [head]
    for judge, results in by_judge.items():
        means = [float(np.mean([result["judge"][name] for result in results])) for name in names[:-1]]
        temperature = float(np.median([result["judge"]["temperature"] for result in results]))
        lines.append([judge, *(f"{value:.3f}" for value in means), f"{temperature:.1f}", str(len(results))])
    print("\n".join(table(lines)))
    for figure, title in FIGURES.items():
        print(f"\n{title}: of `{SOFT}`, and of each arm less that of `{SOFT}`; * where the interval leaves out 0\n")
        lines = [["labels", *by_judge]]
        for arm in (SOFT, *(arm for arm in ARMS if arm != SOFT)):
            columns = [_column(results, arm, figure) for results in by_judge.values()]
            lines.append([arm, *(_shown(column, is_apart=arm != SOFT) for column in columns)])
        print("\n".join(table(lines)))


def _column(results: Sequence[Mapping[str, Any]], arm: str, figure: str) -> Estimate:
    """Over seeds; differences are of the same seed."""
    values, base = (np.array([result["arms"][name][figure] for result in results]) for name in (arm, SOFT))
    return clustered_mean(values if arm == SOFT else values - base, range(len(values)))


def _shown(estimate: Estimate, *, is_apart: bool) -> str:
    sign = "+" if is_apart else ""
    mark = " *" if is_apart and not estimate.low <= 0 <= estimate.high else ""
    return f"{estimate.value:{sign}.3f} ± {(estimate.high - estimate.low) / 2:.3f}{mark}"
