"""Pick the sources of a mix by their measured effect on what is evaluated, after SUPERNOVA (2026).

Covered: the effects, read from runs that each trained on equally much data of one source, and the choice. Not
covered: how sources act together, which no measurement of one source can say; measure the mix that was picked as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Literal, NamedTuple

from amendment.errors import ConfigError
from amendment.files import read_json


def effects_of(runs: Mapping[str, str | Path]) -> dict[str, dict[str, float]]:
    """The gain of each run's last policy over its first one, by principle, from the scorecards of `evaluate`.

    `runs` are folders by source. Only principles that every run has measured count. Raises ConfigError where a run has
    no scorecard, or all have no principle in common.
    """
    gains = {source: _gains(Path(folder)) for source, folder in runs.items()}
    common = [name for name in next(iter(gains.values()), {}) if all(name in of_run for of_run in gains.values())]
    if not common:
        raise ConfigError(f"{', '.join(gains) or 'no run'}: expected runs that measured a principle in common")
    return {source: {name: of_run[name] for name in common} for source, of_run in gains.items()}


def _gains(folder: Path) -> dict[str, float]:
    path = folder / "summary.json"
    try:
        card = read_json(path)["stages"]["evaluate"]["scorecard"]["principles"]
        differences = {name: [*figure.get("differences", {}).values()] for name, figure in card.items()}
        return {name: float(values[-1]["value"]) for name, values in differences.items() if values}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{path}: no scorecard; expected a finished run with evaluate of two or more policies"
        ) from None


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
