"""Questions as other tools are given them: one item for each way in which two answers are displayed.

An item is named by a hash of comparison, showing and the answer that stands first. Whoever sees a file cannot tell
from it that an item is shown twice or which order is the canonical one; and an answer that comes back knows what was
displayed, whatever the tool keeps beside the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from amendment.calibration.exchange.leaving import Leaving
from amendment.calibration.labels import Label
from amendment.calibration.queue import Queue
from amendment.calibration.samples import LabelQuestion
from amendment.errors import DataError
from amendment.hashing import content_id
from amendment.records import Messages

__all__ = ["Item", "Items", "Order", "blind_items", "grouped", "items_of", "page_order"]

Order = Callable[[LabelQuestion, int], tuple[str, str]]
"""The candidate ids as displayed, by question and showing."""
NAME = re.compile(r"s2:[0-9a-f]{32}")


class Item(NamedTuple):
    """A question as it is displayed."""

    question: LabelQuestion
    showing: int
    """1: the hidden repeat."""
    first: str
    """Candidate id of the answer that is displayed first."""

    @property
    def name(self) -> str:
        """The name under which a file has it."""
        return content_id(["item", self.question.comparison_id, self.showing, self.first])

    @property
    def ids(self) -> tuple[str, str]:
        """The candidate ids as displayed."""
        a, b = self.question.a_id, self.question.b_id
        return (a, b) if self.first == a else (b, a)

    @property
    def answers(self) -> tuple[Messages, Messages]:
        """The answers as displayed."""
        a, b = self.question.a, self.question.b
        return (a, b) if self.first == self.question.a_id else (b, a)


def page_order(questions: Sequence[LabelQuestion], *, seed: int) -> Order:
    """The order of sides for another tool: by the page's hash, of an annotator whom nobody knows yet."""
    queue = Queue(questions, seed=seed, annotators=1, clock=lambda: 0.0)
    return lambda question, showing: queue.shown("", question.comparison_id, showing).ids


def blind_items(questions: Iterable[LabelQuestion], order: Order) -> list[Item]:
    """What people are to answer: each question once, repeats at the end; in the order of the items' names, which says
    nothing of strata and prompts."""
    found = [
        Item(question, showing, order(question, showing)[0])
        for question in questions
        for showing in range(2 if question.is_repeated else 1)
    ]
    return sorted(found, key=lambda one: (one.showing, one.name))


def items_of(questions: Iterable[LabelQuestion], labels: Sequence[Label], leaving: Leaving) -> list[tuple[Item, Label]]:
    """Each label with what its annotator saw, by question, showing and pseudonym: an order by names would tell of them.

    Raises DataError for a label of a comparison that is not among the questions.
    """
    by_id = {question.comparison_id: (place, question) for place, question in enumerate(questions)}
    strangers = [label.comparison_id for label in labels if label.comparison_id not in by_id]
    if strangers:
        raise DataError(f"{len(strangers)} labels are of comparisons that are not asked, the first of {strangers[0]}")

    def place(label: Label) -> tuple[int, int, str]:
        return by_id[label.comparison_id][0], label.showing, leaving.name_of(label.annotator)

    return [(Item(by_id[one.comparison_id][1], one.showing, one.shown[0]), one) for one in sorted(labels, key=place)]


def grouped(
    questions: Iterable[LabelQuestion], labels: Sequence[Label], leaving: Leaving
) -> list[tuple[Item, list[Label]]]:
    """Each item that was labelled, with its labels. Raises DataError as `items_of`."""
    found: dict[str, tuple[Item, list[Label]]] = {}
    for item, label in items_of(questions, labels, leaving):
        found.setdefault(item.name, (item, []))[1].append(label)
    return list(found.values())


class Items:
    """The items of a spot check by name, in every order in which they could have been displayed."""

    def __init__(self, questions: Iterable[LabelQuestion]) -> None:
        self.questions = {question.comparison_id: question for question in questions}
        every = [
            Item(question, showing, first)
            for question in self.questions.values()
            for showing in (0, 1)
            for first in (question.a_id, question.b_id)
        ]
        self._items = {one.name: one for one in every}

    def find(self, item: str) -> Item | None:
        """The item of this name."""
        return self._items.get(item)

    def looks_like_one(self, item: str) -> bool:
        """Whether a text is at least written as names of items are."""
        return NAME.fullmatch(item) is not None
