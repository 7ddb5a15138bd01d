"""What a spot check is made of: comparisons drawn with known probability, and the questions that people see.

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
from statistics import fmean
from typing import Literal, NamedTuple

from pydantic import Field

from amendment.constitutions import Constitution, Drawn, eligible_principles
from amendment.preference import drawn_question
from amendment.records import Candidate, Comparison, Messages, Prompt, Record

PLAIN_QUESTION = "Which answer is better?"
"""What people are asked where nobody knows what the judge was asked."""
Purpose = Literal["estimate", "debug"]
"""estimate: drawn at random with a known probability. debug: the most uncertain ones, which estimators refuse."""


class AskedOf(NamedTuple):
    """What was asked about the same comparisons, in words."""

    judge: str
    people: str
    same: bool
    """Whether both were asked the same question by the same principle."""


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
    purpose: Purpose = "estimate"
    inclusion: float | None = Field(default=None, gt=0, le=1)
    """The probability with which this item was drawn; absent where the purpose is debug."""
    in_overlap: bool = False
    """Every annotator sees it; of all others one annotator sees each."""
    is_repeated: bool = False
    """Shown once more to the same annotator, sides exchanged, without saying so."""
    is_sealed: bool = False
    """Its labels are for certification alone. All items of a prompt are on the same side."""

    @property
    def chance(self) -> float:
        """The inclusion, or 1 in a debug sample, whose items stand for themselves."""
        return 1.0 if self.inclusion is None else self.inclusion

    @property
    def comparison_id(self) -> str:
        return Comparison(self.prompt_id, self.a, self.b).id


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


class HeardItem(NamedTuple):
    """An item of a sample with people's labels of it."""

    item: SampledItem
    votes: tuple[float, ...]
    """P(a is better) of each person who could say: 1, 0, or 0.5 for a tie and for both bad; by name of the person."""

    @property
    def p_people(self) -> float:
        return fmean(self.votes)


def heard_items(sample: Sequence[SampledItem], votes: Mapping[str, Mapping[str, float]]) -> list[HeardItem]:
    """The items of the sample that at least one person labelled with a choice, in its order."""
    heard = (HeardItem(item, tuple(votes.get(item.comparison_id, {}).values())) for item in sample)
    return [item for item in heard if item.votes]


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
        """`unit` is what the judge looks at, as its folder says it: a pair or an answer; None where only its
        log is there."""
        self._constitutions, self._unit, self._seed = constitutions, unit, seed
        self._prompts, self._candidates = prompts, candidates
        self._by_id = {
            rules.principle_reference(principle): Drawn(rules, principle)
            for rules in constitutions
            for principle in rules.principles
        }

    def question(self, comparison: Comparison, principle_ids: Iterable[str]) -> LabelQuestion:
        """The question about a comparison, which the judge was asked about by these principles.

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
        """Both questions in words, for the certificate; `most_principles` is by how many the judge was asked about one
        comparison."""
        common = Counter(asked.question for asked in questions).most_common()
        quoted = json.dumps(common[0][0], ensure_ascii=False)
        such = f"such as {quoted}" if len(common) > 1 else quoted
        if self._unit is None:
            return AskedOf("not on record in an imported log", f"{quoted}, by no principle", False)
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
    """Without thinking; a message that says nothing else, which it has to, stays as it is."""
    return tuple(
        message.model_copy(update={"thinking": None})
        if message.thinking is not None and (message.content is not None or message.tool_calls)
        else message
        for message in messages
    )
