"""The labelling queue: the next item of each annotator, its order of sides, and the labels still missing.

Items of the overlap block go to every annotator, mixed into the first half of their share, so that agreement between
people is known early. Each other item goes to one: a lease keeps it for them while they look, and an annotator who
skips or flags it leaves it to somebody else. A hidden repeat comes to the same annotator at a distance, with its sides
exchanged. Everything follows from seed, item and annotator, and from the labels that exist: a restart changes nothing
but the leases.
"""

from __future__ import annotations

import hashlib
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from amendment.hashing import content_id
from amendment.people.samples import SILENT, Label, LabelQuestion
from amendment.records import Messages

LEASE_SECONDS = 600.0
"""How long an item is kept for the annotator who looks at it."""
APART = 20
"""Labels of the annotator between an item and its repeat, at least; fewer where nothing else is left."""
SPREAD = 20
"""The distance is drawn from `APART` up to this much more."""
LEAST_TIMED = 3
"""Timed labels of an annotator from which the time left is estimated."""


class ShownItem(NamedTuple):
    """An item as one annotator sees it."""

    question: LabelQuestion
    showing: int
    is_turned: bool
    """b is shown first."""

    @property
    def name(self) -> str:
        """Return a hash of comparison, showing and the answer shown first. Nobody can tell from it which items are
        shown twice, and it identifies what was displayed when the answer comes back."""
        return content_id(["item", self.question.comparison_id, self.showing, self.ids[0]])

    @property
    def ids(self) -> tuple[str, str]:
        """Return the candidate ids as displayed."""
        a, b = self.question.a_id, self.question.b_id
        return (b, a) if self.is_turned else (a, b)

    @property
    def answers(self) -> tuple[Messages, Messages]:
        """Return the answers as displayed."""
        a, b = self.question.a, self.question.b
        return (b, a) if self.is_turned else (a, b)

    def label(self, annotator: str, **fields: Any) -> Label:
        """Build the annotator's label of this item, at this moment; `fields` are the other fields of a label."""
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        names = {"comparison_id": self.question.comparison_id, "prompt_id": self.question.prompt_id}
        return Label(**names, showing=self.showing, shown=self.ids, annotator=annotator, at=at, **fields)


class AnnotatorProgress(NamedTuple):
    """One annotator's progress."""

    done: int
    total: int
    """Their share; once that is done, with what others left."""
    seconds_left: float | None
    """By the median of their own seconds per item; None before there are three."""


class _Lease(NamedTuple):
    item: str
    showing: int
    until: float


class Queue:
    """Shares the questions of one spot check out among annotators.

    `labels` are those that exist; `add` and `take_back` tell of later ones. `annotators` is how many are planned; more
    may come. `clock` gives seconds that only grow.
    """

    def __init__(
        self,
        questions: Sequence[LabelQuestion],
        labels: Iterable[Label] = (),
        *,
        seed: int,
        annotators: int,
        clock: Callable[[], float],
    ) -> None:
        self.questions = {question.comparison_id: question for question in questions}
        self._seed = seed
        self._annotators = annotators
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._orders: dict[str, _Order] = {}
        self._labels: dict[str, dict[tuple[str, int], Label]] = {}
        self._first_showings: dict[str, dict[str, Label]] = {}
        """First showings by item and annotator."""
        for label in sorted(labels, key=lambda label: label.at):
            self.add(label)

    def add(self, label: Label) -> None:
        """Take note of a stored label."""
        mine = self._labels.setdefault(label.annotator, {})
        mine.pop((label.comparison_id, label.showing), None)
        mine[label.comparison_id, label.showing] = label
        if label.showing == 0:
            self._first_showings.setdefault(label.comparison_id, {})[label.annotator] = label
        lease = self._leases.get(label.annotator)
        if lease is not None and (lease.item, lease.showing) == (label.comparison_id, label.showing):
            del self._leases[label.annotator]

    def take_back(self, label: Label) -> ShownItem | None:
        """Undo a label: its item is open again, and is what its annotator sees next."""
        self._labels.get(label.annotator, {}).pop((label.comparison_id, label.showing), None)
        if label.showing == 0:
            self._first_showings.get(label.comparison_id, {}).pop(label.annotator, None)
        if label.comparison_id not in self.questions:
            return None
        return self._lend(label.annotator, label.comparison_id, label.showing)

    def next(self, annotator: str) -> ShownItem | None:
        """Return the annotator's next item; it stays the same until they answer or their lease passes to somebody
        else."""
        lease = self._leases.get(annotator)
        if lease is not None and self._may_keep(annotator, lease):
            return self._lend(annotator, lease.item, lease.showing)
        due = self._due_repeat(annotator) or self._first_showing(annotator) or self._due_repeat(annotator, apart=0)
        if due is None:
            self._leases.pop(annotator, None)
            return None
        return self._lend(annotator, *due)

    def shown(self, annotator: str, item: str, showing: int) -> ShownItem:
        """Return this item as this annotator sees it. Raises KeyError for an unknown item."""
        turned = _hash(self._seed, "sides", item, annotator) % 2 == 1
        return ShownItem(self.questions[item], showing, turned != (showing == 1))

    def progress(self, annotator: str) -> AnnotatorProgress:
        """Return the annotator's progress and the time that the rest will take."""
        mine = self._labels.get(annotator, {})
        left = self._left(annotator)
        timed = [label.seconds for label in mine.values() if label.seconds is not None]
        seconds = statistics.median(timed) * left if len(timed) >= LEAST_TIMED else None
        done = sum(item in self.questions for item, _ in mine)
        return AnnotatorProgress(done, done + left, seconds)

    def missing(self) -> int:
        """Return the number of labels still missing (`labels_missing`)."""
        everything = [label for mine in self._labels.values() for label in mine.values()]
        return labels_missing(list(self.questions.values()), everything, annotators=self._annotators)

    def _may_repeat(self, annotator: str, item: str) -> bool:
        """Return whether this item may be shown to this annotator a second time."""
        first = self._labels.get(annotator, {}).get((item, 0))
        return self.questions[item].is_repeated and first is not None and first.choice not in SILENT

    def _lend(self, annotator: str, item: str, showing: int) -> ShownItem:
        self._leases[annotator] = _Lease(item, showing, self._clock() + LEASE_SECONDS)
        return self.shown(annotator, item, showing)

    def _may_keep(self, annotator: str, lease: _Lease) -> bool:
        if (lease.item, lease.showing) in self._labels.get(annotator, {}):
            return False
        if lease.showing == 1:
            return self._may_repeat(annotator, lease.item)
        return self.questions[lease.item].in_overlap or any(self._free(annotator, [lease.item]))

    def _free(self, annotator: str, items: Iterable[str]) -> Iterator[str]:
        """Return those of the items that wait for an annotator and that nobody else looks at."""
        now = self._clock()
        held = {lease.item for other, lease in self._leases.items() if other != annotator and lease.until > now}
        for item in items:
            answers = self._first_showings.get(item, {}).values()
            if item not in held and all(label.choice in SILENT for label in answers):
                yield item

    def _first_showing(self, annotator: str) -> tuple[str, int] | None:
        order = self._order(annotator)
        mine = self._labels.get(annotator, {})
        common = [item for item in order.overlap if (item, 0) not in mine]
        seen = sum(showing == 0 for _, showing in mine)
        is_turn = len(order.overlap) - len(common) < sum(slot <= seen for slot in order.slots)
        if common and is_turn:
            return common[0], 0
        single = next(self._free(annotator, (item for item in order.others if (item, 0) not in mine)), None)
        rest = single or next(iter(common), None)
        return None if rest is None else (rest, 0)

    def _due_repeat(self, annotator: str, apart: int | None = None) -> tuple[str, int] | None:
        mine = self._labels.get(annotator, {})
        for place, (item, showing) in enumerate(mine):
            if showing == 1 or (item, 1) in mine or item not in self.questions or not self._may_repeat(annotator, item):
                continue
            distance = APART + _hash(self._seed, "apart", item, annotator) % SPREAD if apart is None else apart
            if len(mine) - place > distance:
                return item, 1
        return None

    def _left(self, annotator: str) -> int:
        """Return the rest of the annotator's share: overlap, single items, repeats of both."""
        mine = self._labels.get(annotator, {})
        order = self._order(annotator)
        common = [item for item in order.overlap if (item, 0) not in mine]
        free = list(self._free(annotator, (item for item in order.others if (item, 0) not in mine)))
        share = -(-len(order.others) // self._annotators) - sum((item, 0) in mine for item in order.others)
        single = min(len(free), share) if share > 0 else len(free)
        again = sum(self.questions[item].is_repeated for item in common)
        again += round(sum(self.questions[item].is_repeated for item in free) * single / max(len(free), 1))
        begun = [item for item, showing in mine if showing == 0 and item in self.questions]
        again += sum((item, 1) not in mine and self._may_repeat(annotator, item) for item in begun)
        return len(common) + single + again

    def _order(self, annotator: str) -> _Order:
        if annotator not in self._orders:
            self._orders[annotator] = _draw_order(self.questions, self._seed, annotator, self._annotators)
        return self._orders[annotator]


class _Order(NamedTuple):
    """The order in which an annotator sees the items."""

    overlap: list[str]
    others: list[str]
    slots: list[int]
    """Positions among their first showings at which an item of the overlap block comes."""


def _draw_order(questions: dict[str, LabelQuestion], seed: int, annotator: str, annotators: int) -> _Order:
    overlap = [item for item, question in questions.items() if question.in_overlap]
    others = [item for item, question in questions.items() if not question.in_overlap]
    overlap.sort(key=lambda item: _hash(seed, "order", item, annotator))
    others.sort(key=lambda item: _hash(seed, "order", item, annotator))
    share = len(overlap) + -(-len(others) // annotators)
    half = max(len(overlap), -(-share // 2))
    dice = random.Random(_hash(seed, "slots", "", annotator))  # noqa: S311 - a seeded order, no secret
    return _Order(overlap, others, sorted(dice.sample(range(half), len(overlap))))


def _hash(seed: int, use: str, item: str, annotator: str) -> int:
    text = "\x1f".join((str(seed), use, item, annotator))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


def labels_missing(questions: Sequence[LabelQuestion], current: Iterable[Label], *, annotators: int) -> int:
    """Return the number of labels still missing from the planned spot check.

    An item of the overlap block waits for as many annotators as are planned, any other one for a verdict, or until as
    many as are planned have skipped or flagged it: then it counts as skipped. Nothing waits for hidden repeats: their
    annotator may be gone.
    """
    answers: dict[str, dict[str, bool]] = {question.comparison_id: {} for question in questions}
    for label in current:
        if label.showing == 0 and label.comparison_id in answers:
            answers[label.comparison_id][label.annotator] = label.choice not in SILENT
    missing = 0
    for question in questions:
        answered = answers[question.comparison_id]
        if question.in_overlap:
            missing += max(annotators - len(answered), 0)
        elif not any(answered.values()) and len(answered) < annotators:
            missing += 1
    return missing
