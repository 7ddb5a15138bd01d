"""Numbers and estimates as summaries write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amendment.data.sources import LilliputPrompts
from amendment.stages.contract import RunSettings
from amendment.terminal import plain

__all__ = ["counts_shown", "estimate_shown", "number_shown", "simulated_banner"]


def estimate_shown(value: Mapping[str, Any], *, sign: bool = False, share: bool = False) -> str:
    """A value with its interval; the interval of a share ends at 0 and 1, where the normal approximation does not."""
    if value["value"] is None:
        return "no data"
    form = "+.3f" if sign else ".3f"
    shown = f"{value['value']:{form}}"
    if value["low"] is None:
        return f"{shown} (no interval from {value['clusters']} prompts)"
    low, high = (max(value["low"], 0.0), min(value["high"], 1.0)) if share else (value["low"], value["high"])
    return f"{shown} ({low:{form}} to {high:{form}})"


def counts_shown(counts: Mapping[str, Any]) -> str:
    """Names with their numbers, in a line."""
    return ", ".join(f"{plain(str(key))} {number_shown(value)}" for key, value in counts.items())


def number_shown(value: Any) -> str:
    """A number with as many digits as matter, or a text without what a terminal would act on."""
    return f"{value:.4g}" if isinstance(value, float) else plain(str(value))


def simulated_banner(settings: RunSettings) -> str | None:
    """The banner of the simulated world, when any part of the run comes from there."""
    from amendment.simulator import BANNER

    is_simulated = any(spec.provider == "simulated" for spec in settings.models.values())
    has_prompts = any(isinstance(source, LilliputPrompts) for source in settings.prompts)
    return BANNER if is_simulated or has_prompts else None
