"""The diversity of a run's answers, as the dataset and the rounds measure it, and whether it collapses.

Covered: chosen and rejected answers by source, and the policies of all rounds; people's answers as the reference. One
answer is taken for each prompt, since answers to one prompt resemble each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from amendment.curation.collapse import RULE, collapse_gates
from amendment.curation.diversity import Diversity, measure_diversity
from amendment.curation.settings import REFERENCE, DiversitySettings
from amendment.records import Preference, last_text
from amendment.results import Figure, Result
from amendment.stages.contract import Context


def _by_prompt(answers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the first answer to each prompt."""
    return dict(reversed([*answers]))


class _SideTexts(Mapping[str, str]):
    """One side of rows by prompt, each read when it is asked for."""

    def __init__(self, rows: Sequence[Preference], side: str, places: Mapping[str, int]) -> None:
        """`places` are those of the rows of prompts."""
        self._rows, self._side, self._places = rows, side, places

    def __getitem__(self, prompt_id: str) -> str:
        return last_text(getattr(self._rows[self._places[prompt_id]], self._side))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def pair_diversity(
    context: Context, by_source: Mapping[str, Sequence[Preference]], config: DiversitySettings
) -> Result:
    """Measure chosen and rejected answers, by source at one size; compare the chosen ones with people's."""
    people = config.read_people_texts(context.base)
    (embed, by), seed = config.embed(context.base), context.config.seed
    places = {
        name: dict(reversed([(row.prompt_id, place) for place, row in enumerate(rows)]))
        for name, rows in by_source.items()
    }
    result = Result()
    for side in ("chosen", "rejected"):
        sets = {name: _SideTexts(rows, side, places[name]) for name, rows in by_source.items()}
        compared = {REFERENCE: people} if people and side == "chosen" else {}
        baseline = REFERENCE if compared else None
        diversity = measure_diversity({**compared, **sets}, baseline=baseline, embed=embed, seed=seed)
        if compared and not diversity and (diversity := measure_diversity(sets, embed=embed, seed=seed)):
            result += Result(notes=("Collapse is not measured: the reference has too few answers with words.",))
        if diversity:
            result += _result(diversity, "source", answers=side)
    return result + _reading(result, by)


def round_diversity(
    context: Context, answers: Mapping[str, Iterable[tuple[str, str]]], config: DiversitySettings
) -> Result:
    """Measure each policy's answers, given with their prompts' ids, and compare them with the first one's. What is
    predicted are people's answers, or without a reference held-out ones of the first policy."""
    sets = {policy: _by_prompt(given) for policy, given in answers.items()}
    people = config.read_people_texts(context.base) or None
    (embed, by), seed = config.embed(context.base), context.config.seed
    diversity = measure_diversity(sets, baseline=next(iter(sets)), held_out=people, embed=embed, seed=seed)
    result = _result(diversity, "policy") if diversity else Result()
    return result + _reading(result, by)


def _result(diversity: Diversity, label: str, **of: str) -> Result:
    """Return the figures, and what the gate against collapse says of each set that was compared."""
    figures = [*diversity.figures(label, **of)]
    notes = list[str]()
    for name, gate in collapse_gates(diversity).items():
        figures.append(Figure(name="collapse", value=gate.outcome, of={**of, label: name}))
        if gate.fallen:
            notes.append(f"Collapse, {name} against {diversity.baseline}: {', '.join(gate.fallen)} worse.")
    return Result(figures=tuple(figures), notes=tuple(notes))


def _reading(result: Result, by: str) -> Result:
    """Return how the figures are read; nothing without figures."""
    if not result.where("diversity"):
        return Result()
    rule = (RULE,) if result.where("collapse") else ()
    return Result(notes=(HOW_DIVERSE, f"Vendi score by {by}.", *rule))


HOW_DIVERSE = (
    "Diversity: higher is more varied, except for the compression ratio, self-repetition and cross-entropy (nats per "
    "word of held-out answers). All depend on how much text is measured, so compare only sets of equal size."
)
