"""What people are asked about a comparison: as far as it can be, what its judge was asked.

Covered: the one principle of the comparison with its question; all principles that apply to the prompt, where the judge
was asked by several; the same in words, for the certificate. Not covered: a judge whose log was imported, of which
nobody knows what it was asked; people are then asked which answer is better, and the certificate says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from amendment.calibration.samples import PLAIN_QUESTION, AskedOf, LabelQuestion, PrincipleText
from amendment.constitutions import Drawn, eligible_principles
from amendment.preference import drawn_question, load_judge_folder
from amendment.records import Comparison, Message, Messages
from amendment.stages.contract import Context, JudgeEntry
from amendment.stages.pairs import Texts

__all__ = ["Asking"]

ONE = "Which answer keeps this principle better?"
"""Of a judge that looks at one answer at a time, whose own question speaks of one."""
SEVERAL = "Which answer keeps these principles better, taken together?"


class Asking:
    """What people are asked about comparisons that this judge has decided; None stands for one of an imported log."""

    def __init__(self, context: Context, judge: JudgeEntry | None, texts: Texts) -> None:
        self._constitutions = context.constitutions
        self._seed = context.config.seed
        self._texts = texts
        self._unit = load_judge_folder(judge.protocol, base=context.base).unit if judge else None
        self._by_id = {
            rules.principle_reference(one): Drawn(rules, one)
            for rules in self._constitutions
            for one in rules.principles
        }

    def about(self, asked: Comparison, principle_ids: Iterable[str]) -> LabelQuestion:
        """The question about one comparison, which the judge was asked about by these principles.

        Of an answer what it says: a model's thinking is not shown, for it names its writer to whoever knows them.
        """
        prompt = self._texts.prompts[asked.prompt_id]
        drawn = [self._by_id[name] for name in principle_ids if name in self._by_id] if self._unit else []
        question = PLAIN_QUESTION
        if len(drawn) > 1:
            every = eligible_principles(self._constitutions, "compare", category=prompt.category, tags=prompt.tags)
            drawn, question = list({one.id: one for one in [*every, *drawn]}.values()), SEVERAL
        elif drawn:
            question = self._of_one(asked, drawn[0])
        return LabelQuestion(
            comparison_id=asked.id,
            prompt_id=asked.prompt_id,
            question=question,
            prompt=prompt.messages,
            a_id=asked.a,
            b_id=asked.b,
            a=_said(self._texts.candidates[asked.a].messages),
            b=_said(self._texts.candidates[asked.b].messages),
            principles=tuple(PrincipleText(id=one.id, statement=one.principle.rule) for one in drawn),
        )

    def _of_one(self, asked: Comparison, drawn: Drawn) -> str:
        if self._unit == "answer" or not drawn.principle.compare:
            return ONE
        return drawn_question(drawn, asked.id, self._seed)

    def told(self, questions: Sequence[LabelQuestion], *, most_principles: int) -> AskedOf:
        """Both questions in words; `most_principles` is by how many the judge was asked about one comparison."""
        common = Counter(one.question for one in questions).most_common()
        quoted = json.dumps(common[0][0], ensure_ascii=False)
        such = f"such as {quoted}" if len(common) > 1 else quoted
        if self._unit is None:
            return AskedOf("not on record in an imported log", f"{quoted}, by no principle", False)
        how = "which of two answers is better" if self._unit == "pair" else "how good each answer is by itself"
        if most_principles == 0:
            return AskedOf(f"{how}, by criteria and no principle", f"{quoted}, by no principle", False)
        if most_principles == 1:
            is_same = self._unit != "answer"
            people = f"the question of the same principle ({such}), by that principle only"
            judge = f"{how}, by one principle only" + (f", with its question ({such})" if is_same else "")
            return AskedOf(judge, people, is_same)
        return AskedOf(
            f"{how}, by up to {most_principles} principles, each separately with its own question; the verdicts are "
            "then combined",
            f"{quoted}, with all principles that apply to the prompt",
            False,
        )


def _said(messages: Messages) -> Messages:
    return tuple(_without_thinking(message) for message in messages)


def _without_thinking(message: Message) -> Message:
    """As it is where it says nothing else, which a message has to."""
    says = message.content is not None or message.tool_calls
    return message.model_copy(update={"thinking": None}) if says and message.thinking is not None else message
