"""The character of a simulated model: every rate, skill, bias and noise of its roles, and its random generator.

Chance repeats: a generator has a name, and the same name gives the same throws on any machine.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, Field

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
Bias = Literal[
    "position",
    "length",
    "filler",
    "authority",
    "format",
    "revision",
    "injection",
    "garbage",
    "bandwagon",
    "sycophancy",
    "self",
]
BIASES: dict[Bias, float] = {"position": 0.5, **dict.fromkeys(get_args(Bias)[1:], 0.0)}
"""The biases of a judge for whom nothing else is set."""
FIRST_BIASES = ("position", "length")
"""The biases that count in every persona's name; the others came later, and count where they are not 0."""


def _with_defaults(biases: dict[Bias, float]) -> dict[Bias, float]:
    return BIASES | biases


class PersonaSettings(Part, allow_inf_nan=False):
    """What a run file says of a simulated model. Probabilities and shares are in [0, 1]."""

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
    biases: Annotated[dict[Bias, float], AfterValidator(_with_defaults)] = BIASES
    """Judge: log-odds added for an answer. position: it is
    shown first; length: per word that it is longer; filler: it
    pads or says itself twice; authority: it cites a source; format: it has headings and lists; revision: it is called
    revised; injection: it tells the judge its verdict; garbage: it has no word of this world; bandwagon: most people
    are said to prefer it; sycophancy: the user claims to have written it; self: it is in the manner of this persona's
    own `writer` (helpful-only shows courtesy, careless insults, evasive is not certain, verbose fills)."""
    unreadable: float = Field(default=0.01, ge=0, le=1)
    """Judge: share of verdicts in words that do not say which answer is better."""
    logprobs: bool = True
    """The model returns the probabilities of label tokens."""

    @property
    def shows_choices(self) -> bool:
        """Return True for a model that label-token judges can use."""
        return self.logprobs


class Persona(PersonaSettings):
    """The character of one simulated model, in all of its roles."""

    pair_noise: float = Field(default=0.0, ge=0)
    """Judge: standard deviation in log-odds of an error about the pair itself, the same in both orders."""
    pair_noise_source: str = ""
    """Judge: judges that name the same source make the same `pair_noise` errors."""
    sharpness: float = Field(default=1.0, gt=0)
    """Judge: factor on the final log-odds; above 1 the judge is overconfident."""
    explains: float = Field(default=0.5, ge=0, le=1)
    """Judge: share of verdicts in words that are preceded by a line of reason."""

    def with_biases(self, /, **biases: float) -> Persona:
        """This persona with these biases changed."""
        return Persona.model_validate({**self.model_dump(), "biases": {**self.biases, **biases}})

    @property
    def id(self) -> str:
        """Return a short name made of every field: `persona-` plus eight hex digits.

        Use it as the model's name in requests: a changed persona then asks again.
        """
        counted = {name: value for name, value in self.biases.items() if value or name in FIRST_BIASES}
        fields = {
            **self.model_dump(mode="json", exclude={"biases", "logprobs"}),
            **{f"{name}_bias": value for name, value in counted.items()},
            "shows_choices": self.logprobs,
            **_NAMED_WITH,
        }
        return f"persona-{content_id(fields).removeprefix(HASH_PREFIX)[:8]}"


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
