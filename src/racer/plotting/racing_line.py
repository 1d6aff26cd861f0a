"""Pictures of racing lines: on the road by speed, with corners and braking points, and the speed
along the lap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from racer import geometry
from racer.plotting import style
from racer.plotting.track import border_points, draw_direction, draw_track
from racer.raceline.lap_bound import Passage
from racer.raceline.minimum_time import RacingLine
from racer.sim.state import State
from racer.track.track import Track

Array = NDArray[np.float64]

BRAKE_COLOR = style.PALETTE[5]

_LINE_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": style.PALETTE[0]},
    {"color": style.FAINT, "linestyle": (0, (5, 2))},
    {"color": style.FAINT, "linestyle": ":"},
)
"""Of the line that the figure is about, and of those beside it."""


def draw_racing_line(track: Track, line: RacingLine, passages: list[Passage], ax: Axes) -> Axes:
    """`ax` with a line on its road, colored by speed, its corners named and a mark where braking
    begins.
    """
    draw_direction(track, draw_track(track, ax, center=False))
    xy = np.vstack([line.xy, line.xy[:1]]) if line.is_loop else line.xy
    segments = style.line_segments(xy)
    lines = style.add_colored_lines(
        ax,
        segments,
        line.speed[: len(segments)],
        width=2.4,
        casing_width=3.4,
        capstyle="round",
    )
    _mark_braking(line, passages, ax)
    _name_corners(track, passages, ax)
    style.format_map_axes(ax)
    style.add_color_bar(lines, ax, "speed (m/s)", shrink=0.8, pad=0.02)
    return ax


def draw_speed_profiles(
    track: Track,
    lines: dict[str, RacingLine],
    passages: list[Passage],
    ax: Axes,
    rows: State | None = None,
) -> Axes:
    """`ax` with the speed of up to three lines, m/s, over the distance from the start line, m; and
    that of the last lap in the `rows` of a drive.
    """
    for look, (name, line) in zip(_LINE_LOOKS, lines.items(), strict=False):
        order = np.argsort(line.s_center, kind="stable")
        label = f"{name}, {line.lap_time:.2f} s"
        ax.plot(line.s_center[order], line.speed[order], label=label, **look)
    if rows is not None:
        _draw_driven_speed(rows, ax)
    for passage in passages:
        ax.axvline(passage.corner.apex, color=style.FAINT, linewidth=0.6, zorder=0)
        ax.text(
            passage.corner.apex,
            1.0,
            passage.name,
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=7,
        )
    ax.set_xlim(0.0, track.length)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("distance from the start line (m)")
    ax.set_ylabel("speed (m/s)")
    ax.legend(ncols=4, loc="upper left", bbox_to_anchor=(0.0, -0.3), borderaxespad=0.0)
    return ax


def racing_line_figure(
    track: Track,
    title: str,
    lines: dict[str, RacingLine],
    passages: list[Passage],
    rows: State | None = None,
) -> Figure:
    """A figure about the first of `lines`: the map, and the speeds of all along the lap, and of a
    drive's `rows`.
    """
    line = next(iter(lines.values()))
    width, height = style.map_figure_size(border_points(track), 9.0, 1.6)
    with style.style_context():
        figure = Figure(figsize=(width, height + 2.4))
        map_ax, speed_ax = figure.subplots(2, 1, height_ratios=[height, 1.9])
        draw_racing_line(track, line, passages, map_ax).set_title(title)
        draw_speed_profiles(track, lines, passages, speed_ax, rows)
    return figure


def _draw_driven_speed(rows: State, ax: Axes) -> None:
    lap = rows[rows["episode_laps"] == rows["episode_laps"].max()]
    order = np.argsort(lap["s"], kind="stable")
    ax.plot(
        lap["s"][order],
        np.hypot(lap["vx"], lap["vy"])[order],
        ".",
        color=style.PALETTE[1],
        markersize=3.5,
        label="driven, a dot a step",
    )


def _mark_braking(line: RacingLine, passages: list[Passage], ax: Axes) -> None:
    """A mark at the point of the line that is nearest to where braking begins, for each passage
    that needs it.
    """
    points = []
    for passage in passages:
        if np.isfinite(passage.brake):
            points.append(int(np.argmin(np.abs(line.s_center - passage.brake))))
    if not points:
        return
    ax.plot(
        *line.xy[points].T,
        marker="D",
        color=BRAKE_COLOR,
        zorder=5,
        label="braking begins",
        markersize=6.5,
        markeredgecolor=style.BACKGROUND_COLOR,
        markeredgewidth=0.8,
        linestyle="none",
    )
    style.add_legend_above(ax)


def _name_corners(track: Track, passages: list[Passage], ax: Axes) -> None:
    """The names of corners, on the outside of each."""
    gap = 0.75 * float(np.median(track.width)) + 0.012 * float(np.ptp(track.outer, axis=0).max())
    for passage in passages:
        corner = passage.corner
        around = corner.apex + np.array([0.0, 0.1, -0.1])
        apex, ahead, behind = geometry.point_at(track.center, np.clip(around, 0.0, track.length))
        forward = (ahead - behind) / max(float(np.hypot(*(ahead - behind))), 1e-9)
        left = np.array([-forward[1], forward[0]])
        x, y = apex - np.sign(corner.angle) * gap * left
        ax.text(
            x, y, passage.name, fontsize=8, fontweight="bold", ha="center", va="center", zorder=6
        )
