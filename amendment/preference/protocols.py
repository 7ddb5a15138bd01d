"""Build the question of each protocol, and the verdicts from its parsed reply.

A question shows two answers side by side, or asks for one answer's score, its rubric, or a yes or no. Covered: one of a
principle's wordings, the same in any order of the answers; worked comparisons before the question; answers and
conversation fenced as data. Not covered: the call itself, see `asking`; readers, see `parsers` and `rubrics`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from amendment.constitutions import Constitution, DrawnPrinciple, Score
from amendment.hashing import content_id
from amendment.preference.asking import ParsedReply, RenderedQuestion
from amendment.preference.folder import JudgeFolder
from amendment.preference.likelihood import instructed
from amendment.preference.parsers import PARSERS, VERDICT_SCHEMA, Parsed, is_split
from amendment.preference.rubrics import read_rubric, rubric_form, rubric_score
from amendment.records import Candidate, Criterion, Message, Messages, Origin, Prompt, Verdict, text_of, user
from amendment.text import fence

SHOT_QUESTION = "Which answer keeps the principle better?"
"""The question in worked examples, in place of any wording of a principle, and by a principle that has none."""
QUESTION = "How well does the answer keep the principle?"
"""The question of a rubric, and of a score by a principle that has none of its own."""
BY_CRITERIA = "as the criteria say"
"""Used in place of a principle where the criteria do not come from one."""


class JudgeQuestion(NamedTuple):
    """The subject of one question: candidates in the order shown, by one principle."""

    prompt: Prompt
    shown: tuple[Candidate, ...]
    blocks: Mapping[str, str]
    """Conversation and answers as the templates take them, shared by all principles."""
    drawn: DrawnPrinciple | None
    """None where criteria of the folder or of the prompt take the place of a principle."""
    criteria: tuple[Criterion, ...]
    sample: int
    key: str
    """Seeds the draws, together with the judge's seed: equal for all orders of the same candidates."""


@dataclass(frozen=True, kw_only=True)
class QuestionBuilder:
    """Renders the questions of one judge and signs its verdicts."""

    folder: JudgeFolder
    shows_choices: bool
    prefill: str | None
    """Of the folder, for a model that can continue it; else None."""
    least_mass: float
    """Probability that labels must hold together."""
    rater: str
    shots: Mapping[str, Messages]
    """Worked examples by constitution, as a model without a prefill gets them."""
    seed: int
    varying: frozenset[str]
    """Placeholders of the template that sibling questions fill differently."""

    def build(self, question: JudgeQuestion) -> RenderedQuestion:
        """The messages of a question, and how its reply is read."""
        if self.folder.is_likelihood:
            return self._likelihood(question)
        return self._rubric(question) if self.folder.protocol == "rubric" else self._single(question)

    def verdicts(self, question: JudgeQuestion, reply: ParsedReply) -> list[Verdict]:
        """The signed verdicts of a reply: one; of a rubric one for each criterion, then their score, 0 to 1."""
        parsed, origin = reply
        if self.folder.protocol != "rubric":
            return [self._verdict(question, parsed[0], origin)]
        verdicts = []
        for criterion, choice in zip(question.criteria, parsed, strict=True):
            scale = "binary" if criterion.is_binary else "ordinal"
            value = choice.value == "yes" if criterion.is_binary and choice.value is not None else choice.value
            read = choice._replace(value=value)
            verdicts.append(self._verdict(question, read, origin, scale=scale, criterion=criterion.id))
        missing = [choice.invalid for choice in parsed if choice.invalid]
        score = None if missing else rubric_score(question.criteria, [str(choice.value) for choice in parsed])
        total = Parsed(score, reasoning=parsed[0].reasoning, invalid=missing[0] if missing else None)
        return [*verdicts, self._verdict(question, total, origin, scale="score")]

    def _single(self, question: JudgeQuestion) -> RenderedQuestion:
        """A question with one verdict: the better of two answers, or a score or a yes or no for one.

        A template without a principle asks the same of every answer. A score is the expected value where the model
        shows probabilities, else a written one.
        """
        folder = self.folder
        values = dict(question.blocks)
        if question.drawn:
            own, is_pair = question.drawn.principle.score, folder.unit == "pair"
            values["principle"] = question.drawn.principle.rule
            values["question"] = (
                drawn_question(question.drawn, question.key, self.seed) if is_pair else score_question(own)
            )
        is_score = folder.protocol == "score"
        choices = folder.choices(shown=self.shows_choices)
        prefill = self.prefill if choices else None
        plain = self._messages(question, values, use="written" if is_score else None)
        parser = PARSERS[folder.parser]
        return RenderedQuestion(
            messages=self._messages(question, values, prefill=prefill) if choices else plain,
            read=lambda reply: [parser.read(reply).require_mass(self.least_mass)],
            form=parser.form,
            sample=question.sample,
            shared=self._shared(values),
            choices=choices or None,
            prefill=prefill,
            schema=VERDICT_SCHEMA if folder.is_structured else None,
            plain=plain,
            needs_plain=is_split if is_score else None,
        )

    def _likelihood(self, question: JudgeQuestion) -> RenderedQuestion:
        """The prompt as it was asked, with the principle and with its opposite, and the answer that is scored."""
        assert question.drawn is not None, "judges by likelihood have principles"
        principle, [candidate], parser = question.drawn.principle, question.shown, PARSERS[self.folder.parser]
        before = (*question.prompt.messages, *candidate.messages[:-1])
        by_principle, by_opposite = (
            instructed(before, self.folder.template.fill({"principle": rule}))
            for rule in (principle.rule, principle.opposite or "")
        )
        return RenderedQuestion(
            messages=by_principle,
            opposite=by_opposite,
            scored=text_of(candidate.messages),
            read=lambda reply: [parser.read(reply)],
            form=parser.form,
            sample=question.sample,
        )

    def _rubric(self, question: JudgeQuestion) -> RenderedQuestion:
        criteria = question.criteria
        rule = question.drawn.principle.rule if question.drawn else BY_CRITERIA
        shown = fence({"criteria": [criterion.shown() for criterion in criteria]})
        values = {**question.blocks, **shown, "principle": rule, "question": QUESTION}
        return RenderedQuestion(
            messages=self._messages(question, values),
            read=lambda reply: read_rubric(reply, criteria),
            form=rubric_form(criteria),
            parts=len(criteria),
            sample=question.sample,
            shared=self._shared(values),
        )

    def _messages(
        self, question: JudgeQuestion, values: Mapping[str, str], *, use: str | None = None, prefill: str | None = None
    ) -> Messages:
        """The constitution's worked examples, whose answers begin with `prefill`, then the filled template: the one for
        `use`, or the first."""
        template = self.folder.templates[use] if use else self.folder.template
        shots = self.shots.get(question.drawn.constitution.id, ()) if question.drawn else ()
        if prefill:
            shots = tuple(
                turn.model_copy(update={"content": f"{prefill} {turn.content}"}) if turn.role == "assistant" else turn
                for turn in shots
            )
        return (*shots, *user(template.fill(values)))

    def _shared(self, values: Mapping[str, str]) -> int:
        """Number of leading characters shared with sibling questions, or with all questions where there are none."""
        return len(self.folder.template.until(self.varying).fill(values))

    def _verdict(self, question: JudgeQuestion, parsed: Parsed, origin: Origin, **fields: Any) -> Verdict:
        constitution = question.drawn.constitution.reference if question.drawn else None
        signed: dict[str, Any] = {
            "scale": self.folder.scale,
            "prompt_id": question.prompt.id,
            "shown": tuple(candidate.id for candidate in question.shown),
            "value": parsed.value,
            "distribution": parsed.distribution,
            "bounded": parsed.bounded,
            "label_mass": parsed.label_mass,
            "reasoning": parsed.reasoning,
            "principle_id": question.drawn.id if question.drawn else None,
            "rater": self.rater,
            "sample": question.sample,
            "invalid": parsed.invalid,
            "origin": origin.model_copy(update={"constitution": constitution}),
        }
        return Verdict(**{**signed, **fields})


def drawn_question(drawn: DrawnPrinciple, key: str, seed: int) -> str:
    """The question that a judge of pairs with this seed asks by this principle; `key` is the comparison's id."""
    wording = content_id(["wording", seed, drawn.id, key])
    return random.Random(wording).choice(drawn.principle.compare or [SHOT_QUESTION])  # noqa: S311 - reproducible


def score_question(score: Score | None) -> str:
    """A principle's own question with what its grades mean, put on the scale from 1 to 10."""
    if score is None:
        return QUESTION
    meanings = "; ".join(f"{grade}: {text}" for grade, text in anchors_on_scale(score.anchors).items())
    return f"{score.question} What scores mean: {meanings}."


def anchors_on_scale(anchors: dict[int, str]) -> dict[int, str]:
    """Grades of any range on the scale from 1 to 10, in order; of two that fall on one number the first stays."""
    low, high = min(anchors), max(anchors)
    placed: dict[int, str] = {}
    for grade in (low, high, *sorted(anchors)):
        placed.setdefault(round(1 + 9 * (grade - low) / (high - low)), anchors[grade])
    return dict(sorted(placed.items()))


def fenced(prompt: Prompt, answers: Mapping[str, Candidate], folder: JudgeFolder) -> dict[str, str]:
    """The conversation and the named answers, each in its block; without thinking, unless the folder shows it."""
    parts = {"conversation": prompt.messages}
    for name, answer in answers.items():
        is_trace = folder.sees == "trace"
        hidden = tuple(message.model_copy(update={"thinking": None}) for message in answer.messages)
        parts[name] = answer.messages if is_trace else hidden
    return fence({name: [message.to_json() for message in messages] for name, messages in parts.items()})


def worked_examples(constitution: Constitution, folder: JudgeFolder) -> Messages:
    """A constitution's worked comparisons as turns before the question, in exactly the question's form; none for a
    judge without shots."""
    turns: list[Message] = []
    for shot in constitution.few_shot.compare if folder.shots else ():
        blocks = fence(
            {
                "conversation": [{"role": "user", "content": shot.prompt}],
                "answer_a": [{"role": "assistant", "content": shot.a}],
                "answer_b": [{"role": "assistant", "content": shot.b}],
            }
        )
        principle = constitution.statement_of(shot.principle)
        turns += user(folder.template.fill({**blocks, "principle": principle, "question": SHOT_QUESTION}))
        verdict = shot.answer if folder.needs_choices else f"Verdict: {shot.answer}"
        turns.append(Message(role="assistant", content=verdict))
    return tuple(turns)
