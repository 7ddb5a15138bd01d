"""How many of a stage's answers keep each principle that code can check, for its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from amendment.constitutions import Constitution, principles_of
from amendment.records import Candidate, Prompt, text_of
from amendment.text import LONGEST, cell, plain


class KeptAnswers:
    """Counts of answers by principle and by what they are, such as drafts and revisions; the order does not matter."""

    def __init__(self, constitutions: Sequence[Constitution]) -> None:
        self._principles = [drawn for drawn in principles_of(constitutions) if drawn.principle.check]
        self._counts: dict[str, dict[str, Counter[str]]] = {drawn.id: {} for drawn in self._principles}
        self._by_category: dict[tuple[str, str], dict[str, Counter[str]]] = {}
        self._reasons: dict[str, str] = {}

    def add(self, prompt: Prompt, answer: Candidate, kind: str) -> None:
        """Check an answer by every principle that applies to its prompt."""
        for drawn in self._principles:
            if drawn.principle.applies_to(prompt.category, prompt.tags):
                checked = drawn.principle.check_answer(text_of(answer.messages), prompt.answer)
                self.count(drawn.id, prompt.category, kind, checked.is_kept, checked.reason)

    def count(self, name: str, category: str | None, kind: str, is_kept: bool | None, reason: str) -> None:
        """Count an answer that has been checked by the principle of this name; `reason` says why it could not be."""
        outcome = "unchecked" if is_kept is None else "kept" if is_kept else "broken"
        self._counts[name].setdefault(kind, Counter())[outcome] += 1
        if category:
            self._by_category.setdefault((name, kind), {}).setdefault(category, Counter())[outcome] += 1
        if is_kept is None:
            self._reasons[name] = min(reason, self._reasons.get(name, reason))

    def to_json(self) -> dict[str, Any]:
        """By principle: how many answers of each kind keep it, break it, or could not be checked, and why not; the same
        by category of the prompts."""
        return {
            name: {
                **{kind: self._shown(name, kind) for kind in sorted(by_kind)},
                **({"reason": self._reasons[name]} if name in self._reasons else {}),
            }
            for name, by_kind in self._counts.items()
            if by_kind
        }

    def _shown(self, name: str, kind: str) -> dict[str, Any]:
        by_category = self._by_category.get((name, kind), {})
        categories = {category: dict(sorted(counts.items())) for category, counts in sorted(by_category.items())}
        counts = dict(sorted(self._counts[name][kind].items()))
        return {**counts, **({"categories": categories} if categories else {})}


def kept_lines(principles: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each principle; `principles` is `to_json` of the counts."""
    lines = []
    for name, by_kind in principles.items():
        counts = {kind: count for kind, count in by_kind.items() if kind != "reason"}
        shown = [
            f"{count.get('kept', 0):,} of {count.get('kept', 0) + count.get('broken', 0):,} {plain(kind)}"
            for kind, count in counts.items()
        ]
        unchecked = sum(count.get("unchecked", 0) for count in counts.values())
        why = f"; {unchecked:,} not checked: {cell(by_kind['reason'], longest=LONGEST)}" if unchecked else ""
        lines.append(f"- {plain(name)} is kept by {', '.join(shown)}{why}")
    return lines
