"""Records of a run for people to look at: a prompt's story, and the verdicts and pairs in it.

Prompts are numbered from 1 in the order of the run. The answers of a prompt are numbered from 1 too, in the order in
which they came to be, and everything about an answer names its number: `shown=(2, 1)` is a verdict that saw answer 2
first. A repr is one line of at most 100 characters, with other people's text escaped. `Records` is what comes back
from a query: a sequence that pandas can take.

Not covered: how they are read from a folder; see `reading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from amendment.preference.verified import Effect
from amendment.records import DecidedBy, RaterKind, Scale
from amendment.text import plain

if TYPE_CHECKING:
    from pandas import DataFrame

AnswerKind = Literal["draft", "revision", "candidate", "constructed", "imported"]
Side = Literal["train", "test"]
LONGEST_REPR = 100
"""Characters of a repr."""
SHOWN = 10
"""Records that the repr of a sequence lists."""


def _line(text: str) -> str:
    return plain(text, longest=LONGEST_REPR - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierView:
    """What a verifier says of an answer."""

    name: str
    """`verify/NAME`."""
    effect: Effect
    passes: bool | None
    """None where it could not be checked."""
    reason: str | None
    """Why it could not be checked."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AnswerView:
    """An answer to a prompt."""

    number: int
    """Counted from 1 within the prompt."""
    id: str
    kind: AnswerKind
    """constructed: one side of a pair of the stage `construct`; imported: from a file of the user's."""
    text: str
    model: str | None
    """The model that wrote it, as the provider knows it; None for an imported answer that names none."""
    principle_ids: tuple[str, ...]
    """Of a revision the principles that it was revised by; of a constructed answer the one that it was asked to keep
    or to break."""
    drawn_for: Literal["better", "worse"] | None
    """Of a constructed answer the side of the pair that it was drawn for."""
    round: int
    """The round of training that it belongs to; 1 in a run without later rounds."""
    is_truncated: bool
    has_hint: bool
    """It was drawn with the prompt's known answer as a hint."""
    verifiers: tuple[VerifierView, ...]
    passes: bool | None
    """It passes all verifiers that decide or veto; None without any, or where one could not check it."""

    def __repr__(self) -> str:
        return _line(f"Answer({self.number} {self.kind} by {self.model}: {self.text})")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CritiqueView:
    """A critique of an answer, from which its revision was written."""

    answer: int
    """The number of the answer."""
    principle_ids: tuple[str, ...]
    text: str

    def __repr__(self) -> str:
        return _line(f"Critique(of {self.answer} by {', '.join(self.principle_ids)}: {self.text})")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VerdictView:
    """A verdict of a judge or a person on one answer or several."""

    prompt: int
    """The number of the prompt."""
    prompt_id: str
    id: str
    rater: str
    """A judge as `model/judge@version`; a person under a pseudonym."""
    rater_kind: RaterKind
    shown: tuple[int, ...]
    """The numbers of the answers, in the order in which the rater saw them."""
    is_order_known: bool
    """False: which answer was shown first is not on record."""
    scale: Scale
    value: str | bool | float | None
    """The verdict in its own terms, such as "A" for the answer shown first; None if it is invalid."""
    preferred: int | None
    """The number of the better of two answers; None for a tie, an invalid verdict, and a verdict on one answer."""
    p_first: float | None
    """P(the answer shown first is better), of a verdict on two answers that could be read."""
    confidence: float | None
    """The confidence that the rater stated, from 0 to 1."""
    principle_id: str | None
    criterion: str | None
    sample: int
    """The number of the sample, from 0; 1 for what a person was shown once more."""
    reasoning: str | None
    invalid: str | None
    """Why there is no value."""
    disputed: bool
    """Raters disagree on these answers."""
    flipped: bool
    """The other order of these answers gave another preference."""

    @property
    def outcome(self) -> str:
        """Return the verdict in a few words: `2`, `tie`, `invalid: two verdicts`, `score 7`."""
        if self.invalid is not None:
            return f"invalid: {self.invalid}"
        if self.preferred is not None:
            return str(self.preferred)
        if self.scale == "pair":
            return {"both_bad": "both bad"}.get(str(self.value), str(self.value))
        return f"{self.criterion or self.scale.replace('_', ' ')} {_number(self.value)}"

    def __repr__(self) -> str:
        p = "" if self.p_first is None else f", P({self.shown[0]})={self.p_first:.2f}"
        reason = f": {self.reasoning}" if self.reasoning else ""
        saw = " ".join(map(str, self.shown))
        return _line(f"Verdict(prompt {self.prompt}, {self.rater} saw {saw}, says {self.outcome}{p}{reason})")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PairView:
    """A pair of the dataset."""

    prompt: int
    """The number of the prompt."""
    prompt_id: str
    comparison_id: str
    chosen: int
    """The number of the chosen answer."""
    rejected: int
    p_chosen: float
    """P(chosen is better) as used in training."""
    p_chosen_raw: float
    """The judge's own."""
    p_chosen_calibrated: float | None
    decided_by: DecidedBy
    raters: tuple[str, ...]
    """People under pseudonyms."""
    principle_ids: tuple[str, ...]
    decisive: str | None
    """The principle that decided."""
    split: Side
    round: int
    prompt_text: str
    chosen_text: str
    rejected_text: str

    def __repr__(self) -> str:
        sides = f"{self.chosen} over {self.rejected}, P={self.p_chosen:.2f}, by {self.decided_by}"
        return _line(f"Pair(prompt {self.prompt}, {sides}: {self.chosen_text})")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ComparisonView:
    """Two answers of a prompt, with everything said about them."""

    prompt: int
    """The number of the prompt."""
    prompt_id: str
    id: str
    answers: tuple[int, int]
    """Their numbers, the lower first."""
    verdicts: tuple[VerdictView, ...]
    """Of judges first, then of people; the orders of a question stand together."""
    p: float | None
    """P(the first of `answers` is better) as the judges, or imported labels, say together; None without a verdict that
    could be read."""
    preferred: int | None
    """The number of the better answer, of the pair where there is one; None for a tie."""
    consistent: bool | None
    """Both displayed orders prefer the same answer; None where one order alone was asked, or could be read."""
    decided_by: DecidedBy | None
    """None where nothing has decided."""
    decisive: str | None
    """The principle that decided."""
    disputed: bool
    """Raters prefer different answers: two judges, two people, a judge and a person, or a judge and the check or the
    construction that decided the pair."""
    wrong: bool
    """A judge, with all orders that it was asked in, prefers the answer that the majority of people does not."""
    sealed: int
    """Labels of people that only certify; their content is shown to nobody before the certificate."""
    ending: str | None
    """Why the judges did not get to a verdict."""
    pair: PairView | None

    @property
    def flipped(self) -> bool:
        """Return a judge, or all of them together, prefer another answer in the other displayed order."""
        return self.consistent is False or any(verdict.flipped for verdict in self.verdicts)

    @property
    def invalid(self) -> int:
        """Return the number of verdicts that could not be read."""
        return sum(verdict.invalid is not None for verdict in self.verdicts)

    def __repr__(self) -> str:
        says = "no verdict" if self.p is None else f"P({self.answers[0]})={self.p:.2f}"
        flags = [name for name in ("disputed", "flipped", "invalid") if getattr(self, name)]
        counts = f"{len(self.verdicts)} verdicts{', ' if flags else ''}{', '.join(flags)}"
        return _line(f"Comparison(prompt {self.prompt}, {self.answers[0]} and {self.answers[1]}, {says}, {counts})")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PromptStory:
    """Everything that a run made of one prompt."""

    number: int
    """Counted from 1, in the order of the run's prompts."""
    id: str
    text: str
    """The conversation so far, where it has several turns each with its role in front."""
    known_answer: str | None
    mixed_from: str | None
    """The source under `dataset.mix` of a prompt that only mixed-in pairs have; None for a prompt of the run."""
    category: str | None
    split: Side | None
    answers: tuple[AnswerView, ...]
    critiques: tuple[CritiqueView, ...]
    comparisons: tuple[ComparisonView, ...]
    endings: tuple[str, ...]
    """What did not end well, such as `critique refused: REASON`."""
    unpaired: tuple[str, ...]
    """Tries of the stage `construct` that made no pair, such as `answers 1 and 2: an answer is cut off`."""
    items: tuple[str, ...]
    """The names of its comparisons in the user's files, where a column of theirs has names."""
    generated_by: str | None
    """The model that wrote the prompt in the stage `generate`; None for a prompt of the user's."""
    parents: tuple[int, ...]
    """The numbers of the prompts that this model was shown; those that cleaning left out have none."""
    parent_ids: tuple[str, ...]
    """The ids of all these prompts, as in `generate/origins.parquet`."""

    @property
    def drafts(self) -> tuple[AnswerView, ...]:
        """Return the answers before any critique."""
        return self._select_kind("draft")

    @property
    def revisions(self) -> tuple[AnswerView, ...]:
        """Return the revised answers, each with its principle."""
        return self._select_kind("revision")

    @property
    def candidates(self) -> tuple[AnswerView, ...]:
        """Return all other answers: sampled, constructed, imported."""
        return self._select_kind("candidate", "constructed", "imported")

    def _select_kind(self, *kinds: AnswerKind) -> tuple[AnswerView, ...]:
        return tuple(answer for answer in self.answers if answer.kind in kinds)

    @property
    def verdicts(self) -> tuple[VerdictView, ...]:
        """Return all verdicts, each once."""
        every: dict[str, VerdictView] = {}
        for verdict in (verdict for comparison in self.comparisons for verdict in comparison.verdicts):
            same = every.get(verdict.id, verdict)  # a score stands in several comparisons
            disputed = verdict.disputed or same.disputed
            flipped = verdict.flipped or same.flipped
            every[verdict.id] = replace(verdict, disputed=disputed, flipped=flipped)
        return tuple(every.values())

    @property
    def pairs(self) -> tuple[PairView, ...]:
        """Return the pairs of the dataset."""
        return tuple(comparison.pair for comparison in self.comparisons if comparison.pair)

    @property
    def disputed(self) -> bool:
        """Raters disagree on two of the answers."""
        return any(comparison.disputed for comparison in self.comparisons)

    @property
    def wrong(self) -> bool:
        """Return a judge contradicts the majority of people on two of the answers."""
        return any(comparison.wrong for comparison in self.comparisons)

    @property
    def unsolved(self) -> bool:
        """Return an answer fails the verifiers that decide or veto, and none passes them."""
        outcomes = {answer.passes for answer in self.answers}
        return False in outcomes and True not in outcomes

    @property
    def flipped(self) -> bool:
        """Two of the answers are judged differently in the two orders."""
        return any(comparison.flipped for comparison in self.comparisons)

    @property
    def invalid(self) -> int:
        """Return the number of verdicts that could not be read."""
        return sum(verdict.invalid is not None for verdict in self.verdicts)

    def mentions(self, text: str) -> bool:
        """Return whether a text occurs in the prompt, an item's name, an answer, a critique or a reason, in whatever
        case."""
        texts = [
            self.text,
            *self.items,
            *(answer.text for answer in self.answers),
            *(critique.text for critique in self.critiques),
        ]
        texts += [verdict.reasoning for verdict in self.verdicts if verdict.reasoning]
        return any(text.casefold() in other.casefold() for other in texts)

    def to_json(self) -> dict[str, Any]:
        """Return the whole story as JSON values; texts of pairs are those of their answers."""
        story = asdict(self)
        for view, comparison in zip(story["comparisons"], self.comparisons, strict=True):
            view |= {"flipped": comparison.flipped, "invalid": comparison.invalid}
            for name in ("prompt_text", "chosen_text", "rejected_text"):
                (view["pair"] or {}).pop(name, None)
        return {
            **story,
            "disputed": self.disputed,
            "wrong": self.wrong,
            "unsolved": self.unsolved,
            "flipped": self.flipped,
            "invalid": self.invalid,
        }

    def to_row(self) -> dict[str, Any]:
        """Return the story as a flat row: texts and counts."""
        counts = {name: len(getattr(self, name)) for name in ("answers", "comparisons", "verdicts", "pairs")}
        flags = {name: getattr(self, name) for name in ("disputed", "flipped", "invalid")}
        texts = {name: getattr(self, name) for name in ("number", "id", "text", "category", "split")}
        return {**texts, **counts, **flags, "endings": "; ".join(self.endings)}

    def __repr__(self) -> str:
        counts = f"{len(self.answers)} answers, {len(self.pairs)} pairs"
        return _line(f"Prompt({self.number}, {counts}: {self.text})")


F = TypeVar("F", PromptStory, VerdictView)
T = TypeVar("T")


def matching(
    records: Iterable[F], *, disputed: bool | None = None, flipped: bool | None = None, invalid: bool | None = None
) -> list[F]:
    """Return the records of which all given filters hold; None filters nothing, False asks for the opposite."""
    wanted = {"disputed": disputed, "flipped": flipped, "invalid": invalid}
    return [
        record
        for record in records
        if all(wish is None or bool(getattr(record, name)) == wish for name, wish in wanted.items())
    ]


class Records(Sequence[T], Generic[T]):
    """Records in the order of the run."""

    def __init__(self, records: Iterable[T]) -> None:
        self._records = tuple(records)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Records[T]: ...

    def __getitem__(self, index: int | slice) -> T | Records[T]:
        return Records(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        lines = [f"  {record!r}" for record in self._records[:SHOWN]]
        more = [f"  and {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return "\n".join([f"{len(self)} records", *lines, *more])

    def to_pandas(self) -> DataFrame:
        """Return a table with one row for each record."""
        import pandas

        return pandas.DataFrame([_row(record) for record in self._records])


def _row(record: Any) -> Mapping[str, Any]:
    if isinstance(record, PromptStory):
        return record.to_row()
    values = asdict(record)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
