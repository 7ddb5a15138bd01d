"""Pairs with what people know: calibrated probabilities, and the labels that decide their own comparisons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from amendment.preference import Vote, majority_of, person_votes
from amendment.records import Pair, Verdict
from amendment.stages.calibrating import CALIBRATOR, OPEN, PROBABILITIES, Probability
from amendment.stages.contract import Context
from amendment.stages.paired import checked_ties
from amendment.statistics.sides import side_of

__all__ = ["Labelled", "Turned", "calibrated_pairs", "labelled_pairs"]

Turned = Literal["keep", "turn", "drop"]
"""What becomes of a pair whose calibrated P(chosen) lies below one half."""


class Labelled(NamedTuple):
    """Pairs, and what was counted on the way."""

    pairs: list[Pair]
    counts: Counter[str]
    left_out: Counter[str]
    """Pairs that are none any more, by reason."""


def spot_checked_pairs(context: Context, pairs: Sequence[Pair]) -> Labelled:
    """The judge's pairs as the run's spot check has them: calibrated, and decided by open labels where they are to
    decide; the same pairs where the run has none."""
    stage = context.config.spot_check
    if stage is None:
        return Labelled([*pairs], Counter(), Counter())
    rows = context.workspace.rows(PROBABILITIES, Probability)
    known = {one.comparison_id: p for one in rows if (p := one.p_a_calibrated) is not None}
    votes = person_votes(context.workspace.read(OPEN, Verdict)) if stage.decide else {}
    decided = labelled_pairs(pairs, votes, ties=checked_ties(context.config))
    is_used = _is_used(context)
    found = calibrated_pairs(decided.pairs, known, is_used=is_used, turned=stage.calibration.turned)
    return Labelled(found.pairs, decided.counts + found.counts, decided.left_out + found.left_out)


def _is_used(context: Context) -> bool:
    """Whether training shall see calibrated probabilities: as the run file says, else where they surely help."""
    wanted = context.config.dataset.probabilities
    if wanted is not None:
        return bool(wanted == "calibrated")
    recipe = json.loads(context.workspace.path(CALIBRATOR).read_text(encoding="utf-8"))
    return bool(recipe.get("helps"))


def calibrated_pairs(
    pairs: Iterable[Pair], p_a: Mapping[str, float], *, is_used: bool, turned: Turned = "keep"
) -> Labelled:
    """Pairs with `p_chosen_calibrated`; `p_a` is P(a is better) after calibration by comparison id.

    `is_used` puts it into `p_chosen` too, but for ties, which stay at one half. `turned` says what becomes of pairs
    that calibration turns round; they are counted whatever it says. What people decided stays decided, and a pair of
    which nothing is known, such as an imported one, stays as it is.
    """
    found = Labelled([], Counter(), Counter())
    for pair in pairs:
        known = p_a.get(pair.comparison_id)
        if known is None:
            found.pairs.append(pair)
            continue
        p = known if pair.chosen_id < pair.rejected_id else 1 - known
        is_open = pair.p_chosen != 0.5 and pair.decided_by != "person"
        update = {"p_chosen_calibrated": p, **({"p_chosen": p} if is_used and is_open else {})}
        made = pair.model_copy(update=update)
        if side_of(p) < 0 and is_open:
            found.counts[f"turned by calibration: {turned}"] += 1
            if turned == "drop":
                found.left_out["calibration says the opposite"] += 1
                continue
            made = _round(made) if turned == "turn" else made
        found.pairs.append(made)
    return found


def _round(pair: Pair) -> Pair:
    p = pair.p_chosen_calibrated
    update = {
        "chosen_id": pair.rejected_id,
        "rejected_id": pair.chosen_id,
        "p_chosen": 1 - pair.p_chosen,
        "p_chosen_raw": 1 - pair.p_chosen_raw,
        "p_chosen_calibrated": None if p is None else 1 - p,
        "decisive": None,  # the principle that decided spoke for the other side
    }
    return pair.model_copy(update=update)


def labelled_pairs(
    pairs: Iterable[Pair], votes: Mapping[str, Mapping[str, float]], *, ties: Literal["drop", "keep"]
) -> Labelled:
    """Pairs whose comparisons people have labelled say what people said; the judge's own P stays in `p_chosen_raw`.

    `votes` are P(a) by comparison and person. A pair on which people are evenly split, or which they call a tie, is
    dropped or kept with one half, as `ties` says.
    """
    found = Labelled([], Counter(), Counter())
    for pair in pairs:
        said = votes.get(pair.comparison_id)
        if not said:
            found.pairs.append(pair)
            continue
        made = _decided(pair, said)
        if made is None:
            reason = "people call it a tie" if 0.5 in said.values() else "people disagree with each other"
            found.counts[reason] += 1
            if ties == "keep":
                found.pairs.append(_by_people(pair, said, 0.5).model_copy(update={"decisive": None}))
            else:
                found.left_out[reason] += 1
            continue
        found.counts["decided by people"] += 1
        found.counts["people disagree with the judge"] += made.chosen_id != pair.chosen_id
        found.pairs.append(made)
    return found


def _decided(pair: Pair, said: Mapping[str, float]) -> Pair | None:
    """The pair as the majority of people orients it; None for a tie."""
    p_a = majority_of(map(Vote.of, said.values()))
    assert p_a is not None
    p = p_a if pair.chosen_id < pair.rejected_id else 1 - p_a
    if not side_of(p):
        return None
    return _by_people(pair if side_of(p) > 0 else _round(pair), said, max(p, 1 - p))


def _by_people(pair: Pair, said: Mapping[str, float], p: float) -> Pair:
    update = {"p_chosen": p, "decided_by": "person", "raters": tuple(sorted(said))}
    return pair.model_copy(update=update)
