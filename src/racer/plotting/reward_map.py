"""Pictures of what a reward pays: all over a track, and for drivers beside the clock."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from racer.diagnostics import RewardMap, RewardScore
from racer.drivers import Drive
from racer.plotting import style
from racer.plotting.track import border_points, start_line
from racer.track import Track

DIVERGING_CMAP = "PuOr"
CLIPPED_PERCENT = 0.5  # of the places, at either end, that the color scale leaves out
MAX_ARROWS = 260  # about so many, where headings are shown

_SLICE_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))  # so that slices that are alike are all seen

TOO_WELL_COLOR = style.PALETTE[5]
TOO_LITTLE_COLOR = style.PALETTE[0]
ABOUT_RIGHT_COLOR = style.FAINT

CLEAR_RANKS = 3.0  # by which pay must differ from the clock for a line to stand out


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
        figure = style.NotebookFigure(figsize=(9.6, map_height + 3.0))
        parts: Any = figure.subfigures(2, 1, height_ratios=[map_height + 0.4, 2.6])
        top, bottom = parts
        ax = style.format_map_axes(top.subplots())
        draw_reward_map(reward_map, track, ax, is_difference=is_difference)
        image: Any = ax.collections[0]
        if arrows:
            draw_headings(reward_map, ax)
        ax.set_title(title)
        norm = image.norm
        ends = style.beyond_ends(reward_map.price, norm.vmin or 0.0, norm.vmax or 0.0)
        top.colorbar(image, ax=ax, label=unit, shrink=0.85, extend=ends)
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


def rank_figure(scores: Sequence[RewardScore], track: str = "") -> Figure:
    """A figure with a line a driver from its rank by the clock to its ranks by pay.

    One reward is shown at all its discount factors, several at the one of the verdict.
    """
    first = scores[0]
    columns: list[tuple[str, np.ndarray]] = []
    if len(scores) == 1:
        about = Path(first.reward).stem
        for gamma in first.gammas:
            columns.append((f"at gamma {gamma:g}", first.pay_ranks(gamma)))
    else:
        about = f"pay at gamma {first.gamma:g}"
        for score in scores:
            columns.append((Path(score.reward).stem, score.pay_ranks()))
    with style.style_context():
        figure = style.NotebookFigure(
            figsize=(3.4 + 1.5 * len(columns), 0.8 + 0.34 * len(first.drives))
        )
        ax = draw_ranks(first, columns, figure.subplots())
        ax.set_title(f"Clock and pay: {about}{', ' if track else ''}{track}")
    return figure


def draw_ranks(score: RewardScore, columns: Sequence[tuple[str, np.ndarray]], ax: Axes) -> Axes:
    """`ax` with the drivers of a score, best on top: by the clock on the left, then by each of
    `columns`, a heading and ranks (D,).

    A line stands out where a driver is paid better than it is, by three ranks or more, or worse.
    """
    for k, drive in enumerate(score.drives):
        ranks = [rank[k] for _, rank in columns]
        _draw_driver(drive, score.clock_ranks[k], ranks, ax)
    for color, label in (
        (TOO_WELL_COLOR, "paid too well"),
        (TOO_LITTLE_COLOR, "paid too little"),
        (ABOUT_RIGHT_COLOR, "about right"),
    ):
        ax.plot([], [], color=color, linewidth=2.2, label=label)
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=3, handlelength=1.4)
    ax.set_xticks(
        np.arange(len(columns) + 1), ["by the clock", *(heading for heading, _ in columns)]
    )
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.set_xlim(-0.15, len(columns) + 0.15)
    ax.set_ylim(len(score.drives) + 0.6, 0.4)
    ax.grid(axis="y", visible=False)
    ax.spines[:].set_visible(False)
    return ax


def _draw_driver(drive: Drive, clock_rank: float, pay_ranks: list[float], ax: Axes) -> None:
    """A driver's line from its rank by the clock to its ranks by pay, with its name and time."""
    previous = clock_rank
    for column, rank in enumerate(pay_ranks, 1):
        color = _gain_color(clock_rank - rank)
        width = 1.2 if color == ABOUT_RIGHT_COLOR else 2.2
        ax.plot(
            [column - 1, column], [previous, rank], color=color, linewidth=width, zorder=1 + width
        )
        ax.plot(column, rank, "o", color=color, markersize=5, zorder=5)
        previous = rank
    ax.plot(0, clock_rank, "o", color=style.INK, markersize=4, zorder=5)
    if np.isnan(drive.lap_time):
        result = f"{drive.completion:.0f} %"
    else:
        result = f"{drive.lap_time:.1f} s"
    ax.annotate(
        f"{drive.name}  {result}",
        (0.0, clock_rank),
        (-8, 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )


def _gain_color(gain: float) -> str:
    """The color of a driver that is paid `gain` ranks better than it drives."""
    if gain >= CLEAR_RANKS:
        return TOO_WELL_COLOR
    if gain <= -CLEAR_RANKS:
        return TOO_LITTLE_COLOR
    return ABOUT_RIGHT_COLOR
