"""Does a reward function agree with the clock? Scripted drivers are paid by it and ranked by pay
and by lap time.
"""

from racer.diagnostics.scoring import (
    Inversion,
    RewardScore,
    ScoreVerdict,
    correlate_ranks,
    discounted_returns,
    price_drives,
    score_drives,
    score_rewards,
)

__all__ = [
    "Inversion",
    "RewardScore",
    "ScoreVerdict",
    "correlate_ranks",
    "discounted_returns",
    "price_drives",
    "score_drives",
    "score_rewards",
]
