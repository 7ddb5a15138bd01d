"""Draws the principles of a step: by weight, evenly, or evenly over tags. Equal seeds give equal draws."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from amendment.constitutions.model import Constitution, Principle
from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.records import Prompt

DrawScheme = Literal["uniform", "weighted", "stratified"]


class DrawnPrinciple(NamedTuple):
    """A principle and the constitution that it stands in."""

    constitution: Constitution
    principle: Principle

    @property
    def id(self) -> str:
        return self.constitution.principle_reference(self.principle)


def list_principles(constitutions: Sequence[Constitution]) -> list[DrawnPrinciple]:
    """Return all principles of these constitutions, in their order."""
    return [
        DrawnPrinciple(constitution, principle)
        for constitution in constitutions
        for principle in constitution.principles
    ]


def eligible_principles(
    constitutions: Sequence[Constitution],
    role: Literal["revise", "compare"],
    *,
    category: str | None = None,
    tags: Collection[str] = (),
) -> list[DrawnPrinciple]:
    """Return the principles that have texts for the role and speak about prompts of this category and with these
    tags."""
    return [
        drawn
        for drawn in list_principles(constitutions)
        if getattr(drawn.principle, role) and drawn.principle.applies_to(category, tags)
    ]


def pool_for(
    constitutions: Sequence[Constitution], role: Literal["revise", "compare"], prompt: Prompt, *, who: str
) -> list[DrawnPrinciple]:
    """Return the principles that are eligible for a prompt. Raises ConfigError where there are none; `who` asks for
    them."""
    pool = eligible_principles(constitutions, role, category=prompt.category, tags=prompt.tags)
    if not pool:
        names = ", ".join(constitution.id for constitution in constitutions) or "no constitution"
        raise ConfigError(
            f"{who}: no principle of {names} has a `{role}` text and applies to prompts of category "
            f"{prompt.category!r}; add one, or leave these prompts out"
        )
    return pool


def draw_principles(
    pool: Sequence[DrawnPrinciple], n: int, *, scheme: DrawScheme, key: Any, vetoes: bool = False
) -> list[DrawnPrinciple]:
    """Return at most `n` different principles of the pool; equal keys draw equally, in any process.

    `uniform`: each principle alike. `weighted`: in proportion to its weight. `stratified`: a tag alike,
    then a principle of that tag by weight; those without a tag are a stratum of their own.

    With `vetoes` all hard principles come first, and `n` are drawn of the others: one that nobody asks vetoes nothing.
    """
    rng = random.Random(content_id(["draw", key]))  # noqa: S311 - a reproducible draw, not a secret
    drawn = [candidate for candidate in pool if vetoes and candidate.principle.hard]
    left = [candidate for candidate in pool if candidate not in drawn]
    most = len(drawn) + n
    while left and len(drawn) < most:
        chosen = _draw_one(left, scheme, rng)
        left.remove(chosen)
        drawn.append(chosen)
    return drawn


def _draw_one(pool: list[DrawnPrinciple], scheme: DrawScheme, rng: random.Random) -> DrawnPrinciple:
    if scheme == "uniform":
        return rng.choice(pool)
    if scheme == "stratified":
        tags = sorted({tag for drawn in pool for tag in _strata(drawn)})
        tag = rng.choice(tags)
        pool = [drawn for drawn in pool if tag in _strata(drawn)]
    return rng.choices(pool, [drawn.principle.weight for drawn in pool])[0]


def _strata(drawn: DrawnPrinciple) -> tuple[str, ...]:
    return tuple(drawn.principle.tags) or ("",)
