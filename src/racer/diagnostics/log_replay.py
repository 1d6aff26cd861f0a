"""Recorded steps, priced with a reward function: what would it have paid for these laps, and would
the clock agree?

Params are rebuilt from track, pose and action by the builder that the simulator uses. A log says
nothing of boxes and bot cars, so a reward that reads them sees an empty road. Rows on which the job
calls no reward function (the car is held: prepare, pause) are not priced.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import analysis, logs
from racer.diagnostics.pay import VERDICT_GAMMA, pay_of_lap
from racer.diagnostics.replay_record import LogReplay, RebuildProof, ReplayedLog
from racer.errors import RacerError
from racer.logs import KnownTracks, Log, episode_begins, find_log_track, state_rows
from racer.reward import (
    REWARD_TIMEOUT_S,
    RewardBatch,
    RewardFunction,
    RewardRefused,
    load_reward,
    reads_objects,
    relocate_refusal,
)
from racer.sim import HELD_STATUSES, build_params
from racer.track import Track

REWARD_TOLERANCE = 1e-4  # rewards are equal within it: logs are written with four decimals
CHUNK_ROWS = 20_000  # rows whose params are built at a time

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]
PathLike = str | os.PathLike[str]


def replay(
    reward: PathLike | RewardFunction,
    log: PathLike | Sequence[PathLike],
    track: PathLike | Track = "",
    *,
    own: PathLike | RewardFunction | None = None,
    gamma: float = VERDICT_GAMMA,
    timeout: float = REWARD_TIMEOUT_S,
) -> LogReplay:
    """What a reward function would have paid for recorded laps, and whether the clock agrees.

    Parameters
    ----------
    reward
        A file, the name of a shipped reward, or a loaded one.
    log
        A log or several: files, folders, archives.
    track
        Their track; recognized from the numbers unless given.
    own
        The reward that the log was scored with: proves that the params are rebuilt rightly.
    gamma
        The discount factor of the pay that laps are ranked by (`pay_around_lap`).
    timeout
        Seconds that one call may take.

    Raises RewardRefused as the real job would stop, naming the row; RacerError when the proof
    fails; UsageError when no track is known.

    Examples
    --------
    >>> from pathlib import Path
    >>> from racer import drive
    >>> from racer.logs import write_csv
    >>> for driver in ("slow", "fast"):
    ...     write_csv(drive("reinvent_2018", driver).trace, Path(f"{driver}.csv"))
    >>> result = replay("center_line", ["slow.csv", "fast.csv"])
    >>> result.laps[["time", "paid", "paid_rank"]].round(1).values.tolist()
    [[35.0, 474.0, 1.0], [7.7, 95.0, 2.0]]
    >>> result.laps["pay"].round().tolist()
    [84.0, 46.0]
    """
    paths = [log] if isinstance(log, str | os.PathLike) else list(log)
    function = _as_reward(reward)
    own_function = None if own is None else _as_reward(own)
    tracks = [] if track else list(KnownTracks())
    pieces: list[ReplayedLog] = []
    for path in paths:
        pieces += replay_log(
            function, path, track, tracks, own=own_function, gamma=gamma, timeout=timeout
        )
    result = collect_replay(function, pieces, gamma)
    result.require_laps()
    return result


def replay_log(
    reward: RewardFunction,
    path: PathLike,
    track: PathLike | Track,
    candidates: Iterable[Track],
    *,
    own: RewardFunction | None = None,
    gamma: float = VERDICT_GAMMA,
    timeout: float = REWARD_TIMEOUT_S,
) -> Iterator[ReplayedLog]:
    """A log, apart for each job in it and cut by the length of its tracks, each piece priced when it is
    asked for; see `replay`.
    """
    log = logs.read_log(os.fspath(path))
    jobs = logs.read_jobs(os.fspath(path)) if log.jobs else {"": log}
    for job, job_log in jobs.items():
        name = f"{os.fspath(path)}/{job}" if job else os.fspath(path)
        yield from _replay_pieces(reward, job_log, name, track, candidates, own, gamma, timeout)


def _replay_pieces(
    reward: RewardFunction,
    log: Log,
    name: str,
    track: PathLike | Track,
    candidates: Iterable[Track],
    own: RewardFunction | None,
    gamma: float,
    timeout: float,
) -> Iterator[ReplayedLog]:
    """The pieces of one job's log, one for each track."""
    file_names = dict(enumerate(source.name for source in log.sources))
    length = log.trace["track_len"].round(2)
    for one_length in length.unique():
        trace = log.trace[length == one_length].reset_index(drop=True)
        log_track = find_log_track(trace, track, candidates)
        proof = None
        if log_track.track is None:
            laps = paid_laps(trace.iloc[:0], np.empty(0), gamma)
        else:
            if own is not None:
                own_rewards = price_trace(trace, log_track.track, own, timeout=timeout)
                proof = prove_rebuild(trace, own_rewards)
                require_proof(proof, own.filename)
            rewards = price_trace(trace, log_track.track, reward, timeout=timeout)
            laps = paid_laps(trace, rewards, gamma).rename(columns={"reward": "logged"})
            laps = laps.assign(log=name, file=laps["source"].map(file_names))
        scored = int(scored_rows(trace).sum())
        own_name = own.filename if own is not None else ""
        yield ReplayedLog(name, len(trace), scored, log_track, laps, proof, own_name)


def collect_replay(
    reward: RewardFunction, pieces: Sequence[ReplayedLog], gamma: float = VERDICT_GAMMA
) -> LogReplay:
    """The pieces of all logs, priced at a discount factor, as one result."""
    notes = list(reward.notes)
    if reads_objects(reward):
        notes.append(
            f"{reward.filename} reads objects; a log does not tell where they were, so it saw none"
        )
    return LogReplay(reward.filename, tuple(pieces), tuple(notes), gamma)


def scored_rows(trace: pd.DataFrame) -> Flags:
    """(N,) whether the job called its reward function on a row: not where the car is held."""
    return np.asarray(~trace["episode_status"].isin(HELD_STATUSES))


def price_trace(
    trace: pd.DataFrame, track: Track, reward: RewardFunction, *, timeout: float = REWARD_TIMEOUT_S
) -> Array:
    """(N,) what `reward` pays for each row of a trace that was driven on `track`; nan on rows that
    are not scored.

    Rows are priced in their order, and each episode has a fresh instance of the reward file, so
    that what the file remembers is that episode's. `timeout` in s a call. Raises RewardRefused as
    the real job would stop, naming the row.
    """
    rewards = np.full(len(trace), np.nan)
    is_scored = scored_rows(trace)
    if not is_scored.any():
        return rewards
    begins = episode_begins(trace)
    episode = np.cumsum(begins) - 1
    state = state_rows(trace, track)
    for chunk in _chunks_of_episodes(begins):
        rows = chunk[is_scored[chunk]]
        if not len(rows):
            continue
        pricing = _EpisodePricing(reward, episode[rows], timeout)
        try:
            rewards[rows] = pricing.price(state[rows], track)
        except RewardRefused as error:
            if error.car is None:
                raise
            row = trace.iloc[rows[pricing.row_of(error.car)]]
            place = f"episode {row['episode']}, step {row['steps']:g} of the log"
            raise relocate_refusal(error, place) from None
    return rewards


def prove_rebuild(trace: pd.DataFrame, rewards: Array) -> RebuildProof:
    """How well `rewards` (N,), of the function that the log was scored with, equal the logged ones.

    Rows of evaluation files are left out where there are others: the real service scores races with
    its own reward.
    """
    is_compared = scored_rows(trace) & np.isfinite(rewards)
    if "phase" in trace:
        in_training = is_compared & (trace["phase"] != "evaluation").to_numpy()
        if in_training.any():
            is_compared = in_training
    logged = trace["reward"].to_numpy(float)
    is_equal = np.abs(rewards - logged) <= REWARD_TOLERANCE
    different = np.flatnonzero(is_compared & ~is_equal)
    total = int(is_compared.sum())
    if not len(different):
        return RebuildProof(total, total)
    first = different[0]
    row = trace.iloc[first]
    return RebuildProof(
        rows=total,
        equal=total - len(different),
        episode=int(row["episode"]),
        step=float(row["steps"]),
        logged=float(row["reward"]),
        priced=float(rewards[first]),
    )


def require_proof(proof: RebuildProof, name: str) -> None:
    """Raise RacerError with what to look for, unless the proof holds."""
    if not proof.holds:
        raise RacerError(
            f"the log's rewards are not those of {name}: {proof}. Is it another version of the file, does it read "
            "objects (a log does not tell where they were), or is it the wrong track (--track)? "
            "Without --own the log is priced unproven"
        )


def paid_laps(trace: pd.DataFrame, rewards: Array, gamma: float = VERDICT_GAMMA) -> pd.DataFrame:
    """The laps of a trace (`racer.analysis.laps`) with `paid`, the sum of `rewards` (N,), `scored`,
    the rows priced, and `pay`, the discounted return around the lap (`pay_around_lap`);
    `logged_pay` is that of the rewards in the log.
    """
    table = analysis.laps(trace)
    first_rows = table["first_row"].to_numpy(np.int64)
    if not len(first_rows):
        return table.assign(paid=0.0, scored=0, pay=0.0, logged_pay=0.0)
    is_priced = np.isfinite(rewards)
    return table.assign(
        paid=np.add.reduceat(np.nan_to_num(rewards), first_rows),
        scored=np.add.reduceat(is_priced.astype(np.int64), first_rows),
        pay=_pay_of_laps(trace, rewards, is_priced, first_rows, gamma),
        logged_pay=_pay_of_laps(
            trace, trace["reward"].to_numpy(float), is_priced, first_rows, gamma
        ),
    )


def _pay_of_laps(
    trace: pd.DataFrame, rewards: Array, is_priced: Flags, first_rows: Rows, gamma: float
) -> list[float]:
    """The discounted return around each of the laps that begin at `first_rows`."""
    progress = trace["progress"].to_numpy(float)
    ends = np.append(first_rows[1:], len(trace))
    pay = []
    for first, end in zip(first_rows, ends, strict=True):
        rows = first + np.flatnonzero(is_priced[first:end])
        pay.append(pay_of_lap(rewards[rows], progress[rows], gamma))
    return pay


class _EpisodePricing:
    """Rewards of whole episodes (a class: it knows which rows of which episodes make a batch).

    The k-th rows of all episodes make a batch, so that each instance's calls are in its order.
    """

    def __init__(self, reward: RewardFunction, episode: Rows, timeout: float) -> None:
        self.car = np.unique(episode, return_inverse=True)[1]
        rows_before = np.arange(len(self.car)) - np.searchsorted(self.car, self.car)
        order = np.argsort(rows_before, kind="stable")
        turns = np.flatnonzero(np.diff(rows_before[order])) + 1
        self.batches = np.split(order, turns)
        self.instances = RewardBatch(reward, int(self.car.max()) + 1, timeout=timeout)
        self.current = order[:0]

    def price(self, state: NDArray[np.void], track: Track) -> Array:
        """(N,) the rewards of these rows. Raises RewardRefused; see `row_of`."""
        rewards = np.empty(len(self.car))
        for rows in self.batches:
            self.current = rows
            params: Any = build_params(state[rows], [track])
            rewards[rows] = self.instances(params, self.car[rows].tolist())
        return rewards

    def row_of(self, car: int) -> int:
        """The row whose call by this instance was the last one."""
        return int(self.current[self.car[self.current] == car][0])


def _chunks_of_episodes(begins: Flags) -> list[Rows]:
    """Row numbers, cut between episodes so that no chunk is longer than needed: params of all rows
    would fill a memory.
    """
    starts = np.flatnonzero(begins)
    chunk = starts // CHUNK_ROWS
    cuts = starts[np.flatnonzero(np.diff(chunk)) + 1]
    return np.split(np.arange(len(begins)), cuts)


def _as_reward(reward: PathLike | RewardFunction) -> RewardFunction:
    if isinstance(reward, RewardFunction):
        return reward
    return load_reward(reward)
