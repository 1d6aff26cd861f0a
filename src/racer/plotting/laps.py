"""Pictures of laps on the track, by speed or another amount, and of a race."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from racer.analysis import driven_motion
from racer.errors import UsageError, did_you_mean
from racer.plotting import style
from racer.plotting.lap_times import draw_lap_times
from racer.plotting.selection import lap_number
from racer.plotting.track import (
    border_points,
    draw_direction,
    draw_obstacles,
    draw_track,
    name_corners,
)
from racer.sim import Obstacles
from racer.track import Track

Array = NDArray[np.float64]

_SPREAD_PERCENT = (5.0, 99.5)
"""Of the values, that the colors tell apart: a standing start is one color."""

_MAX_BROAD_LAPS = 1  # laps up to which a line is broad
_MAX_CASED_LAPS = 6  # laps up to which each has a dark border


@dataclass(frozen=True)
class LapColoring:
    """What the laps on a map can be colored by."""

    label: str  # of the color bar
    cmap: str = style.SPEED_CMAP
    column: str = ""  # of the trace; empty where the amount is computed
    is_sided: bool = False  # whether the scale reaches equally far to both sides of 0
    min_range: float = 0.2  # between the ends of the scale, so that small differences look small


LAP_COLORINGS = {
    "speed": LapColoring("driven speed (m/s)"),
    "reward": LapColoring("reward of a step", column="reward", min_range=1e-6),
    "throttle": LapColoring("commanded speed (m/s)", column="throttle"),
    "steering": LapColoring(
        "right  ·  commanded steering (°)  ·  left", style.SIDES_CMAP, "steer", is_sided=True
    ),
    "time": LapColoring("time since the lap began (s)"),
}


def draw_laps(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    ax: Axes,
    track: Track | None = None,
    *,
    color: str = "speed",
    top: float | None = None,
) -> Axes:
    """`ax` with the given laps in the colors of one of `LAP_COLORINGS`, and a color bar; on the road
    where `track` is known.

    `laps` are rows of `racer.analysis.laps(trace)`. Penalties and the jumps of a reset are left
    out. `top` is the value at the upper end of the colors, by default the greatest in these laps.
    Raises UsageError for an unknown `color`.
    """
    coloring = find_lap_coloring(color)
    segments, values = lap_lines(trace, laps, color)
    if track is not None:
        name_corners(track, draw_direction(track, draw_track(track, ax, center=False)))
    style.format_map_axes(ax)
    width = 1.7 if len(laps) > _MAX_BROAD_LAPS else 2.6
    lines = style.add_colored_lines(
        ax,
        segments,
        values,
        cmap=coloring.cmap,
        width=width,
        casing_width=width + 0.9 if len(laps) <= _MAX_CASED_LAPS else 0.0,
        capstyle="round",
    )
    low, high = _color_limits(values, coloring, top)
    lines.set_clim(low, high)
    ax.autoscale_view()
    ends = style.beyond_ends(values, low, high)
    style.add_color_bar(lines, ax, coloring.label, shrink=0.8, pad=0.02, extend=ends)
    ax.set_title(map_title(_describe(laps), track))
    return ax


def find_lap_coloring(name: str) -> LapColoring:
    """The one of `LAP_COLORINGS` with that name. Raises UsageError with the names there are."""
    if name not in LAP_COLORINGS:
        names = list(LAP_COLORINGS)
        raise UsageError(
            f"laps have no color {name!r}{did_you_mean(name, names)} ({', '.join(names)})"
        )
    return LAP_COLORINGS[name]


def race_figure(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    chosen: pd.DataFrame,
    track: Track | None = None,
    obstacles: Obstacles | None = None,
) -> Figure:
    """A figure of a race: the `chosen` laps on the track among its `obstacles` (K,), and the times
    of all `laps`.
    """
    with style.style_context():
        height = style.map_height(_map_area(trace, chosen, track), 7.4, 2.8, 8.0)
        figure = style.NotebookFigure(figsize=(9.0, height + 2.8))
        map_ax, times_ax = figure.subplots(2, 1, height_ratios=[figure.get_figheight() - 2.4, 2.0])
        draw_laps(trace, chosen, map_ax, track)
        if obstacles is not None:
            draw_obstacles(obstacles, map_ax)
        draw_lap_times(laps, times_ax)
    return figure


def lap_lines(trace: pd.DataFrame, laps: pd.DataFrame, color: str = "speed") -> tuple[Array, Array]:
    """Segments (S, 2, 2) m that the car drove in the given laps, and the amount (S,) by which each
    is colored, one of `LAP_COLORINGS`.
    """
    speed = driven_motion(trace)["speed"].to_numpy()
    xy = trace[["X", "Y"]].to_numpy(float)
    rows = _rows_with_a_next(laps)
    if color == "speed":
        values = speed[rows]
    elif color == "time":
        steps = (laps["last_row"] - laps["first_row"]).to_numpy()
        values = trace["tstamp"].to_numpy(float)[rows]
        values = values - np.repeat(laps["start"].to_numpy(float), steps)
    else:
        values = trace[find_lap_coloring(color).column].to_numpy(float)[rows]
    has_moved = np.isfinite(speed[rows])
    segments = np.stack([xy[rows], xy[rows + 1]], axis=1)
    return segments[has_moved], values[has_moved]


def _rows_with_a_next(laps: pd.DataFrame) -> NDArray[np.int64]:
    """Positions in the trace of the rows of laps, without the last of each."""
    spans = [np.empty(0, np.int64)]
    for first, last in zip(laps["first_row"].tolist(), laps["last_row"].tolist(), strict=True):
        spans.append(np.arange(first, last))
    return np.concatenate(spans)


def _color_limits(values: Array, coloring: LapColoring, top: float | None) -> tuple[float, float]:
    """The values at both ends of the color scale: where nearly all values of these laps lie, and
    not less than `coloring.min_range` apart.
    """
    if coloring.is_sided:
        known = values[np.isfinite(values)]
        reach = top or float(np.abs(known).max(initial=0.1))
        return -reach, reach
    low, high = style.usual_range(values, *_SPREAD_PERCENT)
    lacking = max(0.0, coloring.min_range - (high - low))
    return low - 0.5 * lacking, top or high + 0.5 * lacking


def _map_area(trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None) -> Array:
    """(N, 2) m points that a map has to show: the track's, or those of the laps."""
    if track is not None:
        return border_points(track)
    return lap_lines(trace, laps)[0].reshape(-1, 2)


def map_title(text: str, track: Track | None) -> str:
    """The title of a map: the track, where it is known, and what is on it."""
    return text if track is None else f"{track.title}  ·  {text}"


def _describe(laps: pd.DataFrame) -> str:
    """How many laps there are; of a single one its time and how it ended."""
    if not len(laps):
        return "no lap"
    if len(laps) > 1:
        return f"{len(laps)} laps"
    lap = laps.iloc[0]
    name = f"lap {lap_number(laps.index[0])}"
    if lap["complete"]:
        return f"{name}, {lap['time']:.2f} s"
    status = str(lap["status"]).replace("_", " ")
    return f"{name}, {lap['time']:.2f} s to {lap['completion']:.0f} % ({status})"
