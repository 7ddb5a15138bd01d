"""The pairs of the stage `construct`, as later stages read them.

Covered: pairs for the dataset, without those that people or judges have decided; the answers of each pair, for judges
that are measured on them. Not covered: how they are made, see `construct`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from amendment.constitutions import DrawnPrinciple, principles_of
from amendment.preference.degenerate import without_constant_answers
from amendment.preference.pairs import Paired
from amendment.records import Candidate, Comparison
from amendment.stages.construct import CANDIDATES, PAIRS, ConstructConfig, ConstructedPair
from amendment.stages.contract import Context


class Constructed(NamedTuple):
    """The constructed pairs of a run as the dataset takes them."""

    paired: Paired
    answers: dict[str, dict[str, Candidate]]
    """Both answers of each by their id, by the pair's comparison."""


def constructed_pairs(context: Context, taken: Iterable[str]) -> Constructed:
    """Pairs of the stage `construct` without the comparisons in `taken`, which people or judges have decided; none
    where the run constructs none."""
    if not context.config.parts(ConstructConfig):
        return Constructed(Paired([], Counter()), {})
    candidates = context.workspace.read(CANDIDATES, Candidate)
    constructed, decided = context.workspace.read(PAIRS, ConstructedPair), set(taken)
    new = [row for row in constructed if row.pair.comparison_id not in decided]
    answers = {
        row.pair.comparison_id: {candidates[place].id: candidates[place] for place in (row.chosen, row.rejected)}
        for row in new
    }
    by_id = {candidate.id: candidate for candidate in candidates}
    pairs, constant = without_constant_answers([row.pair for row in new], by_id)
    left_out = constant + Counter({"constructed, but already decided elsewhere": len(constructed) - len(new)})
    return Constructed(Paired(pairs, +left_out), answers)


class AnswersOfPair(NamedTuple):
    """The two answers of a constructed pair, and the principle of a contrast pair."""

    chosen: Candidate
    rejected: Candidate
    principle: DrawnPrinciple | None

    @property
    def comparison(self) -> Comparison:
        return Comparison.between(self.chosen, self.rejected)


def answers_of_pairs(context: Context) -> dict[str, list[AnswersOfPair]]:
    """The answers of each constructed pair by prompt."""
    candidates = context.workspace.read(CANDIDATES, Candidate)
    principles = {drawn.id: drawn for drawn in principles_of(context.constitutions)}
    answers: dict[str, list[AnswersOfPair]] = defaultdict(list)
    for row in context.workspace.rows(PAIRS, ConstructedPair):
        principle = principles.get(row.pair.decisive or "")
        pair = AnswersOfPair(candidates[row.chosen], candidates[row.rejected], principle)
        answers[row.pair.prompt_id].append(pair)
    return answers
