"""What the stages that train share: their base, their rows, the label smoothing that a spot check estimates, and the
figures of a training.

Promised: rows are of prompts of the train split alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from amendment.data.store import Workspace
from amendment.errors import AmendmentError, MissingExtra, TrainingError
from amendment.files import read_json
from amendment.llm.specs import found_folder
from amendment.llm.weights import weights_state
from amendment.people.gate import GATE, against_advice, refuse_failed_gate, refuse_failed_order
from amendment.people.labelling import CALIBRATOR
from amendment.people.samples import SpotCheckSettings
from amendment.records import Candidate, Preference, Prompt, last_text
from amendment.results import Funnel, Result, Table, by_label, counted
from amendment.stages.contract import POLICY_STAGES, ConfigProblem, Context, RunSettings, Stage, dump
from amendment.stages.tables import PROMPTS, Role
from amendment.training import (
    ProgressCallback,
    TrainerSettings,
    TrainResult,
    check_base,
    missing_trackers,
    need_training,
)

Rows = list[dict[str, Any]]
PAIRS = ("dataset/train", "dataset/test")
CHAINS = (*PROMPTS, "critique/candidates")
LOGGED = ("loss", "rewards/margins", "margin", "rewards/accuracies", "accuracy")
"""What the summary has of a trainer's log, as TRL calls it."""


class TrainingStage(Stage):
    """A stage that trains on from `base`: a policy of the run, a folder, or a model on the Hub."""

    config: Any

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        assert self.Config is not None
        self.config = settings.need(self.Config)
        self.writes = {f"models/{self.name}": Role.POLICY}

    @property
    def base_reads(self) -> tuple[str, ...]:
        """Return the base, where another stage of the run makes it."""
        return (f"models/{self.config.base}",) if self.config.base in POLICY_STAGES else ()

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings, and the files of a base that no stage of this run makes."""
        folder = context.trained_base(self.config.base)
        is_own = folder == str(context.workspace.path(f"models/{self.config.base}"))
        return {**dump(self.config, without={"despite"}), **({} if is_own else {"base files": weights_state(folder)})}

    def problems(self) -> Iterator[ConfigProblem]:
        base = getattr(self.config, "base", None)
        if base in POLICY_STAGES and getattr(self.settings, base, None) is None:
            yield (self.name, "base"), f"the run has no stage {base!r}; add it, or name a model under models"

    def check(self, base: Path) -> Iterator[ConfigProblem]:
        """Libraries, what this machine cannot do, and the base."""
        try:
            need_training()
        except MissingExtra as fault:
            if self.config is self.settings.part(TrainerSettings):  # of several stages the first reports it
                yield (self.name,), str(fault)
            return
        yield from (((self.name, "trl"), message) for message in missing_trackers(self.config))
        model = getattr(self.config, "base", None)
        if model is None or model in POLICY_STAGES:
            return
        try:
            check_base(found_folder(model, base))
        except AmendmentError as fault:
            yield (self.name, "base"), str(fault)

    def refuse_failed_gate(self, context: Context) -> None:
        """Raises GateFailed where people disagree with the judge too much, unless the run file says to train
        despite it."""
        if self.settings.part(SpotCheckSettings) and "people" not in getattr(self.config, "despite", ()):
            refuse_failed_gate(context.workspace, self.name)


class PairTrainingStage(TrainingStage):
    """A training on the dataset's pairs, of which judges may have decided some."""

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        estimated = (CALIBRATOR,) if self.config.label_smoothing == "estimated" else ()
        self.reads = (*self.base_reads, *PAIRS, *estimated)
        self.may_read = (GATE,)

    def problems(self) -> Iterator[ConfigProblem]:
        """Yield a base, or an estimate of label smoothing, that nothing could make or that the labels do without."""
        yield from super().problems()
        if self.config.label_smoothing != "estimated":
            return
        people = self.settings.part(SpotCheckSettings)
        why = people.why_uncalibrated if people else "nobody is asked; let people check a sample of the labels"
        if why:
            yield (self.name, "label_smoothing"), f"estimated on what people say, but {why}, or write a number"
        elif self.config.labels == "soft":
            sure = "soft labels say themselves how sure they are; take labels: hard, or leave label_smoothing out"
            yield (self.name, "label_smoothing"), sure

    def pairs(self, context: Context) -> Rows:
        """Return the rows to train on. Raises GateFailed where a judge who decided them did not pass its gates."""
        self.refuse_failed_gate(context)
        rows = pair_rows(context, "train")
        if GATE in self.reads and "order" not in self.config.despite:
            refuse_failed_order(context.workspace, self.name, rows)
        if GATE in self.reads and (advice := against_advice(context.workspace, rows)):
            context.progress.say(f"warning: {self.name}: {advice}")
        return rows


def training_progress(context: Context, title: str) -> ProgressCallback:
    """Return a callback for the trainer's logs."""

    def progress(step: int, steps: int, metrics: dict[str, float]) -> None:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name == "loss")
        context.progress.training(title, step, steps, shown)

    return progress


def training_result(trained: TrainResult) -> Result:
    """Return what became of the rows of a training, and what it logged first and last."""
    report = trained.report
    rows = Funnel(what="rows to train on", came_in=report.rows, left_out=report.dropped, remained=report.kept)
    figures = (
        *counted(steps=trained.steps),
        *by_label("rows", "with", report.notes),
        *by_label("tokens_of_a_row", "quantile", report.tokens),
    )
    logged = [entry for entry in trained.history if "loss" in entry]
    return Result(figures=figures, funnels=(rows,), tables=_log(logged[:1] + logged[1:][-1:]), notes=trained.notes)


def _log(entries: Rows) -> tuple[Table, ...]:
    """Return the entries of a trainer's log as a table; none without an entry."""
    names = [name for name in LOGGED if any(name in entry for entry in entries)]
    rows = [[entry.get(name) for name in ("step", *names)] for entry in entries]
    finite = tuple(tuple(value if value is None or math.isfinite(value) else None for value in row) for row in rows)
    return (Table(title="First and last entry of the log", head=("step", *names), rows=finite),) if entries else ()


def candidate_rows(context: Context, kind: str, *, last: bool = False) -> Rows:
    """Drafts or revisions of train prompts as rows for supervised fine-tuning; truncated ones are left out."""
    prompts, test = context.prompts(), context.held_out()
    candidates = [
        candidate
        for candidate in context.workspace.read("critique/candidates", Candidate)
        if candidate.kind == kind and candidate.prompt_id not in test and not candidate.is_truncated
    ]
    if last:
        candidates = list({candidate.prompt_id: candidate for candidate in candidates}.values())
    return [sft_row(prompts[candidate.prompt_id], candidate) for candidate in candidates]


def prompt_row(prompt: Prompt) -> dict[str, Any]:
    """Return a prompt as trainers take it."""
    row = prompt.to_json()
    return {"prompt": row["messages"], **{name: row[name] for name in ("tools", "chat_template_kwargs") if name in row}}


def sft_row(prompt: Prompt, answer: Candidate) -> dict[str, Any]:
    """Return an answer as a row for supervised fine-tuning."""
    completion = [message.to_json() for message in answer.messages]
    return {**prompt_row(prompt), "completion": completion, "category": prompt.category}


def pair_rows(context: Context, split: str) -> Rows:
    """Return the dataset's rows as trainers take them, with the texts that slices by length are made of."""
    rows = []
    for pair in context.workspace.read(f"dataset/{split}", Preference):
        row = {"category": None, "source": None, **pair.to_json()}
        rows.append({**row, "chosen_text": last_text(pair.chosen), "rejected_text": last_text(pair.rejected)})
    return rows


def chosen_rows(context: Context) -> Rows:
    """Return each different chosen answer once."""
    rows = {row["chosen_id"]: {**row, "completion": row["chosen"]} for row in pair_rows(context, "train")}
    return list(rows.values())


class Smoothed(NamedTuple):
    """Settings with a number, and what the summary has of it."""

    config: Any
    result: Result


def smoothed(workspace: Workspace, name: str, config: Any) -> Smoothed:
    """Return the settings of the stage `name` as it trains, with a number in place of `label_smoothing: estimated`.
    Raises TrainingError where nothing was calibrated, and where the labels say nothing."""
    if config.label_smoothing != "estimated":
        return Smoothed(config, Result())
    recipe = read_json(workspace.path(CALIBRATOR))
    rate = recipe.get("expected flip rate")
    if rate is None:
        reason = recipe.get("reason", "no reason is on record")
        raise TrainingError(
            f"{name}: label_smoothing: estimated has no estimate, since the judge was not calibrated ({reason}): label "
            "more, or write a number"
        )
    if rate >= 0.5:
        raise TrainingError(
            f"{name}: label_smoothing: estimated comes to {rate:.3f}, so that the labels say nothing: look at the judge"
        )
    found = Result(figures=counted(label_smoothing=rate))
    return Smoothed(config.model_copy(update={"label_smoothing": rate}), found)
