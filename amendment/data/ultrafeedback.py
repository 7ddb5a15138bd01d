"""Ratings of completions as comparisons: of every two completions the higher rated one wins, equal ones tie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from amendment.tables import Row


class Completion(NamedTuple):
    """An answer, its writer, and what it was rated by each aspect; None is the rating of the whole."""

    response: Any
    model: Any
    ratings: Mapping[str | None, float]


def completions_of(values: Mapping[str, Any]) -> list[Completion]:
    """The completions of a row: objects under `completions`, or the lists generations, generation_models, ratings."""
    listed = values.get("completions")
    if isinstance(listed, list):
        return [_completion(completion) for completion in listed if isinstance(completion, dict)]
    texts = values.get("generations")
    count = len(texts) if isinstance(texts, list) else 0
    models = _aligned(values.get("generation_models", values.get("model_names")), count)
    ratings = _aligned(values.get("ratings"), count)
    return [
        Completion(text, model, {} if (number := _number(rating)) is None else {None: number})
        for text, model, rating in zip(texts or (), models, ratings, strict=True)
    ]


def _aligned(value: Any, count: int) -> Sequence[Any]:
    """A list that goes with another one; nothing where it does not fit."""
    return value if isinstance(value, list) and len(value) == count else [None] * count


def _completion(completion: Mapping[str, Any]) -> Completion:
    annotations = completion.get("annotations")
    ratings: dict[str | None, float] = {}
    for aspect, annotation in (annotations if isinstance(annotations, dict) else {}).items():
        rating = _rating(annotation)
        if rating is not None:
            ratings[aspect] = rating
    overall = _number(completion.get("overall_score"))
    overall = _number(completion.get("fine-grained_score")) if overall is None else overall
    if overall is not None:
        ratings[None] = overall
    return Completion(completion.get("response"), completion.get("model"), ratings)


def _rating(annotation: Any) -> float | None:
    """The rating of one aspect; the mean where an aspect was rated several times over."""
    several = [_rating(rating) for rating in annotation] if isinstance(annotation, list) else None
    if several is not None:
        numbers = [rating for rating in several if rating is not None]
        return sum(numbers) / len(numbers) if numbers else None
    return _number(annotation.get("Rating")) if isinstance(annotation, dict) else None


def _number(value: Any) -> float | None:
    """A rating as a number; N/A and the like are none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def rated_rows(row: Row, questions: Sequence[str]) -> Iterator[Row]:
    """A row for every two completions and every aspect by which both were rated, with the columns of the prompt."""
    numbered = list(enumerate(completions_of(row.values), start=1))
    asked = {name: row.values.get(name) for name in questions}
    for (i, first), (j, second) in combinations(numbered, 2):
        for aspect, rating in first.ratings.items():
            if aspect in second.ratings:
                yield Row(
                    f"{row.place}: completions {i} and {j}",
                    {
                        **asked,
                        "first response": first.response,
                        "second response": second.response,
                        "first model": first.model,
                        "second model": second.model,
                        "better": _better(rating, second.ratings[aspect]),
                        "aspect": aspect,
                    },
                )


def scored_rows(rows: Sequence[Row]) -> list[Row]:
    """chosen and rejected with their scores: the scores decide, and chosen where there are none."""
    return [Row(row.place, {**row.values, "better": _by_score(row.values)}) for row in rows]


def _by_score(values: Mapping[str, Any]) -> str:
    chosen, rejected = _number(values.get("score_chosen")), _number(values.get("score_rejected"))
    return "a" if chosen is None or rejected is None else _better(chosen, rejected)


def _better(first: float, second: float) -> str:
    return "tie" if first == second else "a" if first > second else "b"
