"""Direct preference optimisation with TRL's DPOTrainer, and a check that it starts where it should.

The reference log-probabilities are computed once, by us, from the reference's folder, so that a model
changed in memory can never be its own stale reference (TRL reloads it from the path in its config).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from amendment.dpo._logps import pair_logps
from amendment.dpo.settings import DpoSettings
from amendment.errors import TrainingError
from amendment.training import (
    Prepared,
    Progress,
    TokenPair,
    TrainResult,
    Workbench,
    load_causal,
    prepare_pairs,
    steady,
    workbench,
)


class _TokenPairs(steady(DPOTrainer)):  # type: ignore[misc]  # untyped base
    """Takes pairs in token ids, which TRL's own class would tokenise again, with their reference log-probabilities."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset


class _StartsAtReference(TrainerCallback):
    """Stops the run when the policy differs from the reference before the first update."""

    def __init__(self, settings: DpoSettings, *, exact: bool) -> None:
        self.settings, self.tolerance = settings, 1e-3 if exact else 0.1

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if state.global_step != 1 or "rewards/chosen" not in logs:
            return
        rewards = {name: logs[f"rewards/{name}"] for name in ("chosen", "rejected", "margins")}
        off = max(abs(value) for value in rewards.values()) > self.tolerance
        if not self.settings.sft_weight:
            off = off or abs(logs["loss"] - math.log(2)) > self.tolerance
        if off:
            found = ", ".join(f"{name} {value:.4f}" for name, value in rewards.items())
            raise TrainingError(
                f"dpo: at step 1 the policy is not its reference (implicit rewards {found}, loss {logs['loss']:.4f}; "
                f"expected 0 and {math.log(2):.4f}): the base's folder was changed while it was read, or it is stale"
            )


def train(
    base: str | Path,
    pairs: Iterable[Mapping[str, Any]],
    out: Path,
    settings: DpoSettings,
    seed: int,
    *,
    progress: Progress | None,
    reference: str | Path | None = None,
) -> TrainResult:
    """`reference` is `base`; it can be named so that the check of the first step can be tested."""
    with workbench(base, out, settings, seed, progress) as bench:
        prepared = prepare_pairs(pairs, bench.renderer, settings, trainer="dpo")
        args = bench.configure(DPOConfig, **_own(settings))
        trainer = _TokenPairs(
            model=bench.causal_model(),
            args=args,
            train_dataset=_dataset(prepared, reference or base, bench, args),
            processing_class=bench.tokenizer,
            peft_config=bench.adapter("CAUSAL_LM"),
        )
        watcher = _StartsAtReference(settings, exact=not trainer.args.bf16)
        fitted = bench.fit(trainer, [_longest(pair) for pair in prepared.rows], watcher)
        _warn_of_collapse(bench, fitted.history, fitted.steps)
        return bench.finish(trainer, prepared.report, fitted)


def _own(settings: DpoSettings) -> dict[str, Any]:
    fields: dict[str, Any] = {"beta": settings.beta, "loss_type": ["sigmoid"], "precompute_ref_log_probs": True}
    if settings.sft_weight:
        fields |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, settings.sft_weight]}
    return fields


def _dataset(prepared: Prepared[TokenPair], reference: str | Path, bench: Workbench, args: DPOConfig) -> Dataset:
    """The pairs in TRL's columns, with the log-probabilities of the reference for those that will be drawn."""
    rows = bench.seen([_longest(pair) for pair in prepared.rows], args)
    model = load_causal(reference, revision=bench.revision)
    logps = pair_logps(model, [prepared.rows[row] for row in rows], bench.tokenizer.pad_token_id)
    columns: dict[str, Any] = {name: [getattr(pair, name) for pair in prepared.rows] for name in TokenPair._fields}
    for side, values in (("chosen", logps.chosen), ("rejected", logps.rejected)):
        column = np.full(len(prepared.rows), np.nan, dtype=np.float32)  # were one drawn after all, its loss would tell
        column[rows] = values
        columns[f"ref_{side}_logps"] = column
    return Dataset.from_dict(columns)


def _longest(pair: TokenPair) -> int:
    return len(pair.prompt_ids) + max(len(pair.chosen_ids), len(pair.rejected_ids))


def _warn_of_collapse(bench: Workbench, history: Iterable[dict[str, float]], steps: int) -> None:
    """Note a run that separates everything at once: the sign of a learning rate that breaks the policy."""
    early = [entry for entry in history if entry["step"] <= 0.1 * steps]
    if any(e.get("rewards/accuracies") == 1.0 and e.get("rewards/margins", 0.0) > 10 for e in early):
        bench.notes.append(
            "All pairs were separated by a margin over 10 within a tenth of the steps: lower learning_rate."
        )
