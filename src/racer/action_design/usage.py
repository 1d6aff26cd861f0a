"""Where on a track a policy takes which action."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.action_design.review import nearest_commands
from racer.sim.state import HELD_STATUSES
from racer.track.corners import find_corners, is_inside_corner
from racer.track.track import Track

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CELL_LENGTH_M = 0.5  # m of center line, about, of a cell in a picture


@dataclass(frozen=True, eq=False)
class ActionUsage:
    """How often each of A actions was taken at each of P places: `counts` (A, P), and the names of
    the `places` (P,) in their order.
    """

    counts: Index
    places: tuple[str, ...]

    @property
    def fractions(self) -> Array:
        """(A,) fraction of all steps in which each action was taken."""
        return np.asarray(self.counts.sum(axis=1) / max(int(self.counts.sum()), 1))

    def most(self, place: int) -> list[tuple[int, float]]:
        """The actions taken at a place and their fractions of the steps there, the most frequent
        first.
        """
        counts = self.counts[:, place]
        order = np.argsort(-counts, kind="stable")
        return [(int(k), float(counts[k] / counts.sum())) for k in order if counts[k]]


def counting_rows(trace: pd.DataFrame) -> pd.DataFrame:
    """The rows of a trace in which the action counts: not while the car is held."""
    return trace[~trace["episode_status"].isin(HELD_STATUSES)]


def usage_by_corner(rows: pd.DataFrame, track: Track, commands: Array) -> ActionUsage:
    """Usage in each corner and on each straight between two corners; `rows` of a trace on the track."""
    names, place = corner_indices(_along(rows, track), track)
    counts = _count_by_place(_taken_actions(rows, commands), place, len(commands), len(names))
    return ActionUsage(counts, names)


def usage_by_cell(rows: pd.DataFrame, track: Track, commands: Array) -> ActionUsage:
    """Usage in equal cells of the lap, named by the distance of their middle, m."""
    count = max(round(track.length / CELL_LENGTH_M), 1)
    edges = np.linspace(0.0, track.length, count + 1)
    place = np.clip(np.searchsorted(edges, _along(rows, track), side="right") - 1, 0, count - 1)
    names = tuple(f"{middle:.2f}" for middle in 0.5 * (edges[1:] + edges[:-1]))
    counts = _count_by_place(_taken_actions(rows, commands), place, len(commands), count)
    return ActionUsage(counts, names)


def corner_indices(s: Array, track: Track) -> tuple[tuple[str, ...], Index]:
    """Names of the corners and straights in driving order, and the one (N,) that each arc length
    (N,) m lies in.
    """
    corners = find_corners(track)
    if not corners:
        return ("all",), np.zeros(len(s), dtype=np.int64)
    names: list[str] = []
    for corner in corners:
        names += [f"to {corner.name}", corner.name]
    next_corner = np.searchsorted(np.array([corner.apex for corner in corners]), s)
    if track.is_loop:
        next_corner = next_corner % len(corners)
    else:
        names.append("to the end")
    place = 2 * next_corner
    for k, corner in enumerate(corners):
        place = np.where(is_inside_corner(corner, s), 2 * k + 1, place)
    return tuple(names), place


def _along(rows: pd.DataFrame, track: Track) -> Array:
    return geometry.project_points(track.center, rows[["X", "Y"]].to_numpy(float))[0]


def _taken_actions(rows: pd.DataFrame, commands: Array) -> Index:
    """(N,) the action of each row: the nearest of the commands, as a log may be of another space."""
    return nearest_commands(commands, rows[["steer", "throttle"]].to_numpy(float))


def _count_by_place(taken: ArrayLike, place: ArrayLike, actions: int, places: int) -> Index:
    """(A, P) how often each of A actions was taken at each of P places."""
    flat = np.asarray(taken) * places + np.asarray(place)
    return np.bincount(flat, minlength=actions * places).reshape(actions, places)
