"""Reward functions: load a user's file, run one instance a car, refuse what the real job would
refuse.
"""

from racer.reward.batch import RewardBatch
from racer.reward.errors import RewardRefused
from racer.reward.load import RewardFunction, find_reward, load_reward, shipped_rewards

__all__ = [
    "RewardBatch",
    "RewardFunction",
    "RewardRefused",
    "find_reward",
    "load_reward",
    "shipped_rewards",
]
