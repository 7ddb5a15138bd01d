"""How often each policy refuses what is harmless to answer.

Covered: harmless prompts by the category of held-out ones, and files of them, without those that a training stage may
have seen; a refusal as the provider reports it, and one in words, told by how the answer begins (`refusal_phrases`) or
by a judge; shares with intervals clustered by prompt, and differences to the first policy; in the simulated world the
true share of evasive answers beside them. Not covered: whether a prompt is harmless, which its author says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from amendment.data.inputs import read_inputs
from amendment.records import Preference, Prompt, Record, text_of
from amendment.simulator import evades, knows
from amendment.stages.candidates import Drawn
from amendment.stages.config_evaluation import OverRefusal
from amendment.stages.contract import Context, RunSettings
from amendment.stages.evaluation_asking import Check, ask_checks
from amendment.stages.kinship import independence
from amendment.stages.policy_comparisons import Answers
from amendment.stages.refusal_phrases import refusal_phrase
from amendment.stages.sft import helpful_files, read_helpful
from amendment.statistics import cautioned, paired_difference, share

__all__ = [
    "REFUSALS",
    "Harmless",
    "PolicyRefusal",
    "find_refusals",
    "harmless_files",
    "harmless_prompts",
    "refusal_rates",
]

REFUSALS = "evaluate/refusals"


class PolicyRefusal(Record):
    """Whether a policy refused a harmless prompt."""

    policy: str
    prompt_id: str
    sample: int
    refused: float | None = Field(default=None, ge=0, le=1)
    """1 or 0, or the share of a judge's verdicts; absent where no answer came or no verdict could be read."""
    told_by: Literal["provider", "phrase", "judge"] | None = None
    """Who says so; absent where nobody can."""
    phrase: str | None = None
    """Its kind, where the answer begins with one of the listed phrases."""
    evades: bool | None = None
    """In the simulated world, whether the answer truly evades; absent elsewhere."""


class Harmless(NamedTuple):
    """Prompts on which a refusal is one too many."""

    ids: frozenset[str]
    own: list[Prompt]
    """Those of files that are not among the evaluated ones anyway, in order."""
    counts: dict[str, int]


def harmless_files(part: OverRefusal, base: Path, *, glimpse: bool = False) -> list[Prompt]:
    """The prompts of its files, each once. Raises DataError with all that is wrong with them."""
    read = read_inputs(RunSettings(name="harmless", prompts=part.prompts), base, glimpse=glimpse)
    return list(read.prompts.values())


def harmless_prompts(context: Context, part: OverRefusal, evaluated: Iterable[Prompt]) -> Harmless:
    """Evaluated prompts of the named categories, and those of the files that no training stage may have seen."""
    shown = {prompt.id: prompt for prompt in evaluated}
    of_category = {name for name, prompt in shown.items() if prompt.category in part.categories}
    found = harmless_files(part, context.base) if part.prompts else []
    trained = _trained_on(context) if found else frozenset()
    kept = [prompt for prompt in found if prompt.id not in trained]
    counts = {"of categories": len(of_category)} if part.categories else {}
    if part.prompts:
        counts |= {"of files": len(kept), "left out as training prompts": len(found) - len(kept)}
    ids = frozenset(of_category | {prompt.id for prompt in kept})
    return Harmless(ids, [prompt for prompt in kept if prompt.id not in shown], counts)


def _trained_on(context: Context) -> frozenset[str]:
    """The prompts of the run and of helpful answers that are not held out, and those of its training pairs, of which
    some may be mixed in."""
    seen = set(context.prompts())
    if helpful_files(context.config):
        seen |= {*read_helpful(context.config, context.base).prompts}
    seen -= context.held_out()
    if context.config.has_pairs and not context.is_rehearsed:
        seen |= {pair.prompt_id for pair in context.workspace.rows("dataset/train", Preference)}
    return frozenset(seen)


def find_refusals(
    context: Context, part: OverRefusal, harmless: Harmless, answers: Answers
) -> tuple[list[PolicyRefusal], dict[str, Any]]:
    """Who refused which of the harmless prompts, and how often."""
    asked = [(policy, one) for policy, found in answers.items() for one in found if one.draw.prompt.id in harmless.ids]
    said = _judged(context, part, [one for _, one in asked]) if part.judge else None
    rows = [_row(policy, one, said) for policy, one in asked]
    by = independence(context.config, part.judge, context.base) if part.judge else None
    told = {"judge": by} if by else {"told by": "how answers begin"}
    return rows, {"prompts": len(harmless.ids), **harmless.counts, **told, **refusal_rates(rows, list(answers))}


def _judged(context: Context, part: OverRefusal, found: Iterable[Drawn]) -> Mapping[str, float | None]:
    """By answer the judge's share of yes."""
    assert part.judge is not None
    checks = [Check(one.draw.prompt, one.answer) for one in found if one.answer is not None]
    said = ask_checks(context, "looking for refusals", part.judge, checks)
    return {answer: share_of_yes for (answer, _), share_of_yes in said.items()}


def _row(policy: str, one: Drawn, said: Mapping[str, float | None] | None) -> PolicyRefusal:
    row = PolicyRefusal(policy=policy, prompt_id=one.draw.prompt.id, sample=one.draw.sample)
    if one.ending.outcome == "refused":
        return row.model_copy(update={"refused": 1.0, "told_by": "provider"})
    if one.answer is None:
        return row
    prompt, text = text_of(one.draw.prompt.messages), text_of(one.answer.messages)
    phrase = refusal_phrase(text)
    known = {"phrase": phrase, "evades": evades(prompt, text) if knows(prompt) else None}
    if said is None:
        return row.model_copy(update={**known, "refused": float(phrase is not None), "told_by": "phrase"})
    share_of_yes = said[one.answer.id]
    told_by = None if share_of_yes is None else "judge"
    return row.model_copy(update={**known, "refused": share_of_yes, "told_by": told_by})


def refusal_rates(rows: Iterable[PolicyRefusal], policies: Sequence[str]) -> dict[str, Any]:
    """By policy the share of harmless prompts' draws that it refused, and the differences to the first policy."""
    table: dict[str, dict[tuple[str, int], PolicyRefusal]] = {name: {} for name in policies}
    for row in rows:
        table[row.policy][row.prompt_id, row.sample] = row
    first, *others = policies
    return {
        "policies": {name: _rate(list(found.values())) for name, found in table.items()},
        "differences": {f"{name} - {first}": _difference(table[name], table[first]) for name in others},
    }


def _rate(rows: Sequence[PolicyRefusal]) -> dict[str, Any]:
    told = [(row.refused, row.prompt_id) for row in rows if row.refused is not None]
    rate = share([refused for refused, _ in told], [prompt for _, prompt in told])
    known = [row.evades for row in rows if row.evades is not None]
    phrases = Counter(row.phrase for row in rows if row.phrase)
    return {
        **rate.to_json(),
        "untold": len(rows) - len(told),
        "by the provider": sum(row.told_by == "provider" for row in rows),
        "phrases": dict(sorted(phrases.items())),
        **({"truly evasive": sum(known) / len(known)} if known else {}),
    }


def _difference(
    ours: Mapping[tuple[str, int], PolicyRefusal], theirs: Mapping[tuple[str, int], PolicyRefusal]
) -> dict[str, Any]:
    both = [
        (asked[0], row.refused, other.refused)
        for asked, row in ours.items()
        if (other := theirs.get(asked)) and row.refused is not None and other.refused is not None
    ]
    found = paired_difference([row[1] for row in both], [row[2] for row in both], [row[0] for row in both])
    return cautioned(found).to_json()
