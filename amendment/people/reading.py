"""People's labels as they count now: which are missing, what simulated people say, and which are sealed."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from amendment.data.store import Workspace
from amendment.errors import ConfigError, Paused
from amendment.people.labelling import LabelledSample
from amendment.people.queue import Queue, labels_missing
from amendment.people.samples import Label, LabelQuestion, SampledItem, as_verdict
from amendment.people.store import Labels
from amendment.preference.aggregate import person_votes
from amendment.records import Verdict, last_text
from amendment.simulator import SIMULATED_PERSON, panel


class Labelling(Protocol):
    """The settings of a part of the run file that concern annotators."""

    @property
    def people(self) -> str: ...

    @property
    def annotators(self) -> int: ...


def labels_key(folder: Path, sample: LabelledSample, labelling: Labelling) -> dict[str, Any]:
    """Return the annotators of a sample and their labels: new labels make dependent stages run again. Simulated
    people's labels follow from the settings."""
    key: dict[str, Any] = {"people": labelling.people, "annotators": labelling.annotators}
    if labelling.people == "simulated":
        return key
    path = sample.labels_in(folder)
    if not path.is_file():
        return {**key, "labels": None}
    with Labels(path, read_only=True) as store:
        return {**key, "labels": store.state()}


def current_labels(workspace: Workspace, sample: LabelledSample, labelling: Labelling, *, seed: int) -> list[Label]:
    """Return the current labels of a sample's questions, in a fixed order. Raises Paused while some are missing."""
    questions = workspace.read(sample.questions, LabelQuestion)
    is_simulated = labelling.people == "simulated"
    with Labels(sample.labels_in(workspace.folder), read_only=not is_simulated) as store:
        if any(label.annotator.startswith(f"{SIMULATED_PERSON} ") != is_simulated for label in store.current()):
            others = "people who are not simulated" if is_simulated else "simulated people"
            raise ConfigError(
                f"{store.path}: holds labels of {others}, and this run file says people: {labelling.people}. Move the "
                "file and its companions (-wal, -shm) away, use another folder, or restore that line"
            )
        if is_simulated:
            _let_simulated_people_answer(questions, store, annotators=labelling.annotators, seed=seed)
        current = store.current()
    missing = labels_missing(questions, current, annotators=labelling.annotators)
    if missing:
        raise Paused(sample.waiting(workspace.folder, missing))
    asked = {question.comparison_id for question in questions}
    return [label for label in current if label.comparison_id in asked]


def _let_simulated_people_answer(
    questions: Sequence[LabelQuestion], labels: Labels, *, annotators: int, seed: int
) -> None:
    """Let simulated people take turns until the page's queue is empty for all of them."""
    queue = Queue(questions, labels.current(), seed=seed, annotators=annotators, clock=lambda: 0.0)
    busy = {f"{SIMULATED_PERSON} {number + 1}": number for number in range(annotators)}
    while busy:
        for annotator, number in [*busy.items()]:
            shown = queue.next(annotator)
            if shown is None:
                del busy[annotator]
                continue
            prompt, first, second = map(last_text, (shown.question.prompt, *shown.answers))
            choice = panel(prompt, first, second, seed=seed, raters=annotators)[number]
            label = shown.label(annotator, uuid=secrets.token_hex(16), choice=choice)
            labels.add(label)
            queue.add(label)


def label_counts(labels: Sequence[Label]) -> dict[str, int]:
    """Count the labels, the people who gave them, and the labels without a verdict."""
    silent = {choice: sum(label.choice == choice for label in labels) for choice in ("skip", "flag")}
    people = len({label.annotator for label in labels})
    return {"labels": len(labels), "people": people, **{choice: count for choice, count in silent.items() if count}}


def disputed(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the comparisons on which people say different things, of which a tie is one."""
    return [name for name, votes in person_votes(verdicts).items() if len(set(votes.values())) > 1]


def label_verdicts(
    labels: Iterable[Label], sample: Iterable[SampledItem], *, seen: Collection[str]
) -> dict[str, list[Verdict]]:
    """Return the labels of a sample as verdicts, `open` and `sealed`, in a fixed order. Those of prompts whose labels
    were `seen` before stay open, whatever another seed or another share would seal now."""
    sealed = {item.comparison_id: item.is_sealed and item.prompt_id not in seen for item in sample}
    sides: dict[str, list[Verdict]] = {"open": [], "sealed": []}
    for label in sorted(
        labels, key=lambda label: (label.prompt_id, label.comparison_id, label.annotator, label.showing)
    ):
        verdict = as_verdict(label) if label.comparison_id in sealed else None
        if verdict:
            sides["sealed" if sealed[label.comparison_id] else "open"].append(verdict)
    return sides
