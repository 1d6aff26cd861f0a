"""Whether two texts of a reward function pay the same, on every step that `racer check` tries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from racer import track
from racer.checker.calls import copied_any
from racer.checker.cases import Episode, laps, probes
from racer.checker.sandbox import Lost, apart
from racer.errors import UsageError
from racer.reward import RewardBatch, RewardFunction, RewardRefused, load

TRACKS = ("reinvent_2018", "vegas")  # counterclockwise both: the probes drive them in reverse, too
SECONDS = 60.0  # for all steps
TIMEOUT = 2.0  # s a call
PIECE = 16  # calls at a time: a fixed number, so that both texts are called alike
MOST_FAILURES = 200  # of an episode; the steps behind them are not compared


def difference(before: RewardFunction, after: str) -> tuple[str, int]:
    """How the reward of a new text differs from that of the file, "" when it does not, and the
    count of steps.
    """
    there = episodes()
    count = sum(len(episode.params) for episode in there)
    with TemporaryDirectory(prefix="racer_fix_") as folder:
        path = Path(folder) / before.path.name
        path.write_text(after, encoding="utf-8")
        one = _outcomes(before)
        if isinstance(one, str):
            return f"the file cannot be compared: {one}", count
        other = _outcomes(load(path))
    if isinstance(other, str):
        return f"the changed file cannot be run: {other}", count
    for episode, was, now in zip(there, one, other, strict=True):
        for k, (paid, pays) in enumerate(zip(was, now, strict=False)):
            if paid != pays and not (paid != paid and pays != pays):
                return (
                    f"at step {k} of {episode.name} on {episode.track.name} it pays {pays} instead of {paid}",
                    count,
                )
    return "", count


@cache
def episodes() -> tuple[Episode, ...]:
    """The steps on which rewards are compared."""
    tracks = [track.load(name) for name in TRACKS]
    return (*laps(tracks[0]), *(episode for road in tracks for episode in probes(road)))


def _outcomes(reward: RewardFunction) -> Any:
    """A list of outcomes an episode, or why there is none. An outcome is a reward, or the name of
    an exception.
    """
    episodes()
    try:
        return apart(paid, reward, episodes(), filename=os.fspath(reward.filename), seconds=SECONDS)
    except Lost as error:
        return str(error)


def paid(reward: RewardFunction, there: Sequence[Episode]) -> Any:
    """The same, in this process."""
    try:
        return [_episode(RewardBatch(reward, 1, timeout=TIMEOUT), episode) for episode in there]
    except (RewardRefused, UsageError) as error:
        return str(error)


def _episode(batch: RewardBatch, episode: Episode) -> list[float | str]:
    """Outcomes in order; nan for the few that were priced together with a failure, before it."""
    found: list[float | str] = []
    failures = 0
    while len(found) < len(episode.params) and failures < MOST_FAILURES:
        told = [copied_any(p) for p in episode.params[len(found) : len(found) + PIECE]]
        try:
            found += batch(told, [0] * len(told)).tolist()
        except RewardRefused as error:
            found += [nan] * error.at
            found.append(error.raised or str(error).partition(", at `")[0].partition(": ")[2])
            failures += 1
    return found
