"""Recorded steps, priced with a reward function: what would it have paid for these laps, and would
the clock agree?

Params are rebuilt from track, pose and action by the builder that the simulator uses. A log says
nothing of boxes and bot cars, so a reward that reads them sees an empty road. Rows on which the job
calls no reward function (the car is held: prepare, pause) are not priced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import analysis as laps
from racer.diagnostics import scoring as clock
from racer.errors import RewardError
from racer.logs.to_state import episode_begins, state_rows
from racer.reward import RewardBatch, RewardFunction, RewardRefused
from racer.reward.batch import REWARD_TIMEOUT_S
from racer.reward.errors import relocate_refusal
from racer.sim.params import build_params
from racer.track.track import Track

REWARD_TOLERANCE = 1e-4  # rewards are equal within it: logs are written with four decimals
# share of equal rows from which a rebuild counts as proven; real logs reach 0.996 to 1
# (docs/replay.md)
PROVEN_FRACTION = 0.99
HELD_STATUSES = ("prepare", "pause", "park")  # statuses of rows that are not scored
_CHUNK = 20_000  # rows whose params are built at a time

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class RebuildProof:
    """How many scored rows were compared with the logged reward, and how many are equal; the first
    that is not.
    """

    rows: int
    equal: int
    episode: int = 0  # of the first row that differs
    step: float = 0.0
    logged: float = np.nan
    priced: float = np.nan

    @property
    def share(self) -> float:
        """Equal rows, 0 to 1; 0 when there was no row."""
        return self.equal / self.rows if self.rows else 0.0

    @property
    def holds(self) -> bool:
        """Whether the rebuild is proven."""
        return self.share >= PROVEN_FRACTION

    def __str__(self) -> str:
        if not self.rows:
            return "no row is scored, so nothing can be compared"
        text = f"{self.share:.2%} of {self.rows:,} scored rows equal the logged reward"
        if self.equal == self.rows:
            return text
        there = f"episode {self.episode}, step {self.step:g}"
        return f"{text}; the first that differs: {there}, logged {self.logged:.6g}, priced {self.priced:.6g}"


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
    first, counts = episode_begins(trace), scored_rows(trace)
    if not counts.any():
        return rewards
    state = state_rows(trace, track)
    episode = np.cumsum(first) - 1
    for some in _whole_episodes(first):
        mine = some[counts[some]]
        if len(mine):
            rewards[mine] = _priced(
                state[mine], episode[mine], track, reward, timeout, trace.iloc[mine]
            )
    return rewards


def prove_rebuild(trace: pd.DataFrame, rewards: Array) -> RebuildProof:
    """How well `rewards` (N,), of the function that the log was scored with, equal the logged ones.

    Rows of evaluation files are left out where there are others: the real service scores races with
    its own reward.
    """
    compared = scored_rows(trace) & np.isfinite(rewards)
    race = (
        (trace["phase"] == "evaluation").to_numpy()
        if "phase" in trace
        else np.zeros(len(trace), bool)
    )
    compared &= ~race if (compared & ~race).any() else True
    logged = trace["reward"].to_numpy(float)
    off = np.flatnonzero(compared & ~(np.abs(rewards - logged) <= REWARD_TOLERANCE))
    total = int(compared.sum())
    if not len(off):
        return RebuildProof(total, total)
    row = trace.iloc[off[0]]
    place = int(row["episode"]), float(row["steps"]), float(row["reward"]), float(rewards[off[0]])
    return RebuildProof(total, total - len(off), *place)


def require_proof(proof: RebuildProof, name: str) -> None:
    """Nothing when the proof holds. Raises RewardError with what to look for otherwise."""
    if not proof.holds:
        raise RewardError(
            f"the log's rewards are not those of {name}: {proof}. Is it another version of the file, does it read "
            "objects (a log does not tell where they were), or is it the wrong track (--track)? "
            "Without --own the log is priced unproven"
        )


def paid_laps(trace: pd.DataFrame, rewards: Array) -> pd.DataFrame:
    """The laps of a trace (`racer.analysis.laps`) with `paid`, the sum of `rewards` (N,), and
    `scored`, the rows priced.
    """
    table = laps.laps(trace)
    first = table["first_row"].to_numpy(np.int64)
    if not len(first):
        return table.assign(paid=0.0, scored=0)
    paid = np.add.reduceat(np.nan_to_num(rewards), first)
    return table.assign(
        paid=paid, scored=np.add.reduceat(np.isfinite(rewards).astype(np.int64), first)
    )


def rank_laps(table: pd.DataFrame) -> pd.DataFrame:
    """The laps of one track with their places, `clock_rank` and `paid_rank`: 1 is best, equals
    share their mean place.

    By the clock complete laps come first, the fastest ahead; then the others, by how far they came.
    """
    places = pd.Series(_slowness(table), index=table.index).round(6).rank()
    return table.assign(clock_rank=places, paid_rank=table["paid"].round(9).rank(ascending=False))


def rank_correlation(a: Array, b: Array) -> float:
    """Rank correlation (Spearman) of two columns (L,), -1 to 1; nan where one of them is all the
    same.
    """
    if not len(a):
        return float("nan")
    one, other = (np.asarray(pd.Series(column).rank(), dtype=np.float64) for column in (a, b))
    return clock.correlate_ranks(one, other)


def wrong_pair_fraction(table: pd.DataFrame) -> float:
    """Share (0 to 1) of pairs of laps of which the one that is worse by the clock is paid more; nan
    without a pair.
    """
    ranks, paid = table["clock_rank"].to_numpy(), table["paid"].to_numpy()
    wrong = total = 0
    for k in range(len(table) - 1):
        better = np.sign(ranks[k + 1 :] - ranks[k])  # +1: lap k is better by the clock
        wrong += int(np.sum(better * np.sign(paid[k] - paid[k + 1 :]) < 0))
        total += int(np.count_nonzero(better))
    return wrong / total if total else float("nan")


def displaced_laps(table: pd.DataFrame, most: int = 10) -> pd.DataFrame:
    """The laps whose place by pay is farthest from their place by the clock, farthest first; none
    that is in place.
    """
    shift = table["clock_rank"] - table["paid_rank"]  # positive: paid better than it drove
    moved = table.assign(shift=shift)[shift != 0]
    return moved.loc[moved["shift"].abs().sort_values(ascending=False, kind="stable").index].head(
        most
    )


def _whole_episodes(first: Flags) -> list[NDArray[np.int64]]:
    """Row numbers, cut between episodes so that no piece is longer than needed: params of all rows
    fill a memory.
    """
    starts = np.flatnonzero(first)
    piece = (starts // _CHUNK).astype(np.int64)
    cuts = starts[np.flatnonzero(np.diff(piece)) + 1]
    return np.split(np.arange(len(first)), cuts)


def _priced(state: NDArray[np.void], episode: NDArray[np.int64], track: Track, reward: RewardFunction,
            timeout: float, trace: pd.DataFrame) -> Array:  # fmt: skip
    """Rewards of whole episodes: their k-th rows make a batch, so that each car's calls are in its
    order.
    """
    owner = np.unique(episode, return_inverse=True)[1]
    # how many rows of its episode are before it
    turn = np.arange(len(owner)) - np.searchsorted(owner, owner)
    order = np.argsort(turn, kind="stable")
    batch = RewardBatch(reward, int(owner.max()) + 1, timeout=timeout)
    rewards = np.empty(len(owner))
    for some in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
        try:
            built: Sequence[dict[str, Any]] = build_params(state[some], [track])  # type: ignore[assignment]
            rewards[some] = batch(built, owner[some].tolist())
        except RewardRefused as error:
            raise _placed(error, trace.iloc[some], owner[some]) from None
    return rewards


def _placed(error: RewardRefused, trace: pd.DataFrame, owner: NDArray[np.int64]) -> RewardRefused:
    """The same error, told of the recorded row instead of a car's number."""
    at = np.flatnonzero(owner == error.car)
    if not len(at):
        return error
    row = trace.iloc[at[0]]
    return relocate_refusal(error, f"episode {row['episode']}, step {row['steps']:g} of the log")


def _slowness(table: pd.DataFrame) -> Array:
    """(L,) what the clock ranks by, the smaller the better: seconds, and beyond all seconds the
    share not driven.
    """
    whole = table["complete"].to_numpy(bool)
    slowest = table["time"][whole].max() if whole.any() else 0.0
    return np.where(whole, table["time"], slowest + 1.0 + 100.0 - table["completion"])
