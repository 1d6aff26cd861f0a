"""Whom a reward pays best, of the drives that a check makes anyway: no search is made here, as
`racer foresee` makes one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from racer.checker.calls import RewardCaller
from racer.checker.cases import TrialEpisode
from racer.checker.findings import Finding
from racer.diagnostics import VERDICT_GAMMA, pay_of_lap
from racer.drivers import ALL_DRIVERS

Array = NDArray[np.float64]

CLEAR_FRACTION = 0.02  # of the pay: a difference that is smaller is none


def find_best_paid_without_lap(
    episodes: Sequence[TrialEpisode], rewards: Sequence[Array], caller: RewardCaller
) -> list[Finding]:
    """RW320: a driver that means to complete no lap is paid clearly more than everyone who does."""
    laps: list[tuple[float, TrialEpisode]] = []
    others: list[tuple[float, TrialEpisode]] = []
    for episode, paid in zip(episodes, rewards, strict=True):
        if not episode.driver or episode.track is not episodes[0].track:
            continue
        progress = [params["progress"] for params in episode.params]
        pay = pay_of_lap(paid, progress, VERDICT_GAMMA)
        if episode.completes:
            laps.append((pay, episode))
        elif not ALL_DRIVERS[episode.driver].finishes:
            others.append((pay, episode))
    if not laps or not others:
        return []
    lap_pay, lap = max(laps, key=lambda paid_episode: paid_episode[0])
    pay, best = max(others, key=lambda paid_episode: paid_episode[0])
    if pay - lap_pay <= CLEAR_FRACTION * max(abs(pay), abs(lap_pay)):
        return []
    message = (
        f"at gamma {VERDICT_GAMMA:g} a car that {ALL_DRIVERS[best.driver].title} is paid {pay:.3g}, "
        f"the best paid lap ({lap.driver}) {lap_pay:.3g}: a training may end without laps"
    )
    entry = caller.reward.syntax.entry
    line = entry.lineno if entry else 0
    return [
        Finding(
            "RW320", message, caller.reward.filename, line, circumstances=f"on {best.track.name}"
        )
    ]
