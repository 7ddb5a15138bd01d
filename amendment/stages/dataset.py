"""The stage `dataset`: pairs made of judgements, with their texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from inspect import getdoc
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

from pydantic import Field

from amendment.calibration.labelling import OPEN, PROBABILITIES
from amendment.calibration.samples import ExportedProbability, SpotCheckSettings
from amendment.curation.construction import PAIRS as CONSTRUCTED_PAIRS
from amendment.curation.construction import Constructed, constructed_pairs
from amendment.curation.funnel import DROPPED, ONE_SIDED_TABLE, Cleaning, clean_key
from amendment.curation.mixed_rows import RUN, MixPair, Sides, mix_in, mix_key, mix_lines
from amendment.curation.settings import DatasetConfig
from amendment.data.export import write_exports
from amendment.data.pseudonyms import Outgoing, run_pseudonyms
from amendment.data.sources import Source
from amendment.data.store import texts_of
from amendment.errors import AmendmentError
from amendment.evaluation.settings import EvaluateConfig, has_own_prompts
from amendment.keys import key_variables, run_scanner, sift
from amendment.llm.embeddings import missing_embeddings
from amendment.preference import RaterVote, majority_of
from amendment.preference.aggregate import person_votes
from amendment.preference.pairs import TIED_POOL, Paired, preference_row
from amendment.records import LABELLERS, Candidate, Pair, Preference, Verdict, text_of
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
    rules_key,
)
from amendment.stages.diversity import diversity_lines, pair_diversity
from amendment.stages.pairs import (
    CUT,
    IMPORTED,
    JUDGED,
    checked_ties,
    cut_answers,
    imported_pairs,
    judged_pairs,
    kept_out,
    made_pairs_key,
    revisions_checked,
)
from amendment.stages.tables import Role, RunTables
from amendment.statistics.sides import side_of
from amendment.text import plain

WRITTEN = "written by models"
NO_SOURCE = "no source on record"


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
        key |= rules_key(context.rules) | self.config.diversity.key(context.base)
        if self.config.mix:
            key["shares"] = mix_key(self.config)
        if people := self.settings.part(SpotCheckSettings):
            key["decide"] = people.decide
        if has_own_prompts(self.settings.part(EvaluateConfig)):
            key["test_share of"] = "pairs"
        return {**key, **made_pairs_key(self.settings)}

    def sources(self) -> Iterable[Source]:
        return [self.config.diversity.reference] if self.config.diversity.reference else []

    def check(self, base: Path) -> Iterator[ConfigProblem | ConfigWarning]:
        diversity = self.config.diversity
        diversity.answers_of_people(base, glimpse=True)
        if diversity.embeddings and (missing := missing_embeddings(diversity.embeddings, base)):
            yield ConfigWarning(("dataset", "diversity", "embeddings"), f"{missing}. Without it words are counted")

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
        """Pairs of all judgements, with their texts, mixed where asked; train and test share no prompt."""
        own = _own_pairs(context, self.tables)
        left_out, counts = own.left_out, own.counts
        cleaning, before = Cleaning(context.config.clean, context.base), Counter(left_out)
        pairs = [own.pairs[place] for place in cleaning.pairs(RUN, Rows(own.pairs, own.row))]
        left_out += cleaning.left_out
        sides: Mapping[str, Pairs] = {
            side: [pair for pair in pairs if (pair.prompt_id in own.test) == (side == "test")]
            for side in ("train", "test")
        }
        if not sides["train"]:
            raise AmendmentError(_no_pair(left_out, cleaning.left_out, len(sides["test"]), self.tables))
        by_source: Mapping[str, Pairs] = {RUN: pairs}
        if self.config.is_mixed:
            made = {side: [own.row(pair) for pair in of_side] for side, of_side in sides.items()}
            pairs_of_files = context.workspace.read("mixing/pairs", MixPair)
            known = Sides(context.prompts().keys(), own.test)
            seed = context.config.seed
            mixed = mix_in(self.config, made, pairs_of_files, known, cleaning.pairs, seed=seed)
            sides, by_source = mixed.rows, mixed.by_source
            counts |= mixed.counts
        cleaned, found = cleaning.finish(context.workspace, self.name)
        found += Result(funnels=(cleaning.funnel(before),) if self.settings.clean else ())
        settings = dump(context.config)
        scanner = run_scanner(key_variables(settings))
        sides, with_key = sift(sides, lambda pair: _cells(own.row(pair)), scanner, self.config.secrets)
        left_out += with_key
        if not sides["train"]:
            raise AmendmentError(_no_pair(left_out, cleaning.left_out, len(sides["test"]), self.tables))
        every = [pair for of_side in sides.values() for pair in of_side]
        rows = {side: Rows(of_side, own.row) for side, of_side in sides.items()}
        tables = [context.workspace.write(f"dataset/{side}", Preference, of_side) for side, of_side in rows.items()]
        folder = context.workspace.folder
        outgoing = Outgoing(settings, run_pseudonyms(folder, settings, every))  # people.json says when these change
        exports = write_exports(folder, rows, outgoing.row)
        for line in too_few(pair_facts(folder, [self.name])):
            context.progress.say(f"{self.name}: {line}")
        sizes = {f"{side} pairs": len(of_side) for side, of_side in rows.items()}
        if with_key:
            kept = {pair.comparison_id for pair in every}
            by_source = {name: [pair for pair in of if pair.comparison_id in kept] for name, of in by_source.items()}
        sources = {name: Rows(of_source, own.row) for name, of_source in by_source.items()}
        diversity = pair_diversity(context, sources, self.config.diversity)
        written = {WRITTEN: written_by_models(Rows(every, own.row))}
        counts = {**sizes, "left out": dict(left_out), **counts, **written, **diversity, "result": found.to_json()}
        return StageResult((*tables, *exports, *cleaned), counts)


Pairs = Sequence[Pair | Preference]


class Rows(Sequence[Preference]):
    """Rows of pairs, each made when it is asked for, so that no more texts are held than somebody looks at."""

    def __init__(self, pairs: Pairs, row: Callable[[Pair | Preference], Preference]) -> None:
        self._pairs, self._row = pairs, row

    @overload
    def __getitem__(self, place: int) -> Preference: ...

    @overload
    def __getitem__(self, place: slice) -> Rows: ...

    def __getitem__(self, place: int | slice) -> Preference | Rows:
        return Rows(self._pairs[place], self._row) if isinstance(place, slice) else self._row(self._pairs[place])

    def __len__(self) -> int:
        return len(self._pairs)


class _OwnPairs(NamedTuple):
    """The run's own pairs, before any are cleaned or mixed."""

    pairs: list[Pair]
    """Those of the train side come first."""
    row: Callable[[Pair | Preference], Preference]
    """The row of a pair; a row is its own."""
    test: frozenset[str]
    """The prompts of the test side."""
    left_out: Counter[str]
    counts: dict[str, Any]


def _own_pairs(context: Context, tables: RunTables) -> _OwnPairs:
    """The pairs of all judgements."""
    texts, test = texts_of(context.workspace, tables.answers), context.held_out()
    cut: Counter[str] = Counter()
    references = {constitution.id: constitution.reference for constitution in context.rules}
    imported, judged = imported_pairs(context, texts), judged_pairs(context, texts, tables)
    checked = spot_checked_pairs(context, judged.pairs)
    decided = [*imported.pairs, *checked.pairs]
    constructed = Constructed(Paired([], Counter()), {})
    if CONSTRUCTED_PAIRS in tables:
        constructed = constructed_pairs(context.workspace, texts.prompts, (pair.comparison_id for pair in decided))
    pairs = [*decided, *constructed.paired.pairs]
    held_out = test
    if has_own_prompts(context.config.part(EvaluateConfig)):
        test = kept_out(pairs, held_out, context.config.need(DatasetConfig).test_share)

    def answers_of(pair: Pair) -> Mapping[str, Candidate]:
        return (
            constructed.answers.get(pair.comparison_id, texts.candidates) if constructed.answers else texts.candidates
        )

    def row(pair: Pair | Preference) -> Preference:
        if isinstance(pair, Preference):
            return pair
        return preference_row(pair, texts.prompts, answers_of(pair), references)

    for pair in pairs:
        cut.update(cut_answers(pair, answers_of(pair)))
    counts: dict[str, Any] = {**checked.counts, **revisions_checked(context)}
    counts |= {CUT: dict(cut)} if cut else {}
    if test != held_out:
        why = "evaluate has prompts of its own, so test_share is the share of the pairs, at most half of them"
        counts["notes"] = [f"{why}: {len(held_out - test):,} held-out prompts went to training"]
    if CONSTRUCTED_PAIRS in tables:
        counts["constructed"] = len(constructed.paired.pairs)
    left_out = imported.left_out + judged.left_out + checked.left_out + constructed.paired.left_out
    pairs.sort(key=lambda pair: pair.prompt_id in test)
    return _OwnPairs(pairs, row, test, left_out, counts)


def _cells(row: Preference) -> tuple[str, dict[str, Any]]:
    return f"{row.comparison_id} of {plain(row.source or 'this run')}", row.to_json()


def written_by_models(rows: Iterable[Preference]) -> dict[str, dict[str, float]]:
    """By the source of the prompt: different answers, those on whose record a model is, and their share of all
    characters of these answers. Who wrote the others is not on record: it may have been a model too."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        source = row.source or NO_SOURCE
        for name in ("chosen", "rejected"):
            answer, is_by_model = getattr(row, f"{name}_id"), getattr(row, f"{name}_model") is not None
            if answer not in seen[source]:
                seen[source].add(answer)
                length = len(text_of(getattr(row, name)))
                counts[source].update(answers=1, text=length)
                counts[source].update({"by models": is_by_model, "text by models": is_by_model * length})
    return {
        source: {
            **{name: of[name] for name in ("answers", "by models")},
            "share of text": round(of["text by models"] / of["text"], 4) if of["text"] else 0.0,
        }
        for source, of in counts.items()
    }


def _written_lines(counts: Mapping[str, Any]) -> list[str]:
    return [
        f"- written by models, {plain(name)}: {of['share of text']:.1%} of the text, {of['by models']:,} of "
        f"{of['answers']:,} answers; writers of the others are not on record"
        if of["by models"] < of["answers"]
        else f"- written by models, {plain(name)}: all {of['answers']:,} answers"
        for name, of in counts.items()
    ]


def _no_pair(left_out: Counter[str], cleaned: Counter[str], on_test_side: int, tables: RunTables) -> str:
    reasons = left_out.most_common()
    counts = [f"{count} {reason}" for reason, count in reasons]
    counts += [f"{on_test_side} on the test side of the split"] if on_test_side else []
    is_cleaned = bool(reasons) and reasons[0][0] in cleaned
    ways = [
        f"relax the settings under clean: most pairs are left out for {reasons[0][0]}"
        if is_cleaned
        else "use more prompts"
    ]
    if on_test_side:
        ways.append("lower test_share under dataset")
    if left_out.get("tie"):
        ways.append("lower min_margin or write ties: keep")
    if left_out.get(TIED_POOL):
        ways.append("ask a judge that tells these answers apart, or write answers that differ more")
    if left_out.get("invalid") or left_out.get("orders disagree"):
        ways.append("ask a judge that answers better (the table judging/verdicts holds its replies)")
    nothing = "nothing was judged"
    if set(tables.of(Role.DECISIONS)) - {IMPORTED, JUDGED} and not counts:
        nothing = "no prompt has an answer that passes and one that fails; summary.md says why under verify"
        ways = ["draw more answers of each prompt, or raise max_tokens where they are cut"]
    if CONSTRUCTED_PAIRS in tables and not counts:
        nothing = "no two answers became a pair; summary.md says why under construct"
        ways.append("change the principle, its check or the model (the table construct/candidates holds the answers)")
    why = f"left out: {', '.join(counts)}" if counts else nothing
    head = "Try one of these" if len(ways) > 1 else "Try this"
    return f"dataset: no pair is left for training ({why}). {head}: {'; '.join(ways)}"


class Labelled(NamedTuple):
    """Pairs, and what was counted on the way."""

    pairs: list[Pair]
    counts: Counter[str]
    left_out: Counter[str]
    """Pairs that are none any more, by reason."""


def spot_checked_pairs(context: Context, pairs: Sequence[Pair]) -> Labelled:
    """The judge's pairs after the run's spot check: calibrated, and decided by open labels where the run file asks for
    it; the same pairs where the run has no spot check."""
    stage = context.config.part(SpotCheckSettings)
    if stage is None:
        return Labelled([*pairs], Counter(), Counter())
    rows = context.workspace.rows(PROBABILITIES, ExportedProbability)
    p_a = {row.comparison_id: p for row in rows if (p := row.p_a_calibrated) is not None}
    votes = person_votes(context.workspace.read(OPEN, Verdict)) if stage.decide else {}
    decided = labelled_pairs(pairs, votes, ties=checked_ties(context.config))
    is_used = context.config.need(DatasetConfig).probabilities == "calibrated"
    calibrated = calibrated_pairs(decided.pairs, p_a, is_used=is_used)
    return Labelled(calibrated.pairs, decided.counts + calibrated.counts, decided.left_out + calibrated.left_out)


def calibrated_pairs(pairs: Iterable[Pair], p_a: Mapping[str, float], *, is_used: bool) -> Labelled:
    """Pairs with `p_chosen_calibrated`; `p_a` is P(a is better) after calibration by comparison id.

    `is_used` puts it into `p_chosen` too, but for ties, which stay at one half. Pairs that calibration turns round keep
    chosen and rejected, and are counted. What people or checks decided stays decided; a pair that `p_a` does not hold,
    such as an imported one, stays as it is.
    """
    calibrated = Labelled([], Counter(), Counter())
    for pair in pairs:
        calibrated_p = p_a.get(pair.comparison_id)
        if calibrated_p is None:
            calibrated.pairs.append(pair)
            continue
        p = calibrated_p if pair.chosen_id < pair.rejected_id else 1 - calibrated_p
        is_open = pair.p_chosen != 0.5 and pair.decided_by not in (*LABELLERS, "verifier")
        update = {"p_chosen_calibrated": p, **({"p_chosen": p} if is_used and is_open else {})}
        calibrated.counts["calibration says the opposite"] += side_of(p) < 0 and is_open
        calibrated.pairs.append(pair.model_copy(update=update))
    return calibrated._replace(counts=+calibrated.counts)


def _round(pair: Pair) -> Pair:
    p = pair.p_chosen_calibrated
    update = {
        "chosen_id": pair.rejected_id,
        "rejected_id": pair.chosen_id,
        "p_chosen": 1 - pair.p_chosen,
        "p_chosen_raw": 1 - pair.p_chosen_raw,
        "p_chosen_calibrated": None if p is None else 1 - p,
        "decisive": None,  # the principle that decided spoke for the other side
    }
    return pair.model_copy(update=update)


def labelled_pairs(
    pairs: Iterable[Pair], votes: Mapping[str, Mapping[str, float]], *, ties: Literal["drop", "keep"]
) -> Labelled:
    """Pairs as people decided them where they labelled the comparison; the judge's own P stays in `p_chosen_raw`.

    `votes` are P(a) by comparison and person. A pair on which people are evenly split, or which they call a tie, is
    dropped or kept with one half, as `ties` says.
    """
    labelled = Labelled([], Counter(), Counter())
    for pair in pairs:
        labels = votes.get(pair.comparison_id)
        if not labels:
            labelled.pairs.append(pair)
            continue
        made = _decided(pair, labels)
        if made is None:
            reason = "people call it a tie" if 0.5 in labels.values() else "people disagree with each other"
            labelled.counts[reason] += 1
            if ties == "keep":
                labelled.pairs.append(_by_people(pair, labels, 0.5).model_copy(update={"decisive": None}))
            else:
                labelled.left_out[reason] += 1
            continue
        labelled.counts["decided by people"] += 1
        labelled.counts["people disagree with the judge"] += made.chosen_id != pair.chosen_id
        labelled.pairs.append(made)
    return labelled


def _decided(pair: Pair, labels: Mapping[str, float]) -> Pair | None:
    """The pair as the majority of people orients it; None for a tie."""
    p_a = majority_of(map(RaterVote.of, labels.values()))
    assert p_a is not None
    p = p_a if pair.chosen_id < pair.rejected_id else 1 - p_a
    if not side_of(p):
        return None
    return _by_people(pair if side_of(p) > 0 else _round(pair), labels, max(p, 1 - p))


def _by_people(pair: Pair, labels: Mapping[str, float], p: float) -> Pair:
    update = {"p_chosen": p, "decided_by": "person", "raters": tuple(sorted(labels))}
    return pair.model_copy(update=update)


def _revision_lines(counts: Mapping[str, Any]) -> list[str]:
    outcomes = counts_shown({name: count for name, count in counts.items() if name != "share"})
    share = estimate_shown(counts["share"])
    return [f"- revisions against their drafts: {outcomes}; share that is better {share}"]
