"""People of Lilliput who label on the page's own API, so that the whole loop runs without anybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from amendment.calibration import Answer, LabelQuestion, Labels, answer_here
from amendment.lilliput import panel
from amendment.records import Message, text_of
from amendment.sync import run_sync

__all__ = ["let_people_answer", "simulated_names", "were_simulated"]

CALLED = "simulated person"


def simulated_names(annotators: int) -> list[str]:
    """What so many simulated people are called."""
    return [f"{CALLED} {number}" for number in range(1, annotators + 1)]


def were_simulated(annotators: Iterable[str]) -> bool:
    """Whether one of these is called as simulated people are."""
    return any(name.startswith(f"{CALLED} ") for name in annotators)


def let_people_answer(questions: Sequence[LabelQuestion], labels: Labels, *, annotators: int, seed: int) -> None:
    """So many simulated people answer until the page has nothing more for them."""
    numbers = {name: number for number, name in enumerate(simulated_names(annotators))}

    def rate(annotator: str, item: dict[str, Any]) -> Answer:
        prompt, first, second = (_text(part) for part in (item["prompt"], *_sides(item)))
        votes = panel(prompt, first, second, seed=seed, raters=len(numbers))
        return Answer(votes[numbers[annotator]])

    run_sync(answer_here(questions, labels, list(numbers), rate, seed=seed))


def _sides(item: dict[str, Any]) -> tuple[Any, Any]:
    return item["first"]["messages"], item["second"]["messages"]


def _text(messages: Sequence[dict[str, Any]]) -> str:
    return text_of(tuple(Message.model_validate(message) for message in messages))
