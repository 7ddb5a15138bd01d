"""Guards: what a policy says while it is trained on preferences, what follows from it, and which weights are saved.

A guard with a limit is violated when the whole 95 % interval of its figure lies above the limit, so that noise stops
nothing; one whose limit is null is only watched. What ends a training has to be sure; what is saved has to be beyond
suspicion. Not covered: sampling and measuring (see `_guarding`, which loads torch).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from amendment.records import Part
from amendment.statistics import Estimate, bounds, cautioned, clustered_mean, paired_difference
from amendment.statistics.intervals import linear
from amendment.training.settings import UNREADABLE

Row = dict[str, Any]
Floats = NDArray[np.float64]
_TIMES = 8
"""Measurements after the start where `every` does not say."""
_FIGURES = {
    "kl_per_token": ("kl_per_token",),
    "length_ratio": ("length_ratio",),
    "unreadable": ("unreadable", "cut"),
}
"""The figures that each guard watches; `reward_judge_gap` says that the judge's score surely
falls while the reward model's surely rises."""
_PARTS = ("value", "low", "high")


class GuardSettings(Part, allow_inf_nan=False):
    """Guards of a training on preferences; docs/training.md explains them."""

    every: int | None = Field(default=None, ge=1)
    """Steps between two measurements; by default an eighth of all steps. The last one is at the end."""
    prompts: int = Field(default=64, ge=5, le=4096)
    """Held-out prompts that the policy answers at each measurement."""
    max_tokens: int = Field(default=256, ge=1)
    """Of an answer."""
    kl_per_token: float | None = Field(default=0.5, gt=0)
    """Divergence of the policy from its reference in nats per token of its answers."""
    length_ratio: float | None = Field(default=1.5, gt=1)
    """Mean tokens of its answers over those of the reference's to the same prompts."""
    on_violation: Literal["stop", "note"] = "stop"
    """stop: training ends, and the best weights before it are saved; note: it is reported, and training continues."""

    def limit(self, guard: str) -> float | None:
        """Return the limit of a guard's figures; None for one that is only watched."""
        limits = {"kl_per_token": self.kl_per_token, "length_ratio": self.length_ratio}
        return limits.get(guard, UNREADABLE)

    def spacing(self, steps: int) -> int:
        """Steps between two measurements of a training of so many."""
        return self.every or math.ceil(steps / _TIMES)

    def measurements(self, steps: int | None) -> int:
        """Return the number of measurements after the start of a training; the most possible where `steps` is
        unknown."""
        return math.ceil(steps / self.spacing(steps)) if steps else _TIMES


@dataclass(frozen=True, kw_only=True)
class Guards:
    """Guards and what they watch with: held-out prompts, and what the caller can say about answers to them.

    Each callable is given what it is to score, and none is needed. A row is one of `prompts` with `completion`, the
    policy's answer, and `start`, the reference's answer to the same prompt; both are lists of messages. The score of an
    answer that has none is nan.
    """

    settings: GuardSettings = field(default_factory=GuardSettings)
    prompts: Sequence[Mapping[str, Any]] = ()
    """Held-out rows with `prompt`, a list of messages (and `tools`, `chat_template_kwargs`); the first are taken."""
    reward: Callable[[Sequence[Row]], ArrayLike] | None = None
    """The reward model's score of each row: what the training may over-optimise."""
    judge: Callable[[Sequence[Row]], ArrayLike] | None = None
    """A score of each row that the training does not see: higher is better."""
    readable: Callable[[Row, str], bool] | None = None
    """Whether the text of an answer to a row makes sense at all, in the caller's world."""

    @property
    def identity(self) -> list[Any]:
        """Return the inputs that readings depend on, as JSON values; of the scores only their names."""
        scores = [name for name in ("reward", "judge", "readable") if getattr(self, name)]
        return [self.settings.model_dump(mode="json"), [dict(row) for row in self.prompts], scores]


class GuardReading(NamedTuple):
    """One measurement."""

    step: int
    figures: dict[str, Estimate]
    """By name, with 95 % intervals clustered by prompt: kl, kl_per_token, length_ratio, unreadable, cut, and
    reward, judge and their changes since the start where there are scores."""
    violated: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - read only
    """The guards whose limit was passed, and by which figures."""

    def to_json(self) -> dict[str, Any]:
        figures = {name: estimate.to_json() for name, estimate in self.figures.items()}
        return {"step": self.step, "figures": figures, "violated": {name: [*by] for name, by in self.violated.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GuardReading:
        figures = {
            name: Estimate(**{**estimate, **{part: math.nan for part in _PARTS if estimate[part] is None}})
            for name, estimate in value["figures"].items()
        }
        return cls(value["step"], figures, {name: tuple(by) for name, by in value["violated"].items()})


class Observed(NamedTuple):
    """The counts of one measurement's answers; an entry for each prompt."""

    log_ratio: Floats
    """log pi(answer) - log ref(answer), in nats."""
    tokens: Floats
    unreadable: Floats
    """1 for an answer that is empty, in a loop, or not readable by the caller."""
    cut: Floats
    """1 for an answer without an end."""
    scores: Mapping[str, Floats]
    """reward and judge, where the caller scores."""


def figures(now: Observed, start: Observed) -> dict[str, Estimate]:
    """Return the figures of a measurement and their changes since the start, on the same prompts with the same random
    numbers.

    kl is the mean of log pi(y) - log ref(y) over answers y drawn from pi: KL(pi || ref) of whole answers, and
    kl_per_token that over their mean length.
    """
    prompts = np.arange(len(now.tokens))
    estimates = {
        "kl": clustered_mean(now.log_ratio, prompts),
        "kl_per_token": _ratio(now.log_ratio, now.tokens),
        "length_ratio": _ratio(now.tokens, start.tokens),
        "unreadable": paired_difference(now.unreadable, start.unreadable, prompts).within(-1, 1),
        "cut": paired_difference(now.cut, start.cut, prompts).within(-1, 1),
    }
    for name, scores in now.scores.items():
        is_scored = np.isfinite(scores) & np.isfinite(start.scores[name])
        estimates[name] = clustered_mean(scores[is_scored], prompts[is_scored])
        estimates[f"{name}_change"] = paired_difference(
            scores[is_scored], start.scores[name][is_scored], prompts[is_scored]
        )
    return {name: cautioned(estimate) for name, estimate in estimates.items()}


def _ratio(above: Floats, below: Floats) -> Estimate:
    """Return the ratio r of two means; each row adds (a - r b) / sum(b) to its error (linearisation)."""
    r = float(above.sum() / below.sum())
    return linear(r, (above - r * below) / below.sum(), np.arange(len(above)), 0.95)


def violations(estimates: Mapping[str, Estimate], settings: GuardSettings) -> dict[str, tuple[str, ...]]:
    """Return the guards whose limit is surely passed, each with the figures that pass it."""
    sure = {name: interval for name, estimate in estimates.items() if (interval := bounds(estimate))}
    violated: dict[str, tuple[str, ...]] = {}
    for guard, names in _FIGURES.items():
        limit = settings.limit(guard)
        over = tuple(name for name in names if limit is not None and name in sure and sure[name][0] > limit)
        violated |= {guard: over} if over else {}
    changes = ("reward_change", "judge_change")
    if all(name in sure for name in changes) and sure[changes[0]][0] > 0 and sure[changes[1]][1] < 0:
        violated["reward_judge_gap"] = changes  # Gao et al. 2023, figure 1
    return violated


def best_reading(readings: Sequence[GuardReading], settings: GuardSettings) -> tuple[GuardReading | None, str]:
    """Of the measurements before the first violation, those with the value of every figure within its limit: of these
    the one with the highest judge's score, else with the highest reward, else the last; of equals the last. And by
    what it is the best: judge, reward or step."""
    limits = {name: settings.limit(guard) for guard, names in _FIGURES.items() for name in names}
    watched = {name: limit for name, limit in limits.items() if limit is not None}
    clean = takewhile(lambda reading: not reading.violated, readings)
    good = [
        reading
        for reading in clean
        if not any(name in reading.figures and reading.figures[name].value > limit for name, limit in watched.items())
    ]
    score = next((name for name in ("judge", "reward") if any(name in reading.figures for reading in readings)), "step")

    def rank(reading: GuardReading) -> tuple[float, int]:
        value = 0.0 if score == "step" else reading.figures[score].value
        return -math.inf if math.isnan(value) else value, reading.step

    return max(good, key=rank, default=None), score


def is_loop(ids: Sequence[int]) -> bool:
    """At least half of an answer's 4-grams of tokens are repeats, where there are eight or more (seq-rep-4, Welleck et
    al. 2020); texts of people stay far below."""
    grams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
    return len(grams) >= 8 and 1 - len(set(grams)) / len(grams) >= 0.5
