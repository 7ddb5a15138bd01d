"""The stage `labels`: people's labels as verdicts; a run whose labels are missing waits for them.

Stages read the file of labels and never rewrite it. Sealed and open labels are two tables, so that what a stage reads
says whether it may see sealed ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from amendment.calibration.labelling import SAMPLE, SPOT_CHECK, LabelledSample
from amendment.calibration.queue import Queue, labels_missing
from amendment.calibration.samples import (
    Label,
    LabelQuestion,
    QuestionWriter,
    SampledItem,
    SpotCheckSettings,
    verdict_of,
)
from amendment.calibration.store import Labels
from amendment.errors import ConfigError, Paused
from amendment.preference import load_judge_folder
from amendment.records import Verdict, text_of
from amendment.simulator import panel
from amendment.stages.contract import ConfigProblem, Context, JudgeEntry, RunSettings, Stage, StageResult, is_lilliput
from amendment.stages.pairs import Texts

OPEN, SEALED = "labels/open", "labels/sealed"
SIMULATED = "simulated person"
"""Prefix of the names of simulated people; nobody else may have such a name."""


class Labelling(Protocol):
    """The settings of a part of the run file that concern annotators."""

    @property
    def people(self) -> str: ...

    @property
    def annotators(self) -> int: ...


class LabelsStage(Stage):
    """People's labels from the page, as verdicts."""

    name = "labels"
    title = "reading people's labels"
    comes_with = SpotCheckSettings
    reads = (SAMPLE, SPOT_CHECK.questions)
    writes = (OPEN, SEALED)

    def key(self, context: Context) -> Mapping[str, Any]:
        return labels_key(context, SPOT_CHECK, self.settings.need(SpotCheckSettings))

    def make(self, context: Context) -> StageResult:
        """The labels of the sample as verdicts. Raises Paused while some are missing."""
        workspace = context.workspace
        current = labels_of(context, SPOT_CHECK, self.settings.need(SpotCheckSettings))
        with Labels(SPOT_CHECK.labels_in(workspace.folder), read_only=True) as store:
            sides = sides_of(current, workspace.read(SAMPLE, SampledItem), seen=store.prompts_seen())
            store.note_seen({verdict.prompt_id for verdict in sides["open"]})
        tables = [workspace.write(f"labels/{side}", Verdict, verdicts) for side, verdicts in sides.items()]
        sizes = {f"{side} labels": len(verdicts) for side, verdicts in sides.items()}
        return StageResult(tuple(tables), {**label_counts(current), **sizes})


def labels_key(context: Context, sample: LabelledSample, labelling: Labelling) -> dict[str, Any]:
    """The annotators of a sample, and their labels: new labels put what depends on them out of date. Simulated people's
    labels follow from the settings."""
    key: dict[str, Any] = {"people": labelling.people, "annotators": labelling.annotators}
    if labelling.people == "simulated":
        return key
    path = sample.labels_in(context.workspace.folder)
    if not path.is_file():
        return {**key, "labels": None}
    with Labels(path, read_only=True) as store:
        return {**key, "labels": store.state()}


def labels_of(context: Context, sample: LabelledSample, labelling: Labelling) -> list[Label]:
    """The labels of a sample's questions that count now, in one fixed order. Raises Paused while some are missing."""
    workspace = context.workspace
    questions = workspace.read(sample.questions, LabelQuestion)
    is_simulated = labelling.people == "simulated"
    with Labels(sample.labels_in(workspace.folder), read_only=not is_simulated) as store:
        if any(label.annotator.startswith(f"{SIMULATED} ") != is_simulated for label in store.current()):
            others = "people who are not simulated" if is_simulated else "simulated people"
            raise ConfigError(
                f"{store.path}: holds labels of {others}, and this run file says people: {labelling.people}. Move the "
                "file and its companions (-wal, -shm) away, use another folder, or restore that line"
            )
        if is_simulated:
            _let_simulated_people_answer(questions, store, annotators=labelling.annotators, seed=context.config.seed)
        current = store.current()
    missing = labels_missing(questions, current, annotators=labelling.annotators)
    if missing:
        raise Paused(sample.waiting(workspace.folder, missing))
    asked = {question.comparison_id for question in questions}
    return [label for label in current if label.comparison_id in asked]


def _let_simulated_people_answer(
    questions: Sequence[LabelQuestion], labels: Labels, *, annotators: int, seed: int
) -> None:
    """People of the simulated world take turns until the page's queue has nothing more for them."""
    queue = Queue(questions, labels.current(), seed=seed, annotators=annotators, clock=lambda: 0.0)
    busy = {f"{SIMULATED} {number + 1}": number for number in range(annotators)}
    while busy:
        for annotator, number in [*busy.items()]:
            shown = queue.next(annotator)
            if shown is None:
                del busy[annotator]
                continue
            prompt, first, second = map(text_of, (shown.question.prompt, *shown.answers))
            choice = panel(prompt, first, second, seed=seed, raters=annotators)[number]
            label = shown.label(annotator, uuid=secrets.token_hex(16), choice=choice)
            labels.add(label)
            queue.add(label)


def simulated_people_problems(settings: RunSettings, sample: LabelledSample) -> Iterator[ConfigProblem]:
    """Report simulated people who would be asked about prompts outside the simulated world."""
    if not (settings.prompts and is_lilliput(settings)):
        command = f"take people: page, and amendment label{sample.option}"
        yield (
            (*sample.keys, "people"),
            "the people of the simulated world know its own prompts alone, prompts: [{lilliput: 100}], and this run "
            f"has others; {command}",
        )


def question_writer(context: Context, judge: JudgeEntry | None, texts: Texts) -> QuestionWriter:
    """Writes what people are asked about comparisons that this judge decided; None: the judge of an imported log."""
    unit = load_judge_folder(judge.protocol, base=context.base).unit if judge else None
    return QuestionWriter(context.constitutions, unit, texts.prompts, texts.candidates, seed=context.config.seed)


def label_counts(labels: Sequence[Label]) -> dict[str, Any]:
    silent = {choice: sum(label.choice == choice for label in labels) for choice in ("skip", "flag")}
    people = len({label.annotator for label in labels})
    return {"labels": len(labels), "people": people, **{choice: count for choice, count in silent.items() if count}}


def sides_of(
    labels: Iterable[Label], sample: Iterable[SampledItem], *, seen: Collection[str]
) -> dict[str, list[Verdict]]:
    """The labels of a sample as verdicts, `open` and `sealed`, in one order whatever order they came in. Those of
    prompts whose labels were `seen` before stay open, whatever another seed or another share would seal now."""
    sealed = {item.comparison_id: item.is_sealed and item.prompt_id not in seen for item in sample}
    sides: dict[str, list[Verdict]] = {"open": [], "sealed": []}
    for label in sorted(
        labels, key=lambda label: (label.prompt_id, label.comparison_id, label.annotator, label.showing)
    ):
        verdict = verdict_of(label) if label.comparison_id in sealed else None
        if verdict:
            sides["sealed" if sealed[label.comparison_id] else "open"].append(verdict)
    return sides
