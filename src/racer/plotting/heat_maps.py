"""Heat maps of a log: where laps ended, where the cars were, and what they were paid there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from racer import geometry
from racer.diagnostics.reward_map import RewardMap
from racer.plotting import style
from racer.plotting.laps import row_numbers
from racer.plotting.track import border_points, draw_direction, draw_track, section_outlines
from racer.track.track import Track

Array = NDArray[np.float64]

EXIT_MARKS = {
    "off_track": ("off track", style.PALETTE[0], "o"),
    "crashed": ("crashed", "#000000", "X"),
    "reversed": ("turned round", style.PALETTE[3], "<"),
    "immobilized": ("stood still", style.PALETTE[2], "s"),
    "time_up": ("out of time", style.PALETTE[4], "D"),
}
"""How an episode can end short of the finish line: its words, its color and its mark on the map."""

SECTION_M = 0.5  # m of road, at least, over which exits are counted
_MOST_SECTIONS = 60
_NAMED = 3  # the worst sections are named
_FEWEST = 0.08  # share of all exits from which a section is named
_ROOM = np.array([0.17, 0.1])  # of the size of a track, for the words about a section beside it
_CELLS = 110  # cells of a heat map along the longer side of a track
_STILL = ("prepare", "pause", "park")  # rows in which the car does not drive


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A heat map: edges (X + 1,), (Y + 1,) m, and value (Y, X) of each square cell, nan where no
    car was.
    """

    x: Array
    y: Array
    value: Array

    @property
    def size(self) -> float:
        """Side of a cell, m."""
        return float(self.x[1] - self.x[0])


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
    ones say their share of all exits and their waypoints.
    """
    found = exit_rows(trace, laps)
    if track is not None:
        draw_track(track, ax, center=False)
        if len(found):
            _draw_sections(found, track, ax)
        draw_direction(track, ax)
    small, faint = (5.0, 0.45) if len(found) > 300 else (14.0, 0.8)
    for status, (words, color, mark) in EXIT_MARKS.items():
        mine = found[found["episode_status"] == status]
        if len(mine):
            label = f"{words} ({len(mine):,})"
            ax.scatter(
                mine["X"],
                mine["Y"],
                s=small,
                c=color,
                marker=mark,
                alpha=faint,
                linewidths=0,
                zorder=4,
                label=label,
            )
    style.format_map_axes(ax).set_title(
        f"Where cars left the track: {len(found):,} times in {_count(laps)}"
    )
    if ax.get_legend_handles_labels()[1]:
        ax.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=5,
            markerscale=1.6,
            handletextpad=0.2,
        )
    return ax


def draw_visits(
    trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, track: Track | None = None
) -> Axes:
    """`ax` with the number of steps that the given laps spent in each cell of the map, on a
    logarithmic scale.
    """
    rows = driving_rows(trace, laps)
    counts = bin_on_map(rows[["X", "Y"]].to_numpy(float), None, track)
    top = float(np.nanmax(counts.value, initial=1.0))
    norm = LogNorm(1.0, top) if top > 20.0 else Normalize(0.0, top)
    _draw_cells(
        counts, ax, track, norm, style.HEAT_CMAP, f"steps in {100.0 * counts.size:.0f} cm squares"
    )
    ax.set_title(f"Where the cars were: {_count(laps)}, {len(rows):,} steps")
    return ax


def draw_mean_rewards(
    trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, track: Track | None = None
) -> Axes:
    """`ax` with the mean reward of a step in each cell of the map, over the steps of the given
    laps.
    """
    rows = driving_rows(trace, laps)
    paid = bin_on_map(rows[["X", "Y"]].to_numpy(float), rows["reward"].to_numpy(float), track)
    known = paid.value[np.isfinite(paid.value)]
    low, high = np.percentile(known, [1.0, 99.0]) if len(known) else (0.0, 1.0)
    norm = Normalize(min(float(low), 0.0), max(float(high), min(float(low), 0.0) + 1e-6))
    _draw_cells(paid, ax, track, norm, style.SPEED_CMAP, "mean reward of a step")
    ax.set_title(f"What a step was paid: {_count(laps)}, {len(rows):,} steps")
    return ax


def bin_on_map(xy: Array, weight: Array | None, track: Track | None = None) -> HeatMap:
    """The number of points (N, 2) m in each cell, or the mean of their weights (N,), over the track
    or the points.
    """
    area = xy if track is None else np.vstack([border_points(track), xy])
    low, high = (area.min(axis=0), area.max(axis=0)) if len(area) else (np.zeros(2), np.ones(2))
    side = float(np.clip(np.ceil(20.0 * (high - low).max() / _CELLS) / 20.0, 0.05, 1.0))
    edges = [
        np.arange(np.floor(a / side), np.floor(b / side) + 2.0) * side
        for a, b in zip(low, high, strict=True)
    ]
    count = np.histogram2d(xy[:, 1], xy[:, 0], bins=[edges[1], edges[0]])[0]
    total = (
        count
        if weight is None
        else np.histogram2d(xy[:, 1], xy[:, 0], [edges[1], edges[0]], weights=weight)[0]
    )
    value = np.full(count.shape, np.nan)
    np.divide(total, 1.0 if weight is None else count, out=value, where=count > 0)
    return HeatMap(edges[0], edges[1], value)


def driving_rows(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.DataFrame:
    """The rows of the given laps in which the car drives: not while it is held."""
    rows = trace.iloc[row_numbers(laps)]
    return rows[~rows["episode_status"].isin(_STILL)]


def _count(laps: pd.DataFrame) -> str:
    return f"{len(laps):,} lap{'' if len(laps) == 1 else 's'}"


def _draw_cells(
    found: HeatMap, ax: Axes, track: Track | None, norm: Normalize, colors: str, label: str
) -> None:
    """The cells on the road, its borders above them, and a color bar."""
    if track is not None:
        draw_track(track, ax, center=False)
    image = ax.pcolormesh(found.x, found.y, found.value, norm=norm, cmap=colors, zorder=1.5)
    image.set_rasterized(True)
    if track is not None:
        draw_direction(track, ax)
    style.format_map_axes(ax)
    if ax.figure is not None:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02, format="{x:,g}")
        if isinstance(norm, LogNorm):
            bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        bar.minorticks_off()
        bar.set_label(label)
        bar.outline.set_visible(False)


def _draw_sections(found: pd.DataFrame, track: Track, ax: Axes) -> None:
    """Pieces of the road by the number of exits, and names for the worst."""
    count = int(np.clip(track.length / SECTION_M, 4, _MOST_SECTIONS))
    place, _, _ = geometry.project_points(track.center, found[["X", "Y"]].to_numpy(float))
    number = np.minimum((place / track.length * count).astype(np.int64), count - 1)
    exits_in = np.bincount(number, minlength=count)
    outlines = section_outlines(track, count)
    hit = exits_in > 0
    heat = PolyCollection(
        [outlines[k] for k in np.flatnonzero(hit)],
        cmap=style.HEAT_CMAP,
        zorder=1.5,
        edgecolors="none",
    )
    heat.set_array(exits_in[hit])
    heat.set_clim(0.0, float(exits_in.max()))
    ax.add_collection(heat)
    style.add_color_bar(
        heat, ax, f"exits in {track.length / count:.1f} m of road", shrink=0.8, pad=0.02
    )
    for k in np.argsort(-exits_in, kind="stable")[:_NAMED]:
        if exits_in[k] >= max(2.0, _FEWEST * len(found)):
            _name_section(track, k, count, exits_in[k] / len(found), ax)
    ax.autoscale_view()


def _name_section(track: Track, k: int, count: int, share: float, ax: Axes) -> None:
    """The share of exits and the waypoints of a section, outside the road."""
    ends = np.array([k, k + 0.5, k + 1]) * track.length / count
    middle = geometry.point_at(track.center, ends[1:2])[0]
    border = geometry.nearest_point(track.outer, middle[None])[0]
    away = (border - middle) / max(float(np.hypot(*(border - middle))), 1e-9)
    ax.update_datalim([border + away * _ROOM * np.ptp(border_points(track), axis=0)])
    first, last = (int(np.argmin(np.abs(track.s[:-1] - end))) for end in ends[[0, 2]])
    words = f"{100.0 * share:.0f} %\nwaypoints {first}-{last}"
    ax.annotate(
        words, border, 16.0 * away, textcoords="offset points", fontsize=7.5,
        ha="left" if away[0] > 0.4 else "right" if away[0] < -0.4 else "center",
        va="bottom" if away[1] > 0.4 else "top" if away[1] < -0.4 else "center",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": style.BACKGROUND_COLOR, "edgecolor": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": style.FAINT, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}, zorder=6,
    )  # fmt: skip


DIVERGING_CMAP = "PuOr"
CLIPPED_PERCENT = 0.5  # % of the places at either end that the color scale leaves out
SLICE_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))  # so that cuts that are alike are all seen
MAX_ARROWS = 260  # at most, where headings are shown


def reward_map_figure(
    found: RewardMap, track: Track, title: str, *, is_difference: bool = False, arrows: bool = False
) -> Figure:
    """A figure of the surface on the track with a color bar, and of the slices below it."""
    unit = "difference of rewards" if is_difference else "reward"
    with style.style_context():
        wide, high = np.ptp(np.vstack([track.inner, track.outer]), axis=0)
        tall = float(np.clip(7.6 * high / max(wide, 1e-9), 2.6, 8.0))
        figure = Figure(figsize=(9.6, tall + 3.0))
        parts: Any = figure.subfigures(2, 1, height_ratios=[tall + 0.4, 2.6])
        top, bottom = parts
        ax = top.subplots()
        style.format_map_axes(ax)
        image: Any = draw_reward_map_on_track(
            found, track, ax, is_difference=is_difference
        ).collections[0]
        if arrows:
            draw_best_headings(found, ax)
        ax.set_title(title)
        top.colorbar(image, ax=ax, label=unit, shrink=0.85, extend=_extend(found, image.norm))
        along, across = bottom.subplots(1, 2, width_ratios=[1.7, 1.0], sharey=True)
        draw_slice_along(found, along, unit)
        draw_slices_across(found, across)
    return figure


def draw_reward_map_on_track(
    found: RewardMap, track: Track, ax: Axes, *, is_difference: bool = False
) -> Axes:
    """`ax` with the prices (its first collection, a `QuadMesh`), the borders of the road and its
    start line; m.
    """
    norm = reward_color_range(found, is_difference)
    colors = DIVERGING_CMAP if is_difference else style.SPEED_CMAP
    image = ax.pcolormesh(
        found.x, found.y, found.price, norm=norm, cmap=colors, shading="nearest", zorder=1
    )
    image.set_rasterized(True)
    for line in (track.inner, track.outer):
        ax.plot(*line.T, color="white", linewidth=2.2, zorder=2)
        ax.plot(*line.T, color=style.INK, linewidth=1.0, zorder=3)
    ends = np.concatenate(
        [geometry.nearest_point(line, track.center[:1]) for line in (track.inner, track.outer)]
    )
    ax.plot(*ends.T, color=style.START_COLOR, linewidth=2.4, zorder=4)
    ax.grid(False)
    return ax


def draw_best_headings(found: RewardMap, ax: Axes) -> Axes:
    """`ax` with arrows where the car looks for the prices shown, at some of the places on the road."""
    rows, columns = np.nonzero(found.on_road)
    step = max(1, int(np.ceil(np.sqrt(len(rows) / MAX_ARROWS))))
    some = (rows % step == 0) & (columns % step == 0)
    yaw = found.yaw[rows[some], columns[some]]
    ax.quiver(
        found.x[columns[some]], found.y[rows[some]], np.cos(yaw), np.sin(yaw),
        color="white", edgecolor=style.INK, linewidth=0.4, scale=46, width=0.0032, pivot="mid", zorder=5,
    )  # fmt: skip
    return ax


def draw_slice_along(found: RewardMap, ax: Axes, unit: str) -> Axes:
    """`ax` with the prices along the center line, over the distance from the start line, m."""
    ax.plot(found.along.at, found.along.price, color=style.INK)
    ax.set_title("along the center line")
    ax.set_xlabel("distance from the start line (m)")
    ax.set_ylabel(unit)
    ax.set_xlim(0.0, found.along.at[-1])
    return ax


def draw_slices_across(found: RewardMap, ax: Axes) -> Axes:
    """`ax` with the prices across the road at the chosen waypoints, over the offset from the center
    line, m.
    """
    for one, dashes in zip(found.across, cycle(SLICE_DASHES)):
        ax.plot(-one.at, one.price, label=one.name, linestyle=dashes)
    ax.set_title("across the road")
    ax.set_xlabel("left  ·  offset from the center line (m)  ·  right")
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    if found.across:
        ax.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none")
    return ax


def reward_color_range(found: RewardMap, is_difference: bool) -> Normalize:
    """The color scale: nearly all prices, and for a difference the same to both sides of 0."""
    known = found.price[np.isfinite(found.price)]
    low, high = (
        np.percentile(known, [CLIPPED_PERCENT, 100.0 - CLIPPED_PERCENT])
        if len(known)
        else (0.0, 1.0)
    )
    if is_difference:
        reach = float(max(abs(low), abs(high))) or 1.0
        return TwoSlopeNorm(0.0, -reach, reach)
    return Normalize(float(low), float(high) if high > low else float(low) + 1.0)


def _extend(found: RewardMap, norm: Normalize) -> str:
    """At which ends of the color bar there are prices beyond it."""
    below = bool(np.nanmin(found.price) < (norm.vmin or 0.0))
    above = bool(np.nanmax(found.price) > (norm.vmax or 0.0))
    return {
        (False, False): "neither",
        (True, False): "min",
        (False, True): "max",
        (True, True): "both",
    }[below, above]
