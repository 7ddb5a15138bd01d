"""Supervised fine-tuning on rows in token ids, and DPO with a target and a weight for each pair, whose flow its
relatives share.

The loss of DPO is that of `WeightedDPOTrainer`. The reference's log-probabilities are computed once, by us, from the
reference's folder, so that a model changed in memory can never be its own stale reference (TRL reloads it from the
path in its config).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from transformers import TrainerCallback
from trl import DPOConfig, SFTConfig, SFTTrainer

from amendment.dpo._guarding import GuardWatcher
from amendment.dpo._relatives import kto_trainer, reference_free_trainer
from amendment.dpo.guards import Guards
from amendment.dpo.policy import UNWEIGHTED, DpoResult, DpoSettings, SftSettings
from amendment.dpo.weighted import WeightedDPOTrainer, pair_losses
from amendment.errors import TrainingError
from amendment.llm.rendering import Renderer
from amendment.llm.weights import split_revision
from amendment.training import ProgressCallback, TrainResult
from amendment.training.generating import completion_logps
from amendment.training.model_files import load_causal, load_tokenizer, placed, quietly
from amendment.training.preflight import PairLabels, TokenPair, TokenRow, pair_labels, prepare_pairs, prepare_rows
from amendment.training.workbench import Workbench, steady, workbench

Rows = Sequence[Mapping[str, Any]]


def fine_tune(
    base: str | Path,
    given: Rows,
    out: Path,
    settings: SftSettings,
    seed: int,
    *,
    progress: ProgressCallback | None,
) -> TrainResult:
    """Cross-entropy per token: -mean log p(token | the tokens before it), over the tokens of completions."""
    with workbench(base, out, settings, seed, progress, rows=given) as bench:
        prepared = prepare_rows(given, bench.renderer, settings)
        columns = {name: [getattr(row, name) for row in prepared.rows] for name in TokenRow._fields}
        own = {"dataset_kwargs": {"skip_prepare_dataset": True}}
        trainer = steady(SFTTrainer)(
            model=bench.causal_model(),
            args=bench.configure(SFTConfig, **own),
            train_dataset=Dataset.from_dict(columns),
            processing_class=bench.tokenizer,
            peft_config=bench.adapter("CAUSAL_LM"),
        )
        fitted = bench.fit(trainer, [len(row.input_ids) for row in prepared.rows])
        return bench.finish(trainer, prepared.report, fitted)


def optimise(
    base: str | Path,
    given: Rows,
    out: Path,
    settings: DpoSettings,
    seed: int,
    *,
    progress: ProgressCallback | None,
    guards: Guards | None = None,
    reference: str | Path | None = None,
) -> DpoResult:
    """`reference` is `base`; it can be named so that the check of the first step can be tested."""
    with workbench(base, out, settings, seed, progress, rows=given, depends=guards and guards.identity) as bench:
        prepared = prepare_pairs(given, bench.renderer, settings, trainer="dpo")
        labels = pair_labels([given[i] for i in prepared.places], settings)
        is_weighted = bool(np.ptp(labels.weights))
        if settings.loss in UNWEIGHTED and is_weighted:
            raise TrainingError(
                f"dpo: loss: {settings.loss} counts all pairs alike, and their weights differ (the largest is "
                f"{labels.weights.max() / labels.weights.min():.3g} times the smallest): take sigmoid or ipo or "
                "robust, or give all pairs one weight"
            )
        watchers: list[TrainerCallback] = []
        if settings.loss in ("orpo", "simpo"):
            trainer, lengths = reference_free_trainer(bench, prepared.rows, settings)
        else:
            make = kto_trainer if settings.loss == "kto" else dpo_trainer
            trainer, lengths = make(bench, prepared.rows, labels, settings, reference or base)
            watchers = [StartsAtReference(settings, exact=not trainer.args.bf16, weighted=is_weighted)]
        if guards and trainer.args.world_size > 1:
            bench.notes.append("guards: nothing was watched, since several processes trained; guards work in one.")
            guards = None
        if guards is None:
            return DpoResult(**vars(bench.finish(trainer, prepared.report, bench.fit(trainer, lengths, *watchers))))
        watcher = GuardWatcher(bench, guards, trainer)
        fitted = bench.fit(trainer, lengths, *watchers, watcher)  # last: a training that it ends writes no checkpoint
        watcher.finish(trainer.model, fitted.steps)
        bench.record["guards"] = [reading.to_json() for reading in watcher.readings]
        return DpoResult(**vars(bench.finish(trainer, prepared.report, fitted)), guards=tuple(watcher.readings))


def dpo_trainer(
    bench: Workbench, pairs: Sequence[TokenPair], labels: PairLabels, settings: DpoSettings, reference: str | Path
) -> tuple[Any, list[int]]:
    """Return the trainer of the losses sigmoid, ipo and robust, and the tokens of each pair."""
    smoothing = {"label_smoothing": settings.label_smoothing} if settings.loss == "robust" else {}
    terms = {settings.loss: 1.0, **({"sft": settings.sft_weight} if settings.sft_weight else {})}
    kinds = {"loss_type": [*terms], "loss_weights": [*terms.values()], **smoothing}
    own = {"beta": settings.beta, "precompute_ref_log_probs": True, **kinds}
    args = bench.configure(DPOConfig, **own)
    lengths = [pair.longest for pair in pairs]
    rows = bench.seen(lengths, args)
    model = placed(load_causal(reference, revision=bench.revision))
    logps = _pair_logps(model, bench.tokenizer, [pairs[row] for row in rows])
    columns: dict[str, Any] = {name: [getattr(pair, name) for pair in pairs] for name in TokenPair._fields}
    columns |= {"p_chosen": labels.targets, "weight": labels.weights}
    for side, values in zip(("chosen", "rejected"), logps, strict=True):
        column = np.full(len(pairs), np.nan, dtype=np.float32)  # were one drawn after all, its loss would tell
        column[rows] = values
        columns[f"ref_{side}_logps"] = column
    trainer = steady(WeightedDPOTrainer)(
        model=bench.causal_model(),
        args=args,
        train_dataset=Dataset.from_dict(columns),
        processing_class=bench.tokenizer,
        peft_config=bench.adapter("CAUSAL_LM"),
    )
    return trainer, lengths


def _pair_logps(
    model: Any, tokenizer: Any, pairs: Sequence[TokenPair]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """log p(chosen) and log p(rejected) of each pair, given its prompt; sums over completion tokens, in nats."""
    sides = [(pair.prompt_ids, ids) for pair in pairs for ids in (pair.chosen_ids, pair.rejected_ids)]
    logps = completion_logps(model, tokenizer, sides)
    return logps[0::2], logps[1::2]


class StartsAtReference(TrainerCallback):
    """Stops the run when the policy differs from the reference before the first update: implicit rewards are 0 there,
    and every pair's loss is ln 2 (IPO: 1 / 4 beta^2; KTO: a half)."""

    def __init__(self, settings: DpoSettings, *, exact: bool, weighted: bool) -> None:
        zero, one = torch.zeros(1), torch.ones(1)
        is_kto = settings.loss == "kto"
        self.tolerance = 1e-3 if exact else 0.1
        beta, flipped = settings.beta, settings.label_smoothing
        start = pair_losses(settings.loss, zero, zero, one, one, p_B=one, beta=beta, flipped=flipped)
        self.start = 0.5 if is_kto else float(start)
        self.sees_loss = not settings.sft_weight and not weighted

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if state.global_step != 1 or "rewards/chosen" not in logs:
            return
        rewards = {name: logs[f"rewards/{name}"] for name in ("chosen", "rejected", "margins")}
        off = max(abs(value) for value in rewards.values()) > self.tolerance
        if self.sees_loss:
            off = off or abs(logs["loss"] - self.start) > self.tolerance * max(1.0, self.start)
        if off:
            shown = ", ".join(f"{name} {value:.4f}" for name, value in rewards.items())
            raise TrainingError(
                f"dpo: at step 1 the policy is not its reference (implicit rewards {shown}, loss {logs['loss']:.4f}; "
                f"expected 0 and {self.start:.4f}): the base's folder was changed while it was read, or it is stale"
            )


def margins(policy: str | Path, reference: str | Path, pairs: Rows, settings: DpoSettings) -> NDArray[np.float64]:
    """See `policy_margins`: the same rendering and rules of length as in training."""
    result = np.full(len(pairs), np.nan)
    if not pairs:
        return result
    with quietly():
        models = [split_revision(str(model)) for model in (policy, reference)]
        tokenizer, other = (load_tokenizer(name, revision=revision) for name, revision in models)
        if tokenizer.get_vocab() != other.get_vocab() or tokenizer.chat_template != other.chat_template:
            raise TrainingError(f"{policy} and {reference} have different tokenizers or chat templates")
        prepared = prepare_pairs(pairs, Renderer(tokenizer), settings, trainer="dpo", refuse=False)
        gaps = []
        for name, revision in models:
            model = placed(load_causal(name, revision=revision))
            chosen, rejected = _pair_logps(model, tokenizer, prepared.rows)
            gaps.append(chosen - rejected)
    result[prepared.places] = settings.beta * (gaps[0] - gaps[1])
    return result
