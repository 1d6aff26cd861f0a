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
from racer.checker.calls import copy_any_params
from racer.checker.cases import TrialEpisode, lap_episodes, probe_episodes
from racer.checker.sandbox import SubprocessLost, run_in_subprocess
from racer.errors import UsageError
from racer.reward import RewardBatch, RewardFunction, RewardRefused, load_reward

PROOF_TRACKS = (
    "reinvent_2018",
    "vegas",
)  # counterclockwise both: the probes drive them in reverse, too
PROOF_TIME_S = 60.0  # for all steps
PROOF_CALL_TIMEOUT_S = 2.0  # s a call
CALLS_PER_BATCH = 16  # calls at a time: a fixed number, so that both texts are called alike
MAX_COMPARED_FAILURES = 200  # of an episode; the steps behind them are not compared


def find_reward_difference(before: RewardFunction, after: str) -> tuple[str, int]:
    """How the reward of a new text differs from that of the file, "" when it does not, and the
    count of steps.
    """
    there = proof_episodes()
    count = sum(len(episode.params) for episode in there)
    with TemporaryDirectory(prefix="racer_fix_") as folder:
        path = Path(folder) / before.path.name
        path.write_text(after, encoding="utf-8")
        one = _outcomes(before)
        if isinstance(one, str):
            return f"the file cannot be compared: {one}", count
        other = _outcomes(load_reward(path))
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
def proof_episodes() -> tuple[TrialEpisode, ...]:
    """The steps on which rewards are compared."""
    tracks = [track.load_track(name) for name in PROOF_TRACKS]
    return (
        *lap_episodes(tracks[0]),
        *(episode for road in tracks for episode in probe_episodes(road)),
    )


def _outcomes(reward: RewardFunction) -> Any:
    """A list of outcomes an episode, or why there is none. An outcome is a reward, or the name of
    an exception.
    """
    proof_episodes()
    try:
        return run_in_subprocess(
            reward_outcomes,
            reward,
            proof_episodes(),
            filename=os.fspath(reward.filename),
            seconds=PROOF_TIME_S,
        )
    except SubprocessLost as error:
        return str(error)


def reward_outcomes(reward: RewardFunction, there: Sequence[TrialEpisode]) -> Any:
    """The same, in this process."""
    try:
        return [
            _episode(RewardBatch(reward, 1, timeout=PROOF_CALL_TIMEOUT_S), episode)
            for episode in there
        ]
    except (RewardRefused, UsageError) as error:
        return str(error)


def _episode(batch: RewardBatch, episode: TrialEpisode) -> list[float | str]:
    """Outcomes in order; nan for the few that were priced together with a failure, before it."""
    found: list[float | str] = []
    failures = 0
    while len(found) < len(episode.params) and failures < MAX_COMPARED_FAILURES:
        told = [
            copy_any_params(p) for p in episode.params[len(found) : len(found) + CALLS_PER_BATCH]
        ]
        try:
            found += batch(told, [0] * len(told)).tolist()
        except RewardRefused as error:
            found += [nan] * error.at
            found.append(error.raised or str(error).partition(", at `")[0].partition(": ")[2])
            failures += 1
    return found
