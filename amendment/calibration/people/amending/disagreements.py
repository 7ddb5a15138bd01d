"""Where people and a judge differ, principle by principle, and which half of the labels proposes.

One row is one comparison that people have labelled in the open, with what the judge makes of it by each principle that
it was asked by. Shares weigh each row by 1 / inclusion, so that they speak of all comparisons that labels were drawn
from, and are clustered by prompt.

Covered: how often a principle decided a comparison against people, and how often its own verdicts agree with them;
halves by prompt. Not covered: why they differ (see `question`), and sealed labels, which nothing here may see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from amendment.hashing import content_id
from amendment.records import Comparison
from amendment.statistics import Estimate
from amendment.statistics.active_sampling import weighted_mean
from amendment.statistics.sides import side_of

__all__ = ["Half", "LabelledRow", "PrincipleRecord", "agreement_of", "credit", "halves_of", "principle_records"]

Half = Literal["propose", "test"]


class LabelledRow(NamedTuple):
    """One labelled comparison and what the judge makes of it."""

    comparison: Comparison
    y: float
    """Mean of people's P(a is better): 1, 0, 0.5 for a tie, or between where they differ."""
    inclusion: float
    """The probability with which the comparison was drawn."""
    p: float
    """P(a is better) by the judge, all principles that it was asked by together."""
    by_principle: Mapping[str, float]
    """P(a is better) by each of them alone, by its reference."""
    decisive: str | None = None
    """The one that decided."""

    @property
    def side(self) -> int:
        """What people say: 1 for a, -1 for b, 0 where they say neither."""
        return side_of(self.y)

    @property
    def is_against(self) -> bool:
        """Whether the judge prefers one answer and people the other."""
        return side_of(self.p) * self.side < 0


class PrincipleRecord(NamedTuple):
    """How one principle stands to people."""

    principle: str
    asked: int
    """Labelled comparisons in which the judge was asked by it."""
    agreement: Estimate
    """Of its own verdicts with people, where it prefers an answer and people do."""
    decided: int
    """Comparisons that it decided, and of which people prefer an answer."""
    against: int
    """Of these, comparisons that it decided against people."""
    share_against: Estimate

    def to_json(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        estimates = {"agreement": self.agreement.to_json(), "share_against": self.share_against.to_json()}
        return {**self._asdict(), **estimates}


def halves_of(prompt_ids: Iterable[str], *, seed: int) -> dict[str, Half]:
    """On which side each prompt's labels stand: every second one in an order that chance and the seed make."""
    order = sorted(set(prompt_ids), key=lambda one: content_id(["amend", seed, one]))
    return {one: "test" if place % 2 else "propose" for place, one in enumerate(order)}


def credit(p: float, y: float) -> float:
    """The chance that a person drawn from those who labelled agrees: y for a, 1 - y for b, one half for neither."""
    side = side_of(p)
    return 0.5 if not side else y if side > 0 else 1 - y


def agreement_of(p: Sequence[float | None], rows: Sequence[LabelledRow]) -> Estimate:
    """With people, over the rows in which P prefers an answer and people do."""
    told = [
        (credit(one, row.y), row)
        for one, row in zip(p, rows, strict=True)
        if one is not None and side_of(one) and row.side
    ]
    return _weighted([value for value, _ in told], [row for _, row in told])


def principle_records(rows: Sequence[LabelledRow]) -> list[PrincipleRecord]:
    """Of every principle that the judge was asked by, the one that most often decided against people first."""
    asked: dict[str, list[LabelledRow]] = defaultdict(list)
    for row in rows:
        for name in row.by_principle:
            asked[name].append(row)
    found = [_record(name, asked[name]) for name in sorted(asked)]
    return sorted(found, key=lambda one: -one.against)


def _record(name: str, rows: Sequence[LabelledRow]) -> PrincipleRecord:
    decided = [row for row in rows if row.decisive == name and row.side]
    against = [float(row.is_against) for row in decided]
    return PrincipleRecord(
        principle=name,
        asked=len(rows),
        agreement=agreement_of([row.by_principle[name] for row in rows], rows),
        decided=len(decided),
        against=round(sum(against)),
        share_against=_weighted(against, decided),
    )


def _weighted(values: Sequence[float], rows: Iterable[LabelledRow]) -> Estimate:
    taken = list(rows)
    return weighted_mean(values, [row.inclusion for row in taken], [row.comparison.prompt_id for row in taken])
