"""A constitution, and one of its principles, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from amendment.constitutions._models import AppliesWhen, Constitution, Principle
from amendment.terminal import plain

__all__ = ["constitution_lines", "principle_lines"]

LONGEST = 1_000_000
"""Characters of a text that are shown: all that a file can hold."""


def constitution_lines(constitution: Constitution) -> list[str]:
    """What the constitution is and says: its head, then each principle with the reason why it is there."""
    lines = [plain(constitution.title), constitution.reference, *_head(constitution)]
    for principle in constitution.principles:
        lines += ["", _title(principle), f"  {_shown(principle.statement)}"]
        lines += [f"  Why: {_shown(principle.rationale)}"] if principle.rationale else []
    return lines


def _head(constitution: Constitution) -> Iterator[str]:
    source, shots = constitution.source, constitution.few_shot
    document = f" from {_shown(source.document)}" if source.document else ""
    yield f"License {plain(constitution.license)}; {source.kind.replace('_', ' ')}{document}"
    if constitution.extends:
        yield f"Extends {', '.join(map(plain, constitution.extends))}; their principles are among these"
    counts = {"critiques": shots.critique, "revisions": shots.revise, "comparisons": shots.compare}
    told = [f"{len(each)} {name}" for name, each in counts.items() if each]
    yield f"{len(constitution.principles)} principles; worked examples: {', '.join(told) or 'none'}"


def _title(principle: Principle) -> str:
    about = ["hard"] if principle.hard else []
    about += [f"tier {principle.tier}"] if principle.tier > 1 else []
    about += [f"weight {principle.weight:g}", *map(plain, principle.tags)]
    about += [_scope(principle.applies_when)] if principle.applies_when is not None else []
    return f"{principle.id} ({', '.join(about)})"


def _scope(scope: AppliesWhen) -> str:
    categories, tags = (", ".join(map(plain, words)) for words in (scope.categories, scope.tags))
    if categories and tags:
        return f"for prompts about {categories} that are tagged {tags}"
    return f"for prompts tagged {tags}" if tags else f"for prompts about {categories or 'nothing'}"


def principle_lines(principle: Principle) -> list[str]:
    """Everything that the principle says."""
    return [_title(principle), *(f"  {line}" for line in _said(principle))]


def _said(principle: Principle) -> Iterator[str]:
    yield _shown(principle.statement)
    for line in (principle.text or "").split("\n") if principle.text else ():
        yield _shown(line)
    if principle.rationale:
        yield f"Why: {_shown(principle.rationale)}"
    for role in ("critique", "revise", "compare"):
        yield from (f"{role}: {_shown(text)}" for text in getattr(principle, role))
    if principle.score is not None:
        yield f"score: {_shown(principle.score.question)}"
        yield from (f"  {grade}: {_shown(text)}" for grade, text in sorted(principle.score.anchors.items()))
    for case in principle.cases:
        yield f"case: {_shown(case.prompt)}"
        yield from (f"  {name}: {_shown(getattr(case, name))}" for name in ("better", "worse", "why"))


def _shown(text: str) -> str:
    return plain(text, longest=LONGEST)
