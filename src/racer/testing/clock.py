"""What speaks against a reward function by the clock: the verdict of `racer score`, for tests."""

from __future__ import annotations

from racer.reward import RewardFunction
from racer.score import Score, score_all
from racer.track.record import Track

GAMMA = 0.99  # the discount factor, where none is named
_MOST = 5  # inversions that are listed


def disagreement(reward: RewardFunction, track: Track, gamma: float, car: str) -> str:
    """Why the verdict is bad: what is paid best, the worst inversions, and all drivers; empty when it is good.

    Raises RewardRefused for what the real job refuses.
    """
    [found] = score_all([reward], track, gammas=(gamma,), at=gamma, car=car)
    if found.verdict.passed:
        return ""
    head = f"{reward.path.name} does not agree with the clock on {track.name}: {found.verdict.sentence}"
    worst = [f"  {inversion.sentence(gamma)}" for inversion in found.inversions()[:_MOST]]
    return "\n".join([head, *worst, "by the clock | by pay | driver", *_ranking(found)])


def _ranking(found: Score) -> list[str]:
    """The drivers in the order of the clock, a line each."""
    rows = sorted(zip(found.clock.tolist(), found.paid().tolist(), found.drives, strict=True), key=lambda row: row[0])
    return [
        f"  {clock:g} | {paid:g} | {drive.name}, "
        + (f"{drive.lap_time:.2f} s" if drive.lap_time == drive.lap_time else f"{drive.completion:.0f} % of the lap")
        for clock, paid, drive in rows
    ]
