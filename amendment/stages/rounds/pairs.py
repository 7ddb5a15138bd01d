"""Which pairs a further round trains on.

Replacing the data of earlier rounds by the model's own is what degrades it round by round in Shumailov et al. 2024 (AI
models collapse when trained on recursively generated data, Nature 631); accumulating bounds the loss in Gerstgrasser et
al. 2024 (Is Model Collapse Inevitable?). Both train on what models wrote; here a judge, and people, decide between
answers, so neither result carries over as it stands.

Covered: the choice among pairs that are there. Not covered: how they come about; see `making`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from amendment.hashing import content_id
from amendment.records import Preference
from amendment.stages.config_rounds import RoundsStage

__all__ = ["RoundPairs", "pairs_of_round"]


class RoundPairs(NamedTuple):
    """What a round trains on."""

    rows: list[Preference]
    counts: dict[str, Any]
    """new, used, of people, and their shares, wanted (where one is) and reached."""


def pairs_of_round(
    rounds: RoundsStage, earlier: Sequence[Preference], new: Sequence[Preference], *, number: int, seed: int
) -> RoundPairs:
    """The pairs that round `number` trains on; `earlier` are those of the rounds before it, the first one's first.

    Each comparison counts once, by its earliest pair. With `keep_human` people's pairs of all rounds so far are drawn
    without replacement, so many that they have the wanted share, or all where they are fewer.
    """
    pool = _once([*earlier, *new] if rounds.data == "accumulate" else new)
    if rounds.keep_human is not None:
        people = [row for row in _once([*earlier, *new]) if row.decided_by == "person"]
        decided = {row.comparison_id for row in people}
        made = [row for row in pool if row.decided_by != "person" and row.comparison_id not in decided]
        wanted = round(len(made) * rounds.keep_human / (1 - rounds.keep_human))
        pool = [*made, *_drawn(people, wanted, [seed, number])]
    return RoundPairs(pool, _counts(rounds, new, pool))


def _once(rows: Iterable[Preference]) -> list[Preference]:
    found: dict[str, Preference] = {}
    for row in rows:
        found.setdefault(row.comparison_id, row)
    return list(found.values())


def _drawn(rows: Sequence[Preference], size: int, key: list[int]) -> list[Preference]:
    """So many of the rows by a seeded hash, in their order."""
    ranked = sorted(rows, key=lambda row: content_id(["keep_human", *key, row.comparison_id]))
    taken = {row.comparison_id for row in ranked[:size]}
    return [row for row in rows if row.comparison_id in taken]


def _counts(rounds: RoundsStage, new: Sequence[Preference], used: Sequence[Preference]) -> dict[str, Any]:
    of_people = sum(row.decided_by == "person" for row in used)
    wanted = {"share of people wanted": rounds.keep_human} if rounds.keep_human is not None else {}
    reached = round(of_people / len(used), 4) if used else 0.0
    counts = {"new pairs": len(new), "pairs used": len(used), "of them by people": of_people}
    return {**counts, **wanted, "share of people": reached}
