"""Rounds as the run file says them, and the pairs that each trains on: its own, or those of all rounds so far.

Replacing the data of earlier rounds degrades models round by round (Shumailov et al. 2024); accumulating bounds the
loss (Gerstgrasser et al. 2024). Both train on what models wrote; here a judge, and people, decide between answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from amendment.hashing import content_id
from amendment.records import Part, Preference
from amendment.results import Figure, counted


class RoundsConfig(Part):
    """Continue with the policy's own answers: sample, judge, train, in several rounds. `rounds: 3` is the short
    form."""

    n: int = Field(ge=1, le=50)
    """Number of rounds, including the first."""
    data: Literal["replace", "accumulate"] = "accumulate"
    """The pairs that a later round trains on. replace: its own; accumulate: those of all rounds so far, each comparison
    once."""
    replay_human: float | None = Field(default=None, ge=0, lt=1)
    """The share of pairs decided by people in each later round's training data, drawn for each round from those of the
    run; the rest follows `data`. If there are too few, the summary states the share that was reached. null: as many as
    `data` includes."""
    per_prompt: int | None = Field(default=None, ge=2, le=256)
    """Answers of the last policy to each prompt. null: as many as of the last policy of this run under `candidates`."""

    @property
    def later(self) -> range:
        """Return the rounds after the first."""
        return range(2, self.n + 1)


def _spelled_out(value: Any) -> Any:
    return {"n": value} if isinstance(value, int) and not isinstance(value, bool) else value


Rounds = Annotated[RoundsConfig, BeforeValidator(_spelled_out, json_schema_input_type=int | RoundsConfig)]


class RoundPairs(NamedTuple):
    """The pairs that a round trains on."""

    rows: list[Preference]
    figures: tuple[Figure, ...]
    """New pairs, pairs used, those by people, and their shares, wanted (where one is) and reached."""


def choose_round_pairs(
    rounds: RoundsConfig, earlier: Sequence[Preference], new: Sequence[Preference], *, number: int, seed: int
) -> RoundPairs:
    """Return the pairs that round `number` trains on; `earlier` are those of the rounds before it, the first one's
    first.

    Each comparison counts once, by its earliest pair. With `replay_human` people's pairs of all rounds so far are drawn
    by a seeded hash, without replacement: so many that they have the wanted share, or all where they are fewer.
    """
    pool = _once([*earlier, *new] if rounds.data == "accumulate" else new)
    share = rounds.replay_human
    if share is not None:
        people = [row for row in _once([*earlier, *new]) if row.decided_by == "person"]
        decided = {row.comparison_id for row in people}
        made = [row for row in pool if row.decided_by != "person" and row.comparison_id not in decided]
        # the key is older than the setting's name: other draws would be made of the same seed
        ranked = sorted(people, key=lambda row: content_id(["keep_human", seed, number, row.comparison_id]))
        drawn = {row.comparison_id for row in ranked[: round(len(made) * share / (1 - share))]}
        pool = [*made, *(row for row in people if row.comparison_id in drawn)]
    by_people = sum(row.decided_by == "person" for row in pool)
    reached = {} if share is None else {"share_of_people_wanted": share}
    reached["share_of_people"] = round(by_people / max(len(pool), 1), 4)
    shares = (Figure(name=name, value=value, unit="share") for name, value in reached.items())
    return RoundPairs(pool, (*counted(new_pairs=len(new), pairs_used=len(pool), of_them_by_people=by_people), *shares))


def _once(rows: Iterable[Preference]) -> list[Preference]:
    first: dict[str, Preference] = {}
    for row in rows:
        first.setdefault(row.comparison_id, row)
    return list(first.values())
