"""The character of a simulated model: every rate, skill, bias and noise of its roles, and its random generator.

Chance repeats: a generator has a name, and the same name gives the same throws on any machine.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import Field

from amendment.hashing import HASH_PREFIX, content_id
from amendment.records import Part

SKILL = 0.85
"""Critic: probability that a flaw against the drawn principle is noticed."""
FALSE_ALARMS = 0.05
"""Critic: probability that a flaw is named which is not there."""
LOOK = 0.6
"""Reviser: probability of noticing a flaw by itself, where no critique is given or none can be read."""
SLIPS = 0.03
"""Reviser: probability of a new error (a false hedge, a wrong value, a wrong helper)."""
OVER_REFUSALS = 0.04
"""Reviser: probability, under a principle about harm, of refusing a question that has an answer."""
ARTEFACTS = 0.1
"""Reviser: probability of opening with `Here is the revised answer:`."""
TIE_WIDTH = 0.1
"""Judge: log-odds within which a verdict in words is a tie."""

_NAMED_WITH = {
    "skill": SKILL,
    "false_alarms": FALSE_ALARMS,
    "look": LOOK,
    "slips": SLIPS,
    "over_refusals": OVER_REFUSALS,
    "artefacts": ARTEFACTS,
    "tie_width": TIE_WIDTH,
    "style_bias": 0.0,
}
"""Constants of all personas that are part of a persona's name."""
T = TypeVar("T")
LATER = frozenset(
    f"{name}_bias"
    for name in ["filler", "authority", "format", "revision", "injection", "garbage", "bandwagon", "sycophancy", "self"]
)
"""Fields that came after the first names were given."""


class Persona(Part, allow_inf_nan=False):
    """The character of one simulated model, in all of its roles. Probabilities and shares are in [0, 1]."""

    writer: Literal["helpful-only", "careless", "evasive", "verbose"] = "helpful-only"
    """The writer whose habits the drafts have. helpful-only: complies with danger 80 %, wrong 30 %, insults 12 %."""

    knows_answers: bool = False
    """Reviser: may put in right answers, reasons and helpers. Off: it can drop, hedge, refuse and shorten only."""

    gain: float = Field(default=6.0, ge=0)
    """Judge: log-odds per unit of difference in what the principle applies to."""
    leak: float = Field(default=0.3, ge=0, le=1)
    """Judge: share of its attention that goes to the overall mix instead of the principle."""
    noise: float = Field(default=1.0, ge=0)
    """Judge: standard deviation in log-odds of noise drawn for each request, so for each order."""
    pair_noise: float = Field(default=0.0, ge=0)
    """Judge: standard deviation in log-odds of an error about the pair itself, the same in both orders."""
    pair_noise_source: str = ""
    """Judge: judges that name the same source make the same `pair_noise` errors."""
    position_bias: float = 0.5
    """Judge: log-odds added for the answer shown first."""
    length_bias: float = 0.0
    """Judge: log-odds added per word that an answer is longer."""
    filler_bias: float = 0.0
    """Judge: log-odds added for an answer that pads or says itself twice."""
    authority_bias: float = 0.0
    """Judge: log-odds added for an answer that cites a source, made up or not."""
    format_bias: float = 0.0
    """Judge: log-odds added for an answer laid out with headings and lists."""
    revision_bias: float = 0.0
    """Judge: log-odds added for an answer that is called revised."""
    injection_bias: float = 0.0
    """Judge: log-odds added for an answer that tells the judge its verdict."""
    garbage_bias: float = 0.0
    """Judge: log-odds added for an answer without a word of this world: empty, constant or noise."""
    bandwagon_bias: float = 0.0
    """Judge: log-odds added for the answer that most people are said to prefer."""
    sycophancy_bias: float = 0.0
    """Judge: log-odds added for the answer that the user claims to have written."""
    self_bias: float = 0.0
    """Judge: log-odds added for an answer in the manner of this persona's own `writer`: helpful-only shows
    courtesy, careless insults, evasive is not certain, verbose fills. A judge sees no author, only a manner."""
    sharpness: float = Field(default=1.0, gt=0)
    """Judge: factor on the final log-odds; above 1 the judge is overconfident."""
    explains: float = Field(default=0.5, ge=0, le=1)
    """Judge: share of verdicts in words that are preceded by a line of reason."""
    unreadable: float = Field(default=0.01, ge=0, le=1)
    """Judge: share of verdicts in words that do not say which answer is better."""
    shows_choices: bool = True
    """The model returns the probabilities of label tokens."""

    @property
    def id(self) -> str:
        """Return a short name made of every field: `persona-` plus eight hex digits.

        Fields that were not there from the beginning count where they are not 0, so that older names stand.

        Use it as the model's name in requests: a changed persona then asks again.
        """
        fields = {**self.model_dump(mode="json"), **_NAMED_WITH}
        counted = {name: value for name, value in fields.items() if value or name not in LATER}
        return f"persona-{content_id(counted).removeprefix(HASH_PREFIX)[:8]}"


def dice(name: str) -> random.Random:
    """Return the generator of a content hash, such as a request's id: same name, same throws, on any machine."""
    return random.Random(int(name.removeprefix(HASH_PREFIX), 16))  # noqa: S311 - play, not cryptography


def dice_for(*values: Any) -> random.Random:
    """Return the generator of some JSON values."""
    return dice(content_id(list(values)))


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """Draw one of the items, each as likely."""
    return items[int(rng.random() * len(items))]


def chance(rng: random.Random, probability: float) -> bool:
    """Return True with this probability. It always takes one throw."""
    return rng.random() < probability


def logistic(log_odds: float) -> float:
    """Return the probability of these log-odds, which are cut to within 30 of even."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))
