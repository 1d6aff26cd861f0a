"""Reward functions: load a user's file, run one instance a car, refuse what the real job would
refuse.
"""

from racer.reward.batch import REWARD_TIMEOUT_S, RewardBatch
from racer.reward.errors import (
    MAX_ABS_REWARD,
    CallStopped,
    RefusalReason,
    RewardRefused,
    RewardUnusable,
    UnusableReason,
    describe_refusal,
    describe_unusable,
    refusal_cause,
    relocate_refusal,
)
from racer.reward.isolation import trace_return_line
from racer.reward.load import (
    Encoding,
    RewardFunction,
    compile_quietly,
    encoding_note,
    find_reward,
    load_reward,
    read_reward_text,
    reads_objects,
    shipped_rewards,
)
from racer.reward.python311 import downgrade_syntax
from racer.reward.snapshot import SIGNATURE_2018_START
from racer.reward.watchdog import call_each

__all__ = [
    "MAX_ABS_REWARD",
    "REWARD_TIMEOUT_S",
    "SIGNATURE_2018_START",
    "CallStopped",
    "Encoding",
    "RefusalReason",
    "RewardBatch",
    "RewardFunction",
    "RewardRefused",
    "RewardUnusable",
    "UnusableReason",
    "call_each",
    "compile_quietly",
    "describe_refusal",
    "describe_unusable",
    "downgrade_syntax",
    "encoding_note",
    "find_reward",
    "load_reward",
    "read_reward_text",
    "reads_objects",
    "refusal_cause",
    "relocate_refusal",
    "shipped_rewards",
    "trace_return_line",
]
