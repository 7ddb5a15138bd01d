"""What a judge was asked, what it reasoned and what it concluded: a training set for a generative judge.

Covered: written verdicts on two answers, with the reasoning before them, by the run's own judges; the question word for
word as the ledger has it. A verdict stands here only where nothing speaks against it: people and verifiers, where they
have decided the same comparison, prefer the same answer; and where the judge was asked in both orders, it did as well.

Not covered: scores, rubrics and rankings, and verdicts that were read from token probabilities, whose text nobody
wrote. People judge answers as a whole and a judge by one principle at a time: what contradicts them need not be wrong.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from amendment.fence import around_fences, read_fenced
from amendment.llm.ledger_reading import Reader
from amendment.preference import majority
from amendment.publishing.tables import Tables
from amendment.records import Comparison, Message, Messages, Verdict, text_of

__all__ = ["ABSENT", "FLAGS", "TEXTS", "Lesson", "Lessons", "lesson_messages", "lessons_of", "written_lessons"]

TEXTS = ("verdict_id", "comparison_id", "prompt_id", "rater", "principle_id", "verdict", "judge_hash")
"""Columns of text; `judge_hash` names the judge's folder, all its words included."""
FLAGS = ("agrees_with_people", "agrees_with_verifiers", "consistent")
"""Null where nobody else has decided, and where the judge was asked in one order only."""
ABSENT = "its question is not in the ledger"
LEDGER = "ledger.sqlite"


class Lesson(NamedTuple):
    """A verdict that a judge may learn from."""

    verdict: Verdict
    comparison_id: str
    agrees_with_people: bool | None
    agrees_with_verifiers: bool | None
    consistent: bool | None

    def to_json(self) -> dict[str, Any]:
        """The columns beside `messages`."""
        flags = {name: getattr(self, name) for name in FLAGS}
        verdict = self.verdict
        return {
            "verdict_id": verdict.id,
            "comparison_id": self.comparison_id,
            "prompt_id": verdict.prompt_id,
            "rater": verdict.rater,
            "principle_id": verdict.principle_id,
            "verdict": verdict.value,
            "judge_hash": verdict.origin.template,
            **flags,
        }


class Lessons(NamedTuple):
    """The verdicts to learn from, and how many others there are, by reason."""

    kept: list[Lesson]
    left_out: Counter[str]


class _Group(NamedTuple):
    """One question in all orders in which it was asked: its judge, principle, draw and comparison."""

    rater: str
    principle: str | None
    sample: int
    comparison: Comparison


def lessons_of(tables: Tables) -> Lessons:
    """What the run's judges have written, checked against people, verifiers and the other order. Sealed labels of a
    spot check are not among what people said."""
    groups: dict[_Group, list[Verdict]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    for verdict in tables.judged:
        if verdict.rater_kind != "model" or verdict.scale != "pair" or len(verdict.shown) != 2:
            left_out["not a judge's verdict on two answers"] += 1
        else:
            groups[_group(verdict)].append(verdict)
    labels = {kind: _labels(tables.unsealed, kind) for kind in ("person", "verifier")}
    kept: list[Lesson] = []
    for group, verdicts in groups.items():
        for verdict in verdicts:
            people, verifiers = (_agreement(labels[kind].get(group.comparison), verdict) for kind in labels)
            reason = _reason(verdict, verdicts, people, verifiers)
            if reason:
                left_out[reason] += 1
            else:
                consistent = True if len(verdicts) > 1 else None
                kept.append(Lesson(verdict, group.comparison.id, people, verifiers, consistent))
    return Lessons(kept, left_out)


def _group(verdict: Verdict) -> _Group:
    a, b = sorted(verdict.shown)
    comparison = Comparison(verdict.prompt_id, a, b)
    return _Group(verdict.rater, verdict.principle_id, verdict.sample, comparison)


def _reason(verdict: Verdict, group: list[Verdict], people: bool | None, verifiers: bool | None) -> str | None:
    """Why nothing is to be learned from a verdict, or the wrong thing: the first that holds."""
    reasons = {
        "not readable": verdict.invalid is not None,
        "read from token probabilities": verdict.distribution is not None,
        "no reasoning": not verdict.reasoning,
        "the other order is not readable": any(other.invalid is not None for other in group),
        "orders disagree": len({_side(other) for other in group}) > 1,
        "contradicts people": people is False,
        "contradicts a verifier": verifiers is False,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _side(verdict: Verdict) -> str:
    """The candidate that a verdict prefers; empty for a tie."""
    return {"A": verdict.shown[0], "B": verdict.shown[1]}.get(str(verdict.value), "")


def _labels(verdicts: Iterable[Verdict], kind: str) -> dict[Comparison, str]:
    """The candidate that people, or verifiers, prefer, by comparison; none where they are evenly split."""
    groups: dict[Comparison, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.rater_kind == kind and verdict.scale == "pair" and len(verdict.shown) == 2:
            groups[_group(verdict).comparison].append(verdict)
    found = {comparison: majority(votes).p_a for comparison, votes in groups.items()}
    return {one: one.a if p_a > 0.5 else one.b for one, p_a in found.items() if p_a is not None and p_a != 0.5}


def _agreement(preferred: str | None, verdict: Verdict) -> bool | None:
    """Whether a verdict prefers the same; a tie does not."""
    return None if preferred is None else _side(verdict) == preferred


def written_lessons(lessons: Iterable[Lesson], folder: Path) -> Iterator[tuple[Lesson, Messages]]:
    """Each verdict with its conversation, those left out whose question is not in the run's ledger.

    Raises LedgerError where the ledger is there and damaged.
    """
    path = folder / LEDGER
    if not path.is_file():
        return
    with Reader(path) as ledger:
        for lesson in lessons:
            messages = lesson_messages(lesson.verdict, _body_in(ledger))
            if messages:
                yield lesson, messages


def _body_in(ledger: Reader) -> Callable[[str], str | None]:
    def body(request: str) -> str | None:
        found = ledger.body(request)
        return None if found is None else found.decode("utf-8", "replace")

    return body


def lesson_messages(verdict: Verdict, body_of: Callable[[str], str | None]) -> Messages | None:
    """The question as it was put, and as the answer the reasoning and the verdict in the form it was asked for.

    A question that was put once more, after an answer that could not be read, is shown as it was put first.
    """
    body = body_of(verdict.origin.request) if verdict.origin.request else None
    question = _question(body) if body else None
    if not question:
        return None
    return (*question, Message(role="assistant", content=_conclusion(verdict, text_of(question))))


def _question(body: str) -> Messages | None:
    """A request's messages up to the last one that shows two answers."""
    with suppress(ValueError, TypeError, KeyError):
        messages = tuple(Message.from_json(one) for one in json.loads(body)["messages"])
        for end in range(len(messages), 0, -1):
            shown = messages[end - 1].role == "user" and read_fenced(text_of(messages[:end]))
            if shown and shown.keys() >= {"answer_a", "answer_b"}:
                return messages[:end]
    return None


def _conclusion(verdict: Verdict, question: str) -> str:
    if '"verdict"' in around_fences(question):
        return json.dumps({"reasoning": verdict.reasoning, "verdict": verdict.value}, ensure_ascii=False)
    return f"{verdict.reasoning}\n\nVerdict: {verdict.value}"
