"""The Bradley-Terry model on pairs that preflight has turned into tokens. Loads torch.

The loss is that of `SoftRewardTrainer`. The base is a causal model with a chat template, or an encoder whose turns end
with a separator (BERT, RoBERTa, DeBERTa, ModernBERT and relatives), which gets a template here. Not covered: encoder-
decoders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import get_peft_model
from torch.nn import Embedding
from transformers import AutoConfig, AutoModelForSequenceClassification, set_seed
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from trl import RewardConfig

from amendment.errors import ConfigError, DataError, Problem
from amendment.reward_model.settings import CENTRE, RewardSettings
from amendment.reward_model.soft import SoftRewardTrainer
from amendment.training import ProgressCallback, TrainResult
from amendment.training.model_files import bare, load_model, named_faults
from amendment.training.preflight import pair_labels, prepare_pairs
from amendment.training.workbench import Workbench, steady, workbench

Rows = Sequence[Mapping[str, Any]]
_POSITIONS = ("position_embeddings", "embed_positions", "wpe")
"""Names that tables of learned positions go by."""
ENCODER_TEMPLATE = """
{%- macro text(content) -%}
{%- if content is string -%}{{ content }}
{%- elif content -%}{%- for part in content -%}{{ part.text or '' }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{{- cls_token -}}
{%- if tools -%}tools: {{ tools | tojson }}{{ sep_token }}{%- endif -%}
{%- for message in messages -%}
{%- if message.reasoning_content -%}thinking: {{ message.reasoning_content }}{{ sep_token }}{%- endif -%}
{{ message.role }}: {{ text(message.content) }}
{%- for call in message.tool_calls or [] -%}{{ sep_token }}call: {{ call.function | tojson }}{%- endfor -%}
{{ sep_token }}
{%- endfor -%}
{%- if add_generation_prompt -%}assistant:{%- endif -%}
"""
"""Roles are words behind a separator, which no text can hold (`Renderer` breaks it up), so that no text is a turn."""


def train(
    base: str | Path, given: Rows, out: Path, settings: RewardSettings, *, seed: int, progress: ProgressCallback | None
) -> TrainResult:
    """Train on pairs as they were given."""
    with workbench(base, out, settings, seed, progress, rows=given) as bench:
        _give_template(bench)
        _refuse_margins(given)
        prepared = prepare_pairs(given, bench.renderer, settings, trainer="reward")
        targets, weights = pair_labels([given[i] for i in prepared.places], settings)
        columns = {
            "chosen_ids": [pair.prompt_ids + pair.chosen_ids for pair in prepared.rows],
            "rejected_ids": [pair.prompt_ids + pair.rejected_ids for pair in prepared.rows],
            "p_chosen": targets,
            "weight": weights,
        }
        args = bench.configure(RewardConfig, center_rewards_coefficient=CENTRE)
        set_seed(seed)  # before head and adapter are drawn, as TRL does
        with named_faults(f"base {bench.origin['base']!r} cannot become a reward model"):
            model = new_classifier(bench.base, revision=bench.revision, dtype=bench.dtype_name)
            if adapter := bench.adapter("SEQ_CLS"):
                model = get_peft_model(model, adapter)
            trainer = steady(SoftRewardTrainer)(
                model=model,
                args=args,
                train_dataset=Dataset.from_dict(columns),
                processing_class=bench.tokenizer,
            )
        _check_positions(trainer.model, settings.max_length)
        fitted = bench.fit(trainer, [pair.longest for pair in prepared.rows])
        return bench.finish(trainer, prepared.report, fitted, reward_meta=_meta(bench, settings))


def _refuse_margins(rows: Rows) -> None:
    """Raise DataError for margins of the user's own, which nothing here would read."""
    message = "expected none, since nothing reads it; say how sure a label is by p_chosen, or leave the column out"
    places = [place for place, row in enumerate(rows, start=1) if row.get("margin") is not None]
    if places:
        raise DataError([Problem(f"row {place}: margin", message) for place in places])


def _meta(bench: Workbench, settings: RewardSettings) -> dict[str, Any]:
    """Return the metadata that a score depends on besides the weights."""
    tokenizer = bench.tokenizer
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        bench.notes.append(
            "The base has no pad token of its own, so its end token pads: scores are read at the last other token."
        )
    return {
        **bench.origin,
        "seed": bench.seed,
        "max_length": settings.max_length,
        "template": bench.renderer.template_id,
        "pad_token_id": tokenizer.pad_token_id,
        "labels": settings.labels,
        "label_smoothing": settings.label_smoothing,
        "temperature": None,
        "versions": bench.versions,
    }


def new_classifier(base: str | Path, **loading: Any) -> Any:
    """Return the base with one output, whose head is drawn at random where the base has none: seed before."""

    def may_lack(model: Any, name: str) -> bool:
        """Return a pooler belongs to the head: encoders that were trained on masked words have none."""
        return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name

    return load_model(AutoModelForSequenceClassification, base, may_lack=may_lack, num_labels=1, **loading)


def is_encoder(config: Any) -> bool:
    """Return True for the configuration of a model whose tokens see each other both ways."""
    one_way = getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False)
    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not one_way


def _give_template(bench: Workbench) -> None:
    """Give an encoder's tokenizer our template where it has none; it is saved with the model, so scoring has it too."""
    tokenizer = bench.tokenizer
    if tokenizer.chat_template or not (tokenizer.cls_token and tokenizer.sep_token):
        return
    if is_encoder(AutoConfig.from_pretrained(bench.base, revision=bench.revision, trust_remote_code=False)):
        tokenizer.chat_template = ENCODER_TEMPLATE


def _check_positions(model: Any, max_length: int) -> None:
    """Raise ConfigError where a row of `max_length` tokens has more tokens than the model has positions: those of its
    table of positions, or of an encoder without a table those in its configuration."""
    inner = bare(model)
    positions = getattr(inner.config, "max_position_embeddings", None) if is_encoder(inner.config) else None
    for name, module in inner.named_modules():
        if isinstance(module, Embedding) and name.rpartition(".")[2] in _POSITIONS:
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            positions = int(module.num_embeddings) - int(getattr(module, "offset", reserved))
            break
    if positions is not None and max_length > positions:
        raise ConfigError(
            f"max_length: the base has positions for {positions} tokens, found {max_length}; set max_length to "
            f"{positions} or less; longer rows are left out"
        )
