"""What trainers and local models share: settings, rendering, preflight, losses, evaluation, tiny models."""

from amendment.llm.rendering import Conversation, Parts, Renderer, Sampled, read_answer
from amendment.llm.weights import SAFE_LOADING
from amendment.training.bases import check_base, check_weights, need_training
from amendment.training.batches import PaddedBatch, padded_batches
from amendment.training.demands import unmet_demands
from amendment.training.evaluation import PairEvaluation, evaluate_pairs
from amendment.training.generating import completion_logps, sample_answers
from amendment.training.guards import GuardReading, Guards, GuardSettings, Scores, figures_over, saved_step
from amendment.training.labels import PairLabels, judge_margins, pair_labels
from amendment.training.launching import launchable
from amendment.training.losses import bradley_terry_loss, dpo_logits, sequence_margin
from amendment.training.pair_losses import (
    centring,
    identity_preference,
    robust_preference,
    soft_bradley_terry,
    weighted_loss,
)
from amendment.training.preflight import (
    Prepared,
    TokenPair,
    TokenRow,
    prepare_pairs,
    prepare_rows,
    render_completions,
)
from amendment.training.report import Report
from amendment.training.results import Progress, TrainResult
from amendment.training.rows import rows_in
from amendment.training.settings import (
    LaunchSettings,
    LoraSettings,
    PairTrainerSettings,
    TinyModel,
    TrainerSettings,
    TrlFields,
)
from amendment.training.tiny import build_tiny
from amendment.training.workbench import Workbench, load_causal, load_tokenizer, placed, quietly, steady, workbench

__all__ = [
    "SAFE_LOADING",
    "Conversation",
    "GuardReading",
    "GuardSettings",
    "Guards",
    "LaunchSettings",
    "LoraSettings",
    "PaddedBatch",
    "PairEvaluation",
    "PairLabels",
    "PairTrainerSettings",
    "Parts",
    "Prepared",
    "Progress",
    "Renderer",
    "Report",
    "Sampled",
    "Scores",
    "TinyModel",
    "TokenPair",
    "TokenRow",
    "TrainResult",
    "TrainerSettings",
    "TrlFields",
    "Workbench",
    "bradley_terry_loss",
    "build_tiny",
    "centring",
    "check_base",
    "check_weights",
    "completion_logps",
    "dpo_logits",
    "evaluate_pairs",
    "figures_over",
    "identity_preference",
    "judge_margins",
    "launchable",
    "load_causal",
    "load_tokenizer",
    "need_training",
    "padded_batches",
    "pair_labels",
    "placed",
    "prepare_pairs",
    "prepare_rows",
    "quietly",
    "read_answer",
    "render_completions",
    "robust_preference",
    "rows_in",
    "sample_answers",
    "saved_step",
    "sequence_margin",
    "soft_bradley_terry",
    "steady",
    "unmet_demands",
    "weighted_loss",
    "workbench",
]
