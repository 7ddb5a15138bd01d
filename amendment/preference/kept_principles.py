"""How many of a stage's answers keep each principle that code can check, for its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from amendment.constitutions import Constitution, list_principles
from amendment.records import Candidate, Prompt, last_text
from amendment.results import Figure, Result


class KeptAnswers:
    """Counts of answers by principle and by what they are, such as drafts and revisions; the order does not matter."""

    def __init__(self, constitutions: Sequence[Constitution]) -> None:
        self._principles = [drawn for drawn in list_principles(constitutions) if drawn.principle.check]
        self._counts: dict[str, dict[str, Counter[str]]] = {drawn.id: {} for drawn in self._principles}
        self._by_category: dict[tuple[str, str], dict[str, Counter[str]]] = {}
        self._reasons: dict[str, str] = {}

    def add(self, prompt: Prompt, answer: Candidate, kind: str) -> None:
        """Check an answer by every principle that applies to its prompt."""
        for drawn in self._principles:
            if drawn.principle.applies_to(prompt.category, prompt.tags):
                checked = drawn.principle.check_answer(last_text(answer.messages), prompt.answer)
                self.count(drawn.id, prompt.category, kind, checked.is_kept, checked.reason)

    def count(self, name: str, category: str | None, kind: str, is_kept: bool | None, reason: str) -> None:
        """Count an answer that has been checked by the principle of this name; `reason` says why it could not be."""
        outcome = "unchecked" if is_kept is None else "kept" if is_kept else "broken"
        self._counts[name].setdefault(kind, Counter())[outcome] += 1
        if category:
            self._by_category.setdefault((name, kind), {}).setdefault(category, Counter())[outcome] += 1
        if is_kept is None:
            self._reasons[name] = min(reason, self._reasons.get(name, reason))

    def result(self) -> Result:
        """Return how many answers of each kind keep a principle, break it, or could not be checked, and why not; the
        same by category of the prompts."""
        unchecked = {name: sum(counts["unchecked"] for counts in self._counts[name].values()) for name in self._reasons}
        notes = (f"{name}: {count:,} answers not checked: {self._reasons[name]}" for name, count in unchecked.items())
        return Result(figures=tuple(self._figures()), notes=tuple(notes))

    def _figures(self) -> Iterator[Figure]:
        for name, by_kind in self._counts.items():
            for kind, outcomes in sorted(by_kind.items()):
                about = {"principle": name, "answers": kind}
                yield from _outcomes(outcomes, about)
                for category, counts in sorted(self._by_category.get((name, kind), {}).items()):
                    yield from _outcomes(counts, {**about, "category": category})


def _outcomes(counts: Counter[str], about: dict[str, str]) -> Iterator[Figure]:
    for outcome in ("kept", "broken", "unchecked"):
        if counts[outcome]:
            yield Figure(name=outcome, value=counts[outcome], of=about)
