"""Pictures of laps on the track: by speed or another amount, and as ghosts that race each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from racer.analysis import driven_motion
from racer.errors import UsageError, did_you_mean
from racer.plotting import style
from racer.plotting.lap_times import draw_lap_times
from racer.plotting.track import border_points, draw_direction, draw_obstacles, draw_track
from racer.sim.obstacles import Obstacles
from racer.track.track import Track

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LapColoring:
    """What the laps on a map can be colored by."""

    label: str  # of the color bar
    cmap: str = style.SPEED_CMAP
    column: str = ""  # of the trace; empty where the amount is computed
    is_sided: bool = False  # whether the scale reaches equally far to both sides of 0
    min_range: float = 1.0  # between the ends of the scale


LAP_COLORINGS = {
    "speed": LapColoring("driven speed (m/s)"),
    "reward": LapColoring("reward of a step", column="reward", min_range=1e-6),
    "throttle": LapColoring("commanded speed (m/s)", column="throttle"),
    "steering": LapColoring(
        "right  ·  commanded steering (°)  ·  left", style.SIDES_CMAP, "steer", is_sided=True
    ),
    "time": LapColoring("time since the lap began (s)"),
}

GHOST_COLORS = tuple(style.PALETTE[k] for k in (0, 5, 2, 3, 1, 4))
"""One for each lap of an animation or of a picture of ghosts."""

_GHOST_DASHES = ("-", (0, (6, 1.5)), (0, (3, 1)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))
_GHOST_MARKERS = "osDv^*"
_MAX_CASED_LAPS = 6  # laps up to which each has a dark border


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
        draw_direction(track, draw_track(track, ax, center=False))
    style.format_map_axes(ax)
    lines = style.add_colored_lines(
        ax,
        segments,
        values,
        cmap=coloring.cmap,
        width=1.7,
        casing_width=2.6 if len(laps) <= _MAX_CASED_LAPS else 0.0,
        capstyle="round",
    )
    lines.set_clim(*_color_limits(values, coloring, top))
    ax.autoscale_view()
    style.add_color_bar(lines, ax, coloring.label, shrink=0.8, pad=0.02)
    ax.set_title(_title(_describe(laps), track))
    return ax


def draw_ghosts(
    trace: pd.DataFrame,
    laps: pd.DataFrame,
    ax: Axes,
    track: Track | None = None,
    *,
    names: Sequence[str] = (),
) -> Axes:
    """`ax` with the lines of the given laps, each in a color of its own, and a dot for every second
    since it began.

    `names` label the laps; their lap times do where it is empty.
    """
    if track is not None:
        draw_direction(track, draw_track(track, ax, center=False))
    labels = names or [f"{time:.2f} s" for time in laps["time"]]
    for k, (label, (_, lap)) in enumerate(zip(labels, laps.iterrows(), strict=True)):
        _draw_ghost(trace, lap, k, label, ax)
    style.format_map_axes(ax).autoscale_view()
    style.add_legend_below(ax, 3, handlelength=3.5)
    ax.set_title(_title("a dot a second", track))
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
        figure = Figure(figsize=(9.0, height + 2.8))
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
    rows = trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
    xy = rows[["X", "Y"]].to_numpy(float)
    has_moved = np.isfinite(driven_motion(rows)["speed"].to_numpy())
    gaps = np.flatnonzero(~has_moved[:-1]) + 1
    seconds = np.floor(rows["tstamp"].to_numpy(float) - float(lap["start"]))
    is_first_of_second = np.diff(seconds, prepend=0.0) > 0
    return np.insert(xy, gaps, np.nan, axis=0), xy[is_first_of_second]


def _color_limits(values: Array, coloring: LapColoring, top: float | None) -> tuple[float, float]:
    """The values at both ends of the color scale: where nearly all values lie, and not less than
    `coloring.min_range` apart.
    """
    if coloring.is_sided:
        known = values[np.isfinite(values)]
        reach = top or float(np.abs(known).max(initial=0.1))
        return -reach, reach
    low, high = style.usual_range(values, 1.0, 99.5)
    high = top or max(high, coloring.min_range)
    if low < 0.0:
        return low, high
    return max(0.0, min(low, high - coloring.min_range)), high


def _map_area(trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None) -> Array:
    """(N, 2) m points that a map has to show: the track's, or those of the laps."""
    if track is not None:
        return border_points(track)
    return lap_lines(trace, laps)[0].reshape(-1, 2)


def _title(text: str, track: Track | None) -> str:
    return text if track is None else f"{track.title}  ·  {text}"


def _describe(laps: pd.DataFrame) -> str:
    """How many laps there are; of a single one its time and how it ended."""
    if not len(laps):
        return "no lap"
    if len(laps) > 1:
        return f"{len(laps)} laps"
    lap = laps.iloc[0]
    if lap["complete"]:
        return f"lap of {lap['time']:.2f} s"
    return f"lap of {lap['time']:.2f} s to {lap['completion']:.0f} % ({lap['status']})"
