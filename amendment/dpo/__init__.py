"""The policy: supervised fine-tuning, preference optimisation with guards, and how far a policy has moved."""

from amendment.dpo.guards import GuardReading, Guards, GuardSettings
from amendment.dpo.policy import DpoResult, DpoSettings, SftSettings, policy_margins, train_dpo, train_sft

__all__ = [
    "DpoResult",
    "DpoSettings",
    "GuardReading",
    "GuardSettings",
    "Guards",
    "SftSettings",
    "policy_margins",
    "train_dpo",
    "train_sft",
]
