"""Guards: what a policy says while it is trained on preferences, what follows from it, and which weights are saved.

A guard with a limit is violated when the whole 95 % interval of its figure lies above the limit, so that noise stops
nothing; one whose limit is null is only watched. What ends a training has to be sure; what is saved has to be beyond
suspicion. Not covered: sampling and measuring (see `_watching`, which loads torch).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from amendment.statistics import Estimate, bounds, cautioned, clustered_mean, paired_difference
from amendment.statistics.intervals import linear

__all__ = ["GuardReading", "GuardSettings", "Guards", "Scores", "figures_over", "saved_step"]

Row = dict[str, Any]
Floats = NDArray[np.float64]
_TIMES = 8
"""Measurements after the start where `every` does not say."""
_SCORES = ("reward", "judge")
_FIGURES = {
    "kl_per_token": {"kl_per_token": "the policy's divergence from its reference, in nats per token,"},
    "kl": {"kl": "the policy's divergence from its reference, in nats per answer,"},
    "length_ratio": {"length_ratio": "the length of answers over that of the reference's"},
    "unreadable": {
        "unreadable": "the share of empty, looping or unreadable answers beyond the reference's",
        "cut": "the share of answers without an end beyond the reference's",
    },
    "margins": {
        "margins": "with all pairs told apart within a tenth of the steps, the mean margin of implicit rewards"
    },
}
"""What each guard watches, in words; `reward_judge_gap` compares two figures and has a rule of its own."""


class GuardSettings(BaseModel):
    """Guards of a training on preferences; docs/guards.md says where the limits come from.

    A guard with a limit is violated when the whole 95 % interval of its figure lies above the limit, so that noise
    stops nothing; one whose limit is null is only watched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    every: int | None = Field(default=None, ge=1)
    """Steps between two measurements; absent: an eighth of all steps. One more stands at the end."""
    prompts: int = Field(default=64, ge=5, le=4096)
    """Held-out prompts that the policy answers at each measurement."""
    max_tokens: int = Field(default=256, ge=1)
    """Of an answer."""
    kl_per_token: float | None = Field(default=0.5, gt=0)
    """Divergence of the policy from its reference in nats per token of its answers."""
    kl: float | None = Field(default=None, gt=0)
    """The same in nats per answer; what is much depends on how long answers are, so that it has no limit by default."""
    length_ratio: float | None = Field(default=1.5, gt=1)
    """Mean tokens of its answers over those of the reference's to the same prompts."""
    unreadable: float | None = Field(default=0.05, ge=0, lt=1)
    """Share of answers that are empty, in a loop or not readable beyond the reference's share, and likewise the share
    of those cut at `max_tokens`."""
    reward_judge_gap: float | None = Field(default=0.0, ge=0)
    """Fall of the judge's score, in its own units, while the reward model's score rises; needs both."""
    margins: float | None = Field(default=10.0, gt=0)
    """Mean margin of implicit rewards within the first tenth of the steps, where all pairs are told apart."""
    on_violation: Literal["stop", "note"] = "stop"
    """stop: training ends, and the best weights from before are saved; note: it is reported, and training goes on."""

    def spacing(self, steps: int) -> int:
        """Steps between two measurements of a training of so many."""
        return self.every or math.ceil(steps / _TIMES)

    def measurements(self, steps: int | None) -> int:
        """How often a training of so many steps is measured after its start; at most, where nobody knows how many.

        Raises ValueError where `every` is set and `steps` are not known: nothing bounds it then.
        """
        if steps is None and self.every:
            raise ValueError("how often follows from steps where every is set")
        return math.ceil(steps / self.spacing(steps)) if steps else _TIMES


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What the caller can say about answers. Each callable is given what it is to score, and none is needed.

    A row is one of the caller's prompts with `completion`, the policy's answer, and `start`, the reference's answer to
    the same prompt; both are lists of messages. A score that there is none of is nan.
    """

    reward: Callable[[Sequence[Row]], ArrayLike] | None = None
    """The reward model's score of each row: what the training may over-optimise."""
    judge: Callable[[Sequence[Row]], ArrayLike] | None = None
    """A score of each row that the training does not see: higher is better."""
    readable: Callable[[Row, str], bool] | None = None
    """Whether the text of an answer to a row makes sense at all, in the caller's world."""


@dataclass(frozen=True, kw_only=True)
class Guards:
    """Guards and what they watch with."""

    settings: GuardSettings = field(default_factory=GuardSettings)
    prompts: Sequence[Mapping[str, Any]] = ()
    """Held-out rows with `prompt`, a list of messages (and `tools`, `chat_template_kwargs`), of which the first are
    taken; without any only margins are watched."""
    scores: Scores = field(default_factory=Scores)

    @property
    def identity(self) -> list[Any]:
        """What readings depend on, as JSON values; of the scores, which of them there are."""
        scores = [name for name in (*_SCORES, "readable") if getattr(self.scores, name)]
        return [self.settings.model_dump(mode="json"), [dict(row) for row in self.prompts], scores]


class GuardReading(NamedTuple):
    """One measurement."""

    step: int
    figures: dict[str, Estimate]
    """By name, with 95 % intervals clustered by prompt: kl, kl_per_token, length_ratio, unreadable, cut, and
    reward, judge and their changes since the start where there are scores; margins where that guard was violated."""
    violated: tuple[str, ...] = ()
    """Guards whose limit was passed."""

    def to_json(self) -> dict[str, Any]:
        figures = {name: estimate.to_json() for name, estimate in self.figures.items()}
        return {"step": self.step, "figures": figures, "violated": list(self.violated)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GuardReading:
        figures = {
            name: Estimate(**{part: math.nan if number is None else number for part, number in estimate.items()})
            for name, estimate in value["figures"].items()
        }
        return cls(value["step"], figures, tuple(value["violated"]))

    @property
    def is_measured(self) -> bool:
        """Whether the policy was sampled from; margins are read off the training's own log."""
        return "kl" in self.figures


class Observed(NamedTuple):
    """What was counted of the answers of one measurement; an entry for each prompt."""

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
    """The figures of a measurement beside the start's, on the same prompts with the same random numbers.

    kl is the mean of log pi(y) - log ref(y) over answers y drawn from pi: KL(pi || ref) of whole answers, and
    kl_per_token that over their mean length.
    """
    prompts = np.arange(len(now.tokens))
    found = {
        "kl": clustered_mean(now.log_ratio, prompts),
        "kl_per_token": _ratio(now.log_ratio, now.tokens),
        "length_ratio": _ratio(now.tokens, start.tokens),
        "unreadable": paired_difference(now.unreadable, start.unreadable, prompts),
        "cut": paired_difference(now.cut, start.cut, prompts),
    }
    for name, scores in now.scores.items():
        known = np.isfinite(scores) & np.isfinite(start.scores[name])
        found[name] = clustered_mean(scores[known], prompts[known])
        found[f"{name}_change"] = paired_difference(scores[known], start.scores[name][known], prompts[known])
    return {name: cautioned(estimate) for name, estimate in found.items()}


def _ratio(above: Floats, below: Floats) -> Estimate:
    """The ratio r of two means; each row adds (a - r b) / sum(b) to its error (linearisation)."""
    r = float(above.sum() / below.sum())
    return linear(r, (above - r * below) / below.sum(), np.arange(len(above)), 0.95)


def violations(found: Mapping[str, Estimate], settings: GuardSettings) -> tuple[str, ...]:
    """The guards whose limit is passed by these figures, surely."""
    limited = [guard for guard in _FIGURES if _over(found, guard, settings)]
    return (*limited, *(["reward_judge_gap"] if _drifts(found, settings.reward_judge_gap) else []))


def _over(found: Mapping[str, Estimate], guard: str, settings: GuardSettings) -> tuple[str, ...]:
    limit = getattr(settings, guard)
    return tuple(name for name in _FIGURES[guard] if name in found and _above(found[name], limit))


def _above(estimate: Estimate, limit: float | None) -> bool:
    known = bounds(estimate)
    return limit is not None and known is not None and known[0] > limit


def _drifts(found: Mapping[str, Estimate], limit: float | None) -> bool:
    """The reward model's score has risen and the judge's has fallen since the start (Gao et al. 2023, figure 1)."""
    if limit is None or not {"reward_change", "judge_change"} <= found.keys():
        return False
    fall = bounds(found["judge_change"])
    return _above(found["reward_change"], 0.0) and fall is not None and fall[1] < -limit


def ranked_by(readings: Sequence[GuardReading]) -> str | None:
    """The score by which readings are ranked, or None where there is none."""
    return next((name for name in ("judge", "reward") if any(name in reading.figures for reading in readings)), None)


def best_reading(readings: Sequence[GuardReading], settings: GuardSettings) -> GuardReading | None:
    """Of the measurements before the first violation, those with the value of every figure within its limit: of these
    the one with the highest judge's score, else with the highest reward, else the last; of equals the last."""
    good: list[GuardReading] = []
    for reading in readings:
        if reading.violated:
            break
        good += [reading] if reading.is_measured and _is_within(reading.figures, settings) else []
    score = ranked_by(readings)

    def rank(reading: GuardReading) -> tuple[float, int]:
        value = reading.figures[score].value if score else 0.0
        return -math.inf if math.isnan(value) else value, reading.step

    return max(good, key=rank, default=None)


def _is_within(found: Mapping[str, Estimate], settings: GuardSettings) -> bool:
    limits = {name: getattr(settings, guard) for guard, watched in _FIGURES.items() for name in watched}
    return not any(limit is not None and name in found and found[name].value > limit for name, limit in limits.items())


def saved_step(readings: Sequence[GuardReading], settings: GuardSettings) -> int | None:
    """The step whose weights are saved where guards ended the training, 0 for the start; None where none did."""
    if settings.on_violation == "note" or not any(reading.violated for reading in readings):
        return None
    best = best_reading(readings, settings)
    return best.step if best else 0


def figures_over(reading: GuardReading, guard: str, settings: GuardSettings) -> tuple[str, ...]:
    """The figures by which a guard was violated at a reading: unreadable watches two of them."""
    if guard == "reward_judge_gap":
        return tuple(f"{name}_change" for name in _SCORES)
    return (guard,) if guard == "margins" else _over(reading.figures, guard, settings)


def sentences(reading: GuardReading, settings: GuardSettings) -> list[str]:
    """What was violated at a reading, a sentence each."""
    lines = []
    for guard in reading.violated:
        over = figures_over(reading, guard, settings)
        shown = [_shown(reading.figures[name]) for name in over]
        if guard == "reward_judge_gap":
            rise, fall = shown
            lines.append(f"the reward model's score has risen by {rise} while the judge's has changed by {fall}")
            continue
        limit = getattr(settings, guard)
        lines += [
            f"{_FIGURES[guard][name]} is {text}, over its limit of {limit:g}"
            for name, text in zip(over, shown, strict=True)
        ]
    return lines


def _shown(estimate: Estimate) -> str:
    interval = "" if math.isnan(estimate.low) else f" ({estimate.low:.3g} to {estimate.high:.3g})"
    return f"{estimate.value:.3g}{interval}"


def is_loop(ids: Sequence[int]) -> bool:
    """At least half of an answer's 4-grams of tokens are repeats, where there are eight or more (seq-rep-4, Welleck et
    al. 2020); texts of people stay far below."""
    grams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
    return len(grams) >= 8 and 1 - len(set(grams)) / len(grams) >= 0.5
