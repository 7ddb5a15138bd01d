"""People of Lilliput who label on the page's own API, so that the whole loop runs without anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amendment.calibration.answering import Answer, answer_here
from amendment.calibration.samples import LabelQuestion
from amendment.calibration.store import Labels
from amendment.records import Message, text_of
from amendment.simulator import panel
from amendment.sync import run_sync

__all__ = ["let_people_answer", "was_simulated"]

CALLED = "simulated person"


def was_simulated(annotator: str) -> bool:
    """Whether an annotator is called as simulated people are."""
    return annotator.startswith(f"{CALLED} ")


def let_people_answer(questions: Sequence[LabelQuestion], labels: Labels, *, annotators: int, seed: int) -> None:
    """So many simulated people answer until the page has nothing more for them."""
    numbers = {f"{CALLED} {number + 1}": number for number in range(annotators)}

    def rate(annotator: str, item: dict[str, Any]) -> Answer:
        prompt, first, second = (_text(part) for part in (item["prompt"], item["first"], item["second"]))
        votes = panel(prompt, first, second, seed=seed, raters=len(numbers))
        return Answer(votes[numbers[annotator]])

    run_sync(answer_here(questions, labels, list(numbers), rate, seed=seed))


def _text(messages: Sequence[dict[str, Any]]) -> str:
    return text_of(tuple(Message.model_validate(message) for message in messages))
