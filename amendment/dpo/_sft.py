"""Supervised fine-tuning with TRL's SFTTrainer on rows that preflight has turned into tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer, pack_dataset

from amendment.dpo.policy import SftSettings
from amendment.errors import ConfigError
from amendment.training import Progress, TrainResult
from amendment.training.preflight import TokenRow, prepare_rows
from amendment.training.workbench import steady, workbench

_PROBED = 32
"""Tokens of each row by which packing is tried before it is used."""


def train(
    base: str | Path,
    given: Sequence[Mapping[str, Any]],
    out: Path,
    settings: SftSettings,
    seed: int,
    *,
    progress: Progress | None,
) -> TrainResult:
    """Cross-entropy per token: -mean log p(token | the tokens before it), over the tokens of completions."""
    with workbench(base, out, settings, seed, progress, rows=given) as bench:
        prepared = prepare_rows(given, bench.renderer, settings)
        model = bench.causal_model()
        columns = {name: [getattr(row, name) for row in prepared.rows] for name in TokenRow._fields}
        dataset = Dataset.from_dict(columns)
        if settings.packing:
            _check_packing(model, prepared.rows, bench.origin["base"])
            dataset = pack_dataset(dataset, settings.max_length).with_format(None)  # TRL tells the parts apart
        own = {"dataset_kwargs": {"skip_prepare_dataset": True}, "packing": False, "padding_free": settings.packing}
        trainer = steady(SFTTrainer)(
            model=model,
            args=bench.configure(SFTConfig, **own),
            train_dataset=dataset,
            processing_class=bench.tokenizer,
            peft_config=bench.adapter("CAUSAL_LM"),
        )
        fitted = bench.fit(trainer, [len(ids) for ids in dataset["input_ids"]])
        return bench.finish(trainer, prepared.report, fitted)


def _check_packing(model: Any, rows: Sequence[TokenRow], base: str) -> None:
    """Raise ConfigError where a row changes what the model says of the row before or after it in one sequence.

    Attention that gets no mask has to see by the positions where a row begins; not every architecture looks.
    """
    if str(model.config._attn_implementation).startswith("flash"):
        return  # made for this, and not to be tried without its GPU
    parts = [torch.tensor([row.input_ids[:_PROBED]]) for row in [*rows, *rows][:2]]
    starts = torch.cat([torch.arange(part.shape[1]) for part in parts])[None]
    with torch.inference_mode():
        alone = torch.cat([model(input_ids=part, use_cache=False).logits for part in parts], dim=1).float()
        joined = model(input_ids=torch.cat(parts, dim=1), position_ids=starts, use_cache=False).logits.float()
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.05
    if float((alone - joined).abs().max()) > tolerance * float(alone.abs().max()):
        raise ConfigError(f"packing: base {base!r} mixes rows that share a sequence; set packing: false")
