"""Laps racing each other: where each car is at a moment, how fast, and how far behind the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from racer import geometry
from racer.analysis import driven_motion
from racer.plotting import style
from racer.plotting.laps import map_title
from racer.plotting.selection import SAME_START_M
from racer.plotting.track import border_points, draw_direction, draw_track, name_corners
from racer.track import Track

Array = NDArray[np.float64]

GHOST_COLORS = tuple(style.PALETTE[k] for k in (0, 5, 2, 3, 1, 4))
"""One for each lap of an animation or of a picture of ghosts."""

CAR_SIZE_M = (0.324, 0.196)  # length and width
CENTER_BEHIND_M = 0.14  # from the logged X, Y back to the car's center

_GHOST_DASHES = ("-", (0, (6, 1.5)), (0, (3, 1)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))
_GHOST_MARKERS = "osDv^*"
_MOMENT_FRACTION = 0.55  # of the first lap, at which a still picture shows the cars


@dataclass(frozen=True, eq=False)
class Ghost:
    """A lap as it is shown: `pose` (T, 3) X and Y, m, and yaw, rad; `time` (T,) s since it began;
    `speed` (T,) m/s; `gap` (T,) s behind the first lap, nan where the two cannot be compared.
    """

    name: str
    pose: Array
    time: Array
    speed: Array
    gap: Array

    def words_at(self, step: int) -> str:
        """The name without its lap time, and below it the speed and the gap at a step."""
        numbers = []
        if np.isfinite(self.speed[step]):
            numbers.append(f"{self.speed[step]:.1f} m/s")
        if np.isfinite(self.gap[step]):
            numbers.append(f"{self.gap[step]:+.2f} s".replace("-", "\N{MINUS SIGN}"))
        short_name = self.name.split(" (")[0].split(", ")[0]
        return "\n".join(filter(None, [short_name, "  ".join(numbers)]))


def ghosts_of_laps(trace: pd.DataFrame, laps: pd.DataFrame, names: Sequence[str]) -> list[Ghost]:
    """The given laps, rows of `racer.analysis.laps(trace)`, by their names; gaps are those to the
    first one.
    """
    ghosts: list[Ghost] = []
    first_rows = _rows_of(trace, laps.iloc[0])
    first_start = float(laps["start"].iloc[0])
    for name, (_, lap) in zip(names, laps.iterrows(), strict=True):
        rows = _rows_of(trace, lap)
        time = rows["tstamp"].to_numpy(float) - float(lap["start"])
        gap = np.full(len(rows), np.nan)
        if ghosts:
            first_time = first_rows["tstamp"].to_numpy(float) - first_start
            gap = _gap_behind(first_rows, first_time, rows, time)
        pose = np.column_stack([rows["X"], rows["Y"], np.radians(rows["yaw"])])
        speed = driven_motion(rows)["speed"].to_numpy(float)
        ghosts.append(Ghost(name, pose, time, speed, gap))
    return ghosts


def draw_ghosts(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    ax: Axes,
    track: Track | None = None,
    *,
    names: Sequence[str] = (),
) -> Axes:
    """`ax` with the lines of the given laps, each in a color of its own, a dot for every second
    since it began, and the cars at one moment with their speeds and their gaps to the first one.

    `names` label the laps; their lap times do where it is empty.
    """
    if track is not None:
        name_corners(track, draw_direction(track, draw_track(track, ax, center=False)))
    if not len(laps):
        return style.format_map_axes(ax)
    labels = names or [f"{time:.2f} s" for time in laps["time"]]
    for k, (label, (_, lap)) in enumerate(zip(labels, laps.iterrows(), strict=True)):
        _draw_ghost(trace, lap, k, label, ax)
    style.format_map_axes(ax).autoscale_view()
    style.add_legend_below(ax, 3, handlelength=3.5)
    moment = _draw_cars(ghosts_of_laps(trace, laps, labels), ax, track)
    ax.autoscale_view()
    ax.set_title(map_title(f"a dot a second, the cars after {moment:.1f} s", track))
    return ax


def car_corners(pose: Array) -> Array:
    """(..., 4, 2) m corners of the car for logged poses (..., 3): X, Y in m and yaw in rad."""
    forward = np.stack([np.cos(pose[..., 2]), np.sin(pose[..., 2])], axis=-1)
    left = np.stack([-forward[..., 1], forward[..., 0]], axis=-1)
    center = pose[..., :2] - CENTER_BEHIND_M * forward
    half_length = 0.5 * CAR_SIZE_M[0] * forward
    half_width = 0.5 * CAR_SIZE_M[1] * left
    corners = [
        center + half_length + half_width,
        center - half_length + half_width,
        center - half_length - half_width,
        center + half_length - half_width,
    ]
    return np.stack(corners, axis=-2)


def _rows_of(trace: pd.DataFrame, lap: pd.Series) -> pd.DataFrame:
    return trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]


def _gap_behind(first: pd.DataFrame, first_time: Array, rows: pd.DataFrame, time: Array) -> Array:
    """(T,) s that a lap is behind the first one where it is; nan beyond where that one came, and for
    laps that began elsewhere.
    """
    starts = np.vstack([part[["X", "Y"]].to_numpy(float)[0] for part in (first, rows)])
    if not np.hypot(*(starts[1] - starts[0])) <= SAME_START_M:
        return np.full(len(time), np.nan)
    reached = np.fmax.accumulate(first["progress"].to_numpy(float))
    progress = np.fmax.accumulate(rows["progress"].to_numpy(float))
    gap = time - np.interp(progress, reached, first_time)
    gap[progress <= reached[0]] = 0.0  # both stand at the start
    return np.where(progress <= reached[-1], gap, np.nan)


def _draw_ghost(trace: pd.DataFrame, lap: pd.Series, k: int, label: str, ax: Axes) -> None:
    """The line of a lap and its dots, in the `k`-th color."""
    line, dots = _line_and_seconds(trace, lap)
    line_look: dict[str, Any] = {
        "color": GHOST_COLORS[k % len(GHOST_COLORS)],
        "linestyle": _GHOST_DASHES[k % len(_GHOST_DASHES)],
        "linewidth": 1.3,
    }
    dot_look: dict[str, Any] = {
        "marker": _GHOST_MARKERS[k % len(_GHOST_MARKERS)],
        "markersize": 5,
        "markeredgecolor": style.BACKGROUND_COLOR,
        "markeredgewidth": 0.5,
    }
    ax.plot(*line.T, zorder=3, **line_look)
    ax.plot(*dots.T, zorder=4, **line_look | {"linestyle": "none"}, **dot_look)
    ax.plot([], [], label=label, **line_look, **dot_look)


def _line_and_seconds(trace: pd.DataFrame, lap: pd.Series) -> tuple[Array, Array]:
    """The path of a lap (N, 2) m, with nan where the car was set down, and where the car was after
    each whole second (K, 2) m.
    """
    rows = _rows_of(trace, lap)
    xy = rows[["X", "Y"]].to_numpy(float)
    has_moved = np.isfinite(driven_motion(rows)["speed"].to_numpy())
    gaps = np.flatnonzero(~has_moved[:-1]) + 1
    seconds = np.floor(rows["tstamp"].to_numpy(float) - float(lap["start"]))
    is_first_of_second = np.diff(seconds, prepend=0.0) > 0
    return np.insert(xy, gaps, np.nan, axis=0), xy[is_first_of_second]


def _draw_cars(ghosts: list[Ghost], ax: Axes, track: Track | None) -> float:
    """The cars at a moment of the first lap, with what is said of each; the moment, s."""
    moment = _MOMENT_FRACTION * float(ghosts[0].time[-1])
    labels = []
    marks = [ghost.pose[:, :2] for ghost in ghosts]
    if track is not None:
        marks.append(border_points(track))
    for k, ghost in enumerate(ghosts):
        step = int(np.clip(np.searchsorted(ghost.time, moment), 0, len(ghost.time) - 1))
        color = GHOST_COLORS[k % len(GHOST_COLORS)]
        ax.add_patch(
            Polygon(car_corners(ghost.pose[step]), facecolor=color, edgecolor=style.INK, zorder=5)
        )
        spot = ghost.pose[step, :2]
        outward = np.array([np.sin(ghost.pose[step, 2]), -np.cos(ghost.pose[step, 2])])
        if track is not None:
            outward = geometry.nearest_point(track.outer, spot[None])[0] - spot
        labels.append(style.LeaderLabel(ghost.words_at(step), spot, outward))
    style.draw_leader_labels(labels, np.vstack(marks), ax)
    return moment
