"""What labels of some items say of the others: the agreement on all, where chance chose them, or how they differ.

Not covered: what follows from that, which `conclusion` decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from amendment.audit.ceiling import MOST_LISTED, Look, category_name
from amendment.audit.figures import short
from amendment.audit.votes import Flags, Numbers
from amendment.errors import DataError
from amendment.statistics import Estimate
from amendment.statistics.beside import shown_mean
from amendment.statistics.sampling import prediction_powered
from amendment.statistics.shares import holm


class Difference(NamedTuple):
    """What of the labelled items and of the judge's others is unlike."""

    what: str
    """A phrase before a share."""
    labelled: float
    others: float


def for_all_items(look: Look) -> Estimate | None:
    """Return the judge's agreement with one annotator, or with the truth, on all its items that could be drawn, as its
    own confidence predicts it and labels correct it (PPI++). None unless these were drawn by chance, and look like
    it."""
    asked, weight = look.asked_items, look.data.weight
    if not look.asked.drawn or not look.with_labels.items:
        return None
    labelled = asked & _is_labelled(look)
    others = asked & ~labelled & (weight > 0)
    try:
        powered = prediction_powered(
            (1 + look.sides.judge * look.sides.mean) / 2,
            look.confidence[labelled],
            look.confidence[others],
            clusters=look.data.prompt[labelled],
            unlabelled_clusters=look.data.prompt[others],
            weights=weight[labelled] if np.ptp(weight[labelled]) else None,
            level=1 - 5 * look.bar.p,
        )
    except DataError:  # labelled items that no chance draws
        return None
    return powered.estimate


def labelled_differ(look: Look) -> tuple[Difference, ...]:
    """Return the two largest differences between the items that people labelled and the judge's others, of those that
    are shown at 1 % (Holm)."""
    is_labelled, found, p_values = _is_labelled(look), [], {}
    for what, column in _columns(look):
        known = look.asked_items & ~np.isnan(column)
        labelled, values, count = is_labelled[known], column[known], int(known.sum())
        if not 0 < labelled.sum() < count:
            continue
        means = [float(values[part].mean()) for part in (labelled, ~labelled)]
        away = np.where(labelled, values - means[0], means[1] - values) * count
        moved = means[0] - means[1] + away / np.where(labelled, labelled.sum(), count - labelled.sum())
        shown = shown_mean(moved, np.ones(count), look.data.prompt[known], (-1, 1))
        found.append(Difference(what, *means))
        p_values[what] = min(1.0, 2 * min(shown.p_above(0), shown.p_below(0)))
    rejected = holm(p_values, 0.01)
    clear = [difference for difference in found if rejected[difference.what].rejected]
    return tuple(sorted(clear, key=lambda difference: -abs(difference.labelled - difference.others))[:2])


def _is_labelled(look: Look) -> Flags:
    labelled: Flags = np.isin(np.arange(len(look.judge)), look.labels.item)
    return labelled


def _columns(look: Look) -> Iterator[tuple[str, Numbers]]:
    """Yield what is on record of items with a label and without, as shares."""
    chooses = np.abs(look.judge)
    longer = look.judge * np.sign(look.data.length_difference)
    yield "it chooses an answer on", chooses
    yield "it chooses the longer answer on", np.where(longer != 0, (1 + longer) / 2, np.nan)
    if not np.allclose(look.confidence, (1 + np.nan_to_num(chooses)) / 2):
        yield "its mean confidence is", look.confidence
    codes, count = np.unique(look.data.category[look.asked_items], return_counts=True)
    for code in codes[np.argsort(-count, kind="stable")[:MOST_LISTED]] if codes.size > 1 else ():
        yield f"category {short(category_name(look.data, code))} is", (look.data.category == code).astype(np.float64)
