"""The reward model: trained on pairs, loaded to score answers, and measured."""

from amendment.reward_model.benchmarks import Benchmark
from amendment.reward_model.evaluation import (
    PairEvaluation,
    RewardEvaluation,
    against_people,
    always_first,
    evaluate_pairs,
    evaluate_reward,
    find_layout,
    length_baseline,
    longer_wins,
    people_json,
    people_share,
)
from amendment.reward_model.lines import reward_lines
from amendment.reward_model.model import RewardModel, preference_probability
from amendment.reward_model.settings import RewardMeta, RewardSettings
from amendment.reward_model.train import RewardResult, train_reward

__all__ = [
    "Benchmark",
    "PairEvaluation",
    "RewardEvaluation",
    "RewardMeta",
    "RewardModel",
    "RewardResult",
    "RewardSettings",
    "SoftRewardTrainer",
    "against_people",
    "always_first",
    "evaluate_pairs",
    "evaluate_reward",
    "find_layout",
    "length_baseline",
    "longer_wins",
    "people_json",
    "people_share",
    "preference_probability",
    "reward_lines",
    "train_reward",
]


def __getattr__(name: str) -> type:
    """Return the trainer for TRL alone, imported when it is asked for: it loads torch and TRL."""
    if name != "SoftRewardTrainer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from amendment.training import need_training

    need_training()
    from amendment.reward_model.soft import SoftRewardTrainer

    return SoftRewardTrainer
