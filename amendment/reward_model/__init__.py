"""The reward model: trained on pairs, loaded to score answers."""

from amendment.reward_model.measuring.answers import layout_of, people_share
from amendment.reward_model.measuring.benchmarks import (
    BestOfN,
    RewardBench,
    RewardBench2,
    StyleGrid,
    best_of_n,
    reward_bench,
    reward_bench_2,
    style_grid,
)
from amendment.reward_model.measuring.evaluation import (
    RewardEvaluation,
    against_people,
    always_first,
    evaluate_reward,
    longer_wins,
    people_json,
)
from amendment.reward_model.measuring.lines import reward_lines
from amendment.reward_model.measuring.pairs import PairEvaluation, evaluate_pairs
from amendment.reward_model.model import RewardModel, preference_probability
from amendment.reward_model.settings import RewardMeta, RewardSettings
from amendment.reward_model.train import RewardResult, train_reward

__all__ = [
    "BestOfN",
    "PairEvaluation",
    "RewardBench",
    "RewardBench2",
    "RewardEvaluation",
    "RewardMeta",
    "RewardModel",
    "RewardResult",
    "RewardSettings",
    "StyleGrid",
    "against_people",
    "always_first",
    "best_of_n",
    "evaluate_pairs",
    "evaluate_reward",
    "layout_of",
    "longer_wins",
    "people_json",
    "people_share",
    "preference_probability",
    "reward_bench",
    "reward_bench_2",
    "reward_lines",
    "style_grid",
    "train_reward",
]
