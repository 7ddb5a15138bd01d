"""The protocol `rubric`: criteria with ordered choices and weights, what a reply chose, and what it comes to.

Covered: criteria of a judge's folder, of a prompt, or made of a principle; negative weights, for what an answer must
not do. A criterion without exactly one line, or with a choice that it does not have, is invalid, and an answer without
a choice for every criterion has no score.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from amendment.constitutions import Principle
from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed, line_pattern, unreadable
from amendment.preference.protocols.contract import ALONE, JudgeProtocol, JudgeRequest
from amendment.preference.protocols.question import QUESTION, JudgeQuestion
from amendment.records import Criterion, last_text
from amendment.text import fence

_DRESS = " \t\r*_\"')]."
DEGREES = ("no", "partly", "yes")
"""Choices of a principle that has no grades of its own."""
BY_CRITERIA = "as the criteria say"
"""Used in place of a principle where the criteria do not come from one."""


class Rubric(JudgeProtocol):
    """A choice for every criterion of one answer, and then their score from 0 to 1."""

    name = "rubric"
    parser = "rubric-lines"
    form = "one line for each criterion and nothing else"
    unit = "answer"
    scale = "ordinal"
    needed = (*ALONE, "criteria")
    takes_criteria = True

    def build(self, question: JudgeQuestion) -> JudgeRequest:
        criteria = question.criteria
        shown = fence({"criteria": [criterion.shown() for criterion in criteria]})
        rule = question.drawn.principle.rule if question.drawn else BY_CRITERIA
        values = {**question.blocks, **shown, "principle": rule, "question": QUESTION}
        return JudgeRequest(
            question=question,
            messages=question.messages(values),
            form=f"{self.form}, with one of its choices: {_describe_choices(criteria)}",
            parts=len(criteria),
            shared=question.shared(values),
        )

    def read(self, reply: Reply, question: JudgeQuestion) -> Sequence[Parsed]:
        return read_rubric(reply, question.criteria)

    def verdicts(self, parts: Sequence[Parsed], question: JudgeQuestion) -> Sequence[Parsed]:
        """Return one for each criterion, then their score."""
        verdicts = []
        for criterion, choice in zip(question.criteria, parts, strict=True):
            if criterion.is_binary:
                value = None if choice.value is None else choice.value == "yes"
                verdicts.append(choice._replace(value=value, scale="binary", criterion=criterion.id))
            else:
                verdicts.append(choice._replace(scale="ordinal", criterion=criterion.id))
        invalid = next((choice.invalid for choice in parts if choice.invalid), None)
        score = None if invalid else rubric_score(question.criteria, [str(choice.value) for choice in parts])
        return [*verdicts, Parsed(score, reasoning=parts[0].reasoning, invalid=invalid, scale="score")]

    def criterion(self, principle: Principle) -> Criterion | None:
        return make_criterion(principle)


def make_criterion(principle: Principle) -> Criterion:
    """Return a principle as a criterion: by its own question and grades, or by no, partly and yes."""
    if principle.score is None:
        return Criterion(
            id=principle.id, text=f"Does the answer keep this rule: {principle.statement}", choices=DEGREES
        )
    grades = sorted(principle.score.anchors)
    low, high = grades[0], grades[-1]
    return Criterion(
        id=principle.id,
        text=principle.score.question,
        choices=tuple(str(grade) for grade in grades),
        values=tuple((grade - low) / (high - low) for grade in grades),
        meanings=tuple(principle.score.anchors[grade] for grade in grades),
    )


def _describe_choices(criteria: Sequence[Criterion]) -> str:
    return "; ".join(f'"{criterion.id}: {" | ".join(criterion.choices)}"' for criterion in criteria)


def read_rubric(reply: Reply, criteria: Sequence[Criterion]) -> list[Parsed]:
    """Return the choice of each criterion's one line `id: choice`, or the reason why there is none.

    What stands before the first of these lines is the reasoning.
    """
    problem = unreadable(reply)
    if problem:
        return [Parsed(invalid=problem) for _ in criteria]
    text = last_text(reply.messages)
    lines = [list(line_pattern(re.escape(criterion.id), r"[^\n]*").finditer(text)) for criterion in criteria]
    start = min((match.start() for matches in lines for match in matches), default=len(text))
    reasoning = text[:start].strip() or None
    chosen = [
        _chosen([match.group(1) for match in matches], criterion)
        for matches, criterion in zip(lines, criteria, strict=True)
    ]
    return [choice._replace(reasoning=reasoning) for choice in chosen]


def _chosen(lines: Sequence[str], criterion: Criterion) -> Parsed:
    if len(lines) != 1:
        problem = "no line" if not lines else f"{len(lines)} lines"
        return Parsed(invalid=f"{problem} for criterion {criterion.id}")
    by_name = {choice.lower(): choice for choice in criterion.choices}
    choice = by_name.get(lines[0].strip(_DRESS).lower())
    if choice is None:
        return Parsed(invalid=f"criterion {criterion.id} has no such choice, expected {', '.join(criterion.choices)}")
    return Parsed(choice)


def rubric_score(criteria: Sequence[Criterion], choices: Sequence[str]) -> float:
    """Return the weighted sum of what the choices count, from 0, the least that is attainable, to 1, the most.

    With weights w and values v in 0..1 it is (sum w v - N) / (P - N), where N is the sum of the negative weights and P
    that of the positive ones.
    """
    least = sum(min(criterion.weight, 0.0) for criterion in criteria)
    most = sum(max(criterion.weight, 0.0) for criterion in criteria)
    total = sum(
        criterion.weight * criterion.read_value(choice) for criterion, choice in zip(criteria, choices, strict=True)
    )
    return (total - least) / (most - least)
