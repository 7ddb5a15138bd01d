"""The stage `mixing`: the pairs of `dataset.mix` are read. How they come together with the run's is in
`curation.mixed_rows`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from amendment.curation.mixed_rows import MixPair, mix_labels
from amendment.curation.settings import DatasetConfig
from amendment.data.inputs import Inputs, read_inputs
from amendment.data.row_votes import UNKNOWN
from amendment.data.source_rows import FileFacts, files_table, source_state
from amendment.data.sources import Source
from amendment.data.store import Texts
from amendment.errors import DataError, Problem
from amendment.preference import PairSettings
from amendment.preference.aggregate import majorities
from amendment.preference.deciding import paired_answers
from amendment.preference.filters import filter_keys
from amendment.preference.pairs import preference_row
from amendment.records import Candidate, Prompt, Record, Verdict
from amendment.results import Figure, Funnel, Result, by_label
from amendment.stages.contract import (
    ConfigProblem,
    ConfigWarning,
    Context,
    RunSettings,
    Stage,
    StageResult,
    dump,
    unknown_raters,
)
from amendment.stages.tables import Role
from amendment.yamlfile import capped

R = TypeVar("R", bound=Record)


class _MixedFile(NamedTuple):
    """One file under `dataset.mix`."""

    label: str
    inputs: Inputs


def read_mix(settings: RunSettings, base: Path, *, glimpse: bool = False) -> list[_MixedFile]:
    """Everything in the files under `dataset.mix`. Raises DataError with the problems of all of them.

    `glimpse` reads only the first rows of each source, for a check.
    """
    read: list[_MixedFile] = []
    problems: list[Problem] = []
    for label, source in mix_labels(settings.need(DatasetConfig)).items():
        try:
            read.append(_MixedFile(label, read_inputs(settings.bare(pairs=(source,)), base, glimpse=glimpse)))
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
            "pairs": [dump(source, without={"share"}) for source in sources],
            "ties": self.config.ties,
            "filters": filter_keys(),
            "files": [source_state(source, context.base) for source in sources],
        }

    def sources(self) -> Iterable[Source]:
        return mix_labels(self.config).values()

    def problems(self) -> Iterable[ConfigProblem]:
        if not (self.tables.of(Role.DECISIONS) or self.tables.of(Role.PAIRS)):
            yield ("dataset", "mix"), "mixes with pairs of this run, and the run makes none; add judging, or pairs"

    def check(self, base: Path) -> Iterable[ConfigProblem | ConfigWarning]:
        if any(read.inputs.counts[UNKNOWN] for read in read_mix(self.settings, base, glimpse=True)):
            yield from unknown_raters(("dataset", "mix"), self.config.mix)

    def make(self, context: Context) -> StageResult:
        """Read the pairs that are mixed with the run's, so that a change in them is felt by the dataset alone."""
        settings = PairSettings(ties=self.config.ties)
        pairs: list[MixPair] = []
        figures, files, left_out = list[Figure](), list[FileFacts](), Counter[str]()
        read = read_mix(self.settings, context.base)
        for label, inputs in read:
            decided = majorities(inputs.verdicts, inputs.weights, inputs.firsts)
            paired = paired_answers(decided, settings, Texts(inputs.prompts, inputs.candidates))
            rows = [preference_row(pair, inputs.prompts, inputs.candidates, {}) for pair in paired.pairs]
            pairs += [MixPair(mix=label, row=row) for row in rows]
            files += (facts for _, facts in inputs.files)
            sizes = {"pairs": len(rows), "prompts": len({row.prompt_id for row in rows})}
            figures += (Figure(name=name, value=size, of={"mix": label}) for name, size in sizes.items())
            figures += by_label("read", "what", inputs.counts, mix=label)
            figures += by_label("left_out", "reason", paired.left_out, mix=label)
            left_out += paired.left_out
        write = context.workspace.write
        artefacts = (
            write("mixing/prompts", Prompt, _once(inputs.prompts for _, inputs in read)),
            write("mixing/candidates", Candidate, _once(inputs.candidates for _, inputs in read)),
            write("mixing/verdicts", Verdict, [verdict for _, inputs in read for verdict in inputs.verdicts]),
            write("mixing/pairs", MixPair, pairs),
        )
        came_in = len(pairs) + left_out.total()
        funnel = Funnel(what="pairs to mix in", came_in=came_in, left_out=left_out, remained=len(pairs))
        return StageResult(artefacts, Result(figures=tuple(figures), funnels=(funnel,), tables=(files_table(files),)))


def _once(tables: Iterable[Mapping[str, R]]) -> list[R]:
    by_id: dict[str, R] = {}
    for rows in tables:
        by_id = {**rows, **by_id}
    return list(by_id.values())
