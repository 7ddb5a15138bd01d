"""Rubrics: criteria with ordered choices and weights, what a reply chose, and what it comes to.

Covered: criteria of a judge's folder, of a prompt, or made of a principle; negative weights, for what an answer must
not do. A criterion without exactly one line, or with a choice that it does not have, is invalid, and an answer without
a choice for every criterion has no score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from amendment.constitutions import Principle
from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed, line_of, unreadable
from amendment.records import text_of

NO_YES = ("no", "yes")
_DRESS = " \t\r*_\"')]."
MOST_WEIGHT = 1e6
DEGREES = ("no", "partly", "yes")
"""Choices of a principle that has no grades of its own."""

Label = Annotated[str, Field(pattern=r"^-?[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,38}[A-Za-z0-9])?$")]

Value = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Criterion(BaseModel):
    """One thing that an answer is looked at for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$")
    """Its name, by which the judge answers."""
    text: str = Field(min_length=1)
    """What is asked about the answer."""
    choices: tuple[Label, ...] = Field(default=NO_YES, min_length=2, max_length=20)
    """The possible answers from the least to the most."""
    values: tuple[Value, ...] = ()
    """What each choice counts, from 0 to 1 and rising; evenly spaced where nothing is said."""
    meanings: tuple[str, ...] = ()
    """What each choice means, in words; empty where the choice says it."""
    weight: float = Field(default=1.0, ge=-MOST_WEIGHT, le=MOST_WEIGHT, allow_inf_nan=False)
    """How much it counts, a million at most; negative for what an answer must not do."""

    @model_validator(mode="after")
    def _fits(self) -> Criterion:
        if len({choice.lower() for choice in self.choices}) < len(self.choices):
            raise ValueError("found a choice twice, expected different choices")
        if not self.text.strip():
            raise ValueError("found a blank text, expected what is asked about the answer")
        if self.weight == 0:
            raise ValueError("found weight 0, expected a positive or a negative number")
        for name, given in (("values", self.values), ("meanings", self.meanings)):
            if given and len(given) != len(self.choices):
                raise ValueError(f"found {len(given)} {name} for {len(self.choices)} choices, expected one for each")
        if self.values and (list(self.values) != sorted(self.values) or (self.values[0], self.values[-1]) != (0, 1)):
            raise ValueError("expected values that rise from 0 to 1")
        return self

    @property
    def is_binary(self) -> bool:
        return self.choices == NO_YES

    def value_of(self, choice: str) -> float:
        """What a choice counts, 0 to 1."""
        place = self.choices.index(choice)
        return self.values[place] if self.values else place / (len(self.choices) - 1)

    def shown(self) -> dict[str, Any]:
        """As a judge sees it: without the weight, which is not its matter."""
        meanings = dict(zip(self.choices, self.meanings, strict=True)) if self.meanings else None
        seen = {"id": self.id, "text": self.text, "choices": list(self.choices)}
        return {**seen, "meanings": meanings} if meanings else seen


def criteria_of(given: Iterable[Mapping[str, Any]]) -> tuple[Criterion, ...]:
    """Criteria as a prompt carries them. Raises ValueError for one that is wrong and for two of one id."""
    criteria = tuple(map(Criterion.model_validate, given))
    if len({one.id for one in criteria}) < len(criteria):
        raise ValueError("found two criteria of one id, expected different ids")
    return criteria


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
    """What a reply must look like, as a model is told when its own could not be read."""
    lines = "; ".join(f'"{one.id}: {" | ".join(one.choices)}"' for one in criteria)
    return f"one line for each criterion and nothing else, with one of its choices: {lines}"


def read_rubric(reply: Reply, criteria: Sequence[Criterion]) -> list[Parsed]:
    """For each criterion the choice of its one line `id: choice`, or the reason why there is none.

    What stands before the first of these lines is the reasoning.
    """
    problem = unreadable(reply)
    if problem:
        return [Parsed(invalid=problem) for _ in criteria]
    text = text_of(reply.messages)
    lines = [list(line_of(re.escape(one.id), r"[^\n]*").finditer(text)) for one in criteria]
    start = min((found.start() for each in lines for found in each), default=len(text))
    reasoning = text[:start].strip() or None
    chosen = [_chosen([found.group(1) for found in each], one) for each, one in zip(lines, criteria, strict=True)]
    return [one._replace(reasoning=reasoning) for one in chosen]


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
    least = sum(min(one.weight, 0.0) for one in criteria)
    most = sum(max(one.weight, 0.0) for one in criteria)
    total = sum(one.weight * one.value_of(choice) for one, choice in zip(criteria, choices, strict=True))
    return (total - least) / (most - least)
