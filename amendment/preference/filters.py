"""The filters that every pair passes, whoever decided it: pairs that teach nothing, or the wrong thing, are left out.

Adding a filter is a class and an entry in `FILTERS`. Its `key` is part of the keys of all stages
that look at pairs, so that an older dataset is made again. Not covered: what is left out before pairs are made, see
`degenerate`, and what the run file asks for, see `curation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import ClassVar, Protocol

from amendment.preference.degenerate import CONSTANT, KNOWING, constant_answers, writer_and_text
from amendment.preference.pairs import Paired
from amendment.records import Candidate, Pair, Prompt


class PairFilter(Protocol):
    """Leaves out pairs of one kind."""

    key: ClassVar[str]
    """A name and a version, which changes whenever the filter leaves out other pairs."""

    def __init__(self, prompts: Mapping[str, Prompt], answers: Mapping[str, Candidate]) -> None:
        """`prompts` and `answers` are all of the run, by id."""

    def why_out(self, pair: Pair) -> str | None:
        """Return why a pair is left out, in a few words by which it is counted; None if it stays."""


class ConstantAnswers(PairFilter):
    """Leaves out pairs won by a text that its writer gives to most prompts.

    One that is rejected stays: that it is worse is worth learning. So does what a person or a verifier chose: to many
    questions the same word is the right answer, and it is judges that such texts deceive.
    """

    key = "constant answers 1"

    def __init__(self, prompts: Mapping[str, Prompt], answers: Mapping[str, Candidate]) -> None:
        self._answers, self._constant = answers, constant_answers(answers.values())

    def why_out(self, pair: Pair) -> str | None:
        if not self._constant or pair.decided_by in KNOWING:
            return None
        return CONSTANT if writer_and_text(self._answers[pair.chosen_id]) in self._constant else None


FILTERS: tuple[type[PairFilter], ...] = (ConstantAnswers,)
"""In the order in which a pair meets them; it is counted by the first that leaves it out."""


def filter_pairs(pairs: Iterable[Pair], prompts: Mapping[str, Prompt], answers: Mapping[str, Candidate]) -> Paired:
    """Return the pairs that pass all filters, and what is left out, by reason."""
    filters = [kind(prompts, answers) for kind in FILTERS]
    kept: list[Pair] = []
    left_out: Counter[str] = Counter()
    for pair in pairs:
        reason = next(filter(None, (each.why_out(pair) for each in filters)), None)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(pair)
    return Paired(kept, left_out)


def filter_keys() -> list[str]:
    """Return what the keys of stages that look at pairs have of the filters."""
    return [kind.key for kind in FILTERS]
