"""The data of a spot check: settings, comparisons drawn with known probability, questions, labels.

Two records on purpose. A `SampledItem` knows the judge's probability and is read by estimators; a `LabelQuestion` is
all that the page is given, and holds neither a verdict nor a model's name. As far as it can be, people are asked what
the judge was asked: by the one principle of the comparison with its question, or by all principles that apply to the
prompt where the judge was asked by several. Of an imported log nobody knows what its judge was asked; people are then
asked which answer is better.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Literal, NamedTuple, Self, get_args

from pydantic import Field, model_validator

from amendment.audit.votes import LABEL_SOURCE
from amendment.constitutions import Constitution, DrawnPrinciple, eligible_principles
from amendment.data.verdict_files import Required
from amendment.preference.protocols.question import drawn_question
from amendment.records import Candidate, Comparison, Messages, Origin, Part, Prompt, Record, Verdict
from amendment.statistics.calibrators import Method
from amendment.text import spelling

PLAIN_QUESTION = "Which answer is better?"
"""What people are asked where nobody knows what the judge was asked."""


class GateSettings(Required):
    """The requirement on a judge before anything is trained on its pairs."""


class SpotCheckSettings(Part):
    """People's labels on a sample of the judged comparisons."""

    items: int = Field(default=600, ge=1, le=100_000)
    """Comparisons of the dataset, of both splits, that people are asked about; all of them if there are fewer. If
    people are right on 90 % of the items, a judge as good as they are gets "Use" in 81 % of samples of 600 items
    labelled by two people."""
    overlap: int = Field(default=600, ge=0, le=100_000)
    """Of these, how many every annotator sees: "Use" rests on these alone. The annotators share the others. By default
    all items if there are fewer, and none for one annotator."""
    annotators: int = Field(default=2, ge=1, le=100)
    """People who label."""
    repeats: float = Field(default=0.1, ge=0, le=1)
    """Share of the items that an annotator sees a second time, sides swapped."""
    sealed: float = Field(default=0.5, ge=0, le=1)
    """Share of the prompts whose labels only certify: calibration and everything else that learns never sees them."""
    people: Literal["page", "simulated"] = "page"
    """page: people, by amendment label. simulated: people of the simulated world, who know only its prompts."""
    adjudicate: bool = False
    """The lead decides, on a page of their own, the comparisons on which people disagree, once all have answered; the
    pairs follow these decisions. Sealed ones stay as they are, and people's agreement is measured without the lead."""
    calibration: Method | Literal["none"] = "temperature"
    """How the judge's probabilities are calibrated on people's labels. temperature: the log-odds divided by one number,
    from about 50 labels; platt: times one that may be negative; isotonic: any rising curve, from 500 labels; none:
    probabilities stay as they are."""
    gate: GateSettings = GateSettings()
    """The gate between judge and training."""

    @model_validator(mode="after")
    def _default_overlap(self) -> Self:
        """Default to all items, at most 600; to none with one annotator, who has nobody to agree with."""
        if "overlap" not in self.model_fields_set:
            shared = 0 if self.annotators == 1 else min(self.overlap, self.items)
            object.__setattr__(self, "overlap", shared)  # the part is frozen from here on
        return self

    @property
    def why_uncalibrated(self) -> str:
        """Say why its labels can calibrate and estimate nothing, and what to write; empty where they can."""
        return "spot_check.calibration is none; name a method" if self.calibration == "none" else ""


class AskedOf(NamedTuple):
    """The questions that judge and people were asked about the same comparisons, in words."""

    judge: str
    people: str
    same: bool | None
    """Whether both were asked the same question by the same principle; None where the judge's is not on record."""


class SampledItem(Record):
    """One comparison of a spot check, as estimators see it."""

    prompt_id: str
    a: str
    b: str
    """Candidate ids in canonical order."""
    p_a: float = Field(ge=0, le=1)
    """P(a is better) by the judge, raw."""
    consistent: bool | None = None
    """Whether both displayed orders preferred the same answer."""
    stratum: str
    """By principle, confidence, consistency and length ratio, joined by ` / `."""
    inclusion: float = Field(gt=0, le=1)
    """The probability with which this item was drawn."""
    in_overlap: bool = False
    """Every annotator sees it; of all others one annotator sees each."""
    is_repeated: bool = False
    """Shown once more to the same annotator, sides exchanged, without saying so."""
    is_sealed: bool = False
    """Its labels are for certification alone. All items of a prompt are on the same side."""

    @property
    def comparison_id(self) -> str:
        return Comparison(self.prompt_id, self.a, self.b).id


class ExportedProbability(Record):
    """P of one exported comparison before and after calibration."""

    comparison_id: str
    prompt_id: str
    p_a_raw: float
    """P(a is better) by the judge."""
    p_a_calibrated: float | None = None
    """Absent where nothing was calibrated."""


class PrincipleText(Record):
    """A principle as people may read it."""

    id: str
    """`constitution/principle`."""
    statement: str
    """The principle as the judge reads it."""


class LabelQuestion(Record):
    """One comparison as people see it: texts, and nothing that could sway them."""

    comparison_id: str
    prompt_id: str
    """Goes into the label; also a content hash."""
    question: str = PLAIN_QUESTION
    """As far as it can be, the question that the judge was asked."""
    prompt: Messages
    a_id: str
    b_id: str
    """Candidate ids, in canonical order; content hashes, which tell nothing of writer or verdict."""
    a: Messages
    b: Messages
    principles: tuple[PrincipleText, ...] = ()
    """By which people judge: those by which the judge was asked; none where these are not on record."""
    in_overlap: bool = False
    is_repeated: bool = False


Choice = Literal["A", "B", "tie", "both_bad", "skip", "flag"]
"""In displayed coordinates: "A" is the answer shown first. skip and flag say nothing about the two answers."""
CHOICES: tuple[Choice, ...] = get_args(Choice)
SOMETHING_ELSE = "something-else"
"""The `principle_id` of a label that no principle of the constitution decided."""
SILENT: tuple[Choice, ...] = ("skip", "flag")
"""Those that say nothing about the two answers."""
ADJUDICATOR = "lead (adjudicated)"
"""Who decides where people disagree; no annotator, whatever the lead's name."""
LONGEST_NAME, LONGEST_COMMENT = 120, 10_000
"""Characters of an annotator's name, and of a comment."""
_SIMULATED = "simulatedperson"
"""How the names of simulated people begin, without case and spaces."""


class Label(Record):
    """An annotator's label, as it was acknowledged. History is kept; the last one of an annotator, item and showing
    counts."""

    uuid: str = Field(min_length=8, max_length=64)
    """Made by the sender; a second label with the same uuid is the first one again."""
    comparison_id: str
    prompt_id: str
    shown: tuple[str, str]
    """Candidate ids as displayed."""
    annotator: str = Field(min_length=1, max_length=LONGEST_NAME)
    showing: int = Field(default=0, ge=0, le=1)
    """1: the hidden repeat."""
    choice: Choice
    confidence: int | None = Field(default=None, ge=1, le=3)
    """1 unsure, 2 fairly sure, 3 sure."""
    principle_id: str | None = None
    """The principle that decided, where the annotator names one, of the item or another of the constitution; or
    `SOMETHING_ELSE`."""
    comment: str | None = Field(default=None, max_length=LONGEST_COMMENT)
    seconds: float | None = Field(default=None, ge=0)
    """Spent looking at it while the page was visible."""
    at: str
    """UTC, ISO 8601, by the server's clock. Kept in the store only: a stage's records have no clock."""

    @property
    def chosen(self) -> str:
        """Return the candidate that was chosen, on whichever side it was shown; else the choice itself."""
        return dict(zip(("A", "B"), self.shown, strict=True)).get(self.choice, self.choice)

    @property
    def instant(self) -> datetime:
        """Return `at` in a comparable form: files write it in several ways."""
        time = datetime.fromisoformat(self.at)
        return time if time.tzinfo else time.replace(tzinfo=UTC)


def is_kept_name(name: str) -> bool:
    """Return whether a name is reserved for simulated people, however it is written: nobody else takes it, because
    labels of both in one store are refused."""
    return spelling(name).startswith(_SIMULATED)


def as_verdict(label: Label) -> Verdict | None:
    """Return the label as a verdict; None if it says nothing about the two answers. `sample` is the showing.

    Comments stay behind: verdicts are published, and what people wrote next to their choice is not meant to be.
    """
    if label.choice in SILENT:
        return None
    return Verdict(
        scale="pair",
        prompt_id=label.prompt_id,
        shown=label.shown,
        value=label.choice,
        confidence=None if label.confidence is None else label.confidence / 3,
        principle_id=label.principle_id,
        rater=label.annotator,
        rater_kind="person",
        sample=label.showing,
        origin=Origin(source=LABEL_SOURCE),
    )


class LabelledItem(NamedTuple):
    """An item of a sample with people's labels of it."""

    item: SampledItem
    votes: tuple[float, ...]
    """P(a is better) of each person who could say: 1, 0, or 0.5 for a tie and for both bad; by name of the person."""

    @property
    def p_people(self) -> float:
        """Return the mean of the labels: each person counts once."""
        return fmean(self.votes)


def labelled_items(sample: Sequence[SampledItem], votes: Mapping[str, Mapping[str, float]]) -> list[LabelledItem]:
    """Return the items that at least one person labelled with a choice, in the order of the sample."""
    items = (LabelledItem(item, tuple(votes.get(item.comparison_id, {}).values())) for item in sample)
    return [item for item in items if item.votes]


class QuestionWriter:
    """Writes what people are asked about comparisons that a judge has decided."""

    _BY_ANSWER = "Which answer keeps this principle better?"
    """Of a judge that looks at one answer at a time, whose own question speaks of one."""
    _BY_SEVERAL = "Which answer keeps these principles better, taken together?"

    def __init__(
        self,
        constitutions: Sequence[Constitution],
        unit: str | None,
        prompts: Mapping[str, Prompt],
        candidates: Mapping[str, Candidate],
        *,
        seed: int,
    ) -> None:
        """Take `unit` from the judge's folder: the judge looks at a pair or at an answer; None if only its log is
        there."""
        self._constitutions, self._unit, self._seed = constitutions, unit, seed
        self._prompts, self._candidates = prompts, candidates
        self._by_id = {
            rules.principle_reference(principle): DrawnPrinciple(rules, principle)
            for rules in constitutions
            for principle in rules.principles
        }

    def question(self, comparison: Comparison, principle_ids: Iterable[str]) -> LabelQuestion:
        """Return the question about a comparison, which the judge was asked about by these principles.

        A model's thinking is not shown: it would name its writer.
        """
        prompt = self._prompts[comparison.prompt_id]
        drawn = [self._by_id[name] for name in principle_ids if name in self._by_id] if self._unit else []
        question = PLAIN_QUESTION
        if len(drawn) > 1:
            every = eligible_principles(self._constitutions, "compare", category=prompt.category, tags=prompt.tags)
            drawn, question = (
                list({principle.id: principle for principle in [*every, *drawn]}.values()),
                self._BY_SEVERAL,
            )
        elif drawn and (self._unit == "answer" or not drawn[0].principle.compare):
            question = self._BY_ANSWER
        elif drawn:
            question = drawn_question(drawn[0], comparison.id, self._seed)
        return LabelQuestion(
            comparison_id=comparison.id,
            prompt_id=comparison.prompt_id,
            question=question,
            prompt=prompt.messages,
            a_id=comparison.a,
            b_id=comparison.b,
            a=_without_thinking(self._candidates[comparison.a].messages),
            b=_without_thinking(self._candidates[comparison.b].messages),
            principles=tuple(PrincipleText(id=principle.id, statement=principle.principle.rule) for principle in drawn),
        )

    def described(self, questions: Sequence[LabelQuestion], *, most_principles: int) -> AskedOf:
        """Describe both questions for the certificate; the judge was asked about one comparison by at most
        `most_principles`."""
        common = Counter(asked.question for asked in questions).most_common()
        quoted = json.dumps(common[0][0], ensure_ascii=False)
        such = f"such as {quoted}" if len(common) > 1 else quoted
        if self._unit is None:
            return AskedOf("not on record in an imported log", f"{quoted}, by no principle", None)
        judge = "which of two answers is better" if self._unit == "pair" else "how good each answer is by itself"
        if most_principles == 0:
            return AskedOf(f"{judge}, by criteria and no principle", f"{quoted}, by no principle", False)
        if most_principles == 1:
            is_same = self._unit != "answer"
            people = f"the question of the same principle ({such}), by that principle only"
            judge = f"{judge}, by one principle only" + (f", with its question ({such})" if is_same else "")
            return AskedOf(judge, people, is_same)
        return AskedOf(
            f"{judge}, by up to {most_principles} principles, each separately with its own question; the verdicts are "
            "then combined",
            f"{quoted}, with all principles that apply to the prompt",
            False,
        )


def _without_thinking(messages: Messages) -> Messages:
    """Remove thinking; a message with nothing else stays as it is."""
    return tuple(
        message.model_copy(update={"thinking": None})
        if message.thinking is not None and (message.content is not None or message.tool_calls)
        else message
        for message in messages
    )
