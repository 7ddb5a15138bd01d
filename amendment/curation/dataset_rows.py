"""The rows of a dataset: made when somebody looks at them, and who wrote their answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import overload

from amendment.records import Pair, Preference, text_of

NO_SOURCE = "no source on record"
Pairs = Sequence[Pair | Preference]


class Rows(Sequence[Preference]):
    """Rows of pairs, each made when it is asked for, so that no more texts are held than somebody looks at."""

    def __init__(self, pairs: Pairs, row: Callable[[Pair | Preference], Preference]) -> None:
        self._pairs, self._row = pairs, row

    @overload
    def __getitem__(self, place: int) -> Preference: ...

    @overload
    def __getitem__(self, place: slice) -> Rows: ...

    def __getitem__(self, place: int | slice) -> Preference | Rows:
        return Rows(self._pairs[place], self._row) if isinstance(place, slice) else self._row(self._pairs[place])

    def __len__(self) -> int:
        return len(self._pairs)


def written_by_models(rows: Iterable[Preference]) -> dict[str, dict[str, float]]:
    """By the source of the prompt: different answers, those on whose record a model is, and their share of all
    characters of these answers. Who wrote the others is not on record: it may have been a model too."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        source = row.source or NO_SOURCE
        for name in ("chosen", "rejected"):
            answer, is_by_model = getattr(row, f"{name}_id"), getattr(row, f"{name}_model") is not None
            if answer not in seen[source]:
                seen[source].add(answer)
                length = len(text_of(getattr(row, name)))
                counts[source].update(answers=1, text=length)
                counts[source].update({"by models": is_by_model, "text by models": is_by_model * length})
    return {
        source: {
            **{name: of[name] for name in ("answers", "by models")},
            "share of text": round(of["text by models"] / of["text"], 4) if of["text"] else 0.0,
        }
        for source, of in counts.items()
    }
