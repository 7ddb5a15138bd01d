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
    "WeightedDPOTrainer",
    "policy_margins",
    "train_dpo",
    "train_sft",
]


def __getattr__(name: str) -> type:
    """Return the trainer for TRL alone, imported when it is asked for: it loads torch and TRL."""
    if name != "WeightedDPOTrainer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from amendment.training import need_training

    need_training()
    from amendment.dpo.weighted import WeightedDPOTrainer

    return WeightedDPOTrainer
