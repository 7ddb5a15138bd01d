"""The stage `dataset`: pairs become rows. What the run file does not want is left out, other sources are mixed in, and
train and test share no prompt. Who decides the pairs: see `preference.deciding`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from inspect import getdoc
from pathlib import Path
from typing import Any

from pydantic import Field

from amendment.curation.dataset_rows import Pairs, Rows, written_by_models
from amendment.curation.funnel import CLEANED, Cleaning, clean_key
from amendment.curation.mixed_rows import RUN, MixPair, RunPrompts, mix_in, mix_key
from amendment.curation.settings import DatasetConfig
from amendment.data.export import write_exports
from amendment.data.pseudonyms import Outgoing, run_pseudonyms
from amendment.data.sources import Source
from amendment.errors import AmendmentError
from amendment.evaluation.settings import EvaluateConfig, has_own_prompts
from amendment.keys import key_variables, run_scanner, sift
from amendment.llm.embeddings import missing_embeddings
from amendment.people.labelling import PROBABILITIES
from amendment.people.samples import SpotCheckSettings
from amendment.preference.deciding import (
    JUDGED,
    Decided,
    RunPairs,
    decide_pairs,
    deciding_key,
    why_no_pair,
)
from amendment.preference.pairs import count_cut, kept_out, preference_row
from amendment.preference.revisions import compare_revisions, takes_both_ends
from amendment.records import Candidate, Pair, Preference
from amendment.report.before_use import pair_facts, too_few
from amendment.results import Result, by_label, counted
from amendment.stages.contract import (
    ConfigProblem,
    ConfigWarning,
    Context,
    RunSettings,
    Stage,
    StageResult,
    dump,
    pair_rules,
    rules_key,
    run_pairs,
)
from amendment.stages.diversity import pair_diversity
from amendment.stages.tables import Role
from amendment.text import plain

BEYOND = "beyond their share of the mix"
WITHOUT_TEST = "no test prompt has a pair, so export/ has no test file; take more prompts"
OWN_SHARE = "evaluate has prompts of its own, so test_share is the share of the pairs, at most half of them"


class DatasetStage(Stage):
    """How pairs become rows, and which prompts are held out."""

    name = "dataset"
    title = "building the dataset"
    weight = 1
    absent = "has no pairs to train on; add judging, construct, or pairs of your own"
    comes_with = DatasetConfig
    needs = (Role.DECISIONS, Role.PAIRS)
    reads = (
        "inputs/prompts",
        "inputs/split",
        "inputs/judgements",
        Role.ANSWERS,
        Role.DECISIONS,
        Role.PAIRS,
        Role.LABELS,
    )
    may_read = ("judging/rankings", "mixing/pairs", PROBABILITIES, "people.json")
    writes: Collection[str] = ("dataset/train", "dataset/test")

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = settings.need(DatasetConfig)
        self.writes = (*self.writes, *(CLEANED if settings.clean else ()))

    @classmethod
    def field(cls) -> tuple[Any, Any]:
        return (DatasetConfig, Field(default=DatasetConfig(), description=getdoc(cls)))

    def key(self, context: Context) -> Mapping[str, Any]:
        key = dump(self.config, without={"mix"}) | clean_key(self.settings.clean, context.base)
        key |= rules_key(context.rules) | self.config.key(context.base)
        if self.config.mix:
            key["shares"] = mix_key(self.config)
        if has_own_prompts(self.settings.part(EvaluateConfig)):
            key["test_share of"] = "pairs"
        return {**key, **deciding_key(pair_rules(self.settings, self.tables))}

    def sources(self) -> Iterable[Source]:
        return [self.config.reference] if self.config.reference else []

    def check(self, base: Path) -> Iterator[ConfigProblem | ConfigWarning]:
        config = self.config
        config.read_people_answers(base, glimpse=True)
        if config.embeddings and (missing := missing_embeddings(config.embeddings, base)):
            yield ConfigWarning(("dataset", "embeddings"), f"{missing}. Without it words are counted")

    def problems(self) -> Iterator[ConfigProblem]:
        if self.config.probabilities == "calibrated":
            people = self.settings.part(SpotCheckSettings)
            why = "calibrated needs labels by people, and nobody is asked; add spot_check"
            if people:
                why = people.why_uncalibrated and f"calibrated needs a calibrator, but {people.why_uncalibrated}"
            if why:
                yield ("dataset", "probabilities"), f"{why}, or set probabilities: raw"

    def make(self, context: Context) -> StageResult:
        """Decide all pairs, leave out what the run file does not want, mix where asked, and write the rows."""
        workspace, folder, settings = context.workspace, context.workspace.folder, dump(context.config)
        run, test, held_out = run_pairs(context, self.tables), context.held_out(), context.held_out()
        decided = decide_pairs(run)
        if has_own_prompts(self.settings.part(EvaluateConfig)):
            test = kept_out(decided.pairs, held_out, self.config.test_share)
        references = {constitution.id: constitution.reference for constitution in context.rules}

        def row(pair: Pair | Preference) -> Preference:
            if isinstance(pair, Preference):
                return pair
            return preference_row(pair, run.texts.prompts, decided.collect_answers(pair, run.texts), references)

        own = sorted(decided.pairs, key=lambda pair: pair.prompt_id in test)
        cleaning = Cleaning(self.settings.clean, context.base)
        pairs = [own[place] for place in cleaning.pairs(RUN, Rows(own, row))]
        sides: Mapping[str, Pairs] = {
            "train": [pair for pair in pairs if pair.prompt_id not in test],
            "test": [pair for pair in pairs if pair.prompt_id in test],
        }
        left_out = decided.left_out + cleaning.left_out
        if not sides["train"]:
            raise AmendmentError(why_no_pair(run.rules, left_out, cleaning.left_out, len(sides["test"])))
        by_source: Mapping[str, Pairs] = {RUN: pairs}
        result = _decided(context, run, decided)
        if self.config.is_mixed:
            made = {side: [row(pair) for pair in of_side] for side, of_side in sides.items()}
            files, known = workspace.read("mixing/pairs", MixPair), RunPrompts(context.prompts().keys(), test)
            mixed = mix_in(self.config, made, files, known, cleaning.pairs, seed=context.config.seed)
            sides, by_source = mixed.rows, mixed.by_source
            result += mixed.result
        cleaned, found = cleaning.finish(workspace, self.name)
        funnel = cleaning.funnel(decided.left_out)
        left_out = decided.left_out + cleaning.left_out
        if beyond := funnel.remained - sum(map(len, sides.values())):
            left_out[BEYOND] = beyond
        scanner = run_scanner(key_variables(settings))
        sides, with_key = sift(sides, lambda pair: _cells(row(pair)), scanner, self.config.secrets)
        left_out += with_key
        if not sides["train"]:
            raise AmendmentError(why_no_pair(run.rules, left_out, cleaning.left_out, len(sides["test"])))

        every = [pair for of_side in sides.values() for pair in of_side]
        rows = {side: Rows(of_side, row) for side, of_side in sides.items()}
        tables = [workspace.write(f"dataset/{side}", Preference, of_side) for side, of_side in rows.items()]
        outgoing = Outgoing(settings, run_pseudonyms(folder, settings, every))  # people.json says when these change
        exports = write_exports(folder, rows, outgoing.row)
        for line in too_few(pair_facts(folder, [self.name])):
            context.progress.say(f"{self.name}: {line}")
        if with_key:
            kept = {pair.comparison_id for pair in every}
            by_source = {name: [pair for pair in of if pair.comparison_id in kept] for name, of in by_source.items()}
        sources = {name: Rows(of_source, row) for name, of_source in by_source.items()}
        figures = (
            *counted(train_pairs=len(rows["train"]), test_pairs=len(rows["test"])),
            *written_by_models(Rows(every, row)),
        )
        became = funnel.model_copy(update={"left_out": dict(left_out), "remained": len(every)})
        notes = [WITHOUT_TEST] if self.config.test_share and not rows["test"] else []
        if test != held_out:
            notes.append(f"{OWN_SHARE}: {len(held_out - test):,} held-out prompts went to training")
        result = Result(figures=figures, funnels=(became,), notes=tuple(notes)) + result + found
        return StageResult((*tables, *exports, *cleaned), result + pair_diversity(context, sources, self.config))


def _decided(context: Context, run: RunPairs, decided: Decided) -> Result:
    """Return how pairs were decided, whether revisions are better than drafts, and how many answers are cut."""
    figures = [*by_label("decided", "how", decided.counts, "pairs")]
    if cut := count_cut((pair, decided.collect_answers(pair, run.texts)) for pair in decided.pairs):
        figures += by_label("cut_at_max_tokens", "answers", cut, "pairs")
    if run.rules.has_constructed:
        figures += counted(constructed=len(decided.answers))
    result = Result(figures=tuple(figures))
    judging = run.rules.judging
    if judging and takes_both_ends(context.config.candidates):
        candidates = context.workspace.read("critique/candidates", Candidate)
        result += compare_revisions(candidates, run.judgements(JUDGED), min_margin=judging.min_margin)
    return result


def _cells(row: Preference) -> tuple[str, dict[str, Any]]:
    return f"{row.comparison_id} of {plain(row.source or 'this run')}", row.to_json()
