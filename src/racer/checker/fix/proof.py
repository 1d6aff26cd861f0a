"""Whether two texts of a reward function pay alike, on every step that `racer check` tries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from racer.checker.calls import copies_of
from racer.checker.cases import TrialEpisode, lap_episodes, probe_episodes
from racer.checker.sandbox import SubprocessLost, run_in_subprocess
from racer.reward import (
    RewardBatch,
    RewardFunction,
    RewardRefused,
    RewardUnusable,
    load_reward,
)
from racer.track import load_track

PROOF_TRACKS = ("reinvent_2018", "vegas")
"""Counterclockwise both: the probes drive them in reverse, too."""
PROOF_TIME_S = 60.0
"""For all steps."""
PROOF_CALL_TIMEOUT_S = 2.0
CALLS_PER_BATCH = 16
"""A fixed number, so that both texts are called alike."""
MAX_COMPARED_FAILURES = 200
"""Of an episode; the steps behind them are not compared."""

Outcome = float | str
"""A reward, or what happened instead of it."""


@dataclass(frozen=True)
class ProofResult:
    """Whether two texts pay alike on `steps` steps: `difference` says in words how not, "" for yes."""

    difference: str
    steps: int


class _NotRunnable(Exception):
    """A text cannot be loaded, or ends the process. The message says how."""


def find_reward_difference(before: RewardFunction, after: str) -> ProofResult:
    """How the reward of a new text differs from that of the file."""
    episodes = proof_episodes()
    steps = sum(len(episode.params) for episode in episodes)
    try:
        old = _outcomes_apart(before)
    except _NotRunnable as error:
        return ProofResult(f"the file cannot be compared: {error}", steps)
    with TemporaryDirectory(prefix="racer_fix_") as folder:
        path = Path(folder) / before.path.name
        path.write_text(after, encoding="utf-8")
        try:
            new = _outcomes_apart(load_reward(path))
        except _NotRunnable as error:
            return ProofResult(f"the changed file cannot be run: {error}", steps)
    for episode, was, now in zip(episodes, old, new, strict=True):
        for k, (old_outcome, new_outcome) in enumerate(zip(was, now, strict=False)):
            if not _are_alike(old_outcome, new_outcome):
                difference = (
                    f"at step {k} of {episode.title} it pays {new_outcome} instead of {old_outcome}"
                )
                return ProofResult(difference, steps)
    return ProofResult("", steps)


@cache
def proof_episodes() -> tuple[TrialEpisode, ...]:
    """The steps on which rewards are compared."""
    tracks = [load_track(name) for name in PROOF_TRACKS]
    episodes = lap_episodes(tracks[0])
    for track in tracks:
        episodes += probe_episodes(track)
    return tuple(episodes)


def reward_outcomes(
    reward: RewardFunction, episodes: Sequence[TrialEpisode]
) -> list[list[Outcome]]:
    """The outcome of every step of each episode, called in this process.

    Raises RewardRefused or RewardUnusable when the file cannot be executed.
    """
    outcomes = []
    for episode in episodes:
        batch = RewardBatch(reward, 1, timeout=PROOF_CALL_TIMEOUT_S)
        outcomes.append(_episode_outcomes(batch, episode))
    return outcomes


def _outcomes_apart(reward: RewardFunction) -> list[list[Outcome]]:
    """The outcomes, from a process of their own. Raises _NotRunnable."""
    episodes = proof_episodes()
    try:
        answer = run_in_subprocess(
            _answer, reward, episodes, filename=os.fspath(reward.filename), seconds=PROOF_TIME_S
        )
    except SubprocessLost as error:
        raise _NotRunnable(str(error)) from None
    if answer["trouble"]:
        raise _NotRunnable(answer["trouble"])
    outcomes: list[list[Outcome]] = answer["outcomes"]
    return outcomes


def _answer(reward: RewardFunction, episodes: Sequence[TrialEpisode]) -> dict[str, Any]:
    """What the child process says: the outcomes, or why there are none."""
    try:
        return {"outcomes": reward_outcomes(reward, episodes), "trouble": ""}
    except (RewardRefused, RewardUnusable) as error:
        return {"outcomes": [], "trouble": str(error)}


def _episode_outcomes(batch: RewardBatch, episode: TrialEpisode) -> list[Outcome]:
    """Outcomes in order; nan for the few calls that were made together with a failing one, before
    it.
    """
    outcomes: list[Outcome] = []
    failures = 0
    while len(outcomes) < len(episode.params) and failures < MAX_COMPARED_FAILURES:
        params = copies_of(episode.params[len(outcomes) : len(outcomes) + CALLS_PER_BATCH])
        try:
            outcomes += batch(params, [0] * len(params)).tolist()
        except RewardRefused as error:
            outcomes += [nan] * error.call
            outcomes.append(error.exception or f"{error.value} ({error.reason})")
            failures += 1
    return outcomes


def _are_alike(first: Outcome, second: Outcome) -> bool:
    both_nan = first != first and second != second
    return first == second or both_nan
