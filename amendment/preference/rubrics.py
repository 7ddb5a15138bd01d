"""Rubrics: criteria with ordered choices and weights, what a reply chose, and what it comes to.

Covered: criteria of a judge's folder, of a prompt, or made of a principle; negative weights, for what an answer must
not do. A criterion without exactly one line, or with a choice that it does not have, is invalid, and an answer without
a choice for every criterion has no score.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from amendment.constitutions import Principle
from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed, line_of, unreadable
from amendment.records import Criterion, text_of

_DRESS = " \t\r*_\"')]."
DEGREES = ("no", "partly", "yes")
"""Choices of a principle that has no grades of its own."""


def criterion_of(principle: Principle) -> Criterion:
    """A principle as a criterion: by its own question and grades, or by no, partly and yes."""
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


def rubric_form(criteria: Sequence[Criterion]) -> str:
    """The expected form of a reply, quoted in the complaint about one that could not be read."""
    lines = "; ".join(f'"{criterion.id}: {" | ".join(criterion.choices)}"' for criterion in criteria)
    return f"one line for each criterion and nothing else, with one of its choices: {lines}"


def read_rubric(reply: Reply, criteria: Sequence[Criterion]) -> list[Parsed]:
    """The choice of each criterion's one line `id: choice`, or the reason why there is none.

    What stands before the first of these lines is the reasoning.
    """
    problem = unreadable(reply)
    if problem:
        return [Parsed(invalid=problem) for _ in criteria]
    text = text_of(reply.messages)
    lines = [list(line_of(re.escape(criterion.id), r"[^\n]*").finditer(text)) for criterion in criteria]
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
    """The weighted sum of what the choices count, from 0, the least that is attainable, to 1, the most.

    With weights w and values v in 0..1 it is (sum w v - N) / (P - N), where N is the sum of the negative weights and P
    that of the positive ones.
    """
    least = sum(min(criterion.weight, 0.0) for criterion in criteria)
    most = sum(max(criterion.weight, 0.0) for criterion in criteria)
    total = sum(
        criterion.weight * criterion.value_of(choice) for criterion, choice in zip(criteria, choices, strict=True)
    )
    return (total - least) / (most - least)
