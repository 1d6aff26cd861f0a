"""Pictures of many laps on the track: where cars left it, where they were, what they were paid there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from racer import geometry
from racer.plotting import style
from racer.plotting.selection import count_noun, driving_rows, row_numbers
from racer.plotting.track import (
    border_points,
    draw_direction,
    draw_track,
    name_corners,
    section_outlines,
)
from racer.track import Track, find_corners

Array = NDArray[np.float64]

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
_CELLS_ALONG_TRACK = 110  # cells of a heat map along the longer side of a track
_MANY_EXITS = 300  # from which marks are small
_LOGARITHMIC_FROM = 20.0  # steps in the fullest cell


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
        name_corners(track, draw_direction(track, ax))
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
    style.add_legend_below(ax, 5, markerscale=1.6, handletextpad=0.2)
    if track is not None and len(exits):
        _label_worst_sections(exits, track, ax)
        ax.autoscale_view()
    return ax


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
        for border in (track.inner, track.outer):
            ax.plot(*border.T, color=style.BACKGROUND_COLOR, linewidth=1.8, zorder=2.0)
            ax.plot(*border.T, color=style.INK, linewidth=1.0, zorder=2.1)
        name_corners(track, draw_direction(track, ax))
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
    ax.autoscale_view()


def _count_by_section(exits: pd.DataFrame, track: Track) -> NDArray[np.int64]:
    """(K,) exits in each of K equal pieces of the road."""
    section_count = int(np.clip(track.length / SECTION_M, 4, _MAX_SECTIONS))
    distance = geometry.project_points(track.center, exits[["X", "Y"]].to_numpy(float))[0]
    section = (distance / track.length * section_count).astype(np.int64)
    return np.bincount(np.minimum(section, section_count - 1), minlength=section_count)


def _worst_sections(exit_counts: NDArray[np.int64]) -> list[int]:
    """The sections with most exits, of neighbors only the worse one; none with few."""
    least = max(2.0, _MIN_NAMED_FRACTION * float(exit_counts.sum()))
    count = len(exit_counts)
    worst: list[int] = []
    for k in np.argsort(-exit_counts, kind="stable").tolist():
        steps = [abs(k - other) for other in worst]
        is_apart = all(min(step, count - step) > 1 for step in steps)
        if exit_counts[k] >= least and is_apart and len(worst) < _MAX_NAMED_SECTIONS:
            worst.append(k)
    return worst


def _label_worst_sections(exits: pd.DataFrame, track: Track, ax: Axes) -> None:
    """The percentage of exits and the waypoints of the worst sections, outside the road, where no
    mark and no other label is.
    """
    exit_counts = _count_by_section(exits, track)
    labels = []
    for k in _worst_sections(exit_counts):
        ends = np.array([k, k + 0.5, k + 1]) * track.length / len(exit_counts)
        labels.append(_section_label(track, ends, exit_counts[k] / len(exits)))
    marks = np.vstack([exits[["X", "Y"]].to_numpy(float), border_points(track)])
    style.draw_leader_labels(labels, marks, ax)


def _section_label(track: Track, ends: Array, fraction: float) -> style.LeaderLabel:
    """The label of a section with its start, middle and end, m of center line."""
    middle = geometry.point_at(track.center, ends[1:2])[0]
    foot = geometry.nearest_point(track.outer, middle[None])[0]
    first = _nearest_waypoint(track, ends[0])
    last = _nearest_waypoint(track, ends[2])
    corner = _corner_at(track, ends[1])
    percentage = f"{100.0 * fraction:.0f} %"
    head = f"{percentage} in {corner}" if corner else percentage
    text = f"{head}\nwaypoints {first}-{last}"
    return style.LeaderLabel(text, foot, foot - middle)


def _corner_at(track: Track, distance: float) -> str:
    """The name of the corner at a distance along the track, empty on a straight."""
    for corner in find_corners(track):
        past_start = distance - corner.start
        length = corner.end - corner.start
        if track.is_loop:
            past_start %= track.length
            length %= track.length
        if 0.0 <= past_start <= length:
            return corner.name
    return ""


def _nearest_waypoint(track: Track, distance: float) -> int:
    return int(np.argmin(np.abs(track.s[:-1] - distance)))
