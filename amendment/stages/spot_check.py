"""The stage `spot_check`: which of the judged comparisons people see, and what they see of them.

Two tables on purpose: `spot_check/sample` is for estimators, `spot_check/questions` is all that the page is given, and
holds texts, hashes and principles alone. `spot_check/asked.json` says what the judge was asked, and what people are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from amendment.audit.ceiling import Requirements
from amendment.audit.planning import outlook
from amendment.files import write_json
from amendment.people.drawing import draw_sample, exported_comparisons
from amendment.people.labelling import ASKED, SAMPLE, SPOT_CHECK
from amendment.people.samples import LabelQuestion, SampledItem, SpotCheckSettings
from amendment.preference.deciding import CHECKED, deciding_key
from amendment.preference.settings import JudgingConfig
from amendment.records import Comparison
from amendment.results import Result, counted
from amendment.stages.contract import (
    ConfigProblem,
    Context,
    RunSettings,
    Stage,
    StageResult,
    constitution_key,
    dump,
    pair_rules,
    question_writer,
    run_pairs,
    simulated_people_problems,
)
from amendment.stages.tables import ALSO_EXPORTED, EXPORTED

DRAWN_BY = ("items", "overlap", "repeats", "sealed")
"""The settings that say which comparisons are drawn."""


class SpotCheckStage(Stage):
    """Let people label a blind sample of what the run's judges, or the judge of a log under `verdicts`, decided."""

    name = "spot_check"
    title = "sampling comparisons to label"
    Config = SpotCheckSettings
    reads = EXPORTED
    may_read = ALSO_EXPORTED
    writes = (SAMPLE, SPOT_CHECK.questions, ASKED)

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = settings.need(SpotCheckSettings)

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings of the sample, and the principles that people see; not who labels, nor what follows."""
        drawn = {name: value for name, value in dump(self.config).items() if name in DRAWN_BY}
        return {**drawn, **deciding_key(pair_rules(self.settings, self.tables), CHECKED), **constitution_key(context)}

    def problems(self) -> Iterator[ConfigProblem]:
        config, settings = self.config, self.settings
        logs = any(source.may_have_texts for source in settings.verdicts)
        logs = logs or any(source.kind == "model" for source in settings.pairs)
        if not (settings.part(JudgingConfig) or logs):
            nothing = "people check judged comparisons, but this run has none with texts"
            yield (self.name,), f"{nothing}; add judging, or a judge's log under verdicts with columns prompt, a and b"
        if config.overlap and config.annotators == 1:
            alone = f"found {config.overlap}, expected 0: one annotator agrees with nobody"
            yield (self.name, "overlap"), f"{alone}; leave it out, or raise spot_check.annotators"
        elif config.overlap > config.items:
            few = f"found {config.overlap}, expected {config.items} at most, the number of items"
            yield (self.name, "overlap"), f"{few}; lower it, or raise spot_check.items"
        if config.adjudicate and config.people == "simulated":
            yield (self.name, "adjudicate"), "simulated people have no lead to decide; take people: page"
        if config.people == "simulated":
            yield from simulated_people_problems(settings, SPOT_CHECK.keys, f"amendment label{SPOT_CHECK.option}")

    def outlook(self) -> Iterator[str]:
        config = self.config
        judging = self.settings.part(JudgingConfig)
        judges = len(judging.every_judge) if judging else 1
        asked = Requirements(margin=config.gate.max_gap_to_human, looks=config.gate.looks)
        yield outlook(config.overlap, config.annotators, judges=judges, asked=asked)

    def make(self, context: Context) -> StageResult:
        """Draw the sample, and write down what people will see of it."""
        workspace = context.workspace
        run = run_pairs(context, self.tables)
        sample = draw_sample(exported_comparisons(run), self.config, seed=context.config.seed)
        drawn = {item.comparison_id for item in sample.items}
        principles = {name: row.principle_ids for row in run.checked_judgements if (name := row.comparison_id) in drawn}
        judging = self.settings.part(JudgingConfig)
        writer = question_writer(context, judging.judges[0] if judging else None, *run.texts)
        questions = [
            writer.question(Comparison(item.prompt_id, item.a, item.b), principles[item.comparison_id]).model_copy(
                update={"in_overlap": item.in_overlap, "is_repeated": item.is_repeated}
            )
            for item in sample.items
        ]
        asked = writer.described(questions, most_principles=max(map(len, principles.values())))
        write_json(workspace.path(ASKED), asked._asdict())
        tables = (
            workspace.write(SAMPLE, SampledItem, sample.items),
            workspace.write(SPOT_CHECK.questions, LabelQuestion, questions),
        )
        figures = counted(
            comparisons=sample.population,
            drawn=len(sample.items),
            strata=sample.strata,
            seen_by_every_annotator=sum(item.in_overlap for item in sample.items),
            shown_twice=sum(item.is_repeated for item in sample.items),
            sealed=sum(item.is_sealed for item in sample.items),
        )
        every = f"the spot check takes all {sample.population} comparisons (items: {self.config.items})"
        notes = (f"{every}, each with certainty",) if sample.is_all else ()
        return StageResult((*tables, ASKED), Result(figures=figures, notes=notes))
