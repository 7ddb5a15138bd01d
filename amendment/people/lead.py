"""What the lead of a spot check sees while people label: progress, flags and comments by person, agreement of people.

Not covered: what the judge says, and which answer anybody chose. Sealed labels stay sealed, and a lead who talks to
annotators has nothing to give away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import combinations
from statistics import fmean, median
from typing import Any, NamedTuple

from amendment.audit.gates import Gate
from amendment.people.people_gate import among_people
from amendment.people.queue import Queue
from amendment.people.samples import SILENT, Label, LabelQuestion, as_verdict
from amendment.people.store import Labels
from amendment.preference.aggregate import person_votes
from amendment.records import Messages
from amendment.statistics import Estimate
from amendment.statistics.sampling import weighted_mean
from amendment.statistics.sides import read_side
from amendment.text import transcript

LONGEST_EXCERPT = 160
"""Characters of a prompt by which people recognise an item."""


class Standing(NamedTuple):
    """What the page shows of the sample itself."""

    outlook: str = ""
    """How many items are needed, in a sentence."""
    gates: Sequence[Gate] = ()
    disputes: Sequence[str] = ()
    """The comparisons that the lead has to decide."""


def lead_view(
    queue: Queue,
    store: Labels,
    annotators: Collection[str],
    standing: Callable[[Estimate], Standing],
) -> dict[str, Any]:
    """Return JSON values. `annotators` are all who have a link; `standing` is asked with how often two people
    agree.

    Agreement is that of two people, ties dropped, as in the gate's ceiling, but unweighted: the page knows no
    probability of an item.
    """
    labels, decided = store.current(), store.adjudicated()
    asked = [label for label in labels if label.comparison_id in queue.questions]
    by_person = {name: [label for label in asked if label.annotator == name] for name in sorted(annotators)}
    votes = person_votes(verdict for label in asked if (verdict := as_verdict(label)) is not None)
    shares = {name: share for name, people in votes.items() if (share := among_people(people.values())) is not None}
    prompts = [queue.questions[name].prompt_id for name in shares]
    agreement = weighted_mean(list(shares.values()), [1.0] * len(shares), prompts)
    known = standing(agreement)
    return {
        "outlook": known.outlook,
        "gates": list(map(asdict, known.gates)),
        "disputes": [_dispute(queue.questions[name], decided.get(name)) for name in known.disputes],
        "labels": len(asked),
        "missing": queue.missing(),
        "agreement": agreement.to_json(),
        "disputed": [
            {"prompt": excerpt(queue.questions[name].prompt), "people": _split(votes[name].values())}
            for name, share in shares.items()
            if share < 1
        ],
        "people": [_person(queue, name, mine) for name, mine in by_person.items()],
        "pairs": [
            {"people": [first, second], "items": len(same), "agree": fmean(same)}
            for first, second in combinations(by_person, 2)
            if (same := [share for by_name in votes.values() if (share := _agree(by_name, first, second)) is not None])
        ],
        "notes": [
            {
                "annotator": label.annotator,
                "kind": label.choice if label.choice in SILENT else "comment",
                "comment": label.comment or "",
                "prompt": excerpt(queue.questions[label.comparison_id].prompt),
                "at": label.at,
            }
            for mine in by_person.values()
            for label in sorted(mine, key=lambda label: label.instant, reverse=True)
            if label.choice == "flag" or label.comment
        ],
    }


def excerpt(prompt: Messages) -> str:
    """Return the beginning of the last message, on one line."""
    text = " ".join(transcript(prompt[-1:], by="user").split())
    return text if len(text) <= LONGEST_EXCERPT else f"{text[: LONGEST_EXCERPT - 1]}…"


def _dispute(question: LabelQuestion, decided: Label | None) -> dict[str, object]:
    """Return what the lead sees of a comparison, with what they decided before."""
    return {
        "item": question.comparison_id,
        "question": question.question,
        **{name: [message.to_json() for message in getattr(question, name)] for name in ("prompt", "a", "b")},
        "choice": decided and decided.choice,
        "comment": decided and decided.comment,
    }


def _split(votes: Iterable[float]) -> list[int]:
    """Return how many people chose each answer, the more frequent first: nobody learns which one."""
    return sorted(Counter(side for side in map(read_side, votes) if side).values(), reverse=True)


def _agree(votes: Mapping[str, float], one: str, other: str) -> float | None:
    """Return whether these two people say the same of a comparison; None where one of them gives no side."""
    return among_people([votes[one], votes[other]]) if {one, other} <= votes.keys() else None


def _person(queue: Queue, name: str, mine: Sequence[Label]) -> dict[str, Any]:
    timed = [label.seconds for label in mine if label.seconds is not None]
    firsts = {label.comparison_id: label for label in mine if label.showing == 0}
    again = [
        label.chosen == first.chosen
        for label in mine
        if label.showing == 1 and (first := firsts.get(label.comparison_id)) is not None
    ]
    return {
        "annotator": name,
        **queue.progress(name)._asdict(),
        **{choice: sum(label.choice == choice for label in mine) for choice in SILENT},
        "comments": sum(bool(label.comment) for label in mine),
        "seconds": median(timed) if timed else None,
        "repeats": len(again),
        "repeats_same": sum(again),
        "today": sum(label.instant > datetime.now(UTC) - timedelta(days=1) for label in mine),
        "at": max((label.at for label in mine), default=None),
    }
