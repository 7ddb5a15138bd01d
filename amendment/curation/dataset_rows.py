"""The rows of a dataset: made when somebody looks at them, and who wrote their answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from amendment.records import Pair, Preference, last_text
from amendment.results import Figure

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


def written_by_models(rows: Iterable[Preference]) -> Iterator[Figure]:
    """Yield, by the source of the prompt, the different answers, those on whose record a model is, and their share of
    all characters of these answers. Who wrote the others is not on record: it may have been a model too."""
    lengths: dict[str, dict[str, int]] = defaultdict(dict)
    by_models: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        source = row.source or NO_SOURCE
        answers = ((row.chosen_id, row.chosen_model, row.chosen), (row.rejected_id, row.rejected_model, row.rejected))
        for name, model, messages in answers:
            if name not in lengths[source]:
                lengths[source][name] = len(last_text(messages))
                if model is not None:
                    by_models[source][name] = lengths[source][name]
    for source, of_source in lengths.items():
        of, by = {"source": source}, by_models[source]
        share = sum(by.values()) / max(sum(of_source.values()), 1)
        yield Figure(name="answers", value=len(of_source), of=of)
        yield Figure(name="written_by_models", value=len(by), of=of)
        yield Figure(name="share_of_text", value=round(share, 4), unit="share", of=of)
