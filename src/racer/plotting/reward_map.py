"""Pictures of what a reward function pays all over a track: on the map, along the center line and
across the road.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from racer.diagnostics import RewardMap
from racer.plotting import style
from racer.plotting.track import border_points, start_line
from racer.track import Track

DIVERGING_CMAP = "PuOr"
CLIPPED_PERCENT = 0.5  # of the places, at either end, that the color scale leaves out
MAX_ARROWS = 260  # about so many, where headings are shown

_SLICE_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))  # so that slices that are alike are all seen


def reward_map_figure(
    reward_map: RewardMap,
    track: Track,
    title: str,
    *,
    is_difference: bool = False,
    arrows: bool = False,
) -> Figure:
    """A figure of the rewards on the track with a color bar, and of the slices below it.

    `is_difference` says that the map is one reward less another, `arrows` that headings are shown.
    """
    unit = "difference of rewards" if is_difference else "reward"
    with style.style_context():
        map_height = style.map_height(border_points(track), 7.6, 2.6, 8.0)
        figure = style.Picture(figsize=(9.6, map_height + 3.0))
        parts: Any = figure.subfigures(2, 1, height_ratios=[map_height + 0.4, 2.6])
        top, bottom = parts
        ax = style.format_map_axes(top.subplots())
        draw_reward_map(reward_map, track, ax, is_difference=is_difference)
        image: Any = ax.collections[0]
        if arrows:
            draw_headings(reward_map, ax)
        ax.set_title(title)
        top.colorbar(image, ax=ax, label=unit, shrink=0.85, extend=_extend(reward_map, image.norm))
        along, across = bottom.subplots(1, 2, width_ratios=[1.7, 1.0], sharey=True)
        draw_slice_along(reward_map, along, unit)
        draw_slices_across(reward_map, across)
    return figure


def draw_reward_map(
    reward_map: RewardMap, track: Track, ax: Axes, *, is_difference: bool = False
) -> Axes:
    """`ax` with the rewards (its first collection, a `QuadMesh`), the borders of the road and its
    start line; m.
    """
    image = ax.pcolormesh(
        reward_map.x,
        reward_map.y,
        reward_map.price,
        norm=reward_norm(reward_map, is_difference),
        cmap=DIVERGING_CMAP if is_difference else style.SPEED_CMAP,
        shading="nearest",
        zorder=1,
    )
    image.set_rasterized(True)
    for border in (track.inner, track.outer):
        ax.plot(*border.T, color="white", linewidth=2.2, zorder=2)
        ax.plot(*border.T, color=style.INK, linewidth=1.0, zorder=3)
    ax.plot(*start_line(track).T, color=style.START_COLOR, linewidth=2.4, zorder=4)
    ax.grid(False)
    return ax


def draw_headings(reward_map: RewardMap, ax: Axes) -> Axes:
    """`ax` with arrows where the car looks for the rewards shown, at some of the places on the
    road.
    """
    rows, columns = np.nonzero(reward_map.on_road)
    every = max(1, int(np.ceil(np.sqrt(len(rows) / MAX_ARROWS))))
    has_arrow = (rows % every == 0) & (columns % every == 0)
    rows = rows[has_arrow]
    columns = columns[has_arrow]
    yaw = reward_map.yaw[rows, columns]
    ax.quiver(
        reward_map.x[columns],
        reward_map.y[rows],
        np.cos(yaw),
        np.sin(yaw),
        color="white",
        edgecolor=style.INK,
        linewidth=0.4,
        scale=46,
        width=0.0032,
        pivot="mid",
        zorder=5,
    )
    return ax


def draw_slice_along(reward_map: RewardMap, ax: Axes, unit: str) -> Axes:
    """`ax` with the rewards along the center line, over the distance from the start line, m."""
    along = reward_map.along
    ax.plot(along.at, along.price, color=style.INK)
    ax.set_title("along the center line")
    ax.set_xlabel("distance from the start line (m)")
    ax.set_ylabel(unit)
    ax.set_xlim(0.0, along.at[-1])
    return ax


def draw_slices_across(reward_map: RewardMap, ax: Axes) -> Axes:
    """`ax` with the rewards across the road at the chosen waypoints, over the offset from the center
    line, m.
    """
    for across, dashes in zip(reward_map.across, cycle(_SLICE_DASHES)):
        ax.plot(-across.at, across.price, label=across.name, linestyle=dashes)
    ax.set_title("across the road")
    ax.set_xlabel("left  ·  offset from the center line (m)  ·  right")
    ax.xaxis.set_major_formatter(lambda offset, _: f"{abs(offset):g}")
    if reward_map.across:
        ax.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none")
    return ax


def reward_norm(reward_map: RewardMap, is_difference: bool) -> Normalize:
    """The color scale: nearly all rewards, and for a difference as far to both sides of 0."""
    low, high = style.usual_range(reward_map.price, CLIPPED_PERCENT, 100.0 - CLIPPED_PERCENT)
    if is_difference:
        reach = max(abs(low), abs(high)) or 1.0
        return TwoSlopeNorm(0.0, -reach, reach)
    if high <= low:
        high = low + 1.0
    return Normalize(low, high)


def _extend(reward_map: RewardMap, norm: Normalize) -> str:
    """At which ends of the color bar there are rewards beyond it."""
    is_beyond_below = bool(np.nanmin(reward_map.price) < (norm.vmin or 0.0))
    is_beyond_above = bool(np.nanmax(reward_map.price) > (norm.vmax or 0.0))
    return {
        (False, False): "neither",
        (True, False): "min",
        (False, True): "max",
        (True, True): "both",
    }[is_beyond_below, is_beyond_above]
