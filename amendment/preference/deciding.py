"""Decide the comparisons of a run: from all judgements to a pair, or to the reason why there is none.

`DECIDERS` lists who decides, in this order: verdicts of the user's files, verifiers, judges; then people's labels
overrule judges, and calibration weighs what is left to them; construction comes last. Degenerate answers leave before
best and worst are looked for, filters (`filters.FILTERS`) look at every pair that is made, and verifiers veto those of
judges. A decider is a class and an entry in `DECIDERS`; its key is part of the keys of all stages that look at pairs.

Not covered: how votes become a judgement, see `aggregate`; the filters that the run file asks for, which are `clean`,
`mix` and `secrets` in this order, see the stage `dataset`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

from amendment.data.store import Texts, Workspace, read_columns
from amendment.preference.aggregate import RaterVote, person_votes, take_majority
from amendment.preference.degenerate import fit_for_pairs
from amendment.preference.filters import filter_keys, filter_pairs
from amendment.preference.pairs import TIED_POOL, Ends, Paired, PairSettings, make_pairs
from amendment.preference.ranking import Ranking
from amendment.preference.settings import JudgingConfig
from amendment.preference.verified import Proof, Verifier
from amendment.records import LABELLERS, Candidate, Judgement, Pair, Part, Record, Verdict
from amendment.statistics.sides import read_side

Ties = Literal["drop", "keep"]
JUDGED, IMPORTED = "judging/judgements", "inputs/judgements"
CONSTRUCTED, CONSTRUCTED_ANSWERS = "construct/pairs", "construct/candidates"
VETOED = "the chosen answer fails a verifier"


class PairRules(Part):
    """What a run file says about deciders, and the tables of the run that they read."""

    judging: JudgingConfig | None = None
    ties: Ties = "drop"
    """Of verdicts in the user's files."""
    vetoes: tuple[Verifier, ...] = ()
    """The verifiers that veto pairs."""
    verified: str | None = None
    """The table of what code decided, in a run without judges."""
    is_checked: bool = False
    """People check the judge whose log is among the user's files."""
    labels: str | None = None
    """The table of people's labels, where they decide."""
    adjudicated: str | None = None
    """The table of what the lead decided where people disagree. It is a table of labels, whose content is part of the
    keys of all that read these."""
    probabilities: str | None = None
    """The table of calibrated probabilities."""
    is_calibrated: bool = False
    """Training sees calibrated probabilities."""
    has_constructed: bool = False


class RunPairs(NamedTuple):
    """What deciders read: a run's rules, tables and texts."""

    rules: PairRules
    workspace: Workspace
    texts: Texts

    def judgements(self, table: str) -> Iterator[Judgement]:
        """Return the rows of a table of judgements."""
        return self.workspace.rows(table, Judgement)

    @property
    def checked_judgements(self) -> Iterator[Judgement]:
        """Return what the judge that people check decided: the run's own, or one whose log the run brings."""
        return self.judgements(JUDGED if self.rules.judging else IMPORTED)


@dataclass(frozen=True)
class Decided:
    """The pairs so far, what was left out, by reason, and what else was counted."""

    pairs: list[Pair]
    left_out: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    answers: Mapping[str, Mapping[str, Candidate]] = field(default_factory=dict)
    """Answers by id that are those of one pair alone, by its comparison: one text may have two writers."""

    def joined_by(self, paired: Paired) -> Decided:
        """Return the same with the pairs of one more decider."""
        return replace(self, pairs=self.pairs + paired.pairs, left_out=self.left_out + paired.left_out)

    def collect_answers(self, pair: Pair, texts: Texts) -> Mapping[str, Candidate]:
        """Return answers by id, those of the pair among them."""
        return self.answers.get(pair.comparison_id, texts.candidates) if self.answers else texts.candidates


class Decider(ABC):
    """Decides comparisons, or changes what was decided before."""

    key: ClassVar[str]
    """A name and a version, which changes whenever it decides otherwise."""
    by: ClassVar[Any]
    """The rules by which it decides."""

    @abstractmethod
    def decide(self, run: RunPairs, before: Decided) -> Decided:
        """Return the pairs of those before it with its own."""


class OwnVerdicts(Decider):
    """Verdicts of the user's files decide, except those of a judge that people check."""

    key = "own verdicts 1"
    by: ClassVar[Any] = {"ties", "is_checked"}

    def decide(self, run: RunPairs, before: Decided) -> Decided:
        checked = run.rules.is_checked
        rows = (row for row in run.judgements(IMPORTED) if not (checked and row.rater_kind == "model"))
        return before.joined_by(paired_answers(rows, PairSettings(ties=run.rules.ties), run.texts))


class Verifiers(Decider):
    """In a run without judges the one answer that passes all verifiers is better than one that fails."""

    key = "verifiers 1"
    by: ClassVar[Any] = {"verified", "vetoes"}

    def decide(self, run: RunPairs, before: Decided) -> Decided:
        if run.rules.verified is None:
            return before
        return before.joined_by(_unless_vetoed(run, run.judgements(run.rules.verified), PairSettings()))


class Judges(Decider):
    """Judges decide what no verdict of the user's has decided, in the run or in a log that people check."""

    key = "judges 1"
    by: ClassVar[Any] = {"judging": {"pairs", "min_margin", "ties"}, "ties": True, "vetoes": True}

    def decide(self, run: RunPairs, before: Decided) -> Decided:
        rules, judging = run.rules, run.rules.judging
        if judging is None:
            if rules.verified or not rules.is_checked:
                return before
            log = (row for row in run.judgements(IMPORTED) if row.rater_kind == "model")
            return before.joined_by(paired_answers(log, PairSettings(ties=rules.ties), run.texts))
        are_judged = bool(judging.judge_labelled) and rules.has_constructed
        decided = decided_comparisons(run.workspace, with_constructed=are_judged)
        judged = (row for row in run.judgements(JUDGED) if row.comparison_id not in decided)
        rankings = run.workspace.rows("judging/rankings", Ranking) if judging.ranking == "adaptive" else ()
        ends = {row.prompt_id: (row.best, row.worst) for row in rankings if row.possible > 1}
        return before.joined_by(_unless_vetoed(run, judged, judging, ends))


class PeoplesLabels(Decider):
    """People decide the judged comparisons that they labelled, by majority, or their lead where they disagree."""

    key = "labels 1"
    by: ClassVar[Any] = {"judging": {"ties"}, "ties": True, "labels": True}

    def decide(self, run: RunPairs, before: Decided) -> Decided:
        if run.rules.labels is None:
            return before
        votes = person_votes(run.workspace.read(run.rules.labels, Verdict))
        judging = run.rules.judging
        if run.rules.adjudicated:
            votes |= person_votes(run.workspace.read(run.rules.adjudicated, Verdict))
        return label_pairs(before, votes, ties=judging.ties if judging else run.rules.ties)


class Calibration(Decider):
    """P of judged pairs is calibrated on people's labels."""

    key = "calibration 1"
    by: ClassVar[Any] = {"probabilities", "is_calibrated"}

    def decide(self, run: RunPairs, before: Decided) -> Decided:
        if run.rules.probabilities is None:
            return before
        rows = read_columns(run.workspace.path(run.rules.probabilities), "comparison_id", "p_a_calibrated")
        p_a = {name: p for name, p in rows if p is not None}
        return calibrate_pairs(before, p_a, is_used=run.rules.is_calibrated)


class Construction(Decider):
    """Of two answers that nobody else compared, the one that was constructed to be better is chosen."""

    key = "construction 1"
    by: ClassVar[Any] = {"has_constructed"}

    def decide(self, run: RunPairs, before: Decided) -> Decided:
        if not run.rules.has_constructed:
            return before
        candidates = run.workspace.read(CONSTRUCTED_ANSWERS, Candidate)
        rows = run.workspace.read(CONSTRUCTED, ConstructedPair)
        taken = {pair.comparison_id for pair in before.pairs}
        new = [row for row in rows if row.pair.comparison_id not in taken]
        by_id = {candidate.id: candidate for candidate in candidates}
        filtered = filter_pairs([row.pair for row in new], run.texts.prompts, by_id)
        elsewhere = Counter({"constructed, but already decided elsewhere": len(rows) - len(new)})
        kept = {pair.comparison_id for pair in filtered.pairs}
        answers = {name: row.answers(candidates) for row in new if (name := row.pair.comparison_id) in kept}
        decided = before.joined_by(Paired(filtered.pairs, filtered.left_out + elsewhere))
        return replace(decided, answers=answers)


CHECKED: tuple[Decider, ...] = (Verifiers(), Judges())
"""Those whose decisions people may check and overrule."""
OVERRULED: tuple[Decider, ...] = (*CHECKED, PeoplesLabels(), Calibration())
DECIDERS: tuple[Decider, ...] = (OwnVerdicts(), *OVERRULED, Construction())
"""All that decide a run's pairs."""


def decide_pairs(run: RunPairs, deciders: Sequence[Decider] = DECIDERS) -> Decided:
    """Return the pairs that deciders make of all judgements of a run, one after another."""
    decided = Decided([])
    for decider in deciders:
        decided = decider.decide(run, decided)
    return decided


def deciding_key(rules: PairRules, deciders: Sequence[Decider] = DECIDERS) -> dict[str, Any]:
    """Return what the keys of stages that look at pairs have of deciders and filters."""
    keys = {decider.key: rules.model_dump(mode="json", include=decider.by) for decider in deciders}
    return {"deciders": keys, "filters": filter_keys()}


def paired_answers(
    judgements: Iterable[Judgement], settings: PairSettings, texts: Texts, ends: Mapping[str, Ends] | None = None
) -> Paired:
    """Return the pairs of judgements, without degenerate ones. Every judgement is a pair or counted in `left_out`,
    once."""
    unfit: Counter[str] = Counter()
    paired = make_pairs(fit_for_pairs(judgements, *texts, unfit), settings, ends)
    filtered = filter_pairs(paired.pairs, *texts)
    return Paired(filtered.pairs, paired.left_out + unfit + filtered.left_out)


def _unless_vetoed(
    run: RunPairs, judgements: Iterable[Judgement], settings: PairSettings, ends: Mapping[str, Ends] | None = None
) -> Paired:
    paired = paired_answers(judgements, settings, run.texts, ends)
    vetoes = run.rules.vetoes
    if not vetoes:
        return paired
    veto, (prompts, answers) = Proof(vetoes), run.texts
    kept = [pair for pair in paired.pairs if veto.of(prompts[pair.prompt_id], answers[pair.chosen_id]) is not False]
    return Paired(kept, paired.left_out + Counter({VETOED: len(paired.pairs) - len(kept)}))


def label_pairs(decided: Decided, votes: Mapping[str, Mapping[str, float]], *, ties: Ties) -> Decided:
    """Return pairs as people decided them where they labelled the comparison; the judge's own P stays in
    `p_chosen_raw`.

    `votes` are P(a) by comparison and person. A pair on which people are evenly split, or which they call a tie, is
    dropped or kept with one half, as `ties` says.
    """
    pairs: list[Pair] = []
    counts = Counter(decided.counts)
    left_out = Counter(decided.left_out)
    for pair in decided.pairs:
        labels = votes.get(pair.comparison_id)
        if not labels:
            pairs.append(pair)
            continue
        p_a = take_majority(map(RaterVote.of, labels.values()))
        assert p_a is not None
        p = _turned_as(pair, p_a)
        by_people: dict[str, Any] = {"decided_by": "person", "raters": tuple(sorted(labels))}
        if read_side(p):
            counts["decided by people"] += 1
            counts["people disagree with the judge"] += read_side(p) < 0
            turned = pair if read_side(p) > 0 else _turned(pair)
            pairs.append(turned.model_copy(update={**by_people, "p_chosen": max(p, 1 - p)}))
            continue
        reason = "people call it a tie" if 0.5 in labels.values() else "people disagree with each other"
        counts[reason] += 1
        if ties == "keep":
            pairs.append(pair.model_copy(update={**by_people, "p_chosen": 0.5, "decisive": None}))
        else:
            left_out[reason] += 1
    return replace(decided, pairs=pairs, left_out=left_out, counts=+counts)


def _turned_as(pair: Pair, p: float) -> float:
    """P(chosen is better) from P(a is better), and back."""
    return p if pair.chosen_id < pair.rejected_id else 1 - p


def _turned(pair: Pair) -> Pair:
    p = pair.p_chosen_calibrated
    update = {
        "chosen_id": pair.rejected_id,
        "rejected_id": pair.chosen_id,
        "p_chosen_raw": 1 - pair.p_chosen_raw,
        "p_chosen_calibrated": None if p is None else 1 - p,
        "decisive": None,  # the principle that decided spoke for the other side
    }
    return pair.model_copy(update=update)


def calibrate_pairs(decided: Decided, p_a: Mapping[str, float], *, is_used: bool) -> Decided:
    """Return pairs with `p_chosen_calibrated`; `p_a` is P(a is better) after calibration by comparison id.

    `is_used` puts it into `p_chosen` too, but for ties, which stay at one half. Pairs that calibration turns round keep
    chosen and rejected, and are counted. What people or checks decided stays decided; a pair that `p_a` does not hold,
    such as an imported one, stays as it is.
    """
    pairs: list[Pair] = []
    opposite = 0
    for pair in decided.pairs:
        p = p_a.get(pair.comparison_id)
        if p is None:
            pairs.append(pair)
            continue
        p = _turned_as(pair, p)
        update = {"p_chosen_calibrated": p}
        is_open = pair.decided_by not in (*LABELLERS, "verifier")
        if is_open and pair.p_chosen != 0.5:
            opposite += read_side(p) < 0
            if is_used:
                update["p_chosen"] = p
        pairs.append(pair.model_copy(update=update))
    counts = decided.counts + Counter({"calibration says the opposite": opposite})
    return replace(decided, pairs=pairs, counts=counts)


class ConstructedPair(Record):
    """A pair, and the rows of its answers in the table of candidates, counted from 0: one text may have two writers."""

    pair: Pair
    chosen: int
    rejected: int

    def answers(self, candidates: Sequence[Candidate]) -> dict[str, Candidate]:
        """Return both answers by id."""
        return {candidates[place].id: candidates[place] for place in (self.chosen, self.rejected)}


def decided_comparisons(workspace: Workspace, *, with_constructed: bool) -> dict[str, float]:
    """Return P(a) of the comparisons that are decided without the judges, by their ids: by the user's own verdicts, or,
    where judges are asked about them too, by construction."""
    rows = workspace.rows(IMPORTED, Judgement)
    decided = {row.comparison_id: row.p_a for row in rows if row.p_a is not None}
    if with_constructed:
        for pair in (row.pair for row in workspace.rows(CONSTRUCTED, ConstructedPair)):
            decided.setdefault(pair.comparison_id, _turned_as(pair, pair.p_chosen))
    return decided


def reasons_shown(left_out: Mapping[str, int]) -> str:
    """Return in words why there is no pair: what was left out, in its order."""
    counts = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    return f"left out: {counts}" if counts else "nothing was judged"


REMEDIES = {
    "tie": "lower min_margin or write ties: keep",
    TIED_POOL: "ask a judge that tells these answers apart, or write answers that differ more",
    "invalid": "ask a judge that answers better (the table judging/verdicts holds its replies)",
    "orders disagree": "ask a judge that answers better (the table judging/verdicts holds its replies)",
}
"""What helps where pairs are left out for a reason."""


def why_no_pair(rules: PairRules, left_out: Counter[str], cleaned: Counter[str], on_test_side: int) -> str:
    """Return why a dataset has no pair for training, and what to do; `cleaned` is what cleaning left out."""
    reasons = Counter(dict(left_out.most_common()))
    most = next(iter(reasons), None)
    ways = ["use more prompts"]
    if most in cleaned:
        ways = [f"relax the settings under clean: most pairs are left out for {most}"]
    if on_test_side:
        reasons["on the test side of the split"] = on_test_side
        ways.append("lower test_share under dataset")
    ways += dict.fromkeys(REMEDIES[reason] for reason in REMEDIES if left_out[reason])
    why = reasons_shown(reasons)
    if rules.verified and not reasons:
        why = "no prompt has an answer that passes and one that fails; summary.md says why under verify"
        ways = ["draw more answers of each prompt, or raise max_tokens where they are cut"]
    if rules.has_constructed and not reasons:
        why = "no two answers became a pair; summary.md says why under construct"
        ways.append("change the principle, its check or the model (the table construct/candidates holds the answers)")
    head = "Try one of these" if len(ways) > 1 else "Try this"
    return f"dataset: no pair is left for training ({why}). {head}: {'; '.join(ways)}"
