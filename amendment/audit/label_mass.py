"""How much probability the labels held together, of judges that are read from token probabilities.

P is divided among the labels whatever they hold together, so a judge whose labels hold little was about to say
something else. Covered: verdicts that the limit made invalid, too. Not covered: written verdicts, which have no mass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from amendment.audit.figures import Section
from amendment.records import Verdict


class LabelMass(NamedTuple):
    """One judge's distribution over its verdicts."""

    judge: str
    verdicts: int
    median: float
    lowest_tenth: float
    """The mass that a tenth of the verdicts does not reach."""
    below_limit: float
    """Share of verdicts that are invalid, since their labels hold less than the judge's `min_label_mass`."""


def label_masses(verdicts: Iterable[Verdict]) -> list[LabelMass]:
    """One entry for each judge with a mass, in the order of their names."""
    masses: dict[str, list[float]] = defaultdict(list)
    below: dict[str, int] = defaultdict(int)
    for verdict in verdicts:
        if verdict.label_mass is not None:
            masses[verdict.rater].append(verdict.label_mass)
            below[verdict.rater] += verdict.invalid is not None
    return [
        LabelMass(judge, len(own), float(np.median(own)), float(np.quantile(own, 0.1)), below[judge] / len(own))
        for judge, own in sorted(masses.items())
    ]


def mass_section(masses: Iterable[LabelMass]) -> Section:
    """The distributions as a section of the certificate."""
    about = "probability that the labels of judges by token probabilities hold together, before P is divided among them"
    head = ("judge", "verdicts", "median", "lowest tenth", "below the limit (invalid)")
    return Section(
        "Label mass",
        (about,),
        head,
        tuple(
            (row.judge, f"{row.verdicts:,}", *map("{:.2f}".format, row[2:4]), f"{100 * row.below_limit:.1f} %")
            for row in masses
        ),
    )
