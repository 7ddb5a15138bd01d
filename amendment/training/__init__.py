"""What trainers and local models share: settings, rendering, preflight, losses, evaluation, tiny models."""

from amendment.training.answering import Parts, read_answer
from amendment.training.bases import check_base, need_training, unreachable
from amendment.training.batches import PaddedBatch, padded_batches
from amendment.training.evaluation import PairEvaluation, evaluate_pairs
from amendment.training.losses import bradley_terry_loss, dpo_logits, sequence_margin
from amendment.training.preflight import (
    Prepared,
    TokenPair,
    TokenRow,
    prepare_pairs,
    prepare_rows,
    render_completions,
)
from amendment.training.rendering import Conversation, Renderer
from amendment.training.report import Report
from amendment.training.results import Progress, TrainResult
from amendment.training.settings import LoraSettings, TinyModel, TrainerSettings, TrlFields
from amendment.training.tiny import build_tiny
from amendment.training.workbench import Workbench, load_causal, load_tokenizer, placed, quietly, steady, workbench

__all__ = [
    "Conversation",
    "LoraSettings",
    "PaddedBatch",
    "PairEvaluation",
    "Parts",
    "Prepared",
    "Progress",
    "Renderer",
    "Report",
    "TinyModel",
    "TokenPair",
    "TokenRow",
    "TrainResult",
    "TrainerSettings",
    "TrlFields",
    "Workbench",
    "bradley_terry_loss",
    "build_tiny",
    "check_base",
    "dpo_logits",
    "evaluate_pairs",
    "load_causal",
    "load_tokenizer",
    "need_training",
    "padded_batches",
    "placed",
    "prepare_pairs",
    "prepare_rows",
    "quietly",
    "read_answer",
    "render_completions",
    "sequence_margin",
    "steady",
    "unreachable",
    "workbench",
]
