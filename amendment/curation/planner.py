"""Pick the sources of a mix by their measured effect on what is evaluated, after SUPERNOVA (2026).

Covered: the choice, from effects that were measured with equally much data of one source at a time. Not covered: how
sources act together, which no measurement of one source can say; measure the mix that was picked as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Literal, NamedTuple


class MixPlan(NamedTuple):
    """Sources, with equal shares, and what each was picked for."""

    shares: dict[str, float]
    picked_for: dict[str, tuple[str, ...]]
    """Attributes by source; macro picks for the average."""


def plan_mix(
    effects: Mapping[str, Mapping[str, float]], *, by: Literal["micro", "macro"] = "micro", top: int = 1
) -> MixPlan:
    """The sources with the best effects; `effects` are gains by source, then by attribute, over the same start.

    micro takes for each attribute the `top` sources that raise it most, and unites them; macro the `top` sources with
    the best mean over attributes. A source without a gain is picked for nothing. Compute is equal if all mixes
    have the same number of pairs, however many sources share it. Raises ValueError where a source lacks an attribute
    of another, and where no source has a gain.
    """
    attributes = list(next(iter(effects.values()), {}))
    if any(list(of_source) != attributes for of_source in effects.values()) or not attributes or top < 1:
        raise ValueError("expected effects of each source on the same attributes, in the same order, and top from 1")
    if by == "macro":
        scores = {"average": {source: fmean(of_source.values()) for source, of_source in effects.items()}}
    else:
        scores = {name: {source: of_source[name] for source, of_source in effects.items()} for name in attributes}
    picked: dict[str, list[str]] = {}
    for name, gains in scores.items():
        for source in sorted(gains, key=lambda source: -gains[source])[:top]:
            if gains[source] > 0:
                picked.setdefault(source, []).append(name)
    if not picked:
        raise ValueError("no source raises anything that was measured; expected a gain of at least one")
    chosen = [source for source in effects if source in picked]
    return MixPlan(dict.fromkeys(chosen, 1 / len(chosen)), {source: tuple(picked[source]) for source in chosen})
