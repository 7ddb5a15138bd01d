"""The rows of a dataset mixed with pairs of files.

Covered: sides. A prompt that the run knows stays on the side where the run has it, whatever file it is in; of the
prompts that only a file has, the run's share is held out, file by file. Pairs for training are taken by shares,
held-out ones are all kept, since they are what each source is measured on.
Not covered: reading single rows (`data.inputs`), and who keeps a prompt that several have (`curation.mixing`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from amendment.curation import Mixed, RunShare, mix_pairs
from amendment.curation.settings import DatasetConfig
from amendment.data.sources import PairFile
from amendment.errors import AmendmentError
from amendment.preference.pairs import held_out
from amendment.records import Preference, Record
from amendment.results import Figure, Result, counted
from amendment.text import plain

RUN = "run"
"""The label of pairs that the run makes."""


Rows = dict[str, list[Preference]]
"""Rows by side (train and test), or by source."""


class MixPair(Record):
    """A pair of a file under `dataset.mix`, as the dataset would show it."""

    mix: str
    """The label of its file or dataset."""
    row: Preference


def mix_labels(config: DatasetConfig) -> dict[str, PairFile]:
    """Return the files under `dataset.mix` by the names under which they are counted."""
    labels: dict[str, PairFile] = {}
    for part in config.mix:
        if isinstance(part, PairFile):
            name = part.label if part.label not in (*labels, RUN) else f"{part.label} ({len(labels) + 1})"
            labels[name] = part
    return labels


def mix_parts(config: DatasetConfig) -> dict[str, RunShare | PairFile]:
    """Return the sources under `dataset.mix`, which is not empty, by name; the run's own comes first."""
    own = next(part for part in config.mix if isinstance(part, RunShare))
    return {RUN: own, **mix_labels(config)}


def mix_key(config: DatasetConfig) -> list[Any]:
    """Return the shares and floors of each source, for a key."""
    return [[name, part.share, part.floor] for name, part in mix_parts(config).items()]


class MixedRows(NamedTuple):
    """The dataset's rows, by side and by the source that gave them, and what was taken and left."""

    rows: Rows
    """By `train` and `test`."""
    by_source: Rows
    result: Result


class RunPrompts(NamedTuple):
    """The prompts of a run, and those of them on the test side."""

    prompts: Collection[str]
    test: frozenset[str]


Clean = Callable[[str, Sequence[Preference]], Sequence[int]]
"""The places of the rows of a source that stay, by its label."""


def mix_in(
    config: DatasetConfig, rows: Rows, mixed: Iterable[MixPair], sides: RunPrompts, clean: Clean, *, seed: int
) -> MixedRows:
    """Mix the run's rows with those of the files, which are cleaned first. Raises AmendmentError where a source has
    nothing to give."""
    by_file: Rows = {label: [] for label in mix_labels(config)}
    for pair in mixed:
        by_file[pair.mix].append(pair.row)
    files = {label: [of_file[place] for place in clean(label, of_file)] for label, of_file in by_file.items()}
    test = _held_out(config, sides, files, seed)
    sources = {
        side: {RUN: own}
        | {
            name: [row for row in of_file if (row.prompt_id in test) == (side == "test")]
            for name, of_file in files.items()
        }
        for side, own in rows.items()
    }
    parts = mix_parts(config)
    shares = {name: part.share for name, part in parts.items() if part.share is not None}
    floors = {name: part.floor for name, part in parts.items() if part.floor is not None}
    train = mix_pairs(sources["train"], shares or None, floors=floors, seed=seed)
    kept = mix_pairs(sources["test"], None, seed=seed)
    _refuse_empty(train)
    return MixedRows(
        {"train": _joined(train), "test": _joined(kept)},
        {name: train.pairs[name] + kept.pairs[name] for name in parts},
        _result(parts, train, kept),
    )


def _held_out(config: DatasetConfig, sides: RunPrompts, files: Rows, seed: int) -> frozenset[str]:
    """Return all prompts of the test side: the run's own, and the same share of each file's other prompts."""
    seen, test = set(sides.prompts), sides.test
    for rows in files.values():
        new = {row.prompt_id for row in rows} - seen
        test |= held_out(new, config.test_share, seed=seed)
        seen |= new
    return test


def _refuse_empty(train: Mixed) -> None:
    """Raises AmendmentError where a source is left without a pair for training: no share of it can be had."""
    if all(count.pairs for count in train.counts.values()):
        return
    counts = ", ".join(f"{plain(name)} {count.of:,}" for name, count in train.counts.items())
    raise AmendmentError(
        f"dataset: there are too few training pairs for this mix ({counts}); add more, or change the shares"
    )


def _joined(mixed: Mixed) -> list[Preference]:
    return [row for rows in mixed.pairs.values() for row in rows]


def _result(parts: Mapping[str, RunShare | PairFile], train: Mixed, kept: Mixed) -> Result:
    """Return what each source was asked for and gave, and how many prompts several have."""
    total = sum(count.pairs for count in train.counts.values())
    figures = [*counted(mixed_pairs=total, shared_prompts=train.shared_prompts + kept.shared_prompts)]
    for name, part in parts.items():
        count, of = train.counts[name], {"mix": name}
        shares = {"asked": part.share, "floor": part.floor, "got": round(count.pairs / total, 4)}
        counts = {
            "pairs": count.pairs,
            "left_out": count.of - count.pairs,
            "kept_by_another": count.ceded + kept.counts[name].ceded,
            "held_out": kept.counts[name].pairs,
        }
        asked = {figure: share for figure, share in shares.items() if share is not None}
        figures += [Figure(name=figure, value=share, unit="share", of=of) for figure, share in asked.items()]
        figures += [Figure(name=figure, value=number, of=of) for figure, number in counts.items()]
    return Result(figures=tuple(figures))
