"""How much probability the labels held together, of judges that are read from token probabilities.

P is divided among the labels whatever they hold together, so a judge whose labels hold little was about to say
something else. Covered: verdicts that the limit made invalid, too. Not covered: written verdicts, which have no mass.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
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
    """Share of verdicts that are invalid, since their labels hold less than `LEAST_MASS`."""


class LabelMasses:
    """The masses of verdicts that pass by."""

    def __init__(self) -> None:
        self._masses: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._below: Counter[str] = Counter()

    def passing(self, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
        """Yield the verdicts as they are and note each on its way."""
        for verdict in verdicts:
            if verdict.label_mass is not None:
                self._masses[verdict.rater].append(verdict.label_mass)
                self._below[verdict.rater] += verdict.invalid is not None
            yield verdict

    def by_judge(self) -> list[LabelMass]:
        """Return one entry for each judge with a mass, in the order of their names."""
        return [
            LabelMass(
                judge, len(own), float(np.median(own)), float(np.quantile(own, 0.1)), self._below[judge] / len(own)
            )
            for judge, own in sorted(self._masses.items())
        ]


def mass_section(masses: Iterable[LabelMass]) -> Section:
    """Return the distributions as a section of the certificate."""
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
