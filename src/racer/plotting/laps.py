"""Pictures of laps on the track: by speed or another amount, as ghosts, and as heat maps of many
laps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from racer import geometry
from racer.analysis import driven_motion
from racer.errors import UsageError, did_you_mean
from racer.plotting import style
from racer.plotting.lap_times import draw_lap_times
from racer.plotting.selection import count_noun, driving_rows, row_numbers
from racer.plotting.track import (
    border_points,
    draw_direction,
    draw_obstacles,
    draw_track,
    section_outlines,
)
from racer.sim import Obstacles
from racer.track import Track

Array = NDArray[np.float64]

GHOST_COLORS = tuple(style.PALETTE[k] for k in (0, 5, 2, 3, 1, 4))
"""One for each lap of an animation or of a picture of ghosts."""

_GHOST_DASHES = ("-", (0, (6, 1.5)), (0, (3, 1)), "-.", (0, (1, 1)), (0, (8, 2, 1, 2)))
_GHOST_MARKERS = "osDv^*"
_MAX_CASED_LAPS = 6  # laps up to which each has a dark border

EXIT_MARKS = {
    "off_track": ("off track", style.PALETTE[0], "o"),
    "crashed": ("crashed", "#000000", "X"),
    "reversed": ("turned round", style.PALETTE[3], "<"),
    "immobilized": ("stood still", style.PALETTE[2], "s"),
    "time_up": ("out of time", style.PALETTE[4], "D"),
}
"""How an episode can end short of the finish line: its label, its color and its mark on the map."""

SECTION_M = 0.5  # of road, at least, over which exits are counted

_MAX_SECTIONS = 60
_MAX_NAMED_SECTIONS = 3  # the worst sections are named
_MIN_NAMED_FRACTION = 0.08  # of all exits, from which a section is named
_LABEL_ROOM = np.array([0.17, 0.1])  # of a track's size, for the label of a section beside it
_CELLS_ALONG_TRACK = 110  # cells of a heat map along the longer side of a track
_MANY_EXITS = 300  # from which marks are small
_LOGARITHMIC_FROM = 20.0  # steps in the fullest cell


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


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Values (Y, X) of square cells, nan where no car was, and the edges of the cells, m: `x_edges`
    (X + 1,) and `y_edges` (Y + 1,).
    """

    x_edges: Array
    y_edges: Array
    values: Array

    @property
    def cell_size(self) -> float:
        """Side of a cell, m."""
        return float(self.x_edges[1] - self.x_edges[0])


def exit_rows(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.DataFrame:
    """The rows of the given laps in which a car left the road, crashed or gave up; none of a lap
    cut off.
    """
    rows = trace.iloc[row_numbers(laps)]
    return rows[rows["episode_status"].isin(list(EXIT_MARKS))]


def draw_exits(
    trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, track: Track | None = None
) -> Axes:
    """`ax` with every place where a car left the road, crashed or gave up, marked by kind.

    Where `track` is known, sections of the road are colored by the number of exits, and the worst
    ones are labeled with their percentage of all exits and their waypoints.
    """
    exits = exit_rows(trace, laps)
    if track is not None:
        draw_track(track, ax, center=False)
        if len(exits):
            _draw_sections(exits, track, ax)
        draw_direction(track, ax)
    size, alpha = (5.0, 0.45) if len(exits) > _MANY_EXITS else (14.0, 0.8)
    for status, (label, color, marker) in EXIT_MARKS.items():
        rows = exits[exits["episode_status"] == status]
        if len(rows):
            ax.scatter(
                rows["X"],
                rows["Y"],
                s=size,
                c=color,
                marker=marker,
                alpha=alpha,
                linewidths=0,
                zorder=4,
                label=f"{label} ({len(rows):,})",
            )
    style.format_map_axes(ax)
    ax.set_title(
        f"Where cars left the track: {len(exits):,} times in {count_noun(len(laps), 'lap')}"
    )
    return style.add_legend_below(ax, 5, markerscale=1.6, handletextpad=0.2)


def draw_visits(
    trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, track: Track | None = None
) -> Axes:
    """`ax` with the number of steps that the given laps spent in each cell of the map, on a
    logarithmic scale.
    """
    rows = driving_rows(trace, laps)
    counts = bin_on_map(rows[["X", "Y"]].to_numpy(float), None, track)
    top = float(np.nanmax(counts.values, initial=1.0))
    norm = style.count_norm(top, _LOGARITHMIC_FROM)
    label = f"steps in {100.0 * counts.cell_size:.0f} cm squares"
    _draw_heat_map(counts, ax, track, norm, style.HEAT_CMAP, label)
    ax.set_title(f"Where the cars were: {count_noun(len(laps), 'lap')}, {len(rows):,} steps")
    return ax


def draw_mean_rewards(
    trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, track: Track | None = None
) -> Axes:
    """`ax` with the mean reward of a step in each cell of the map, over the steps of the given
    laps.
    """
    rows = driving_rows(trace, laps)
    means = bin_on_map(rows[["X", "Y"]].to_numpy(float), rows["reward"].to_numpy(float), track)
    low, high = style.usual_range(means.values, 1.0, 99.0)
    bottom = min(low, 0.0)
    norm = Normalize(bottom, max(high, bottom + 1e-6))
    _draw_heat_map(means, ax, track, norm, style.SPEED_CMAP, "mean reward of a step")
    ax.set_title(f"What a step was paid: {count_noun(len(laps), 'lap')}, {len(rows):,} steps")
    return ax


def bin_on_map(xy: Array, weights: Array | None, track: Track | None = None) -> HeatMap:
    """The number of points (N, 2) m in each cell, or the mean of their `weights` (N,), over the
    track or the points.
    """
    area = xy
    if track is not None:
        area = np.vstack([border_points(track), xy])
    x_edges, y_edges = _cell_edges(area)
    bins = [y_edges, x_edges]
    count = np.histogram2d(xy[:, 1], xy[:, 0], bins=bins)[0]
    values = np.where(count > 0, count, np.nan)
    if weights is not None:
        total = np.histogram2d(xy[:, 1], xy[:, 0], bins=bins, weights=weights)[0]
        values = total / values
    return HeatMap(x_edges, y_edges, values)


def _cell_edges(area: Array) -> tuple[Array, Array]:
    """Edges of square cells over the points `area` (N, 2) m, along x and along y. A cell is a
    multiple of 5 cm wide.
    """
    if not len(area):
        area = np.array([[0.0, 0.0], [1.0, 1.0]])
    low = area.min(axis=0)
    high = area.max(axis=0)
    multiple = np.ceil(20.0 * (high - low).max() / _CELLS_ALONG_TRACK)
    side = float(np.clip(multiple / 20.0, 0.05, 1.0))
    first = np.floor(low / side)
    end = np.floor(high / side) + 2.0
    return np.arange(first[0], end[0]) * side, np.arange(first[1], end[1]) * side


def _draw_heat_map(
    heat_map: HeatMap, ax: Axes, track: Track | None, norm: Normalize, cmap: str, label: str
) -> None:
    """The cells on the road, its borders above them, and a color bar."""
    if track is not None:
        draw_track(track, ax, center=False)
    image = ax.pcolormesh(
        heat_map.x_edges, heat_map.y_edges, heat_map.values, norm=norm, cmap=cmap, zorder=1.5
    )
    image.set_rasterized(True)
    if track is not None:
        draw_direction(track, ax)
    style.format_map_axes(ax)
    bar = style.add_color_bar(image, ax, label, shrink=0.8, pad=0.02, format="{x:,g}")
    if bar is None:
        return
    if isinstance(norm, LogNorm):
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    bar.minorticks_off()


def _draw_sections(exits: pd.DataFrame, track: Track, ax: Axes) -> None:
    """Pieces of the road by the number of exits, and labels for the worst."""
    exit_counts = _count_by_section(exits, track)
    section_count = len(exit_counts)
    outlines = section_outlines(track, section_count)
    with_exits = np.flatnonzero(exit_counts)
    pieces = PolyCollection(
        [outlines[k] for k in with_exits], cmap=style.HEAT_CMAP, zorder=1.5, edgecolors="none"
    )
    pieces.set_array(exit_counts[with_exits])
    pieces.set_clim(0.0, float(exit_counts.max()))
    ax.add_collection(pieces)
    length = track.length / section_count
    style.add_color_bar(pieces, ax, f"exits in {length:.1f} m of road", shrink=0.8, pad=0.02)
    worst = np.argsort(-exit_counts, kind="stable")[:_MAX_NAMED_SECTIONS]
    for k in worst:
        if exit_counts[k] >= max(2.0, _MIN_NAMED_FRACTION * len(exits)):
            ends = np.array([k, k + 0.5, k + 1]) * track.length / section_count
            _label_section(track, ends, exit_counts[k] / len(exits), ax)
    ax.autoscale_view()


def _count_by_section(exits: pd.DataFrame, track: Track) -> NDArray[np.int64]:
    """(K,) exits in each of K equal pieces of the road."""
    section_count = int(np.clip(track.length / SECTION_M, 4, _MAX_SECTIONS))
    distance = geometry.project_points(track.center, exits[["X", "Y"]].to_numpy(float))[0]
    section = (distance / track.length * section_count).astype(np.int64)
    return np.bincount(np.minimum(section, section_count - 1), minlength=section_count)


def _label_section(track: Track, ends: Array, fraction: float, ax: Axes) -> None:
    """The percentage of exits and the waypoints of a section, outside the road. `ends` are its
    start, middle and end, m of center line.
    """
    middle = geometry.point_at(track.center, ends[1:2])[0]
    border = geometry.nearest_point(track.outer, middle[None])[0]
    outward = (border - middle) / max(float(np.hypot(*(border - middle))), 1e-9)
    ax.update_datalim([border + outward * _LABEL_ROOM * np.ptp(border_points(track), axis=0)])
    first = _nearest_waypoint(track, ends[0])
    last = _nearest_waypoint(track, ends[2])
    ax.annotate(
        f"{100.0 * fraction:.0f} %\nwaypoints {first}-{last}",
        border,
        16.0 * outward,
        textcoords="offset points",
        fontsize=7.5,
        ha=_alignment(outward[0], "left", "right"),
        va=_alignment(outward[1], "bottom", "top"),
        bbox={
            "boxstyle": "round,pad=0.15",
            "facecolor": style.BACKGROUND_COLOR,
            "edgecolor": "none",
            "alpha": 0.85,
        },
        arrowprops={
            "arrowstyle": "-",
            "color": style.FAINT,
            "lw": 0.8,
            "shrinkA": 0,
            "shrinkB": 0,
        },
        zorder=6,
    )


def _nearest_waypoint(track: Track, distance: float) -> int:
    return int(np.argmin(np.abs(track.s[:-1] - distance)))


def _alignment(direction: float, positive: str, negative: str) -> str:
    """How a label is aligned that stands in a direction (-1 to 1) from its point."""
    if direction > 0.4:
        return positive
    if direction < -0.4:
        return negative
    return "center"
