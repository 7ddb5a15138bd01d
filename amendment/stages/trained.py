"""What the stages that train share: their base, their rows, the label smoothing that a spot check estimates, and what
summary and status show of a training.

Promised: rows are of prompts of the train split alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from amendment.audit.figures import percent
from amendment.data.store import Workspace
from amendment.errors import AmendmentError, MissingExtra, TrainingError
from amendment.files import read_json
from amendment.llm.specs import found_folder
from amendment.llm.weights import weights_state
from amendment.people.gate import GATE, refuse_failed_gate, refuse_failed_order
from amendment.people.labelling import CALIBRATOR
from amendment.people.samples import SpotCheckSettings
from amendment.records import Candidate, Preference, Prompt, text_of
from amendment.report.shown import count_lines, estimate_shown, unscored_shown
from amendment.stages.contract import POLICY_STAGES, ConfigProblem, Context, RunSettings, Stage, dump
from amendment.stages.tables import PROMPTS, Role
from amendment.statistics import by_length, estimate
from amendment.text import plain
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
        """The base, where another stage of the run makes it."""
        return (f"models/{self.config.base}",) if self.config.base in POLICY_STAGES else ()

    def key(self, context: Context) -> Mapping[str, Any]:
        """The settings, and the files of a base that no stage of this run makes."""
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

    def lines(self, counts: Mapping[str, Any]) -> list[str]:
        """With what was kept and dropped, the first and the last step, and what was measured on held-out pairs."""
        return count_lines(counts, _LINES)


class PairTrainingStage(TrainingStage):
    """A training on the dataset's pairs, of which judges may have decided some."""

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        estimated = (CALIBRATOR,) if self.config.label_smoothing == "estimated" else ()
        self.reads = (*self.base_reads, *PAIRS, *estimated)
        self.may_read = (GATE,)

    def problems(self) -> Iterator[ConfigProblem]:
        """A base, or an estimate of label smoothing, that nothing could make or that the labels do without."""
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
        """The rows to train on. Raises GateFailed where a judge who decided them did not pass its gates."""
        self.refuse_failed_gate(context)
        rows = pair_rows(context, "train")
        if GATE in self.reads and "order" not in self.config.despite:
            refuse_failed_order(context.workspace, self.name, rows)
        return rows


def training_progress(context: Context, title: str) -> ProgressCallback:
    """A callback for the trainer's logs."""

    def progress(step: int, steps: int, metrics: dict[str, float]) -> None:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name == "loss")
        context.progress.training(title, step, steps, shown)

    return progress


def training_counts(result: TrainResult) -> dict[str, Any]:
    logged = [entry for entry in result.history if "loss" in entry]
    return {
        "steps": result.steps,
        "preflight": result.report.to_json(),
        "first": logged[0] if logged else {},
        "last": logged[-1] if len(logged) > 1 else {},
        "machine": result.machine,
        "notes": list(result.notes),
    }


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
    """A prompt as trainers take it."""
    row = prompt.to_json()
    return {"prompt": row["messages"], **{name: row[name] for name in ("tools", "chat_template_kwargs") if name in row}}


def sft_row(prompt: Prompt, answer: Candidate) -> dict[str, Any]:
    """An answer as a row for supervised fine-tuning."""
    completion = [message.to_json() for message in answer.messages]
    return {**prompt_row(prompt), "completion": completion, "category": prompt.category}


def pair_rows(context: Context, split: str) -> Rows:
    """The dataset's rows as trainers take them, with the texts that slices by length are made of."""
    rows = []
    for pair in context.workspace.read(f"dataset/{split}", Preference):
        row = {"category": None, "source": None, **pair.to_json()}
        rows.append({**row, "chosen_text": text_of(pair.chosen), "rejected_text": text_of(pair.rejected)})
    return rows


def chosen_rows(context: Context) -> Rows:
    """Each different chosen answer once."""
    rows = {row["chosen_id"]: {**row, "completion": row["chosen"]} for row in pair_rows(context, "train")}
    return list(rows.values())


class Smoothed(NamedTuple):
    """Settings with a number, and what the summary says of it."""

    config: Any
    counts: dict[str, float]


def smoothed(workspace: Workspace, name: str, config: Any) -> Smoothed:
    """The settings of the stage `name` as it trains, with a number in place of `label_smoothing: estimated`. Raises
    TrainingError where nothing was calibrated, and where the labels say nothing."""
    if config.label_smoothing != "estimated":
        return Smoothed(config, {})
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
    return Smoothed(config.model_copy(update={"label_smoothing": rate}), {"label smoothing": round(rate, 4)})


def _preflight(report: Mapping[str, Any]) -> list[str]:
    dropped = ", ".join(f"{plain(reason)} {count}" for reason, count in report["dropped"].items()) or "none"
    rows = f"- rows: {report['rows']}, kept {report['kept']}, dropped: {dropped}"
    return [rows, *(f"- {plain(name)}: {count} rows" for name, count in report["notes"].items())]


def _held_out(measured: Mapping[str, Any]) -> list[str]:
    accuracy, loss = measured["accuracy"], measured["log_loss"]
    size = f"{accuracy['n']} pairs of {accuracy['clusters']} prompts"
    lines = [
        f"- held-out accuracy: {estimate_shown(accuracy)}, {size}{unscored_shown(measured)}",
        f"- baselines without a model: {_without_model(measured)}",
        f"- held-out log loss at temperature 1: {estimate_shown(loss)} (a coin: 0.693)",
        *_against_people(measured.get("people")),
    ]
    slices = {name.replace("_", " "): measured.get(name) for name in ("chosen_shorter", "chosen_longer")}
    equal = accuracy["n"] - sum(figures["n"] for figures in slices.values() if figures)
    if len(measured["by_category"]) > 1:
        slices |= {"macro over categories": measured["macro"]}
        slices |= {f"category {name or 'none'}": value for name, value in measured["by_category"].items()}
    slices |= {f"source {name}": value for name, value in measured.get("by_source", {}).items()}
    shown = [
        f"- {plain(name)}: {estimate_shown(figures)}, n = {figures['n']}" for name, figures in slices.items() if figures
    ]
    return [*lines, *shown, *([f"- both of equal length: {equal} pairs"] if equal else [])]


def _without_model(measured: Mapping[str, Any]) -> str:
    """The accuracy of rules that need no model, on the same pairs, in words."""
    longer, first = estimate(measured.get("longer_wins")), measured.get("always_first")
    side, right = by_length(longer) if longer else ("longer", None)
    order = estimate_shown(first) + f" (n = {first['n']})" if first else "no order of the answers is on record"
    return f"the {side} answer is right in {percent(right)}; always first: {order}"


def _against_people(people: Mapping[str, Any] | None) -> list[str]:
    """P(chosen) of a reward model against the shares of people's votes, where people decided held-out pairs."""
    if not people:
        return []
    brier, ece = (estimate_shown(people[name]) for name in ("brier", "ece"))
    even = f"{people['ece_if_perfect']['mean']:.3f} if it were perfect"
    return [f"- P(chosen) against people, {people['n']} held-out pairs: Brier {brier}, ECE {ece} ({even})"]


def _metrics(entry: Mapping[str, float]) -> str:
    names = ("loss", "rewards/margins", "margin", "rewards/accuracies", "accuracy")
    return ", ".join(f"{name} {entry[name]:.4f}" for name in names if name in entry)


_LINES: dict[str, Callable[[Any], list[str]]] = {
    "preflight": _preflight,
    "held out": _held_out,
    "first": lambda entry: [f"- step 1: {_metrics(entry)}"] if entry else [],
    "last": lambda entry: [f"- step {entry['step']:g}: {_metrics(entry)}"] if entry else [],
}
