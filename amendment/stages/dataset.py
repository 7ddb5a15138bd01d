"""The stage `dataset`: pairs become rows. What the run file does not want is left out, other sources are mixed in, and
train and test share no prompt. Who decides the pairs: see `preference.deciding`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from inspect import getdoc
from pathlib import Path
from typing import Any

from pydantic import Field

from amendment.curation.dataset_rows import Pairs, Rows, written_by_models
from amendment.curation.funnel import DROPPED, ONE_SIDED_TABLE, Cleaning, clean_key
from amendment.curation.mixed_rows import RUN, MixPair, Sides, mix_in, mix_key, mix_lines
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
from amendment.preference.pairs import CUT, count_cut, kept_out, preference_row
from amendment.preference.revisions import compare_revisions, takes_both_ends
from amendment.records import Candidate, Pair, Preference
from amendment.report.before_use import pair_facts, too_few
from amendment.report.shown import count_lines, counts_shown, estimate_shown
from amendment.results import Result
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
from amendment.stages.diversity import diversity_lines, pair_diversity
from amendment.stages.tables import Role
from amendment.text import plain

WRITTEN = "written by models"


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
        cleaned = (f"dataset/{DROPPED}", f"dataset/{ONE_SIDED_TABLE}") if settings.clean else ()
        self.writes = (*self.writes, *cleaned)

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
        config.answers_of_people(base, glimpse=True)
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

    def lines(self, counts: Mapping[str, Any]) -> list[str]:
        special = {"mix": mix_lines, "revisions checked": _revision_lines, "diversity": diversity_lines}
        special[WRITTEN] = _written_lines
        lines = count_lines(counts, special)
        if self.config.test_share and counts.get("test pairs") == 0:  # a later round has no test side
            lines.append("- note: no test prompt has a pair, so export/ has no test file; take more prompts")
        return lines

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
            return preference_row(pair, run.texts.prompts, decided.answers_of(pair, run.texts), references)

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
        counts = _counts(context, run, decided)
        if test != held_out:
            why = "evaluate has prompts of its own, so test_share is the share of the pairs, at most half of them"
            counts["notes"] = [f"{why}: {len(held_out - test):,} held-out prompts went to training"]
        if self.config.is_mixed:
            made = {side: [row(pair) for pair in of_side] for side, of_side in sides.items()}
            files, known = workspace.read("mixing/pairs", MixPair), Sides(context.prompts().keys(), test)
            mixed = mix_in(self.config, made, files, known, cleaning.pairs, seed=context.config.seed)
            sides, by_source = mixed.rows, mixed.by_source
            counts |= mixed.counts
        cleaned, found = cleaning.finish(workspace, self.name)
        found += Result(funnels=(cleaning.funnel(decided.left_out),) if self.settings.clean else ())
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
        diversity = pair_diversity(context, sources, self.config)
        sizes = {f"{side} pairs": len(of_side) for side, of_side in rows.items()}
        written = {WRITTEN: written_by_models(Rows(every, row))}
        counts = {**sizes, "left out": dict(left_out), **counts, **written, **diversity, "result": found.to_json()}
        return StageResult((*tables, *exports, *cleaned), counts)


def _counts(context: Context, run: RunPairs, decided: Decided) -> dict[str, Any]:
    counts: dict[str, Any] = dict(decided.counts)
    judging = run.rules.judging
    if judging and takes_both_ends(context.config.candidates):
        candidates = context.workspace.read("critique/candidates", Candidate)
        revisions = compare_revisions(candidates, run.judgements(JUDGED), min_margin=judging.min_margin)
        counts["revisions checked"] = revisions
    if cut := count_cut((pair, decided.answers_of(pair, run.texts)) for pair in decided.pairs):
        counts[CUT] = cut
    if run.rules.has_constructed:
        counts["constructed"] = len(decided.answers)
    return counts


def _cells(row: Preference) -> tuple[str, dict[str, Any]]:
    return f"{row.comparison_id} of {plain(row.source or 'this run')}", row.to_json()


def _written_lines(counts: Mapping[str, Any]) -> list[str]:
    return [
        f"- written by models, {plain(name)}: {of['share of text']:.1%} of the text, {of['by models']:,} of "
        f"{of['answers']:,} answers; writers of the others are not on record"
        if of["by models"] < of["answers"]
        else f"- written by models, {plain(name)}: all {of['answers']:,} answers"
        for name, of in counts.items()
    ]


def _revision_lines(counts: Mapping[str, Any]) -> list[str]:
    outcomes = counts_shown({name: count for name, count in counts.items() if name != "share"})
    share = estimate_shown(counts["share"])
    return [f"- revisions against their drafts: {outcomes}; share that is better {share}"]
