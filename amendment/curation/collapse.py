"""Notice a collapse: sets of texts against a baseline, such as people's text or the first round, by a printed rule.

Covered: WARN where two different figures of diversity have fallen, FAIL where rare words are gone and the text of
people is predicted worse. Not covered: thresholds for your domain. No others are agreed upon in the literature; these
are ours, and the toy loop of `benchmarks/curation.py` is all that they were tried on.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from amendment.curation.diversity import CROSS_ENTROPY, NGRAMS, TAIL, Diversity, T

FALLEN = 0.9
"""A figure has fallen where the whole interval of its ratio to the baseline is below this."""
FEWEST_FALLEN = 2
GONE = 0.75
"""Rare words are gone where the ratio of tail coverage is below this."""
RISEN = 3
"""Standard errors by which cross-entropy has risen."""
FAMILIES = {f"distinct-{n}": "distinct-n" for n in NGRAMS}
"""Figures that say much the same count once."""
RULE = (
    f"WARN: the intervals of {FEWEST_FALLEN} or more figures lie below {FALLEN:g} of the baseline's (distinct-1 to -3 "
    f"count once). FAIL: tail coverage is below {GONE:g} of the baseline's, and cross-entropy is more than {RISEN} "
    "standard errors above it. These limits are house defaults, not calibrated for your domain."
)


class CollapseGate(NamedTuple):
    """What the rule says of one set."""

    outcome: Literal["PASS", "WARN", "FAIL"]
    fallen: tuple[str, ...]
    """Figures that have fallen, each family by one."""


def collapse_gates(measured: Diversity) -> dict[str, CollapseGate]:
    """Return what the rule says of each set but the baseline."""
    gates = {}
    for name, ratios in measured.ratios.items():
        fallen = {FAMILIES.get(measure, measure) for measure, ratio in ratios.items() if ratio.high < FALLEN}
        rise = measured.rises[name]
        error = (rise.high - rise.value) / T
        is_lost = ratios[TAIL].value < GONE and rise.value > RISEN * error
        outcome: Literal["PASS", "WARN", "FAIL"] = "PASS"
        if len(fallen) >= FEWEST_FALLEN:
            outcome = "WARN"
        if is_lost:
            outcome = "FAIL"
        gates[name] = CollapseGate(outcome, tuple(sorted({*fallen, *((TAIL, CROSS_ENTROPY) if is_lost else ())})))
    return gates
