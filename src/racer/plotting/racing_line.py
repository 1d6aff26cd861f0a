"""Pictures of racing lines: on the road by speed, with corners and braking points, and the speed
along the lap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from racer import geometry
from racer.plotting import style
from racer.plotting.track import draw_direction, draw_track
from racer.raceline.lap_bound import Passage
from racer.raceline.minimum_time import RacingLine
from racer.sim.state import State
from racer.track.track import Track

Array = NDArray[np.float64]

DRIVEN_COLOR, BRAKE_COLOR = style.PALETTE[7], style.PALETTE[5]


def draw_racing_line(track: Track, line: RacingLine, passages: list[Passage], ax: Axes) -> Axes:
    """`ax` with a line on its road, colored by speed, its corners named and a mark where braking
    begins.
    """
    draw_direction(track, draw_track(track, ax, center=False))
    ring = np.vstack([line.xy, line.xy[:1]]) if line.is_loop else line.xy
    segments = np.stack([ring[:-1], ring[1:]], axis=1)
    ax.add_collection(
        LineCollection(
            list(segments), colors=style.INK, linewidths=3.4, zorder=2.9, capstyle="round"
        )
    )
    colored = LineCollection(
        list(segments), cmap=style.SPEED_CMAP, linewidths=2.4, zorder=3, capstyle="round"
    )
    colored.set_array(line.speed[: len(segments)])
    ax.add_collection(colored)
    _mark_braking(line, passages, ax)
    _name_corners(track, passages, ax)
    style.format_map_axes(ax)
    style.add_color_bar(colored, ax, "speed (m/s)", shrink=0.8, pad=0.02)
    return ax


def draw_speed_profiles(
    track: Track,
    lines: dict[str, RacingLine],
    passages: list[Passage],
    ax: Axes,
    rows: State | None = None,
) -> Axes:
    """`ax` with the speed of lines, m/s, over the distance from the start line, m; and that of a
    drive's last lap.
    """
    looks = (
        {"color": style.PALETTE[0]},
        {"color": style.FAINT, "linestyle": (0, (5, 2))},
        {"color": style.FAINT, "linestyle": ":"},
    )
    for look, (name, line) in zip(looks, lines.items(), strict=False):
        order = np.argsort(line.place, kind="stable")
        ax.plot(
            line.place[order], line.speed[order], label=f"{name}, {line.lap_time:.2f} s", **look
        )  # type: ignore[arg-type]
    if rows is not None:
        lap = rows[rows["episode_laps"] == rows["episode_laps"].max()]
        order = np.argsort(lap["s"], kind="stable")
        speed = np.hypot(lap["vx"], lap["vy"])
        ax.plot(
            lap["s"][order],
            speed[order],
            ".",
            color=style.PALETTE[1],
            markersize=3.5,
            label="driven, a dot a step",
        )
    for one in passages:
        ax.axvline(one.corner.apex, color=style.FAINT, linewidth=0.6, zorder=0)
        ax.text(
            one.corner.apex,
            1.0,
            one.name,
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
    wide, high = style.map_figure_size(np.vstack([track.inner, track.outer]), 9.0, 1.6)
    figure = Figure(figsize=(wide, high + 2.4))
    road, speeds = figure.subplots(2, 1, height_ratios=[high, 1.9])
    draw_racing_line(track, line, passages, road).set_title(title)
    draw_speed_profiles(track, lines, passages, speeds, rows)
    return figure


def _mark_braking(line: RacingLine, passages: list[Passage], ax: Axes) -> None:
    points = [
        int(np.argmin(np.abs(line.place - one.brake))) for one in passages if np.isfinite(one.brake)
    ]
    look: dict[str, Any] = {
        "markersize": 6.5,
        "markeredgecolor": style.BACKGROUND_COLOR,
        "markeredgewidth": 0.8,
        "linestyle": "none",
    }
    if points:
        ax.plot(
            *line.xy[points].T,
            marker="D",
            color=BRAKE_COLOR,
            zorder=5,
            label="braking begins",
            **look,
        )
        style.legend_above(ax)


def _name_corners(track: Track, passages: list[Passage], ax: Axes) -> None:
    """The names of corners, on the outside of each."""
    apexes = geometry.point_at(track.center, np.array([one.corner.apex for one in passages]))
    away = 0.75 * float(np.median(track.width)) + 0.012 * float(np.ptp(track.outer, axis=0).max())
    for one, spot in zip(passages, apexes, strict=True):
        ahead, behind = geometry.point_at(
            track.center, np.clip(one.corner.apex + np.array([0.1, -0.1]), 0.0, track.length)
        )
        along = (ahead - behind) / max(float(np.hypot(*(ahead - behind))), 1e-9)
        left = np.array([-along[1], along[0]])
        x, y = spot - np.sign(one.corner.angle) * away * left
        ax.text(x, y, one.name, fontsize=8, fontweight="bold", ha="center", va="center", zorder=6)
