"""The stage `inputs`: what the user brings, read and split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from amendment.critique.chain import CritiqueConfig
from amendment.curation.funnel import DROPPED, Cleaning, clean_key, read_overlap
from amendment.curation.settings import DatasetConfig
from amendment.data.comparisons import UNFIT
from amendment.data.inputs import StreamedInputs, read_into
from amendment.data.source_rows import files_table, source_state
from amendment.data.sources import ChainSource, FileSource, Source, TaskPrompts
from amendment.data.store import ITEMS, ItemName, Split
from amendment.errors import AmendmentError
from amendment.keys import key_variables, run_scanner
from amendment.libraries import missing
from amendment.preference.aggregate import majorities
from amendment.preference.pairs import held_out
from amendment.records import Candidate, Judgement, Prompt, Verdict
from amendment.results import Figure, Funnel, Result, by_label, counted
from amendment.stages.contract import ConfigProblem, ConfigWarning, Context, RunSettings, Stage, StageResult, dump
from amendment.stages.tables import Role


class InputsStage(Stage):
    """Read what the user brings, and split the prompts."""

    name = "inputs"
    title = "reading your input files"
    reads = (Role.PROMPTS,)

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        brings_pairs = bool(settings.pairs) or any(source.may_have_texts for source in settings.verdicts)
        writes: dict[str, Role | None] = dict.fromkeys(("inputs/prompts", "inputs/split", "inputs/verdicts"))
        writes["inputs/candidates"] = Role.ANSWERS
        writes["inputs/judgements"] = Role.DECISIONS if brings_pairs else None
        if settings.clean:
            writes[f"inputs/{DROPPED}"] = None
        if settings.verdicts:
            writes[ITEMS] = None
        self.writes = writes

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
            "verdicts": [dump(source, without={"despite", "drawn"}) for source in settings.verdicts],
            "test_share": settings.need(DatasetConfig).test_share,
            "files": [source_state(source, context.base) for source in (*sources, *settings.verdicts)],
            **clean_key(settings.clean, context.base),
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
            if absent := missing("clean", "rensa"):
                yield ("clean",), str(absent)
            read_overlap(clean, base, glimpse=True)

    def make(self, context: Context) -> StageResult:
        workspace = context.workspace
        scanner = run_scanner(key_variables(dump(context.config)))
        cleaning = Cleaning(context.config.clean, context.base, scanner)
        with workspace.writing("inputs/prompts", Prompt) as add:
            inputs = StreamedInputs(cleaning.prompts(add))
            read_into(inputs, self.settings, context.base)
            for name in self.reads:
                for made in workspace.rows(name, Prompt):
                    inputs.counts["generated prompts"] += inputs.add_prompt(made)
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
            workspace.write(ITEMS, ItemName, inputs.items)
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
        unfit = [f"{count:,} {what}" for what, count in inputs.counts.items() if what.endswith(UNFIT)]
        notes = (f"left out: {', '.join(unfit)}",) if unfit else ()
        for note in notes:
            context.progress.say(f"{self.name}: {note}")
        tables = (files_table(facts for _, facts in inputs.files),) if inputs.files else ()
        found = Result(figures=tuple(figures), funnels=(funnel,), tables=tables, notes=notes)
        return StageResult(self.writes, found + cleaned)
