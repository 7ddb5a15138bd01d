"""The stage `inputs`: what the user brings, read and split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from amendment.constitutions.proof import LANGUAGES
from amendment.constitutions.proof import missing as missing_for
from amendment.data.inputs import StreamedInputs, read_into
from amendment.data.source_rows import FileFacts, source_state
from amendment.data.sources import ChainSource, FileSource, PairFile, Source, TaskPrompts
from amendment.data.store import ITEMS, Item, Split, Workspace
from amendment.errors import AmendmentError
from amendment.libraries import missing
from amendment.preference.aggregate import majorities
from amendment.preference.pairs import held_out
from amendment.records import Candidate, Judgement, Prompt, Verdict
from amendment.results import Figure, Funnel, Result, Table, by_label, counted
from amendment.stages.cleaning import DROPPED, Cleaning, clean_key, read_overlap
from amendment.stages.contract import ConfigProblem, ConfigWarning, Context, RunSettings, Stage, StageResult, dump
from amendment.stages.critique import CritiqueConfig
from amendment.stages.generate import PROMPTS as GENERATED
from amendment.stages.generate import GenerateConfig
from amendment.stages.pairs import DatasetConfig
from amendment.stages.shortcuts import PROMPTS as TASKS
from amendment.stages.shortcuts import filtered_tasks
from amendment.text import plain
from amendment.yamlfile import Loc

SOURCES = "Files and datasets that were read"


class InputsStage(Stage):
    """Read what the user brings, and split the prompts."""

    name = "inputs"
    title = "reading your input files"
    writes = tuple(f"inputs/{name}" for name in ("prompts", "split", "candidates", "verdicts", "judgements"))

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.reads = (TASKS,) if filtered_tasks(settings) else ()
        self.reads += (GENERATED,) if settings.parts(GenerateConfig) else ()
        self.writes = (*type(self).writes, *([f"inputs/{DROPPED}"] if settings.clean else []))
        self.writes += (ITEMS,) if settings.verdicts else ()

    @classmethod
    def of(cls, settings: RunSettings) -> Iterable[Stage]:
        return [cls(settings)]

    def key(self, context: Context) -> Mapping[str, Any]:
        settings = self.settings
        files = [source for source in settings.candidates if isinstance(source, FileSource)]
        sources = [*(source for source in settings.prompts if isinstance(source, Source)), *files, *settings.pairs]
        return {
            "prompts": [dump(source) for source in settings.prompts],
            "candidates": [dump(source) for source in files],
            "pairs": [dump(source) for source in settings.pairs],
            "verdicts": [dump(source, without={"copies", "drawn"}) for source in settings.verdicts],
            "test_share": settings.need(DatasetConfig).test_share,
            "files": [source_state(source, context.base) for source in (*sources, *settings.verdicts)],
            **clean_key(settings, context.base, of_prompts=True),
        }

    def sources(self) -> Iterable[Source]:
        settings = self.settings
        sets = settings.clean.evaluation_sets if settings.clean else ()
        parts = (*settings.prompts, *settings.candidates, *settings.pairs, *settings.verdicts, *sets)
        return [part for part in parts if isinstance(part, Source)]

    def problems(self) -> Iterable[ConfigProblem]:
        if self.settings.parts(ChainSource) and not self.settings.part(CritiqueConfig):
            yield ("candidates",), "from: critique needs the stage critique"
        entries: dict[str, int] = {}
        for index, source in enumerate(self.settings.prompts):
            if isinstance(source, TaskPrompts) and entries.setdefault(source.tasks, index) != index:
                same = f"prompts[{entries[source.tasks]}] has tasks of {source.tasks} too, and these would be the same"
                yield ("prompts", index, "tasks"), f"{same}; write one entry with the count of both"

    def check(self, base: Path) -> Iterable[ConfigProblem | ConfigWarning]:
        if clean := self.settings.clean:
            if absent := missing("clean", "rensa") if clean.near_copies is not None else None:
                yield ("clean",), str(absent)
            if no_detector := missing_for("language") if clean.languages else None:
                yield ("clean", "languages"), no_detector
            for unknown in sorted({*clean.languages} - LANGUAGES):
                yield ("clean", "languages"), f"no language has the code {unknown}; expected ISO 639-1, such as de"
            read_overlap(clean, base, glimpse=True)

    def make(self, context: Context) -> StageResult:
        workspace, cleaning = context.workspace, Cleaning(context, of_prompts=True)
        with workspace.writing("inputs/prompts", Prompt) as add:
            inputs = StreamedInputs(cleaning.prompts(add))
            filtered = filtered_tasks(self.settings)
            others = [part for index, part in enumerate(self.settings.prompts) if index not in filtered]
            read_into(inputs, self.settings.model_copy(update={"prompts": (*others,)}), context.base)
            for name in self.reads:
                what = "generated prompts" if name == GENERATED else "tasks without a shortcut"
                for made in workspace.rows(name, Prompt):
                    inputs.counts[what] += inputs.add_prompt(made)
        cleaning.leave_out(inputs)
        test = held_out(inputs.places, self.settings.need(DatasetConfig).test_share, seed=self.settings.seed)
        with workspace.writing("inputs/split", Split) as add_split:
            for prompt in inputs.places:
                add_split(Split(prompt_id=prompt, split="test" if prompt in test else "train"))
        judgements = majorities(inputs.verdicts, inputs.weights, inputs.firsts)
        answers = sorted(inputs.candidates.values(), key=lambda candidate: inputs.places[candidate.prompt_id])
        workspace.write("inputs/candidates", Candidate, answers)
        workspace.write("inputs/verdicts", Verdict, inputs.verdicts)
        workspace.write("inputs/judgements", Judgement, judgements)
        if self.settings.verdicts:
            workspace.write(ITEMS, Item, inputs.items)
        _, cleaned = cleaning.finish(workspace, self.name)
        if not inputs.places and (reasons := cleaning.left_out.most_common()):
            shown = ", ".join(f"{count:,} {reason}" for reason, count in reasons)
            raise AmendmentError(
                f"inputs: clean left out every prompt ({shown}); relax the settings under clean, first for: "
                f"{reasons[0][0]}. {self.name}/{DROPPED}.parquet lists the prompts"
            )
        repeated = inputs.counts.pop("duplicate prompts", 0)
        figures = [*counted(held_out_prompts=len(test)), *by_label("read", "what", inputs.counts)]
        if judgements:
            figures += counted(comparisons=len(judgements), verdicts=len(inputs.verdicts))
        for license, count in inputs.further_licenses().items():
            figures.append(Figure(name="under_a_further_license", value=count, of=license._asdict()))
        left_out = {**({"repeated": repeated} if repeated else {}), **cleaning.left_out}
        read = len(inputs.places) + sum(left_out.values())
        funnel = Funnel(what="prompts", came_in=read, left_out=left_out, remained=len(inputs.places))
        facts = dict.fromkeys(facts for _, facts in inputs.files)
        sources = Table(title=SOURCES, head=FileFacts._fields, rows=tuple(map(tuple, facts)))
        found = Result(figures=tuple(figures), funnels=(funnel,), tables=(sources,) if facts else ())
        return StageResult(self.writes, found + cleaned)


def unknown_raters(place: Loc, sources: Sequence[Any]) -> Iterable[ConfigWarning]:
    """The files of pairs of which the run file does not say who decided them."""
    for index, source in enumerate(sources):
        if isinstance(source, PairFile) and source.rater is None:
            unknown = f"nothing says who decided the pairs of {plain(source.label)}, so they are published as unknown"
            yield ConfigWarning((*place, index), f"{unknown}; add rater: person, model or verifier, or rater: unknown")


def files_read(workspace: Workspace) -> list[FileFacts]:
    """The facts of all files that the stage has read."""
    sources = workspace.result("inputs").table(SOURCES)
    return [FileFacts(*cast(Any, row)) for row in sources.rows] if sources else []
