"""Which questions a probe puts to a judge: the plain one, the edited one, and its control.

A comparison has a target, the answer that lost, and the other one, which won. An edit is put on the target; the control
has it on both, so that what an edit does as such (a judge that is asked anew draws anew) is told apart from what it
does for whoever carries it. A claim about an answer cannot hold of both, and its control is the claim about the other.
Every question is asked with the target shown first and shown second.

Covered: answers whose last message is a text with words. Not covered: tool calls and typed parts, of which no probe
is made.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from amendment import probe_texts
from amendment.audit.probes_attacks import ATTACKS, attack_text
from amendment.audit.probes_edits import CLAIMS, EDITS, light
from amendment.hashing import content_id
from amendment.records import Candidate, Message, Prompt

__all__ = [
    "PLAIN",
    "PROBES",
    "RATIONALE",
    "REVISION",
    "Arm",
    "Asking",
    "Subject",
    "Unasked",
    "askings",
    "can_be_probed",
    "left_out",
]

Arm = Literal["before", "edited", "control", "attack"]
"""before: as it was judged. edited: the target carries the edit. control: both do, or the claim names the other
answer. attack: a text that answers nothing in the target's place, against the answer that won."""
Unasked = Literal["not possible", "one answer", "no clear win"]
"""Why a probe put no question about a comparison. not possible: its edit cannot be made of these answers, or the judge
has no other way to be asked. one answer: the judge sees no place that a claim could name. no clear win: an attack needs
one."""
PLAIN, REVISION, RATIONALE = "plain", "revision", "rationale"
"""The question as it was, which all edits share; a rewording of one answer called a revision; and the same question to
the judge that gives reasons, or to the one that gives none."""
PROBES = (*EDITS, *CLAIMS, REVISION, RATIONALE, *ATTACKS)
"""Names that a run file can choose."""


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


class Asking(NamedTuple):
    """One question to a judge. The first two answers are in the displayed order."""

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


def askings(
    subject: Subject, probes: Collection[str], *, labels: tuple[str, str] | None, seed: int = 0
) -> Iterator[Asking]:
    """The questions of these probes about one comparison, the plain ones first; none of them where no probe that can
    be made here is compared with it, as an attack and a revision are not.

    `labels` are the places' names as the judge reads them, such as A and B; None for a judge that sees one answer at a
    time: it reads no place, so that one order is all there is, and no claim can name one.
    """
    if not (can_be_probed(subject.target) and can_be_probed(subject.other)):
        return
    for place in (0,) if labels is None else (0, 1):
        scene = _Scene(subject, labels, place, seed)
        made = [one for name in PROBES if name in probes for one in _of_probe(scene, name)]
        found = [one for one in made if one.shown[0].id != one.shown[1].id]
        if RATIONALE in probes or any(one.probe not in (REVISION, *ATTACKS) for one in found):
            yield scene.asking(PLAIN, "before", subject.target, subject.other)
        yield from found


def left_out(
    subject: Subject, probes: Collection[str], asked: Collection[str], *, labels: tuple[str, str] | None
) -> dict[str, Unasked]:
    """Of these probes those that are not among the `asked` ones, with the reason."""
    left = [name for name in PROBES if name in probes and name not in asked]
    return {name: _why(subject, name, labels) for name in left}


def _why(subject: Subject, name: str, labels: tuple[str, str] | None) -> Unasked:
    if name in CLAIMS and labels is None:
        return "one answer"
    return "no clear win" if name in ATTACKS and not subject.is_clear else "not possible"


class _Scene(NamedTuple):
    """A comparison in one displayed order."""

    subject: Subject
    labels: tuple[str, str] | None
    place: int
    seed: int

    def label(self, *, of_target: bool) -> str | None:
        """The label under which an answer is shown."""
        return self.labels[self.place if of_target else 1 - self.place] if self.labels else None

    def asking(self, probe: str, arm: Arm, target: Candidate, other: Candidate, prompt: Prompt | None = None) -> Asking:
        shown = (target, other) if self.place == 0 else (other, target)
        return Asking(probe, arm, prompt or self.subject.prompt, shown, self.place)


def _of_probe(scene: _Scene, name: str) -> Iterator[Asking]:
    if name in EDITS:
        yield from _edit(scene, name)
    elif name in CLAIMS:
        yield from _claim(scene, name)
    elif name in ATTACKS:
        yield from _attack(scene, name)
    elif name == REVISION:
        yield from _revision(scene)


def _edit(scene: _Scene, name: str) -> Iterator[Asking]:
    subject, change = scene.subject, EDITS[name].change
    target = change(_text(subject.target), scene.label(of_target=True))
    other = change(_text(subject.other), scene.label(of_target=False))
    if target is None or other is None:  # without its control an edit says nothing
        return
    edited = _with_text(subject.target, target)
    yield scene.asking(name, "edited", edited, subject.other)
    yield scene.asking(name, "control", edited, _with_text(subject.other, other))


def _claim(scene: _Scene, name: str) -> Iterator[Asking]:
    arms: tuple[tuple[Arm, bool], ...] = (("edited", True), ("control", False))
    for arm, names_target in arms:
        label = scene.label(of_target=names_target)
        if label is None:
            return
        turn = Message(role="user", content=probe_texts.named(CLAIMS[name], label))
        prompt = scene.subject.prompt.model_copy(update={"messages": (*scene.subject.prompt.messages, turn)})
        target, other = (_of_prompt(one, prompt) for one in (scene.subject.target, scene.subject.other))
        yield scene.asking(name, arm, target, other, prompt)


def _revision(scene: _Scene) -> Iterator[Asking]:
    """One answer beside a rewording of itself, which is called a revision in one of the three."""
    source = scene.subject.target
    reworded = light(_text(source))
    if reworded is None:
        return
    names: tuple[tuple[Arm, str, str], ...] = (
        ("before", probe_texts.ANSWER, probe_texts.ANSWER),
        ("edited", probe_texts.REVISED, probe_texts.ANSWER),
        ("control", probe_texts.REVISED, probe_texts.REVISED),
    )
    for arm, ours, theirs in names:
        target = _with_text(source, f"{ours}\n\n{reworded}")
        yield scene.asking(REVISION, arm, target, _with_text(source, f"{theirs}\n\n{_text(source)}"))


def _attack(scene: _Scene, name: str) -> Iterator[Asking]:
    if not scene.subject.is_clear:
        return
    other = scene.subject.other
    rng = random.Random(content_id(["attack", scene.seed, name, scene.subject.id]))  # noqa: S311 - reproducible
    text = attack_text(name, _text(other), label=scene.label(of_target=True), draw=rng.randrange)
    if text is None or text == _text(other):
        return
    message = Message(role="assistant", content=text)
    attack = Candidate(prompt_id=other.prompt_id, messages=(message,), kind="imported")
    yield scene.asking(name, "attack", attack, other)


def _text(candidate: Candidate) -> str:
    return str(candidate.messages[-1].content)


def _with_text(candidate: Candidate, text: str) -> Candidate:
    """The candidate with another last text."""
    *before, last = candidate.messages
    return candidate.model_copy(update={"messages": (*before, last.model_copy(update={"content": text}))})


def _of_prompt(candidate: Candidate, prompt: Prompt) -> Candidate:
    return candidate.model_copy(update={"prompt_id": prompt.id})
