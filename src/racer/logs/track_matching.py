"""Which track a log was driven on, and in which direction, told from its numbers alone.

A log names no track, but each row holds a position, the nearest waypoint's index, progress and the
track's length. On the right route all of them follow from the position; on another, or the other
way round, they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.track.track import Track

# share of rows that must fit, in both waypoint and progress; real logs reach 0.99 to 1
MIN_AGREEMENT = 0.97
MIN_SAMPLE_ROWS = 10
LENGTH_TOLERANCE_M = 0.02  # m: log lines round the length to 0.01
PROGRESS_TOLERANCE_PERCENT = (
    0.02  # %, of rounding to 4 decimals and of positions polled a moment later
)

_EPISODES, _ROWS = 16, 60  # how much of a log is looked at
_CHUNK = 256  # rows projected at a time

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrackMatch:
    """The route that fits a log, in driving direction, and the share of rows that agree with it (0
    to 1).
    """

    track: Track
    agreement: float

    @property
    def direction(self) -> str:
        """`forward` as the route's file has it, or `reversed`."""
        return "reversed" if self.track.is_reversed else "forward"


def match_track(trace: pd.DataFrame, tracks: Iterable[Track]) -> TrackMatch | None:
    """The one of `tracks` that a trace was driven on, forward or reversed, or None when none fits.

    A route with a seam (a duplicated row, which simulator 6 removes and older ones count as a
    waypoint) is tried with and without it. Of worlds that share their geometry the shortest name
    wins, then the first in the alphabet.
    """
    rows = sample_rows(trace)
    if len(rows) < MIN_SAMPLE_ROWS:
        return None
    length = float(rows["track_len"].median())
    fitting = [track for track in tracks if abs(track.length - length) <= LENGTH_TOLERANCE_M]
    found = [
        TrackMatch(track, track_agreement(rows, track))
        for one in fitting
        for track in _variants(one)
    ]
    found = [one for one in found if one.agreement >= MIN_AGREEMENT]
    return min(found, key=_preference, default=None)


def track_agreement(rows: pd.DataFrame, track: Track) -> float:
    """Share (0 to 1) of rows whose closest waypoint, and whose progress, follow from X, Y; the
    lesser of both.
    """
    xy = rows[["X", "Y"]].to_numpy(float)
    place, distance = _place(track, xy)
    width = float(track.width.max())
    near = distance < 1.5 * width + 0.5
    waypoint = near & (logged_waypoint(track, xy, place) == rows["closest_waypoint"].to_numpy())
    progress = near & _progress_fits(rows, place)
    return float(min(waypoint.mean(), progress.mean()))


def logged_waypoint(track: Track, xy: Array, place: Array) -> NDArray[np.int64]:
    """(N,) the waypoint that a log names for points `xy` (N, 2) m whose share of the lap is `place`
    (N,).

    Whichever of the two waypoints around the projection is nearer; of equals the one before.
    """
    shares = np.append(track.s[:-1] / track.length, 1.0)
    after = np.searchsorted(shares, place, side="right")
    before = after - 1
    after = np.where(after == len(shares), 0, after)
    gap = [np.hypot(*(track.center[index] - xy).T) for index in (before, after)]
    return np.asarray(np.where(gap[0] <= gap[1], before, after))


def sample_rows(trace: pd.DataFrame) -> pd.DataFrame:
    """Rows of up to 16 episodes spread over a trace, driving ones only, with an `episode_id`."""
    from racer.logs.schema import episode_ids

    rows = trace if "episode_id" in trace else trace.assign(episode_id=episode_ids(trace))
    held = (
        rows["episode_status"].isin(["prepare", "pause", "park"])
        | (rows["progress"] >= 100)
        | (rows["steps"] < 3)
    )
    rows = rows[~held]
    ids = rows["episode_id"].unique()
    some = rows[rows["episode_id"].isin(ids[_spread(len(ids), _EPISODES)])]
    picked = [group.iloc[_spread(len(group), _ROWS)] for _, group in some.groupby("episode_id")]
    return pd.concat(picked) if picked else some


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).astype(np.int64))


def _variants(track: Track) -> Iterator[Track]:
    """The road both ways, with its seam and without."""
    new = np.append(True, np.hypot(*np.diff(track.center, axis=0).T) > 1e-9)
    new[-1] = True
    roads = [track]
    if not new.all():
        roads.append(
            replace(track, center=track.center[new], inner=track.inner[new], outer=track.outer[new])
        )
    for road in roads:
        yield road
        yield road.reversed()


def _preference(one: TrackMatch) -> tuple[float, bool, int, str]:
    return -round(one.agreement, 2), one.track.is_reversed, len(one.track.name), one.track.name


def _place(track: Track, xy: Array) -> tuple[Array, Array]:
    """Share of the lap (N,) and distance (N,) m of the nearest spot on the center line."""
    parts = [
        geometry.project_points(track.center, xy[i : i + _CHUNK]) for i in range(0, len(xy), _CHUNK)
    ]
    along, foot = (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )
    return along / track.length, np.asarray(np.hypot(*(xy - foot).T))


def _progress_fits(rows: pd.DataFrame, place: Array) -> NDArray[np.bool_]:
    """(N,) whether progress moves as `place` does; each episode has a start of its own, so its
    median offset counts.
    """
    offset = np.mod(rows["progress"].to_numpy() - 100.0 * place, 100.0)
    episode = rows["episode_id"].to_numpy()
    reference = pd.Series(offset).groupby(episode).transform(_circular_median).to_numpy()
    off = np.abs(np.mod(offset - reference + 50.0, 100.0) - 50.0)
    return np.asarray(off <= PROGRESS_TOLERANCE_PERCENT)


def _circular_median(offset: pd.Series) -> float:
    """Median of offsets that are equal but for whole laps, whichever side of 0 = 100 they fall."""
    middle = float(offset.iloc[len(offset) // 2])
    return middle + float(np.median(np.mod(offset - middle + 50.0, 100.0) - 50.0))
