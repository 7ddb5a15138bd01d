"""Verdicts that exist already, as a run file describes them: their columns, their words, who gave them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from amendment.data.replies import FORMS, pattern_problem
from amendment.data.sources import (
    CandidateSource,
    LilliputPrompts,
    Name,
    OneOrMore,
    PairFile,
    PromptFile,
    Source,
    TaskPrompts,
    VerdictWords,
    Word,
    Words,
    parse_word,
    refuse_questions,
)
from amendment.records import LABELLERS, Named, Part, RaterKind
from amendment.tables import Row

Scale = Literal["pair", "nominal", "ordinal", "interval"]
"""The kind of value that a rater gives: a side of a pair, or a label of a single answer."""
MOST_CLASSES = 20
Columns = Annotated[tuple[str, ...], OneOrMore, Field(min_length=1)]
"""One column, or several together."""


def _pattern(text: str) -> str:
    if problem := pattern_problem(text):
        raise ValueError(problem)
    return text


class OrderWords(Named):
    """The file's words for the answer that was displayed first."""

    ab: Words = ("ab", "AB")
    """The answer in column `a` was."""
    ba: Words = ("ba", "BA")
    """The answer in column `b` was."""

    @model_validator(mode="after")
    def _all_different(self) -> Self:
        refuse_questions(self, ("ab", "ba"))
        both = {parse_word(word) for word in self.ab} & {parse_word(word) for word in self.ba}
        if both:
            raise ValueError(f"ab and ba need different words, and {', '.join(map(repr, sorted(both)))} is in both")
        return self

    def meanings(self) -> dict[str, Literal["A", "B"]]:
        """Return the answer displayed first, by word."""
        first: dict[str, Literal["A", "B"]] = {parse_word(word): "A" for word in self.ab}
        return {**first, **{parse_word(word): "B" for word in self.ba}}


class VerdictColumns(Named):
    """The columns of a verdict. A comparison is named by `item`, or by its prompt and two answers."""

    item: Columns | None = None
    """One column, or several together, that name the comparison; rows of several files are joined by it."""
    prompt: Columns | None = None
    """One column, or several that are joined by an empty line; empty cells are left out."""
    a: str | None = None
    """Column with the first answer."""
    b: str | None = None
    """Column with the second answer."""
    answer: str | None = None
    """Column with the one answer that is labelled, where `scale` says so; with `prompt` it names the item."""
    verdict: str | None = None
    """Column with the verdict of a rater."""
    votes: Columns | None = None
    """Instead of `verdict`: a column for each rater, named after the rater."""
    swapped: str | None = None
    """Column with the same rater's verdict when the second answer was displayed first; `verdict` is then the one of
    the order in which the first was."""
    order: str | None = None
    """Column that says which answer was displayed first; see `orders`."""
    p: str | None = None
    """Column with P(the first answer is better), between 0 and 1, in the same coordinates as the verdict."""
    rater: Columns | None = None
    """One column, or several together, that name the rater of `verdict`."""
    principle: str | None = None
    """Column with the principle by which the verdict was given."""
    sample: str | None = None
    """Column with the number of the sample, if a rater was asked the same question several times."""
    category: str | None = None
    """Column with the category of each comparison."""
    model_a: str | None = None
    """Column with the writer of the first answer."""
    model_b: str | None = None
    """Column with the writer of the second answer."""
    prompt_id: str | None = None
    """Column that names the prompt, by which intervals are clustered; by default its text, else the item."""

    def names(self) -> Iterator[str]:
        """Return all columns that are read."""
        for value in self.__dict__.values():
            if value is not None:
                yield from [value] if isinstance(value, str) else value

    @property
    def has_texts(self) -> bool:
        """Return True if a prompt and two answers are read, so that a row can become a pair."""
        return self.prompt is not None and self.a is not None and self.b is not None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for message in self._faults():
            raise ValueError(message)
        return self

    def _faults(self) -> Iterator[str]:
        if (self.a is None) != (self.b is None):
            yield "name both answers, a and b, or neither"
        if self.answer is not None and self.a is not None:
            yield "name either answer (labels of single answers) or a and b (verdicts on pairs)"
        if self.item is None and self.a is None and self.answer is None:
            yield "nothing names the comparison; name item (one column or several), or prompt, a and b"
        if self.verdict is not None and self.votes is not None:
            yield "name either verdict (one rater a row) or votes (a column for each rater)"
        if self.verdict is None and self.votes is None and self.p is None:
            yield "no column holds a verdict; name verdict, votes or p"
        if self.votes is not None and (self.rater or self.p or self.swapped):
            yield "columns of votes are named after their raters; rater, p and swapped go with verdict"
        if self.swapped is not None and (self.verdict is None or self.order is not None):
            yield "swapped goes with verdict and without order: the two columns are the two orders"


class Layout(NamedTuple):
    """Rows as plain comparisons, and where and how their parts stand."""

    columns: VerdictColumns
    rows: list[Row]
    words: VerdictWords
    kind: RaterKind | None = None
    """The kind of the raters, if the shape has a usual one."""
    is_decided: bool = False
    """The better answer stands first in each row, so that its place says nothing."""
    coordinates: Literal["content"] | None = None
    """Set where the layout determines the meaning of its verdicts; see `VerdictFile.coordinates`."""


class VerdictFile(Source):
    """Verdicts that exist already: people's labels, or the log of a judge."""

    columns: VerdictColumns | None = None
    """The columns of the parts; a recognised layout needs none."""
    words: VerdictWords | None = None
    """The words for verdicts; a, b, tie, both_bad and invalid unless set here or by a recognised layout. An
    empty cell without a meaning (`""`) is a person who did not vote, and a model that could not be read."""
    pattern: Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], OneOrMore] | None = Field(
        default=None, min_length=1
    )
    """Finds the verdict where the column holds a judge's whole reply: brackets (`[[A]]`), verdict (`Verdict: A`),
    answer (`Answer: B`), response (`final decision is Response 1`), json (`{"verdict": "A"}`), scores (two from
    1 to 10), or a regular expression (RE2) whose first group is the verdict; or a list of these. A reply with no
    verdict, or with several, is invalid. Without `words`, C is a tie."""
    orders: OrderWords = OrderWords()
    """The words in `columns.order` for the answer that was displayed first."""
    scale_: Scale | Annotated[tuple[Word, ...], Field(min_length=2, max_length=MOST_CLASSES)] = Field(
        default="pair", alias="scale"
    )
    """What a verdict is: pair says which of two answers is better. Labels of single answers, which are audited and make
    no pairs, are nominal (a class), ordinal (a whole number, or a list of the classes from the lowest to the highest)
    or interval (a score)."""
    coordinates: Literal["displayed", "content"] | None = None
    """The meaning of a verdict for the first answer if both orders occur: displayed, the one that was shown first;
    content, the one in column `a`, whichever was shown first. Required then, because a wrong guess would reverse the
    judge. If no column has the order, displayed means that the answer in column `a` was shown first in each row."""
    kind: RaterKind | None = None
    """The kind of rater that gave these verdicts; or use `people`. truth: labels that nobody disputes (tests that
    passed, a published gold set), with which a judge is compared in place of people; see `min_agreement`."""
    people: Annotated[tuple[str, ...], OneOrMore] | None = Field(default=None, min_length=1)
    """Instead of `kind`: patterns of the raters that are people, such as expert_*; all others are models."""
    despite: tuple[Literal["copies"], ...] = ()
    """Findings that do not prevent a conclusion. copies: two raters agree on nearly everything, although
    neither copied the other."""
    drawn: Literal["random"] | None = None
    """random: the labelled items were drawn at random from the judge's items, so the figures hold for all of them."""
    rater: str | None = None
    """The rater of all these verdicts, if no column names one; the file's name by default."""
    unreadable: Literal["stop", "invalid"] = "stop"
    """stop reports every unknown word; invalid counts each of them as a verdict that could not be read."""

    @property
    def scale(self) -> Scale:
        """Return the kind of value that a verdict is."""
        return "ordinal" if isinstance(self.scale_, tuple) else self.scale_

    @property
    def classes(self) -> tuple[Word, ...]:
        """Return the classes of an ordinal scale, where it has names for them."""
        return self.scale_ if isinstance(self.scale_, tuple) else ()

    @property
    def may_have_texts(self) -> bool:
        """Return True if rows can become pairs, or if the layout is not recognised yet."""
        return self.columns is None or self.columns.has_texts

    @property
    def may_have_labels(self) -> bool:
        """Return True if a judge may be compared with these verdicts, as far as the file says."""
        return self.kind in (None, *LABELLERS)

    def rater_kind(self, rater: str) -> RaterKind | None:
        """Return the kind of a rater; None if the file does not say."""
        if self.people is not None:
            return "person" if any(fnmatchcase(rater, pattern) for pattern in self.people) else "model"
        return self.kind

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for message in self._faults():
            raise ValueError(message)
        return self

    def _faults(self) -> Iterator[str]:
        if self.kind is not None and self.people is not None:
            yield "name either kind (of all raters) or people (patterns of those that are)"
        for name in ("drawn", "despite"):
            if getattr(self, name) and not self.may_have_labels:
                yield f"{name} is for labels of people or of the truth, and these verdicts are of kind {self.kind}"
        yield from self._scale_faults()
        columns = self.columns
        if columns is None:
            return
        if self.rater is not None and (columns.rater or columns.votes):
            yield "rater names the one rater of all rows, and the columns name raters already"
        yield from order_faults(columns, self.coordinates)

    def _scale_faults(self) -> Iterator[str]:
        if self.scale == "pair":
            if self.columns and self.columns.answer:
                yield "answer is for labels of single answers; say scale: nominal, ordinal or interval"
            return
        columns = self.columns
        if columns is None:
            yield f"scale: {self.scale} needs columns: item (or prompt and answer), and verdict or votes"
        elif columns.a or columns.p or columns.swapped or columns.order or columns.sample:
            yield f"a label of a single answer (scale: {self.scale}) has no a, b, p, swapped, order or sample"
        for pattern in FORMS.keys() & set(self.pattern or ()):
            yield f"pattern: {pattern} is for pairs; write a regular expression, such as 'Score: ([0-9]+)'"
        if self.words or self.coordinates:
            yield "words and coordinates are for pairs; write classes as scale: [lowest, ..., highest]"


def order_faults(columns: VerdictColumns, coordinates: str | None) -> Iterator[str]:
    """Report problems of the coordinates of verdicts in several orders: missing ones, and ones without effect."""
    several = columns.swapped or columns.order
    if several and coordinates is None:
        yield (
            f"column {several!r} brings a second order, and a verdict can speak of what was displayed or of the "
            "columns a and b; say coordinates: displayed (the word for a means the answer shown first) or "
            "coordinates: content (it means column a, whatever was shown first)"
        )
    tells_sides = columns.a is not None or (columns.model_a is not None and columns.model_b is not None)
    if not several and coordinates == "displayed" and not tells_sides:
        yield (
            "displayed coordinates need the order in which answers were shown; name columns.order or swapped, or the "
            "answers (a, b) or their writers (model_a, model_b), of which the first is then the one shown first"
        )


class Required(Part):
    """What is required of a judge."""

    max_gap_to_human: float = Field(default=0.05, ge=0, lt=0.5)
    """How far the judge's agreement with people may lie below that of two people: 0.05 is five points."""
    min_agreement: float | None = Field(default=None, gt=0, lt=1)
    """The agreement that the judge has to exceed, with labels that are the truth (`kind: truth` under `verdicts`)."""
    looks: int = Field(default=1, ge=1, le=1000)
    """How often you look at the labels while they come in, including the last time; more looks make intervals wider."""


def _unshared(source: PairFile) -> PairFile:
    if source.share is not None:
        raise ValueError("share: stands under dataset.mix alone; leave it out")
    return source


class DataSources(Part):
    """The sources of a run file."""

    name: Name
    """runs/NAME is the run's folder."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Determines every random draw: the same seed and replies give the same files."""
    prompts: tuple[LilliputPrompts | TaskPrompts | PromptFile, ...] = ()
    """The prompts that models answer."""
    pairs: tuple[Annotated[PairFile, AfterValidator(_unshared)], ...] = ()
    """Preference pairs that exist already."""
    verdicts: tuple[VerdictFile, ...] = ()
    """Verdicts that exist already: people's labels, judges' logs. With texts they become pairs."""
    candidates: tuple[CandidateSource, ...] = ()
    """The answers to compare."""

    @property
    def drawn_at_random(self) -> bool:
        """Return whether all labels that come with files are declared as drawn at random."""
        labels = [source.drawn == "random" for source in self.verdicts if source.may_have_labels]
        return bool(labels) and all(labels) and not any(pairs.kind in LABELLERS for pairs in self.pairs)
