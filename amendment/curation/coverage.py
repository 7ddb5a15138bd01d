"""Which principle applies to how many prompts: a principle without prompts is never asked about, and one with few has
figures that say little. Collective Constitutional AI (Huang et al. 2024) names prompts that are relevant to every
principle as a condition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from amendment.constitutions import Constitution, list_principles
from amendment.records import Prompt, Record

FEW = 20
"""Prompts below which a principle is named."""
MOST_CATEGORIES = 5
"""Columns of the matrix; the others are added up."""
NONE, OTHERS = "(none)", "(others)"


class PrincipleCoverage(Record):
    """The prompts that a principle applies to."""

    principle: str
    """`constitution/principle`."""
    prompts: int
    by_category: dict[str, int]
    """By the prompts' category, the most frequent first; `(none)` for prompts without one."""


def coverage(constitutions: Sequence[Constitution], prompts: Iterable[Prompt]) -> list[PrincipleCoverage]:
    """Return how many prompts each principle applies to, in the order of the constitutions."""
    scopes = Counter((prompt.category, prompt.tags) for prompt in prompts)
    categories = Counter[str]()
    for (category, _), count in scopes.items():
        categories[category or NONE] += count
    rows = []
    for drawn in list_principles(constitutions):
        counts = dict.fromkeys((name for name, _ in categories.most_common()), 0)
        for (category, tags), count in scopes.items():
            if drawn.principle.applies_to(category, tags):
                counts[category or NONE] += count
        rows.append(PrincipleCoverage(principle=drawn.id, prompts=sum(counts.values()), by_category=counts))
    return rows


def coverage_rows(covered: Sequence[PrincipleCoverage]) -> list[list[str]]:
    """Return the matrix of principles by categories, its head first; empty where every principle applies to every
    prompt."""
    if len({tuple(row.by_category.items()) for row in covered}) <= 1:
        return []
    categories = list(covered[0].by_category)
    shown = categories if len(categories) <= MOST_CATEGORIES else categories[: MOST_CATEGORIES - 1]
    rest = categories[len(shown) :]
    rows = [["principle", "prompts", *shown, *([OTHERS] if rest else [])]]
    for row in covered:
        counts = [row.by_category[name] for name in shown]
        counts += [sum(row.by_category[name] for name in rest)] if rest else []
        rows.append([row.principle, *(f"{count:,}" for count in (row.prompts, *counts))])
    return rows


def too_few(covered: Sequence[PrincipleCoverage], prompts: int) -> Iterator[str]:
    """Yield the principles that apply to fewer than 20 prompts, in a sentence; nothing where the run itself has
    fewer."""
    few = [f"{row.principle} ({row.prompts})" for row in covered if row.prompts < FEW]
    if few and prompts >= FEW:
        yield f"principles that apply to fewer than {FEW} prompts: {', '.join(few)}"
