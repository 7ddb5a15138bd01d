"""The chapter on a run's pairs: how long chosen and rejected answers are, and how sure a judge was of them.

Everything is counted in the rows of the dataset. Not covered: what that means for a use; see `before_use`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from amendment.data.store import read_columns
from amendment.report.before_use import STEPS
from amendment.report.document import Chapter, Written
from amendment.report.plots import Bars, Plot


def pair_chapters(written: Written) -> Iterator[Chapter]:
    """Yield the chapter where the dataset is done and has pairs."""
    certainty = written.pairs.certainty
    if not written.pairs.decided_by:
        return
    plots: list[Plot] = [Bars(title="Answers by their words", rows=list(_by_length(written)), what="words")]
    says = "Where chosen and rejected answers differ in length, a model can learn the length alone."
    if certainty:
        says += " Where the two orders disagree, the judge should not be sure."
        names = ("orders agree", "orders disagree")
        steps = [f"{low / 10:.1f} to {(low + 1) / 10:.1f}" for low in range(STEPS, 2 * STEPS)]
        rows = [(shown, {name: certainty[step, name] for name in names}) for step, shown in enumerate(steps)]
        plots.append(Bars(title="Pairs by the judge's P of the chosen answer", rows=rows, what="P"))
    yield Chapter(id="pairs", title="Chosen and rejected answers", says=says, plots=plots)


def _by_length(written: Written) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield how many chosen and rejected answers have so many words, in groups of about a fifth of all answers."""
    paths = [written.folder / f"dataset/{side}.parquet" for side in ("train", "test")]
    lengths: dict[str, list[int]] = {"chosen": [], "rejected": []}
    for path in filter(Path.is_file, paths):
        for row in read_columns(path, *lengths):
            for side, messages in zip(lengths.values(), row, strict=True):
                side.append(_words(messages))
    both = [*lengths["chosen"], *lengths["rejected"]]
    shares = np.linspace(0, 1, STEPS + 1)[1:]
    edges = [min(both) - 1, *np.unique(np.quantile(both, shares, method="higher"))]
    for low, high in pairwise(edges):
        counts = {name: sum(low < length <= high for length in side) for name, side in lengths.items()}
        yield f"{low + 1:,} to {high:,}" if high > low + 1 else f"{high:,}", counts


def _words(messages: str) -> int:
    """Count the words of the last message, which is stored as JSON."""
    content = json.loads(messages)[-1].get("content") or ""
    parts = [content] if isinstance(content, str) else [str(part.get("text") or "") for part in content]
    return sum(len(part.split()) for part in parts)
