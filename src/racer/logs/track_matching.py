"""Which track a log was driven on, and in which direction, told from its numbers alone.

A log names no track, but each row holds a position, the nearest waypoint's index, progress and the
track's length. On the right route all of them follow from the position; on another, or the other
way round, they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.logs.schema import row_episode_ids
from racer.sim import HELD_STATUSES
from racer.stats import circular_median
from racer.track import Track

MIN_AGREEMENT = 0.97
"""Fraction of rows that must fit, in both waypoint and progress; real logs reach 0.99 to 1."""
MIN_SAMPLE_ROWS = 10
LENGTH_TOLERANCE_M = 0.02
"""Log lines round the length to 0.01."""
PROGRESS_TOLERANCE_PERCENT = 0.02
"""Of rounding to 4 decimals and of positions polled a moment later."""

_MAX_EPISODES = 16  # that are looked at
_MAX_EPISODE_ROWS = 60  # of each of them
_MIN_STEP = 3  # before it the car has hardly moved
_ROWS_PROJECTED_AT_A_TIME = 256
_MIN_WAYPOINT_GAP_M = 1e-9  # a smaller one is the seam of a route

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class TrackMatch:
    """The route that fits a log, in driving direction, and the fraction of rows that agree with it."""

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
    matches = []
    for track in tracks:
        if abs(track.length - length) > LENGTH_TOLERANCE_M:
            continue
        for variant in _variants(track):
            match = TrackMatch(variant, track_agreement(rows, variant))
            if match.agreement >= MIN_AGREEMENT:
                matches.append(match)
    return min(matches, key=_preference, default=None)


def track_agreement(rows: pd.DataFrame, track: Track) -> float:
    """Fraction of rows whose closest waypoint, and whose progress, follow from X, Y; the lesser of
    both.
    """
    xy = rows[["X", "Y"]].to_numpy(float)
    lap_fraction, distance = _project(track, xy)
    is_near = distance < 1.5 * float(track.width.max()) + 0.5
    waypoint = logged_waypoint(track, xy, lap_fraction)
    waypoint_fits = is_near & (waypoint == rows["closest_waypoint"].to_numpy())
    progress_fits = is_near & _progress_fits(rows, lap_fraction)
    return float(min(waypoint_fits.mean(), progress_fits.mean()))


def logged_waypoint(track: Track, xy: Array, lap_fraction: Array) -> NDArray[np.int64]:
    """(N,) the waypoint that a log names for points `xy` (N, 2) m at fractions of the lap (N,).

    Whichever of the two waypoints around the projection is nearer; of equals the one before.
    """
    waypoint_fractions = np.append(track.s[:-1] / track.length, 1.0)
    after = np.searchsorted(waypoint_fractions, lap_fraction, side="right")
    before = after - 1
    after = np.where(after == len(waypoint_fractions), 0, after)
    is_before_nearer = _distance(track.center[before], xy) <= _distance(track.center[after], xy)
    return np.asarray(np.where(is_before_nearer, before, after))


def sample_rows(trace: pd.DataFrame) -> pd.DataFrame:
    """Rows of up to 16 episodes spread over a trace, driving ones only, with an `episode_id`."""
    rows = trace.assign(episode_id=row_episode_ids(trace))
    is_held = rows["episode_status"].isin(HELD_STATUSES)
    is_driving = ~is_held & (rows["progress"] < 100) & (rows["steps"] >= _MIN_STEP)
    rows = rows[is_driving]
    ids = rows["episode_id"].unique()
    sampled = rows[rows["episode_id"].isin(ids[_spread(len(ids), _MAX_EPISODES)])]
    parts = []
    for _, episode in sampled.groupby("episode_id"):
        parts.append(episode.iloc[_spread(len(episode), _MAX_EPISODE_ROWS)])
    return pd.concat(parts) if parts else sampled


class _Projection(NamedTuple):
    """Fraction of the lap (N,) and distance (N,) m of the nearest place on the center line."""

    lap_fraction: Array
    distance: Array


def _spread(count: int, max_count: int) -> NDArray[np.int64]:
    """Up to `max_count` indices below `count`, evenly spread."""
    spread = np.linspace(0, max(count - 1, 0), min(count, max_count))
    return np.unique(spread.astype(np.int64))


def _variants(track: Track) -> Iterator[Track]:
    """The track both ways, with its seam and without."""
    yield track
    yield track.reversed()
    is_new = np.append(True, _distance(track.center[1:], track.center[:-1]) > _MIN_WAYPOINT_GAP_M)
    is_new[-1] = True
    if not is_new.all():
        seamless = replace(
            track,
            center=track.center[is_new],
            inner=track.inner[is_new],
            outer=track.outer[is_new],
        )
        yield seamless
        yield seamless.reversed()


def _preference(match: TrackMatch) -> tuple[float, bool, int, str]:
    """What sorts matches: the best agreement, forward before reversed, the shortest name."""
    track = match.track
    return -round(match.agreement, 2), track.is_reversed, len(track.name), track.name


def _project(track: Track, xy: Array) -> _Projection:
    """The nearest places on the center line, of few rows at a time to save memory."""
    fractions = []
    distances = []
    for start in range(0, len(xy), _ROWS_PROJECTED_AT_A_TIME):
        points = xy[start : start + _ROWS_PROJECTED_AT_A_TIME]
        arc_length, _, foot = geometry.project_points(track.center, points)
        fractions.append(arc_length / track.length)
        distances.append(_distance(points, foot))
    return _Projection(np.concatenate(fractions), np.concatenate(distances))


def _distance(a: Array, b: Array) -> Array:
    """(N,) m between points (N, 2) and (N, 2)."""
    return np.asarray(np.hypot(*(a - b).T))


def _progress_fits(rows: pd.DataFrame, lap_fraction: Array) -> BoolArray:
    """(N,) whether progress moves as the place on the lap does.

    Each episode has a start of its own, so its median offset counts.
    """
    offset = np.mod(rows["progress"].to_numpy() - 100.0 * lap_fraction, 100.0)
    by_episode = pd.Series(offset).groupby(rows["episode_id"].to_numpy())
    reference = by_episode.transform(lambda offsets: circular_median(offsets.to_numpy(), 100.0))
    deviation = np.mod(offset - reference.to_numpy() + 50.0, 100.0) - 50.0
    return np.asarray(np.abs(deviation) <= PROGRESS_TOLERANCE_PERCENT)
