"""The stages that train: the tiny base, supervised fine-tuning, the reward model, DPO.

Each trains on prompts of the train split alone and is then measured on held-out pairs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from amendment.dpo import policy_margins, train_dpo, train_sft
from amendment.records import Candidate, Preference, Prompt, text_of
from amendment.reward_model import RewardModel, train_reward
from amendment.stages.configs import BaseStage
from amendment.stages.contract import Context, Made
from amendment.stages.gate import refuse_failed_gate
from amendment.stages.guarding import guard_counts, guard_ending, guards_of, rehearse_guards
from amendment.stages.helpful import helpful_rows
from amendment.stages.reward_measured import measured, measured_reward, pair_scores
from amendment.stages.reward_rows import fitted_counts, reward_rows
from amendment.stages.smoothing import smoothed
from amendment.training import Progress, TrainResult, build_tiny

__all__ = ["make_base", "make_dpo", "make_reward_model", "make_sft"]

Rows = list[dict[str, Any]]


def make_base(context: Context) -> Made:
    """A small model with a tokenizer of the run's own text, trained on drafts, on chosen answers, or not at all."""
    stage = context.config.base
    assert stage is not None
    if stage.on == "chosen":
        refuse_failed_gate(context.workspace, context.config)
    folder, seed = _folder(context, "base"), context.config.seed
    rows = _base_rows(context, stage)
    untrained = folder.with_name("base.untrained")
    build_tiny(untrained, _texts(rows), stage.tiny, seed)
    if stage.on == "nothing":
        return _keep_untrained(untrained, folder)
    result = train_sft(untrained, rows, folder, stage, seed=seed, progress=_watch(context, "base"))
    shutil.rmtree(untrained)
    return Made(("models/base",), _trained(result))


def _base_rows(context: Context, stage: BaseStage) -> Rows:
    """What the base learns from; with `on: nothing` its tokenizer alone, from drafts where the run has any."""
    if stage.on == "drafts" or (stage.on == "nothing" and context.config.critique):
        return _candidate_rows(context, "draft")
    return _pair_rows(context, "train") if stage.on == "nothing" else _chosen_rows(context)


def _keep_untrained(untrained: Path, folder: Path) -> Made:
    """Put the model in place with the file by which trainers know a folder that they may replace."""
    (untrained / "history.json").write_text(json.dumps({"steps": 0, "history": []}) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    untrained.rename(folder)
    return Made(("models/base",), {"steps": 0})


def make_sft(context: Context) -> Made:
    """Fine-tune the base on revisions, or on chosen answers."""
    stage = context.config.sft
    assert stage is not None
    if stage.on == "chosen":
        refuse_failed_gate(context.workspace, context.config)
        rows = _chosen_rows(context)
    else:
        rows = _candidate_rows(context, "revision", last=stage.on == "last_revision")
    helpful = helpful_rows(context, stage, others=len(rows))
    result = train_sft(
        context.trained_base(stage.base),
        [*rows, *(_sft_row(one.prompt, one.answer.messages) for one in helpful.rows)],
        _folder(context, "sft"),
        stage,
        seed=context.config.seed,
        progress=_watch(context, "sft"),
    )
    counts = _trained(result)
    return Made(("models/sft",), {**counts, **helpful.counts, "notes": [*counts["notes"], *helpful.notes]})


def make_reward_model(context: Context) -> Made:
    """Train a reward model on the pairs and measure it on held-out ones."""
    assert context.config.reward_model is not None
    refuse_failed_gate(context.workspace, context.config)
    stage, told = smoothed(context, "reward_model", context.config.reward_model)
    folder = _folder(context, "reward_model")
    train, test = (reward_rows(context, _pair_rows(context, split)) for split in ("train", "test"))
    result = train_reward(
        context.trained_base(stage.base),
        train,
        folder,
        stage,
        seed=context.config.seed,
        held_out=test,
        progress=_watch(context, "reward model"),
    )
    counts = {**_trained(result), **told}
    scores = pair_scores(*result.held_out, RewardModel.describe(folder)) if result.held_out else None
    found = measured_reward(folder, test, scores)
    counts |= fitted_counts(folder, found or {}) | ({"held out": found} if found else {})
    return Made(("models/reward_model",), counts)


def make_dpo(context: Context, *, name: str = "dpo") -> Made:
    """Move the policy towards chosen answers and measure its implicit reward on held-out pairs. `name` is the policy's,
    which is another in each further round."""
    assert context.config.dpo is not None
    if context.is_rehearsed:
        if context.asks_most:
            rehearse_guards(context, context.config.dpo, name)
        return Made((), {})
    refuse_failed_gate(context.workspace, context.config)
    stage, told = smoothed(context, name, context.config.dpo)
    base, folder = context.trained_base(stage.base), _folder(context, name)
    pairs = _pair_rows(context, "train")
    result = train_dpo(
        base,
        pairs,
        folder,
        stage,
        seed=context.config.seed,
        progress=_watch(context, name),
        guards=guards_of(context, stage),
    )
    counts = {**_trained(result), **told, **guard_counts(context, stage, result.guards)}
    if ending := guard_ending(counts.get("guards", {})):
        context.progress.say(f"{name}: guards: {ending}")
    held_out = _decided(_pair_rows(context, "test"))
    if held_out:
        margins = policy_margins(folder, base, held_out, stage)
        counts["held out"] = measured(held_out, margins, [0.0] * len(held_out))
    return Made((f"models/{name}",), counts)


def _folder(context: Context, name: str) -> Path:
    return context.workspace.path(f"models/{name}")


def _trained(result: TrainResult) -> dict[str, Any]:
    """What summary and status show of a training."""
    logged = [entry for entry in result.history if "loss" in entry]
    return {
        "steps": result.steps,
        "preflight": result.report.to_json(),
        "first": logged[0] if logged else {},
        "last": logged[-1] if logged else {},
        "machine": result.machine,
        "notes": list(result.notes),
    }


def _watch(context: Context, title: str) -> Progress:
    def progress(step: int, steps: int, metrics: dict[str, float]) -> None:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name == "loss")
        context.progress.training(title, step, steps, shown)

    return progress


def _candidate_rows(context: Context, kind: str, *, last: bool = False) -> Rows:
    """Drafts or revisions of train prompts as rows for supervised fine-tuning; truncated ones are left out."""
    prompts, test = context.prompts(), context.held_out()
    found = [
        candidate
        for candidate in context.workspace.read("critique/candidates", Candidate)
        if candidate.kind == kind and candidate.prompt_id not in test and not candidate.is_truncated
    ]
    if last:
        found = list({candidate.prompt_id: candidate for candidate in found}.values())
    return [_sft_row(prompts[candidate.prompt_id], candidate.messages) for candidate in found]


def _sft_row(prompt: Prompt, completion: Iterable[Any]) -> dict[str, Any]:
    row = prompt.to_json()
    return {
        "prompt": row["messages"],
        "completion": [message.to_json() for message in completion],
        "category": prompt.category,
        **{name: row[name] for name in ("tools", "chat_template_kwargs") if name in row},
    }


def _pair_rows(context: Context, split: str) -> Rows:
    """The dataset's rows as trainers take them, with the texts that slices by length are made of."""
    rows = []
    for pair in context.workspace.read(f"dataset/{split}", Preference):
        row = {"category": None, "source": None, **pair.to_json()}
        rows.append({**row, "chosen_text": text_of(pair.chosen), "rejected_text": text_of(pair.rejected)})
    return rows


def _decided(rows: Rows) -> Rows:
    """A tie has no orientation that a model could get right."""
    return [row for row in rows if row["p_chosen"] != 0.5]


def _chosen_rows(context: Context) -> Rows:
    """Each different chosen answer once."""
    rows = {row["chosen_id"]: {**row, "completion": row["chosen"]} for row in _pair_rows(context, "train")}
    return list(rows.values())


def _texts(rows: Rows) -> Iterator[str]:
    """What the tokenizer learns from: all words of prompts and answers."""
    for row in rows:
        for part in ("prompt", "completion", "chosen", "rejected"):
            for message in row.get(part, ()):
                yield from (text for text in (message.get("content"), message.get("thinking")) if isinstance(text, str))
