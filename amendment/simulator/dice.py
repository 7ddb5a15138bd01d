"""Chance that repeats: a generator from a name, ways to throw it, and the curve from log-odds to probability."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, TypeVar

from amendment.hashing import HASH_PREFIX, content_id

T = TypeVar("T")


def dice(name: str) -> random.Random:
    """The generator of a content hash, such as a request's id: same name, same throws, on any machine."""
    return random.Random(int(name.removeprefix(HASH_PREFIX), 16))  # noqa: S311 - play, not cryptography


def dice_for(*values: Any) -> random.Random:
    """The generator of some JSON values."""
    return dice(content_id(list(values)))


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """One of the items, each as likely."""
    return items[int(rng.random() * len(items))]


def chance(rng: random.Random, probability: float) -> bool:
    """True with this probability. Always one throw."""
    return rng.random() < probability


def logistic(log_odds: float) -> float:
    """The probability of these log-odds, which are held within 30 of even."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))
