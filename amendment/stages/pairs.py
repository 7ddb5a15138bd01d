"""The pairs of a run before they are rows: those that a judge decided, and those that it brought.

Covered: pairs without degenerate answers; the best against the worst where a ranking says who they are, since means
over the comparisons that it asked would mislead. A spot check is a sample of the judged
pairs, so it takes them from here too. The judge is the run's own, or one whose log is under `verdicts` where people
check that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from amendment.calibration.drawing import DatasetComparison
from amendment.calibration.samples import SpotCheckSettings
from amendment.critique.chain import CritiqueConfig
from amendment.curation.construction import PAIRS as CONSTRUCTED_PAIRS
from amendment.curation.construction import constructed_pairs, decided_comparisons
from amendment.curation.settings import DatasetConfig
from amendment.data.sources import ChainSource
from amendment.data.store import Texts, Workspace
from amendment.errors import AmendmentError
from amendment.preference import PairSettings, make_pairs
from amendment.preference.degenerate import fit_for_pairs
from amendment.preference.filters import filter_keys, filter_pairs
from amendment.preference.pairs import TIED_POOL, Paired, compare_revisions, is_tied_pool
from amendment.preference.ranking import Ranking
from amendment.preference.settings import JudgingConfig
from amendment.preference.verified import Proof, Verifier, verifier_rules
from amendment.records import Candidate, Comparison, Judgement, Pair, Prompt, text_of
from amendment.stages.contract import Context, RunSettings
from amendment.stages.tables import Role, RunTables

JUDGED, IMPORTED = "judging/judgements", "inputs/judgements"
EXPORTED: tuple[str, ...] = ("inputs/prompts", IMPORTED, Role.ANSWERS, Role.PAIRS)
"""The tables that `exported_comparisons` looks at."""
ALSO_EXPORTED = (JUDGED, "judging/rankings")
"""Those that it looks at where the run has them."""
VETOED = "the chosen answer fails a verifier"


def checked_ties(config: RunSettings) -> Literal["drop", "keep"]:
    """The setting for ties among the judged pairs."""
    judging = config.part(JudgingConfig)
    return judging.ties if judging else config.need(DatasetConfig).ties


def imported_pairs(context: Context, texts: Texts) -> Paired:
    """Pairs of the judgements that the user's own files give, without those of a judge that people check."""
    return _of_files(context, texts, judged=False)


def _of_files(context: Context, texts: Texts, *, judged: bool) -> Paired:
    config = context.config
    is_checked = config.part(SpotCheckSettings) is not None and config.part(JudgingConfig) is None
    judgements = context.workspace.rows(IMPORTED, Judgement)
    rows = (row for row in judgements if (is_checked and row.rater_kind == "model") == judged)
    return paired_answers(rows, PairSettings(ties=config.need(DatasetConfig).ties), *texts)


def judged_pairs(context: Context, texts: Texts, tables: RunTables) -> Paired:
    """Pairs of what the run's judges decided, without the comparisons that the user's own verdicts have decided. Where
    the run has no judges, what its verifiers decided, or those of the imported log that people check."""
    stage = context.config.part(JudgingConfig)
    made = [name for name in tables.of(Role.DECISIONS) if name != IMPORTED]
    if stage is None and made:
        verified = context.workspace.rows(made[0], Judgement)
        return _without_vetoed(context, paired_answers(verified, PairSettings(), *texts), texts)
    if stage is None:
        return _of_files(context, texts, judged=True)
    are_judged = bool(stage.judge_labelled) and CONSTRUCTED_PAIRS in tables
    decided = decided_comparisons(context.workspace, with_constructed=are_judged)
    judgements = context.workspace.rows(JUDGED, Judgement)
    open_ones = (row for row in judgements if not decided or row.comparison_id not in decided)
    judged, not_ends = ends_of_rankings(context, open_ones)
    paired = _without_vetoed(context, paired_answers(judged, stage, *texts), texts)
    return paired._replace(left_out=not_ends + paired.left_out)


def _without_vetoed(context: Context, paired: Paired, texts: Texts) -> Paired:
    """Without the pairs whose chosen answer fails a verifier that vetoes."""
    if not verifier_rules(context.config.parts(Verifier), "veto"):
        return paired
    veto = Proof(context.config.parts(Verifier), "veto")
    kept = [
        pair
        for pair in paired.pairs
        if veto.of(texts.prompts[pair.prompt_id], texts.candidates[pair.chosen_id]) is not False
    ]
    vetoed = Counter({VETOED: len(paired.pairs) - len(kept)})
    return Paired(kept, paired.left_out + +vetoed)


def paired_answers(
    judgements: Iterable[Judgement],
    settings: PairSettings,
    prompts: Mapping[str, Prompt],
    candidates: Mapping[str, Candidate],
) -> Paired:
    """The pairs of judgements, without degenerate ones, whether the run's own judge decided or somebody's file.

    Every judgement is a pair or counted in `left_out`, once.
    """
    unfit: Counter[str] = Counter()
    paired = make_pairs(fit_for_pairs(judgements, prompts, candidates, unfit), settings)
    filtered = filter_pairs(paired.pairs, prompts, candidates)
    return Paired(filtered.pairs, paired.left_out + unfit + filtered.left_out)


def are_revisions_checked(config: RunSettings) -> bool:
    """Return whether a judge compares the draft and the last revision of each chain."""
    has_chains = config.part(CritiqueConfig) is not None
    return has_chains and config.part(JudgingConfig) is not None and _takes_both_ends(config)


def _takes_both_ends(config: RunSettings) -> bool:
    takes = {source.take for source in config.candidates if isinstance(source, ChainSource)}
    return bool(takes & {"all", "draft_and_last"}) or takes >= {"draft", "last"}


def revisions_checked(context: Context) -> dict[str, Any]:
    """What the summary says of revisions against their drafts, by the run's own judgements; nothing where they were not
    compared."""
    stage = context.config.part(JudgingConfig)
    if stage is None or not are_revisions_checked(context.config):
        return {}
    candidates = context.workspace.read("critique/candidates", Candidate)
    judgements = context.workspace.read("judging/judgements", Judgement)
    return {"revisions checked": compare_revisions(candidates, judgements, min_margin=stage.min_margin)}


def revision_notes(config: RunSettings, stage: str) -> tuple[str, ...]:
    """What the summary adds to the result of a chain that nobody checks: that its revisions may be worse."""
    if stage != "critique" or are_revisions_checked(config):
        return ()
    candidates = "" if _takes_both_ends(config) else "candidates: [{from: critique, take: draft_and_last}] and "
    note = (
        "no judge has compared the revisions with their drafts, so some may be worse. "
        f"To compare them, add {candidates}judging:"
    )
    return (note,)


LOST = "best lost to worst"


def ends_of_rankings(context: Context, judged: Iterable[Judgement]) -> tuple[Iterable[Judgement], Counter[str]]:
    """The judgement of the best against the worst of each prompt's ranking, and what is left out, by reason; all
    judgements where every two candidates were compared, or every comparison is to be a pair."""
    stage = context.config.part(JudgingConfig)
    if stage is None or stage.ranking == "all_pairs" or stage.pairs == "all":
        return judged, Counter()
    judged = list(judged)
    rankings = {ranking.prompt_id: ranking for ranking in context.workspace.rows("judging/rankings", Ranking)}
    tied = _tied_pools(judged, stage)
    kept: list[Judgement] = []
    left_out: Counter[str] = Counter()
    for judgement in judged:
        if judgement.prompt_id in tied:
            reason = None if judgement.p_a is None else TIED_POOL
        else:
            reason = _reason(judgement, rankings.get(judgement.prompt_id))
        if reason:
            left_out[reason] += 1
        else:
            kept.append(judgement)
    return kept, left_out


def _tied_pools(judged: Sequence[Judgement], settings: PairSettings) -> set[str]:
    """The prompts of which all comparisons are ties, seen before any of them is left out."""
    by_prompt: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judged:
        by_prompt[judgement.prompt_id].append(judgement)
    return {prompt for prompt, of_prompt in by_prompt.items() if is_tied_pool(of_prompt, settings)}


def _reason(judgement: Judgement, ranking: Ranking | None) -> str | None:
    if ranking is not None and ranking.possible == 1:
        return None  # two answers, whose tie is a tie like any other
    if ranking is None or {judgement.a, judgement.b} != {ranking.best, ranking.worst}:
        return "not best or worst"
    if judgement.p_a is None:
        return None
    p_best = judgement.p_a if judgement.a == ranking.best else 1 - judgement.p_a
    return LOST if p_best < 0.5 else None


def kept_out(pairs: Sequence[Pair], test: Iterable[str], share: float) -> frozenset[str]:
    """The prompts of `test` that stay held out: all without pairs, and others until this share of the pairs, at most
    half, is held out."""
    counts = Counter(pair.prompt_id for pair in pairs)
    room, kept = min(max(round(share * len(pairs)), 1), len(pairs) // 2), set[str]()
    for prompt in sorted(test):
        if counts[prompt] <= room:
            room -= counts[prompt]
            kept.add(prompt)
    return frozenset(kept)


CUT = "answers of pairs cut at max_tokens"


def cut_answers(pair: Pair, answers: Mapping[str, Candidate]) -> Iterator[str]:
    """Which answers of a pair were cut at their limit."""
    if answers[pair.chosen_id].is_truncated:
        yield "chosen"
    if answers[pair.rejected_id].is_truncated:
        yield "rejected"


def made_pairs_key(settings: RunSettings) -> dict[str, Any]:
    """How judged comparisons become pairs, for the keys of stages that look at those."""
    judging = settings.part(JudgingConfig)
    if judging is None:
        return {"judged ties": settings.need(DatasetConfig).ties, "filters": filter_keys()}
    return {
        "filters": filter_keys(),
        "pairs": judging.pairs,
        "min_margin": judging.min_margin,
        "judged ties": judging.ties,
    }


def exported_judgements(workspace: Workspace, tables: RunTables) -> Iterator[Judgement]:
    """Return what the checked judge decided: the run's own, or one whose log the run brings."""
    return workspace.rows(JUDGED if JUDGED in tables else IMPORTED, Judgement)


def exported_comparisons(context: Context, texts: Texts, tables: RunTables) -> list[DatasetComparison]:
    """The comparisons that the dataset exports because judges decided them, on both sides of the split, and those
    constructed pairs that judges were asked about too. Raises AmendmentError where there is none."""
    paired = judged_pairs(context, texts, tables)
    pairs = {pair.comparison_id: pair for pair in paired.pairs}
    judging = context.config.part(JudgingConfig)
    if judging and judging.judge_labelled and CONSTRUCTED_PAIRS in tables:
        constructed = constructed_pairs(context.workspace, texts.prompts, pairs).paired.pairs
        pairs |= {pair.comparison_id: pair for pair in constructed}
    exported: dict[str, DatasetComparison] = {}
    for row in exported_judgements(context.workspace, tables):
        if row.p_a is None or row.rater_kind == "verifier" or row.comparison_id not in pairs:
            continue
        shorter, longer = sorted(len(text_of(texts.candidates[name].messages)) for name in (row.a, row.b))
        exported[row.comparison_id] = DatasetComparison(
            Comparison(row.prompt_id, row.a, row.b),
            row.p_a,
            row.consistent,
            pairs[row.comparison_id].decisive or next(iter(row.principle_ids), None),
            (longer + 1) / (shorter + 1),
        )
    if not exported:
        counts = ", ".join(f"{count} {reason}" for reason, count in paired.left_out.items())
        why = f"left out: {counts}" if counts else "nothing was judged"
        where = "see the summary of judging"
        if judging is None:
            where = "people check model verdicts that have texts and that no person decided"
        raise AmendmentError(
            f"no judged comparison becomes a pair, so there is nothing that people could look at ({why}); {where}"
        )
    return list(exported.values())
