"""Whether revising made an answer better: the draft of a chain against its last revision, as the judge sees it.

Covered: which comparisons these are; the policy for them; how many revisions were better, worse, tied or could not be
read, with the share of those that won. Not covered: revisions in between, which are compared like any answers, and a
judge that likes whatever looks revised: a probe measures that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from amendment.preference.degenerate import likeness
from amendment.records import Candidate, Comparison, Judgement
from amendment.statistics import share
from amendment.statistics.sides import side_of

__all__ = ["ChainEnds", "RevisionSettings", "Revisions", "Worse", "chain_ends", "count_revisions", "p_revision"]

Worse = Literal["drop", "flip", "keep"]


class RevisionSettings(BaseModel):
    """What becomes of the comparison of a chain's draft with its last revision."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    worse: Worse = "flip"
    """Of a revision that lost to its draft. flip: the draft is chosen, as the judge says of any pair; drop: no pair is
    made of them; keep: the revision is chosen whatever the judge says (decided_by: construction)."""


class ChainEnds(NamedTuple):
    """A chain's draft and its last revision, by their ids."""

    prompt_id: str
    draft: str
    revision: str
    is_unchanged: bool
    """They say the same: there is nothing to compare."""

    @property
    def comparison_id(self) -> str:
        """What judgements of the two are joined by."""
        a, b = sorted((self.draft, self.revision))
        return Comparison(self.prompt_id, a, b).id


class Revisions(NamedTuple):
    """What the judge makes of revisions."""

    counts: Counter[str]
    """better, worse, tie, unread, unchanged, not compared; together as many as chains that have a revision."""
    share: dict[str, Any]
    """The share of revisions that are better, a tie counting half, of all that were read; clustered by prompt."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**self.counts, "share": self.share}


def chain_ends(candidates: Iterable[Candidate]) -> list[ChainEnds]:
    """The ends of all chains that have a revision. The candidates of each stand together, the draft first."""
    chains = (list(chain) for _, chain in groupby(candidates, key=lambda one: one.prompt_id))
    return [
        ChainEnds(draft.prompt_id, draft.id, last.id, is_unchanged=likeness(draft.messages) == likeness(last.messages))
        for draft, *_, last in (chain for chain in chains if len(chain) > 1)
    ]


def p_revision(judgement: Judgement, revision: str) -> float | None:
    """P(the revision is better); None where the judge could not be read."""
    if judgement.p_a is None:
        return None
    return judgement.p_a if judgement.a == revision else 1 - judgement.p_a


def count_revisions(
    ends: Iterable[ChainEnds], judgements: Iterable[Judgement], *, min_margin: float = 0.0
) -> Revisions:
    """How the revisions of chains fared. Of two that differ by less than `min_margin`, neither is better.

    A revision is not compared where it was cut off, where the run's judge left it to the user's own verdicts, or where
    the comparison could become no pair.
    """
    judged: Mapping[str, Judgement] = {judgement.comparison_id: judgement for judgement in judgements}
    counts = Counter(dict.fromkeys(("better", "worse", "tie", "unread", "unchanged", "not compared"), 0))
    won: list[float] = []
    clusters: list[str] = []
    for one in ends:
        ending = _ending(one, judged.get(one.comparison_id), min_margin)
        counts[ending] += 1
        if ending in SCORES:
            won.append(SCORES[ending])
            clusters.append(one.prompt_id)
    return Revisions(counts, share(won, clusters).to_json())


SCORES = {"better": 1.0, "tie": 0.5, "worse": 0.0}


def _ending(ends: ChainEnds, judgement: Judgement | None, min_margin: float) -> str:
    if ends.is_unchanged:
        return "unchanged"
    if judgement is None:
        return "not compared"
    p = p_revision(judgement, ends.revision)
    return "unread" if p is None else ("tie", "better", "worse")[side_of(p, min_margin)]
