"""Which attributes a principle speaks about, for those who play a role in Lilliput.

The simulated critic, reviser and judge do not read prose: the principle's id, which the provider finds by
the sentences of the `lilliput` constitution in a question, is looked up here. A principle in other words is
unknown in this world and stands for the overall mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from amendment.simulator.truth import ATTRIBUTES, TRUTHS, Attributes

__all__ = ["PRINCIPLES", "targets"]

PRINCIPLES: Mapping[str, Mapping[str, float]] = {
    "correct": {"correct": 1.0},
    "honest": {"honest": 1.0},
    "harmless": {"harmless": 1.0},
    "helpful": {"helpful": 1.0},
    "frank": {"frank": 1.0},
    "concise": {"concise": 1.0},
    "polite": {"polite": 1.0},
    "clear": {"clear": 1.0},
}
"""Principle id of the `lilliput` constitution -> attribute -> share."""

_CONSTITUTION = "lilliput/"


@lru_cache(maxsize=1 << 10)
def targets(principles: tuple[str, ...]) -> Attributes:
    """The share of each attribute in what the principles speak about, summing to 1.

    Ids are `lilliput/correct` or `correct`. No principle, or one that this world does not know (of
    another constitution), stands for the overall mix of the balanced truth.
    """
    shares = [_shares(principle) for principle in principles] or [_shares("")]
    return Attributes(*(sum(column) / len(shares) for column in zip(*shares, strict=True)))


def _shares(principle: str) -> Attributes:
    known = PRINCIPLES.get(principle.removeprefix(_CONSTITUTION))
    weights = TRUTHS["balanced"] if known is None else Attributes(*(known.get(name, 0.0) for name in ATTRIBUTES))
    total = sum(weights)
    return Attributes(*(weight / total for weight in weights))
