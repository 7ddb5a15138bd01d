"""The policy: supervised fine-tuning, preference optimisation, and how far a policy has moved."""

from amendment.dpo.policy import DpoSettings, SftSettings, policy_margins, train_dpo, train_sft

__all__ = ["DpoSettings", "SftSettings", "policy_margins", "train_dpo", "train_sft"]
