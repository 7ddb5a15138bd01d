"""The stage that reads the pairs of `dataset.mix`, and how they come together with the run's.

Covered: sides. A prompt that the run knows stays on the side where the run has it, whatever file it is in; of the
prompts that only a file has, the run's share is held out, file by file. Pairs for training are taken by shares,
held-out ones are all kept, since they are what each source is measured on.
Not covered: reading single rows (`inputs`), and who keeps a prompt that several have (`curation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from amendment.curation import Mixed, PairShare, RunShare, mix_pairs
from amendment.data.ballots import UNKNOWN
from amendment.data.inputs import Inputs, read_inputs
from amendment.data.source_rows import source_state
from amendment.data.sources import Source
from amendment.errors import AmendmentError, DataError, Problem
from amendment.preference import PairSettings
from amendment.preference.aggregate import majorities
from amendment.preference.pairs import held_out, preference_row
from amendment.records import Candidate, Preference, Prompt, Record, Verdict
from amendment.stages.contract import ConfigProblem, ConfigWarning, Context, RunSettings, Stage, StageResult, dump
from amendment.stages.inputs import unknown_raters
from amendment.stages.pairs import DatasetConfig, has_pairs, paired_answers
from amendment.text import plain
from amendment.yamlfile import capped

R = TypeVar("R", bound=Record)
RUN = "run"
"""The label of pairs that the run makes."""
Rows = dict[str, list[Preference]]
"""Rows by side (train and test), or by source."""


class MixPair(Record):
    """A pair of a file under `dataset.mix`, as the dataset would show it."""

    mix: str
    """The label of its file or dataset."""
    row: Preference


class _Read(NamedTuple):
    """One file under `dataset.mix`."""

    label: str
    inputs: Inputs


def mix_labels(config: DatasetConfig) -> dict[str, PairShare]:
    """The files under `dataset.mix` by the names under which they are counted."""
    labels: dict[str, PairShare] = {}
    for part in config.mix:
        if isinstance(part, PairShare):
            name = part.label if part.label not in (*labels, RUN) else f"{part.label} ({len(labels) + 1})"
            labels[name] = part
    return labels


def mix_parts(config: DatasetConfig) -> dict[str, RunShare | PairShare]:
    """The sources under `dataset.mix`, which is not empty, by name; the run's own comes first."""
    own = next(part for part in config.mix if isinstance(part, RunShare))
    return {RUN: own, **mix_labels(config)}


def mix_key(config: DatasetConfig) -> list[Any]:
    """The shares and floors of each source, for a key."""
    return [[name, part.share, part.floor] for name, part in mix_parts(config).items()]


def read_mix(settings: RunSettings, base: Path, *, glimpse: bool = False) -> list[_Read]:
    """Everything in the files under `dataset.mix`. Raises DataError with the problems of all of them.

    `glimpse` reads only the first rows of each source, for a check.
    """
    read: list[_Read] = []
    problems: list[Problem] = []
    for label, source in mix_labels(settings.need(DatasetConfig)).items():
        try:
            read.append(_Read(label, read_inputs(settings.bare(pairs=(source,)), base, glimpse=glimpse)))
        except DataError as fault:
            problems += fault.problems
    if problems:
        raise DataError(capped(problems))
    return read


class MixingStage(Stage):
    """Read the pairs that are mixed with the run's, so that a change in them concerns the dataset alone."""

    name = "mixing"
    title = "reading the pairs to mix in"
    writes = tuple(f"mixing/{name}" for name in ("prompts", "candidates", "verdicts", "pairs"))

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = settings.need(DatasetConfig)

    @classmethod
    def of(cls, settings: RunSettings) -> Iterable[Stage]:
        return [cls(settings)] if settings.need(DatasetConfig).is_mixed else []

    def key(self, context: Context) -> Mapping[str, Any]:
        sources = mix_labels(self.config).values()
        return {
            "pairs": [dump(source, without={"share", "floor"}) for source in sources],
            "ties": self.config.ties,
            "files": [source_state(source, context.base) for source in sources],
        }

    def sources(self) -> Iterable[Source]:
        return mix_labels(self.config).values()

    def problems(self) -> Iterable[ConfigProblem]:
        if not has_pairs(self.settings):
            yield ("dataset", "mix"), "mixes with pairs of this run, and the run makes none; add judging, or pairs"

    def check(self, base: Path) -> Iterable[ConfigProblem | ConfigWarning]:
        if any(read.inputs.counts[UNKNOWN] for read in read_mix(self.settings, base, glimpse=True)):
            yield from unknown_raters(("dataset", "mix"), self.config.mix)

    def make(self, context: Context) -> StageResult:
        """Read the pairs that are mixed with the run's, so that a change in them is felt by the dataset alone."""
        settings = PairSettings(ties=self.config.ties)
        pairs: list[MixPair] = []
        counts: dict[str, Any] = {}
        read = read_mix(self.settings, context.base)
        for label, inputs in read:
            decided = majorities(inputs.verdicts, inputs.weights, inputs.firsts)
            paired = paired_answers(self.settings, decided, settings, inputs.prompts, inputs.candidates)
            rows = [preference_row(pair, inputs.prompts, inputs.candidates, {}) for pair in paired.pairs]
            pairs += [MixPair(mix=label, row=row) for row in rows]
            ((_, facts),) = inputs.files
            counts[label] = {"pairs": len(rows), "prompts": len({row.prompt_id for row in rows}), **inputs.counts}
            counts[label] |= facts.to_json()
            counts[label] |= {f"left out: {reason}": count for reason, count in paired.left_out.items()}
        write = context.workspace.write
        artefacts = (
            write("mixing/prompts", Prompt, _once(inputs.prompts for _, inputs in read)),
            write("mixing/candidates", Candidate, _once(inputs.candidates for _, inputs in read)),
            write("mixing/verdicts", Verdict, [verdict for _, inputs in read for verdict in inputs.verdicts]),
            write("mixing/pairs", MixPair, pairs),
        )
        return StageResult(artefacts, counts)


def _once(tables: Iterable[Mapping[str, R]]) -> list[R]:
    by_id: dict[str, R] = {}
    for rows in tables:
        by_id = {**rows, **by_id}
    return list(by_id.values())


class MixedRows(NamedTuple):
    """The dataset's rows, by side and by the source that gave them, and what was taken and left."""

    rows: Rows
    """By `train` and `test`."""
    by_source: Rows
    counts: dict[str, Any]


Clean = Callable[[str, Sequence[Preference]], Sequence[int]]
"""The places of the rows of a source that stay, by its label."""


def mix_in(context: Context, test: frozenset[str], rows: Rows, clean: Clean) -> MixedRows:
    """The run's rows mixed with those of the files, which are cleaned first; `test` are the run's prompts on the test
    side. Raises AmendmentError where a source has nothing to give."""
    files = {label: [of_file[place] for place in clean(label, of_file)] for label, of_file in _by_file(context).items()}
    test = _held_out(context, test, files)
    sources = {
        side: {RUN: own}
        | {
            name: [row for row in of_file if (row.prompt_id in test) == (side == "test")]
            for name, of_file in files.items()
        }
        for side, own in rows.items()
    }
    parts = mix_parts(context.config.need(DatasetConfig))
    shares = {name: part.share for name, part in parts.items() if part.share is not None}
    floors = {name: part.floor for name, part in parts.items() if part.floor is not None}
    train = mix_pairs(sources["train"], shares or None, floors=floors, seed=context.config.seed)
    kept = mix_pairs(sources["test"], None, seed=context.config.seed)
    _refuse_empty(train)
    return MixedRows(
        {"train": _joined(train), "test": _joined(kept)},
        {name: train.pairs[name] + kept.pairs[name] for name in parts},
        _counts(parts, train, kept),
    )


def _by_file(context: Context) -> Rows:
    by_label: Rows = {label: [] for label in mix_labels(context.config.need(DatasetConfig))}
    for pair in context.workspace.read("mixing/pairs", MixPair):
        by_label[pair.mix].append(pair.row)
    return by_label


def _held_out(context: Context, test: frozenset[str], files: Rows) -> frozenset[str]:
    """All prompts of the test side: the run's own, and the same share of each file's other prompts."""
    seen = set(context.prompts())
    for rows in files.values():
        new = {row.prompt_id for row in rows} - seen
        test |= held_out(new, context.config.need(DatasetConfig).test_share, seed=context.config.seed)
        seen |= new
    return test


def _refuse_empty(train: Mixed) -> None:
    """Raises AmendmentError where a source is left without a pair for training: no share of it can be had."""
    if all(count.pairs for count in train.counts.values()):
        return
    counts = ", ".join(f"{plain(name)} {count.of:,}" for name, count in train.counts.items())
    raise AmendmentError(
        f"dataset: no mix can be made of so few pairs for training ({counts}); bring more, or change the shares"
    )


def _joined(mixed: Mixed) -> list[Preference]:
    return [row for rows in mixed.pairs.values() for row in rows]


def _counts(parts: Mapping[str, RunShare | PairShare], train: Mixed, kept: Mixed) -> dict[str, Any]:
    total = sum(count.pairs for count in train.counts.values())
    table = {}
    for name, part in parts.items():
        count = train.counts[name]
        table[name] = {
            "asked": part.share,
            "floor": part.floor,
            "got": round(count.pairs / total, 4),
            "pairs": count.pairs,
            "left out": count.of - count.pairs,
            "kept by another": count.ceded + kept.counts[name].ceded,
            "held out": kept.counts[name].pairs,
        }
    return {"mix": {"pairs": total, "shared prompts": train.shared_prompts + kept.shared_prompts, "sources": table}}


def mix_lines(mixed: Mapping[str, Any]) -> list[str]:
    """Lines for the sources: pairs asked for, given and left out."""
    total = f"{mixed['pairs']:,} pairs for training"
    lines = []
    for name, source in mixed["sources"].items():
        counts = f"{source['pairs']:,} pairs, {source['left out']:,} more left out, {source['held out']:,} held out"
        asked = f"asked {source['asked']:g}" if source["asked"] is not None else f"at least {source['floor'] or 0:g}"
        lines.append(f"- mix, {plain(name)}: {asked}, got {source['got']:g} of {total} ({counts})")
    if mixed["shared prompts"]:
        ceded = sum(source["kept by another"] for source in mixed["sources"].values())
        lines.append(
            f"- mix: {mixed['shared prompts']:,} prompts stand in several sources; each stays with the one that has "
            f"the fewest pairs for its share, and {ceded:,} pairs of the others are out"
        )
    return lines
