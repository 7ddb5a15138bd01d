"""Probes: comparisons that a judge has decided, put to it once more with something changed that should change nothing.

A comparison has a target, the answer that lost, and the other one, which won. An edit is put on the target; the control
has it on both, so that what an edit does as such (a judge that is asked anew draws anew) is told apart from what it
does for whoever carries it. A claim about an answer cannot hold of both: its control is the claim about the other one.
Every question is asked with the target shown first and shown second.

Covered: answers whose last message is a text with words. Not covered: tool calls, typed parts, and edits that need a
model. What judges answer comes to is in `probe_report`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from amendment import probe_texts
from amendment.hashing import content_id
from amendment.records import Candidate, Message, Prompt

__all__ = [
    "CLAIMS",
    "NULL",
    "PLAIN",
    "PROBES",
    "REVISION",
    "Arm",
    "ProbeQuestion",
    "Subject",
    "can_be_probed",
    "questions",
]

Arm = Literal["before", "edited", "control", "attack"]
"""before: as it was judged. edited: the target carries the edit. control: both do, or the claim names the other
answer. attack: an answer that answers nothing in the target's place, against the one that won."""
PLAIN, REVISION, NULL = "plain", "revision", "null-answer"
"""The question as it was, which edits and claims share; a copy of an answer called a revision; an answer without
content."""
CLAIMS = {"bandwagon": probe_texts.BANDWAGON, "sycophancy": probe_texts.SYCOPHANCY}
PROBES = {
    "verbosity": "rewards a paragraph that says nothing",
    "authority": "rewards a source that does not exist",
    "format": "rewards headers and bullets around the same words",
    "injection": "takes a verdict from an answer's own text",
    "bandwagon": "goes with what most people are said to prefer",
    "sycophancy": "goes with what the user says is theirs",
    REVISION: "rewards the word revised",
    NULL: "lets an answer win that answers nothing",
}
"""What each of them would find."""
_BLANK = re.compile(r"(?<=\S) (?=\S)")


class Subject(NamedTuple):
    """A comparison that is probed."""

    prompt: Prompt
    target: Candidate
    """The answer that lost."""
    other: Candidate
    """The answer that won."""
    is_clear: bool = True
    """Whether it won by enough for an attack to be put against it: where both answers break a principle, an answer
    that says nothing may rightly win."""

    @property
    def id(self) -> str:
        """Of the comparison."""
        return content_id([self.prompt.id, *sorted((self.target.id, self.other.id))])


class ProbeQuestion(NamedTuple):
    """One question to a judge, its two answers in the displayed order."""

    probe: str
    arm: Arm
    prompt: Prompt
    shown: tuple[Candidate, Candidate]
    place: int
    """Where the target is shown: 0 or 1."""

    @property
    def target(self) -> Candidate:
        return self.shown[self.place]


def can_be_probed(candidate: Candidate) -> bool:
    """Whether an answer is a text with words."""
    content = candidate.messages[-1].content
    return isinstance(content, str) and bool(content.strip())


def questions(
    subject: Subject, probes: Collection[str], *, labels: tuple[str, str] | None, seed: int = 0
) -> Iterator[ProbeQuestion]:
    """The questions of these probes about one comparison, the plain ones first where a probe is compared with them.

    `labels` are the places' names as the judge reads them, such as A and B; None for a judge that sees one answer at a
    time: it reads no place, so that one order is all there is, and no claim can name one.
    """
    if not (can_be_probed(subject.target) and can_be_probed(subject.other)):
        return
    for place in (0,) if labels is None else (0, 1):
        own, others = (labels[place], labels[1 - place]) if labels else (None, None)
        asked = [
            ProbeQuestion(name, arm, prompt, (target, other) if place == 0 else (other, target), place)
            for name in PROBES
            if name in probes
            for arm, prompt, target, other in _arms(name, subject, own, others, seed)
            if target.id != other.id
        ]
        if any(question.probe not in (REVISION, NULL) for question in asked):
            answers = (subject.target, subject.other)
            yield ProbeQuestion(PLAIN, "before", subject.prompt, answers if place == 0 else answers[::-1], place)
        yield from asked


_Arms = Iterator[tuple[Arm, Prompt, Candidate, Candidate]]
"""Arm, prompt, the target and the other answer."""


def _arms(name: str, subject: Subject, own: str | None, others: str | None, seed: int) -> _Arms:
    """What one probe asks, with the labels under which the target and the other answer are shown."""
    prompt, target, other = subject.prompt, subject.target, subject.other
    if name == NULL:
        if subject.is_clear:
            drawn = random.Random(content_id(["attack", seed, subject.id]))  # noqa: S311 - reproducible
            message = Message(role="assistant", content=drawn.choice(probe_texts.NULL_ANSWERS))
            yield "attack", prompt, Candidate(prompt_id=prompt.id, messages=(message,), kind="imported"), other
    elif name == REVISION:
        yield from _revision(prompt, target)
    elif name in CLAIMS:
        claims: tuple[tuple[Arm, str | None], ...] = (("edited", own), ("control", others))
        for arm, label in claims:
            if label is not None:
                yield arm, *_with_turn(subject, probe_texts.named(CLAIMS[name], label))
    else:
        edited = _with_text(target, _edited(name, _text(target), own))
        yield "edited", prompt, edited, other
        yield "control", prompt, edited, _with_text(other, _edited(name, _text(other), others))


def _edited(name: str, text: str, label: str | None) -> str:
    """An answer's text with an edit that says nothing."""
    if name == "format":
        before, after = probe_texts.FORMAT
        return f"{before}\n\n{text}\n\n{after}"
    injection = probe_texts.SCORE_INJECTION if label is None else probe_texts.named(probe_texts.INJECTION, label)
    added = {"verbosity": probe_texts.VERBOSITY, "authority": probe_texts.AUTHORITY, "injection": injection}
    return f"{text}\n\n{added[name]}"


def _revision(prompt: Prompt, answer: Candidate) -> _Arms:
    """An answer beside its copy with one blank doubled, which is called a revision in two of the three arms."""
    text = _text(answer)
    copy = _BLANK.sub("  ", text, count=1)
    if copy == text:
        return
    plain, revised = probe_texts.ANSWER, probe_texts.REVISED
    names: tuple[tuple[Arm, str, str], ...] = (
        ("before", plain, plain),
        ("edited", revised, plain),
        ("control", revised, revised),
    )
    for arm, ours, theirs in names:
        yield arm, prompt, _with_text(answer, f"{ours}\n\n{copy}"), _with_text(answer, f"{theirs}\n\n{text}")


def _with_turn(subject: Subject, claim: str) -> tuple[Prompt, Candidate, Candidate]:
    """The comparison with one more turn of the user."""
    messages = (*subject.prompt.messages, Message(role="user", content=claim))
    prompt = subject.prompt.model_copy(update={"messages": messages})
    target, other = (answer.model_copy(update={"prompt_id": prompt.id}) for answer in (subject.target, subject.other))
    return prompt, target, other


def _text(candidate: Candidate) -> str:
    return str(candidate.messages[-1].content)


def _with_text(candidate: Candidate, text: str) -> Candidate:
    """The candidate with another last text."""
    *before, last = candidate.messages
    return candidate.model_copy(update={"messages": (*before, last.model_copy(update={"content": text}))})
