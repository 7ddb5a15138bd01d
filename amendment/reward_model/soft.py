"""The Bradley-Terry model on pairs with `p_chosen` and `weight`: TRL's RewardTrainer with another loss, for people who
use TRL alone, and under `train_reward`.

    loss = mean of w (-p log s(d) - (1 - p) log s(-d) + c (r + r')^2),    d = r(chosen) - r(rejected) = r - r'

c is TRL's `center_rewards_coefficient`. With p and w of 1 it is TRL's loss (a test compares every step). The seam is
`compute_loss`. Loads torch and TRL.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import RewardTrainer

from amendment.errors import DataError, Problem
from amendment.training.losses import centring, soft_bradley_terry, weighted_loss
from amendment.training.soft_pairs import SoftPairs, own_columns


class SoftRewardTrainer(SoftPairs, RewardTrainer):
    """TRL's RewardTrainer on a dataset that may have the columns `p_chosen`, P(chosen is better) in [0, 1], and
    `weight`, 0 or more; absent, they are 1. Takes a stock RewardConfig. Weights count relative to their mean.

    Raises DataError for a row whose values cannot be read, and for the column `margin`, which the loss does not read.
    """

    def refuse(self, dataset: Dataset, args: Any) -> None:
        """Raise DataError for margins, which TRL's loss would read and ours does not."""
        if "margin" in dataset.column_names:
            message = "expected no such column: say how sure a label is by p_chosen, or take TRL's RewardTrainer"
            raise DataError([Problem("margin", message)])

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss of a batch, and with `return_outputs` what the model puts out."""
        p_B, weight_B = own_columns(inputs)
        _, outputs = super().compute_loss(model, inputs, return_outputs=True)  # fills TRL's metrics
        chosen_B, rejected_B = outputs.logits.squeeze(-1).chunk(2)
        loss_B = soft_bradley_terry(chosen_B - rejected_B, p_B)
        if coefficient := self.args.center_rewards_coefficient:
            loss_B = loss_B + coefficient * centring(chosen_B, rejected_B)
        loss = weighted_loss(loss_B, weight_B)
        return (loss, outputs) if return_outputs else loss
