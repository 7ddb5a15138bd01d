"""The diversity of a run's answers, as the dataset and the rounds measure it, and whether it collapses.

Covered: chosen and rejected answers by source, and the policies of all rounds; people's answers as the reference;
lines for the summary. One answer is taken for each prompt, since answers to one prompt resemble each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from amendment.curation.collapse import RULE, collapse_gates
from amendment.curation.diversity import measure_diversity
from amendment.curation.settings import REFERENCE, DiversitySettings
from amendment.records import Preference, text_of
from amendment.report.shown import estimate_shown
from amendment.stages.contract import Context
from amendment.text import cell, plain, table

UNGATED = "why no gate"
"""The key of the reason why nothing is compared with the reference."""


def _by_prompt(answers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first answer to each prompt."""
    return dict(reversed([*answers]))


class _Answers(Mapping[str, str]):
    """One side of rows by prompt, each read when it is asked for."""

    def __init__(self, rows: Sequence[Preference], side: str, places: Mapping[str, int]) -> None:
        """`places` are those of the rows of prompts."""
        self._rows, self._side, self._places = rows, side, places

    def __getitem__(self, prompt_id: str) -> str:
        return text_of(getattr(self._rows[self._places[prompt_id]], self._side))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def pair_diversity(
    context: Context, by_source: Mapping[str, Sequence[Preference]], config: DiversitySettings
) -> dict[str, Any]:
    """The diversity of chosen and of rejected answers, by source at one size; of chosen ones compared with people's."""
    people = config.texts_of_people(context.base)
    (embed, by), seed = config.embed(context.base), context.config.seed
    places = {
        name: dict(reversed([(row.prompt_id, place) for place, row in enumerate(rows)]))
        for name, rows in by_source.items()
    }
    measured = {}
    for side in ("chosen", "rejected"):
        sets = {name: _Answers(rows, side, places[name]) for name, rows in by_source.items()}
        compared = {REFERENCE: people} if people and side == "chosen" else {}
        baseline = REFERENCE if compared else None
        measured[side] = _measured({**compared, **sets}, by, baseline=baseline, embed=embed, seed=seed)
        if compared and not measured[side] and (alone := _measured(sets, by, embed=embed, seed=seed)):
            measured[side] = {**alone, UNGATED: "the reference has too few answers with words"}
    measured = {side: figures for side, figures in measured.items() if figures}
    return {"diversity": measured} if measured else {}


def round_diversity(
    context: Context, answers: Mapping[str, Iterable[tuple[str, str]]], config: DiversitySettings
) -> dict[str, Any]:
    """The diversity of each policy's answers, given with their prompts' ids, compared with the first one's. What is
    predicted are people's answers, or without a reference held-out ones of the first policy."""
    sets = {policy: _by_prompt(given) for policy, given in answers.items()}
    people = config.texts_of_people(context.base) or None
    (embed, by), seed = config.embed(context.base), context.config.seed
    return _measured(sets, by, baseline=next(iter(sets)), held_out=people, embed=embed, seed=seed)


def _measured(sets: Mapping[str, Mapping[str, str]], by: str, **settings: Any) -> dict[str, Any]:
    diversity = measure_diversity(sets, **settings)
    if diversity is None:
        return {}
    gates = {name: gate._asdict() for name, gate in collapse_gates(diversity).items()}
    return {**diversity.to_json(), "Vendi score by": by, **({"gates": gates} if gates else {})}


HOW_DIVERSE = (
    "Higher is more varied, but for the compression ratio, self-repetition and cross-entropy (nats a word of held-out "
    "answers). All depend on how much text is measured, so compare columns within one table, never two tables."
)


def diversity_lines(measured: Mapping[str, Any]) -> list[str]:
    """Tables of chosen and of rejected answers, and what the gate says."""
    lines = []
    for side, part in measured.items():
        lines += ["", f"Diversity of {side} answers, {_size(part)}:", "", *table(_rows(part["sets"]))]
        lines += _gate_lines(part)
    return [*lines, "", HOW_DIVERSE]


def round_lines(part: Mapping[str, Any]) -> list[str]:
    """The table of the rounds, and what the gate says of each against the first."""
    return ["", f"Diversity, {_size(part)}:", "", *table(_rows(part["sets"])), *_gate_lines(part), "", HOW_DIVERSE]


def _gate_lines(part: Mapping[str, Any]) -> list[str]:
    """The gate of each set that was compared, and its rule."""
    lines = [f"- collapse: not measured, since {part[UNGATED]}"] if UNGATED in part else []
    for name, gate in part.get("gates", {}).items():
        fallen = f": {', '.join(gate['fallen'])} worse" if gate["fallen"] else ""
        lines.append(f"- collapse, {plain(name)} against {plain(part['baseline'])}: {gate['outcome']}{fallen}")
    return ["", *lines, f"- {RULE}"] if lines else []


def _size(part: Mapping[str, Any]) -> str:
    words = f"{part['answers']:,} answers of {part['characters']:.0f} characters ({part['words']:.0f} words)"
    by = plain(part["Vendi score by"], longest=300)
    return f"at {words} each, mean of {part['draws']} draws (95 % interval), Vendi score by {by}"


def _rows(sets: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    measures = next(iter(sets.values()))
    rows = [[name, *(estimate_shown(of[name]) for of in sets.values())] for name in measures]
    return [["", *map(cell, sets)], *rows]
