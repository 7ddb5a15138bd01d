"""The story of one prompt, told from its records: who wrote what, what the raters said, and what came of it.

Disagreement and flips are found per comparison, by the votes that `preference.aggregate` makes of a rater's verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from amendment.data.pseudonyms import MAYBE_PEOPLE, portable
from amendment.preference.aggregate import aggregate_verdicts, person_votes, rater_votes
from amendment.preference.draws import HINTED
from amendment.preference.pairs import DECIDED_BY
from amendment.preference.readings import by_comparison
from amendment.preference.verified import DECISIVE, VerifiedAnswer, passes_all
from amendment.records import (
    Candidate,
    Comparison,
    Critique,
    DecidedBy,
    Judgement,
    Preference,
    Prompt,
    PromptOrigin,
    Try,
    Verdict,
)
from amendment.report.records import (
    AnswerKind,
    AnswerView,
    ComparisonView,
    CritiqueView,
    PairView,
    PromptStory,
    Side,
    VerdictView,
    VerifierView,
)
from amendment.statistics.sides import read_side
from amendment.text import transcript


class PairRow(NamedTuple):
    """A row of the dataset, and where it is."""

    row: Preference
    split: Side
    round: int

    @property
    def comparison(self) -> Comparison:
        a, b = sorted((self.row.chosen_id, self.row.rejected_id))
        return Comparison(self.row.prompt_id, a, b)


class WrittenAnswer(NamedTuple):
    """An answer, and where it is from."""

    candidate: Candidate
    kind: AnswerKind
    round: int


@dataclass
class StoryTables:
    """The records of one prompt, in the order of their tables."""

    answers: list[WrittenAnswer] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)
    critiques: list[Critique] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    judged: list[Judgement] = field(default_factory=list)
    """Of the run's judges."""
    imported: list[Judgement] = field(default_factory=list)
    """Of the user's own files, which decide before the judges do."""
    pairs: list[PairRow] = field(default_factory=list)
    sealed: list[Verdict] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    """Their names in the user's files."""
    origin: PromptOrigin | None = None
    """Of a generated prompt."""
    verified: list[VerifiedAnswer] = field(default_factory=list)

    @property
    def has_people(self) -> bool:
        """Somebody rated who may be a person."""
        kinds = {verdict.rater_kind for verdict in self.verdicts} | {pair.row.decided_by for pair in self.pairs}
        return not kinds.isdisjoint(MAYBE_PEOPLE)


def tell(
    number: int,
    prompt: Prompt,
    split: str | None,
    tables: StoryTables,
    *,
    is_own: bool,
    failures: Mapping[str, str],
    numbers: Mapping[str, int],
    pseudonym: Callable[[str], str],
) -> PromptStory:
    """Return the story of a prompt; `is_own` is false where only mixed-in pairs have it. `failures` say why comparisons
    have no judgement, by their ids; `numbers` are those of all prompts; `pseudonym` is that of a rater who may be a
    person."""
    told = _Told(number, prompt, tables, pseudonym)
    comparisons = told.comparisons(failures)
    sides = [split, *(pair.split for pair in tables.pairs)]
    side: Side | None = "test" if "test" in sides else "train" if "train" in sides else None
    return PromptStory(
        number=number,
        id=prompt.id,
        text=told.prompt_text,
        known_answer=prompt.answer,
        mixed_from=None if is_own else prompt.source,
        category=prompt.category,
        split=side,
        answers=tuple(told.answers.values()),
        critiques=tuple(told.critiques()),
        comparisons=tuple(comparisons),
        endings=tuple(tables.endings),
        unpaired=tuple(told.unpaired()),
        items=tuple(tables.items),
        generated_by=tables.origin.model if tables.origin else None,
        parents=tuple(
            sorted(numbers[name] for name in tables.origin.parents if name in numbers) if tables.origin else ()
        ),
        parent_ids=tables.origin.parents if tables.origin else (),
    )


class _Told:
    """A prompt's records with its answers numbered."""

    def __init__(self, number: int, prompt: Prompt, tables: StoryTables, pseudonym: Callable[[str], str]) -> None:
        self._number, self._prompt_id, self._tables, self._pseudonym = number, prompt.id, tables, pseudonym
        self.prompt_text = transcript(prompt.messages, by="user")
        self.answers: dict[str, AnswerView] = {}
        """By id; the same words by a second writer are the first answer again."""
        drawn_for: dict[str | None, Literal["better", "worse"]] = {}
        for row in tables.tries:
            drawn_for.setdefault(row.better_id, "better")
            drawn_for.setdefault(row.worse_id, "worse")
        for candidate, kind, round_ in (*tables.answers, *_pair_answers(tables.pairs)):
            model = candidate.origin.model
            verified = [row for row in tables.verified if row.candidate_id == candidate.id]
            view = AnswerView(
                number=len(self.answers) + 1,
                id=candidate.id,
                kind=kind,
                text=transcript(candidate.messages, by="assistant"),
                model=None if model is None else portable(model),
                principle_ids=candidate.origin.principle_ids or (),
                drawn_for=drawn_for.get(candidate.id) if kind == "constructed" else None,
                round=round_,
                is_truncated=candidate.is_truncated,
                has_hint=candidate.origin.template == HINTED,
                verifiers=tuple(
                    VerifierView(name=row.verifier, effect=row.effect, passes=row.passes, reason=row.reason)
                    for row in verified
                ),
                passes=passes_all(verified, *DECISIVE),
            )
            self.answers.setdefault(candidate.id, view)

    def _find_number(self, answer_id: str) -> int:
        return self.answers[answer_id].number

    def unpaired(self) -> Iterable[str]:
        for row in self._tables.tries:
            if row.reason:
                drawn = [answer_id for answer_id in (row.better_id, row.worse_id) if answer_id in self.answers]
                numbers = " and ".join(str(self._find_number(answer_id)) for answer_id in drawn)
                yield f"{'answers' if len(drawn) > 1 else 'answer'} {numbers}: {row.reason}" if drawn else row.reason

    def critiques(self) -> Iterable[CritiqueView]:
        for critique in self._tables.critiques:
            if critique.candidate_id in self.answers:
                yield CritiqueView(
                    answer=self._find_number(critique.candidate_id),
                    principle_ids=critique.principle_ids,
                    text=critique.text,
                )

    def comparisons(self, failures: Mapping[str, str]) -> list[ComparisonView]:
        """Return every two answers that were compared, or that are a pair."""
        tables = self._tables
        about = by_comparison(tables.verdicts)
        sealed = by_comparison(tables.sealed)
        judged = {Comparison(row.prompt_id, row.a, row.b): row for row in reversed(tables.judged)}
        imported = {Comparison(row.prompt_id, row.a, row.b): row for row in tables.imported}
        pairs = {pair.comparison: pair for pair in reversed(tables.pairs)}  # two rounds may draw the same answers
        whole = {
            comparison for comparison, verdicts in about.items() if any(len(verdict.shown) > 1 for verdict in verdicts)
        }  # two scores are a comparison only where the run has made it
        views = [
            self._comparison(
                comparison,
                about.get(comparison, []),
                judged.get(comparison),
                imported.get(comparison),
                pairs.get(comparison),
                sealed=len(sealed.get(comparison, ())),
                ending=failures.get(comparison.id),
            )
            for comparison in {*whole, *judged, *imported, *pairs}
            if {comparison.a, comparison.b} <= self.answers.keys()
        ]
        return sorted(views, key=lambda view: view.answers)

    def _comparison(
        self,
        comparison: Comparison,
        verdicts: Sequence[Verdict],
        judged: Judgement | None,
        imported: Judgement | None,
        pair_row: PairRow | None,
        *,
        sealed: int,
        ending: str | None,
    ) -> ComparisonView:
        a = self._find_number(comparison.a)
        b = self._find_number(comparison.b)
        pair = self._pair(pair_row, comparison) if pair_row else None
        deciding = imported if imported and imported.p_a is not None else judged or imported
        p_a = deciding.p_a if deciding else None
        side = 0 if p_a is None else read_side(p_a)
        decided_by: DecidedBy | None = DECIDED_BY[deciding.rater_kind] if deciding and p_a is not None else None
        if pair:
            side = (1 if pair.chosen == a else -1) if pair.p_chosen != 0.5 else 0
            decided_by = pair.decided_by
        decided_side = side if decided_by not in (None, "judge") else 0
        sides, is_wrong = _sides(verdicts, comparison)
        disputed = {1, -1} <= {decided_side, *sides}
        flips = _flipping_raters(verdicts, comparison)
        whole = judged or imported
        return ComparisonView(
            prompt=self._number,
            prompt_id=self._prompt_id,
            id=comparison.id,
            answers=(min(a, b), max(a, b)),
            verdicts=tuple(
                self._verdict(verdict, disputed=disputed, flipped=verdict.rater in flips)
                for verdict in sorted(verdicts, key=self._question)
            ),
            p=p_a if p_a is None or a < b else 1 - p_a,
            preferred={1: a, -1: b}.get(side),
            consistent=whole.consistent if whole else None,
            decided_by=decided_by,
            decisive=pair.decisive if pair else deciding.decisive if deciding else None,
            disputed=disputed,
            wrong=is_wrong,
            sealed=sealed,
            ending=ending,
            pair=pair,
        )

    def _question(self, verdict: Verdict) -> tuple[object, ...]:
        """Judges before people, and the orders of one question next to each other. By pseudonyms, since an order by
        names would say something of them."""
        shown = [self._find_number(answer_id) for answer_id in verdict.shown if answer_id in self.answers]
        names = (self._rater(verdict), verdict.principle_id or "", verdict.criterion or "", verdict.sample)
        return (verdict.rater_kind in MAYBE_PEOPLE, *names, shown)

    def _rater(self, verdict: Verdict) -> str:
        return self._pseudonym(verdict.rater) if verdict.rater_kind in MAYBE_PEOPLE else verdict.rater

    def _verdict(self, verdict: Verdict, *, disputed: bool, flipped: bool) -> VerdictView:
        shown = tuple(self._find_number(answer_id) for answer_id in verdict.shown if answer_id in self.answers)
        preferred = {"A": shown[0], "B": shown[-1]} if verdict.scale == "pair" and len(shown) == 2 else {}
        return VerdictView(
            prompt=self._number,
            prompt_id=self._prompt_id,
            id=verdict.id,
            rater=self._rater(verdict),
            rater_kind=verdict.rater_kind,
            shown=shown,
            is_order_known=verdict.order is None,
            scale=verdict.scale,
            value=verdict.value,
            preferred=preferred.get(str(verdict.value)),
            p_first=verdict.p_first(),
            confidence=verdict.confidence,
            principle_id=verdict.principle_id,
            criterion=verdict.criterion,
            sample=verdict.sample,
            reasoning=verdict.reasoning,
            invalid=verdict.invalid,
            disputed=disputed,
            flipped=flipped,
        )

    def _pair(self, pair: PairRow, comparison: Comparison) -> PairView:
        row = pair.row
        chosen = self.answers[row.chosen_id]
        rejected = self.answers[row.rejected_id]
        may_be_people = row.decided_by in MAYBE_PEOPLE
        return PairView(
            prompt=self._number,
            prompt_id=self._prompt_id,
            comparison_id=comparison.id,
            chosen=chosen.number,
            rejected=rejected.number,
            p_chosen=row.p_chosen,
            p_chosen_raw=row.p_chosen_raw,
            p_chosen_calibrated=row.p_chosen_calibrated,
            decided_by=row.decided_by,
            raters=tuple(sorted(map(self._pseudonym, row.raters))) if may_be_people else row.raters,
            principle_ids=row.principle_ids,
            decisive=row.decisive,
            split=pair.split,
            round=pair.round,
            prompt_text=self.prompt_text,
            chosen_text=chosen.text,
            rejected_text=rejected.text,
        )


def _pair_answers(pairs: Iterable[PairRow]) -> Iterable[WrittenAnswer]:
    """Return the answers of pairs as candidates; those of pairs that were mixed in are in no other table."""
    for row, _, round_ in pairs:
        for messages in (row.chosen, row.rejected):
            yield WrittenAnswer(
                Candidate(prompt_id=row.prompt_id, messages=messages, kind="imported"), "imported", round_
            )


def _sides(verdicts: Sequence[Verdict], comparison: Comparison) -> tuple[set[int], bool]:
    """Return the sides that raters take: 1 for a, -1 for b, 0 for a tie; of people the first showing counts. And
    whether a judge's is not that of the majority of people; orders that disagree are no side."""
    models = {verdict.rater for verdict in verdicts if verdict.rater_kind == "model"}
    people = person_votes([verdict for verdict in verdicts if verdict.rater_kind == "person"]).get(comparison.id, {})
    others = rater_votes([verdict for verdict in verdicts if verdict.rater_kind != "person"], comparison)
    of_people = [read_side(p) for p in people.values()]
    wrong = (vote.side * sum(of_people) < 0 for rater, vote in others.items() if rater in models)
    return {*of_people, *(vote.side for vote in others.values())}, any(wrong)


def _flipping_raters(verdicts: Sequence[Verdict], comparison: Comparison) -> set[str]:
    """Return the judges that prefer different answers in the two displayed orders."""
    by_rater: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.rater_kind != "person":
            by_rater.setdefault(verdict.rater, []).append(verdict)
    return {
        rater
        for rater, own in by_rater.items()
        if len(own) > 1 and aggregate_verdicts(own, orders="asked", comparison=comparison).consistent is False
    }
