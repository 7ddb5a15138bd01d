"""The reward model: trained on pairs, loaded to score answers."""

from amendment.reward_model.model import RewardModel
from amendment.reward_model.settings import RewardSettings
from amendment.reward_model.train import train_reward

__all__ = ["RewardModel", "RewardSettings", "train_reward"]
