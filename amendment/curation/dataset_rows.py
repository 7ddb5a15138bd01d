"""The rows of a dataset: made when somebody looks at them, and who wrote their answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amendment.records import Pair, Preference, text_of

NO_SOURCE = "no source on record"
Pairs = Sequence[Pair | Preference]


class Rows(Sequence[Preference]):
    """Rows of pairs, each made when it is asked for, so that no more texts are held than somebody looks at."""

    def __init__(self, pairs: Pairs, row: Callable[[Pair | Preference], Preference]) -> None:
        self._pairs, self._row = pairs, row

    def __getitem__(self, place: Any) -> Any:
        return self._row(self._pairs[place])

    def __len__(self) -> int:
        return len(self._pairs)


def written_by_models(rows: Iterable[Preference]) -> dict[str, dict[str, float]]:
    """Return, by the source of the prompt, the different answers, those on whose record a model is, and their share of
    all characters of these answers. Who wrote the others is not on record: it may have been a model too."""
    lengths: dict[str, dict[str, int]] = defaultdict(dict)
    by_models: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        source = row.source or NO_SOURCE
        answers = ((row.chosen_id, row.chosen_model, row.chosen), (row.rejected_id, row.rejected_model, row.rejected))
        for name, model, messages in answers:
            if name not in lengths[source]:
                lengths[source][name] = len(text_of(messages))
                if model is not None:
                    by_models[source][name] = lengths[source][name]
    return {
        source: {
            "answers": len(of_source),
            "by models": len(by_models[source]),
            "share of text": round(sum(by_models[source].values()) / max(sum(of_source.values()), 1), 4),
        }
        for source, of_source in lengths.items()
    }
