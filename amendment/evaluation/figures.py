"""Figures of policies that answered the same prompts: of each policy, and as differences over the same draws.

Covered: means with intervals clustered by prompt, none from fewer than five prompts. Not covered: many intervals at
once, of which some miss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from amendment.results import Estimate, Figure
from amendment.statistics import cautioned, clustered_mean, paired_difference, share

Asked = tuple[str, int]
"""Prompt id and sample: what one question was, whichever policy answered."""
Values = Mapping[str, Mapping[Asked, float | None]]
"""By policy a number for each draw; None where it is not known."""


def by_policy(
    name: str,
    values: Values,
    *,
    unit: str = "share",
    most: float = 1.0,
    steps: Sequence[tuple[str, str]] | None = None,
    of: Mapping[str, str] = {},
) -> Iterator[Figure]:
    """Yield the mean of each policy, which lies between 0 and `most`, and its difference to the first policy, labelled
    `less`. `steps` are other differences: of which policy, and to which one."""
    names = list(values)
    estimate = share if unit == "share" else clustered_mean
    for policy, rows in values.items():
        known = {asked: value for asked, value in rows.items() if value is not None}
        mean = cautioned(estimate([*known.values()], [prompt_id for prompt_id, _ in known])).within(0, most)
        yield Figure(name=name, value=mean, unit=unit, of={**of, "policy": policy})
    for policy, less in [(other, names[0]) for other in names[1:]] if steps is None else steps:
        change = cautioned(difference(values[policy], values[less])).within(-most, most)
        about = {**of, "policy": policy, "less": less}
        yield Figure(name=name, value=change, unit="points" if unit == "share" else "change", of=about)


def difference(ours: Mapping[Asked, float | None], theirs: Mapping[Asked, float | None]) -> Estimate:
    """Return the difference of the means, over the draws for which both have a value."""
    both = [
        (asked[0], our, their)
        for asked, our in ours.items()
        if our is not None and (their := theirs.get(asked)) is not None
    ]
    return paired_difference([row[1] for row in both], [row[2] for row in both], [row[0] for row in both])
