"""DPO on pairs with `p_chosen` and `weight`: TRL's DPOTrainer with another loss, for people who use TRL alone, and
under `train_dpo`.

    loss = mean of w (-p log s(d) - (1 - p) log s(-d)),    d = beta (log-ratio of chosen - log-ratio of rejected)

With p and w of 1 it is TRL's loss, bit for bit (a test compares). The seams are `_compute_loss`, which fills TRL's
metrics, `compute_ref_log_probs`, and the log-probabilities in what the model puts out. Loads torch and TRL.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from torch import Tensor
from trl import DPOTrainer

from amendment.errors import ConfigError
from amendment.training.losses import identity_preference, robust_preference, soft_bradley_terry, weighted_loss
from amendment.training.soft_pairs import COLUMNS, SoftPairs, own_columns

_LOSSES = ("sigmoid", "ipo", "robust")
_IGNORED = {"use_weighting": False, "ld_alpha": None, "f_divergence_type": "reverse_kl"}
"""Options of DPOConfig that change TRL's loss and have no place in ours, with the values at which they do nothing."""


class WeightedDPOTrainer(SoftPairs, DPOTrainer):
    """TRL's DPOTrainer on a dataset that may have the columns `p_chosen`, P(chosen is better) in [0, 1], and `weight`,
    0 or more; absent, they are 1.

    Takes a stock DPOConfig with one of the losses sigmoid (Rafailov et al. 2023, eq. 7, in expectation over the label),
    ipo (Azar et al. 2024, eq. 17, likewise) and robust (Chowdhury et al. 2024; no soft labels), and "sft" next to it.
    Weights count relative to their mean. Raises ConfigError for an option that the loss would ignore, DataError for a
    row whose values cannot be read.
    """

    precompute_ref_logps: bool

    def refuse(self, dataset: Dataset, args: Any) -> None:
        """Raise ConfigError for options of TRL that the loss would ignore, and for images."""
        kind = find_pair_loss(args)
        problems = [
            f"{name}: expected {idle!r}, found {value!r}, which this trainer would ignore"
            for name, idle in _IGNORED.items()
            if (value := getattr(args, name)) != idle
        ]
        if kind is None:
            problems.append(
                f'loss_type: expected one of {", ".join(_LOSSES)}, alone or with "sft", found {args.loss_type}'
            )
        if args.label_smoothing and kind != "robust":
            problems.append(
                f"label_smoothing: {args.loss_type} does not read it; write the doubt into p_chosen, or take robust"
            )
        elif not 0 <= args.label_smoothing < 0.5:
            problems.append(f"label_smoothing: expected a share below 0.5, found {args.label_smoothing}")
        if kind == "robust" and "p_chosen" in dataset.column_names and set(dataset["p_chosen"]) != {1.0}:
            problems.append("loss_type: robust takes hard labels; leave p_chosen out, or take sigmoid or ipo")
        if {"image", "images"} & set(dataset.column_names):
            problems.append("images: this trainer takes text alone; leave the columns image and images out")
        if problems:
            raise ConfigError("\n".join(problems))

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """TRL's, without our columns, which are no inputs of a model."""
        return super().compute_ref_log_probs(model, {name: v for name, v in inputs.items() if name not in COLUMNS})

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        p_B, weight_B = own_columns(inputs)
        seen = dict[str, Any]()
        was_precomputed = self.precompute_ref_logps
        if not was_precomputed:
            reference = self.compute_ref_log_probs(self.ref_model or self.model, inputs)
            inputs["ref_chosen_logps"], inputs["ref_rejected_logps"] = reference
        hook = model.register_forward_hook(lambda _model, _inputs, outputs: seen.update(outputs=outputs))
        self.precompute_ref_logps = True  # the batch has them now
        try:
            super()._compute_loss(model, inputs, False)
        finally:
            hook.remove()
            self.precompute_ref_logps = was_precomputed
        outputs = seen["outputs"]
        loss = self._preference(outputs.log_probs, inputs, p_B, weight_B)
        if self.aux_loss_enabled:
            loss = loss + self.router_aux_loss_coef * outputs.aux_loss
        return (loss, outputs) if return_outputs else loss

    def _preference(self, logp_PT: Tensor, inputs: dict[str, Tensor], p_B: Tensor, weight_B: Tensor) -> Tensor:
        """Return the loss of a batch; P = 2B rows, chosen answers first; log-probabilities are 0 outside
        completions."""
        mask_PT = inputs["completion_mask"]
        chosen_B, rejected_B = logp_PT[:, 1 - mask_PT.shape[1] :].sum(1).chunk(2)  # virtual tokens stand before
        ratios_B = chosen_B - inputs["ref_chosen_logps"], rejected_B - inputs["ref_rejected_logps"]
        weights = dict(zip(self.loss_types, self.loss_weights, strict=True))
        kind = find_pair_loss(self.args)
        loss_B = pair_losses(
            kind, *ratios_B, *mask_PT.sum(1).chunk(2), p_B=p_B, beta=self.beta, flipped=self.label_smoothing
        )
        loss: Tensor = weights[kind] * weighted_loss(loss_B, weight_B)
        if sft_weight := weights.get("sft"):  # RPO (Pang et al. 2024): cross-entropy per token of the chosen answers
            tokens = mask_PT[:, 1:].chunk(2)[0].sum()
            loss = loss - sft_weight * (chosen_B * weight_B).sum() / tokens
        return loss


def find_pair_loss(args: Any) -> str | None:
    """Return the one loss on pairs of a configuration of TRL; None where it has another, or several."""
    kinds = [kind for kind in args.loss_type if kind != "sft"]
    is_ours = len(kinds) == 1 and kinds[0] in _LOSSES and args.loss_type.count("sft") <= 1
    return kinds[0] if is_ours else None


def pair_losses(
    kind: str | None,
    chosen_B: Tensor,
    rejected_B: Tensor,
    chosen_tokens_B: Tensor,
    rejected_tokens_B: Tensor,
    *,
    p_B: Tensor,
    beta: float,
    flipped: float = 0.0,
) -> Tensor:
    """Return one loss per pair, of the log-ratios to the reference and the tokens of both completions."""
    if kind == "ipo":
        difference_B = chosen_B / chosen_tokens_B.clamp(min=1) - rejected_B / rejected_tokens_B.clamp(min=1)
        return identity_preference(difference_B, p_B, beta=beta)
    logit_B = beta * (chosen_B - rejected_B)
    if kind == "robust":
        return robust_preference(logit_B, flipped=flipped)
    return soft_bradley_terry(logit_B, p_B)
