"""From judgements to pairs: which comparisons are worth training on, oriented when everything is known.

Covered: ties, one by one and whole pools of them; best against worst; drafts against their last revisions, and how many
revisions the judge prefers. Not covered: what the answers say, see `degenerate`; revisions in between, which are
compared like any answers; a judge that likes whatever looks revised, which a probe measures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from amendment.preference.degenerate import likeness
from amendment.records import Candidate, Comparison, Judgement, Pair
from amendment.statistics import share
from amendment.statistics.sides import side_of

TIED_POOL = "all answers tied"

_DECIDED_BY: dict[str, Literal["judge", "person", "verifier", "unknown"]] = {
    "model": "judge",
    "person": "person",
    "verifier": "verifier",
    "unknown": "unknown",
}


class RevisionSettings(BaseModel):
    """What becomes of the comparison of a chain's draft with its last revision."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    worse: Literal["drop", "flip", "keep"] = "flip"
    """Of a revision that lost to its draft. flip: the draft is chosen, as the judge says of any pair; drop: no pair is
    made of them; keep: the revision is chosen whatever the judge says (decided_by: construction)."""


class PairSettings(BaseModel):
    """Which judged comparisons become pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pairs: Literal["best_worst", "all"] = "all"
    """all: every comparison; best_worst: of each prompt the best against the worst by mean P over the pool."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """Least |2P - 1|; comparisons under it count as ties."""
    ties: Literal["drop", "keep"] = "drop"
    """keep writes ties with P = 0.5; trainers on hard labels leave them out. Of three and more answers to a prompt that
    are all tied no pair is made either way."""
    revisions: RevisionSettings = RevisionSettings()
    """What becomes of a chain's draft and its last revision, where both are candidates."""


class Paired(NamedTuple):
    """The pairs and what did not become one, by reason."""

    pairs: list[Pair]
    left_out: Counter[str]


def make_pairs(
    judgements: Iterable[Judgement], settings: PairSettings, *, revisions: Mapping[str, str] | None = None
) -> Paired:
    """Pairs of the judgements, prompt by prompt in order of first appearance.

    `revisions` are the ids of last revisions, by the comparison with their draft. Where these are kept whatever the
    judge says, each is a pair of its own beside the best and the worst of the others.
    """
    by_prompt: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_prompt[judgement.prompt_id].append(judgement)
    pairs: list[Pair] = []
    left_out: Counter[str] = Counter()
    for judged in by_prompt.values():
        made, others = _revised(judged, settings, revisions or {}, left_out)
        pairs += made
        for judgement in _selected(others, settings, left_out):
            pair = _orient(judgement, settings)
            if pair is None:
                left_out["tie"] += 1
            else:
                pairs.append(pair)
    return Paired(pairs, left_out)


def _revised(
    judged: Sequence[Judgement], settings: PairSettings, revisions: Mapping[str, str], left_out: Counter[str]
) -> tuple[list[Pair], list[Judgement]]:
    """The pairs that are made whatever the judge says, and the comparisons that are left for it to decide."""
    worse = settings.revisions.worse
    pairs: list[Pair] = []
    others: list[Judgement] = []
    for judgement in judged:
        revision = revisions.get(judgement.comparison_id) if worse != "flip" else None
        if revision and worse == "keep":
            pairs.append(_constructed(judgement, revision))
        elif revision and _is_lost(judgement, revision, settings):
            left_out["revision is worse than its draft"] += 1
        else:
            others.append(judgement)
    return pairs, others


def _constructed(judgement: Judgement, revision: str) -> Pair:
    """A pair by the order in which its answers were written; what the judge thought of it stays in `p_chosen_raw`."""
    p = _p_revision(judgement, revision)
    return Pair(
        prompt_id=judgement.prompt_id,
        chosen_id=revision,
        rejected_id=judgement.b if judgement.a == revision else judgement.a,
        p_chosen=1.0,
        p_chosen_raw=1.0 if p is None else p,
        decided_by="construction",
    )


def _is_lost(judgement: Judgement, revision: str, settings: PairSettings) -> bool:
    p = _p_revision(judgement, revision)
    return p is not None and side_of(p, settings.min_margin) < 0


def _selected(judged: Sequence[Judgement], settings: PairSettings, left_out: Counter[str]) -> list[Judgement]:
    readable = _readable(judged)
    for judgement in judged:
        if judgement.p_a is None:
            left_out["orders disagree" if judgement.consistent is False else "invalid"] += 1
    if is_tied_pool(judged, settings):
        left_out[TIED_POOL] += len(readable)
        return []
    if settings.pairs == "all" or not readable:
        return readable
    return _best_against_worst(readable, left_out)


def is_tied_pool(judged: Sequence[Judgement], settings: PairSettings) -> bool:
    """Whether two or more comparisons of a prompt could be read and all of them are ties: no pair is made of these.

    It takes all judgements of the prompt, also where only some of them may become pairs.
    """
    readable = _readable(judged)
    return len(readable) > 1 and all(_is_tie(judgement, settings) for judgement in readable)


def _readable(judged: Sequence[Judgement]) -> list[Judgement]:
    return [judgement for judgement in judged if judgement.p_a is not None]


def _best_against_worst(judged: Sequence[Judgement], left_out: Counter[str]) -> list[Judgement]:
    """The comparison of the best with the worst, unless it says the opposite of the pool's means."""
    won: dict[str, list[float]] = defaultdict(list)
    for judgement in judged:
        assert judgement.p_a is not None
        won[judgement.a].append(judgement.p_a)
        won[judgement.b].append(1 - judgement.p_a)
    ranked = sorted(won, key=lambda candidate: (fmean(won[candidate]), candidate))
    worst, best = ranked[0], ranked[-1]
    chosen = [judgement for judgement in judged if {judgement.a, judgement.b} == {worst, best}]
    left_out["not best or worst"] += len(judged) - len(chosen)
    if chosen and _p_of(chosen[0], best) < 0.5:
        left_out["best lost to worst"] += 1
        return []
    return chosen


def _p_of(judgement: Judgement, candidate: str) -> float:
    assert judgement.p_a is not None
    return judgement.p_a if judgement.a == candidate else 1 - judgement.p_a


def _is_tie(judgement: Judgement, settings: PairSettings) -> bool:
    assert judgement.p_a is not None
    return not side_of(judgement.p_a, settings.min_margin)


def _orient(judgement: Judgement, settings: PairSettings) -> Pair | None:
    assert judgement.p_a is not None
    p_chosen = max(judgement.p_a, 1 - judgement.p_a)
    is_tie = _is_tie(judgement, settings)
    if is_tie and settings.ties == "drop":
        return None
    a_is_chosen = judgement.p_a >= 0.5
    return Pair(
        prompt_id=judgement.prompt_id,
        chosen_id=judgement.a if a_is_chosen else judgement.b,
        rejected_id=judgement.b if a_is_chosen else judgement.a,
        p_chosen=0.5 if is_tie else p_chosen,
        p_chosen_raw=p_chosen,
        decided_by=_DECIDED_BY[judgement.rater_kind],
        weight=1.0 if judgement.weight is None else judgement.weight,
        raters=judgement.raters,
        principle_ids=judgement.principle_ids,
        decisive=None if is_tie else judgement.decisive,
        first_id=judgement.first,
    )


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


def _p_revision(judgement: Judgement, revision: str) -> float | None:
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
    p = _p_revision(judgement, ends.revision)
    return "unread" if p is None else ("tie", "better", "worse")[side_of(p, min_margin)]
