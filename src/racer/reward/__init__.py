"""Reward functions: load a user's file, run one instance a car, refuse what the real job would
refuse.
"""

from racer.reward.batch import REWARD_TIMEOUT_S, RewardBatch
from racer.reward.errors import (
    RefusalReason,
    RewardRefused,
    RewardUnusable,
    UnusableReason,
    refusal_cause,
    relocate_refusal,
)
from racer.reward.load import (
    RewardFunction,
    find_reward,
    load_reward,
    reads_objects,
    shipped_rewards,
)

__all__ = [
    "REWARD_TIMEOUT_S",
    "RefusalReason",
    "RewardBatch",
    "RewardFunction",
    "RewardRefused",
    "RewardUnusable",
    "UnusableReason",
    "find_reward",
    "load_reward",
    "reads_objects",
    "refusal_cause",
    "relocate_refusal",
    "shipped_rewards",
]
