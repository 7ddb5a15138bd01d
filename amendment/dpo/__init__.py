"""The policy: supervised fine-tuning, preference optimisation, and how far a policy has moved."""

from amendment.dpo.margins import policy_margins
from amendment.dpo.policy import train_dpo, train_sft
from amendment.dpo.settings import DpoSettings, SftSettings

__all__ = ["DpoSettings", "SftSettings", "policy_margins", "train_dpo", "train_sft"]
